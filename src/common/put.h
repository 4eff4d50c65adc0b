/*
 * put - write text into room that may turn out too small, and ask once, at the end.
 *
 * Process: any.  May include: common/base.h, common/span.h.  Owns nothing.  Pure.
 */
#ifndef COMMON_PUT_H
#define COMMON_PUT_H

#include "common/base.h"
#include "common/span.h"

struct put {
	char *start, *p; /* p: where the next byte goes */
	const char *end;
	bool full; /* something did not fit: what was written is worth nothing */
};

static inline struct put put_into(char *out, size_t cap)
{
	return (struct put){ .start = out, .p = out, .end = out + cap };
}

static inline void put_span(struct put *o, struct span s)
{
	if (unlikely(s.len > (size_t)(o->end - o->p))) {
		o->full = true;
		return;
	}
	if (s.len)
		memcpy(o->p, s.p, s.len);
	o->p += s.len;
}

static inline void put_char(struct put *o, char c)
{
	put_span(o, span_of(&c, 1));
}

static inline void put_lower(struct put *o, struct span s)
{
	if (unlikely(s.len > (size_t)(o->end - o->p))) {
		o->full = true;
		return;
	}
	span_lower(s, o->p);
	o->p += s.len;
}

static inline void put_uint(struct put *o, uint64_t n)
{
	char digit[20];
	size_t at = sizeof(digit);

	do
		digit[--at] = (char)('0' + n % 10);
	while (n /= 10);
	put_span(o, span_of(digit + at, sizeof(digit) - at));
}

static inline void put_hex(struct put *o, uint64_t n)
{
	char digit[16];

	for (size_t at = sizeof(digit); at-- > 0; n >>= 4)
		digit[at] = "0123456789abcdef"[n & 15];
	put_span(o, span_of(digit, sizeof(digit)));
}

/* What was written; empty when it did not fit. */
static inline struct span put_done(const struct put *o)
{
	return o->full ? span_of(o->start, 0) : span_of(o->start, (size_t)(o->p - o->start));
}

#endif
