#include "common/span.h"

bool span_ieq(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
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

void span_lower(struct span s, char *dst)
{
	for (size_t i = 0; i < s.len; i++)
		dst[i] = ascii_lower(s.p[i]);
}
