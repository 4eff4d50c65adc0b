#include "common/span.h"

#define BYTES(c) (UINT64_C(0x0101010101010101) * (c))

/* Bit 5 of each byte that is an ASCII letter. */
static uint64_t case_bits(uint64_t x)
{
	uint64_t low = (x | BYTES(0x20)) & BYTES(0x7f);
	uint64_t from_a = low + BYTES(0x80 - 'a');
	uint64_t above_z = low + BYTES(0x7f - 'z');

	return (from_a & ~above_z & ~x & BYTES(0x80)) >> 2;
}

static bool words_ieq(uint64_t x, uint64_t y)
{
	return x == y || ((x ^ y) & ~case_bits(y)) == 0;
}

static uint64_t load_8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* Four to eight bytes: the first four and the last four, which may overlap. */
static uint64_t load_4_to_8(const char *p, size_t len)
{
	uint32_t first, last;

	memcpy(&first, p, sizeof(first));
	memcpy(&last, p + len - sizeof(last), sizeof(last));
	return first | (uint64_t)last << 32;
}

bool span_ieq(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	if (a.len >= 8) {
		for (size_t i = 0; a.len - i > 8; i += 8)
			if (!words_ieq(load_8(a.p + i), load_8(b.p + i)))
				return false;
		/* The rest once more with bytes before it, rather than one by one. */
		return words_ieq(load_8(a.p + a.len - 8), load_8(b.p + b.len - 8));
	}
	if (a.len >= 4)
		return words_ieq(load_4_to_8(a.p, a.len), load_4_to_8(b.p, b.len));
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

bool span_istarts(struct span s, struct span part)
{
	return s.len >= part.len && span_ieq(span_head(s, part.len), part);
}

bool span_iends(struct span s, struct span part)
{
	return s.len >= part.len && span_ieq(span_from(s, s.len - part.len), part);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
	while (s.len && is_blank(s.p[0]))
		s = span_from(s, 1);
	while (s.len && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

size_t span_find(struct span s, char c)
{
	const char *hit = s.len ? memchr(s.p, c, s.len) : NULL;

	return hit ? (size_t)(hit - s.p) : s.len;
}

bool span_cut(struct span *rest, char sep, struct span *head)
{
	size_t at;

	if (rest->p == NULL)
		return false;
	at = span_find(*rest, sep);
	*head = span_head(*rest, at);
	*rest = at < rest->len ? span_from(*rest, at + 1) : SPAN_NONE;
	return true;
}

bool span_u64(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || MUL_OVERFLOWS(n, (uint64_t)10, &n) || ADD_OVERFLOWS(n, (uint64_t)digit, &n))
			return false;
	}
	if (n > max)
		return false;
	*out = n;
	return true;
}

unsigned span_distance(struct span a, struct span b)
{
	unsigned row[256];
	size_t n = MIN(b.len, ARRAY_LEN(row) - 1);

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			unsigned up = row[j], best = diagonal + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]));

			best = MIN(best, MIN(up, row[j - 1]) + 1);
			diagonal = up;
			row[j] = best;
		}
	}
	return row[n];
}

void span_lower(struct span s, char *dst)
{
	for (size_t i = 0; i < s.len; i++)
		dst[i] = ascii_lower(s.p[i]);
}
