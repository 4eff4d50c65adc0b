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

bool bytes_ieq(const char *a, const char *b, size_t n)
{
	if (n >= 8) {
		for (size_t i = 0; n - i > 8; i += 8)
			if (!words_ieq(load_8(a + i), load_8(b + i)))
				return false;
		/* The rest once more with bytes before it, rather than one by one. */
		return words_ieq(load_8(a + n - 8), load_8(b + n - 8));
	}
	if (n >= 4)
		return words_ieq(load_4_to_8(a, n), load_4_to_8(b, n));
	for (size_t i = 0; i < n; i++)
		if (ascii_lower(a[i]) != ascii_lower(b[i]))
			return false;
	return true;
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
