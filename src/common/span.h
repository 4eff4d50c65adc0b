/*
 * span - text as pointer and length, never NUL-terminated, borrowed unless said.
 *
 * Process: any.  May include: common/base.h.  Owns nothing.
 *
 * Lengths instead of terminators are a security rule here: a name with an
 * embedded NUL must compare unequal to the name before the NUL.
 */
#ifndef COMMON_SPAN_H
#define COMMON_SPAN_H

#include <string.h>

#include "common/base.h"

struct span {
	const char *p;
	size_t len;
};

#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })
#define SPAN_NONE ((struct span){ NULL, 0 })

/* For printf's "%.*s". */
#define SPAN_FMT(s) (int)(s).len, (s).p

static inline struct span span_of(const void *p, size_t len)
{
	return (struct span){ (const char *)p, len };
}

static inline struct span span_str(const char *s)
{
	return (struct span){ s, s ? strlen(s) : 0 };
}

/* Behind the last byte; NULL for SPAN_NONE, to which nothing may be added. */
static inline const char *span_end(struct span s)
{
	return s.len ? s.p + s.len : s.p;
}

/* The part of s from `from` on; empty when from is past the end. */
static inline struct span span_from(struct span s, size_t from)
{
	return from < s.len ? (struct span){ s.p + from, s.len - from } : (struct span){ span_end(s), 0 };
}

static inline struct span span_head(struct span s, size_t len)
{
	return (struct span){ s.p, len < s.len ? len : s.len };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Equal but for the case of ASCII letters: n bytes at either. */
bool bytes_ieq(const char *a, const char *b, size_t n);

/* Likewise.  Most of what is compared differs in length. */
static inline bool span_ieq(struct span a, struct span b)
{
	return a.len == b.len && bytes_ieq(a.p, b.p, a.len);
}

/* s begins with / ends in `part`, without regard to ASCII case. */
static inline bool span_istarts(struct span s, struct span part)
{
	return s.len >= part.len && bytes_ieq(s.p, part.p, part.len);
}

static inline bool span_iends(struct span s, struct span part)
{
	return s.len >= part.len && bytes_ieq(s.p + (s.len - part.len), part.p, part.len);
}

/* Without blanks (SP, HTAB) at both ends. */
static inline struct span span_trim(struct span s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = span_from(s, 1);
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Index of the first c in s, or s.len. */
static inline size_t span_find(struct span s, char c)
{
	const char *hit = s.len ? (const char *)memchr(s.p, c, s.len) : NULL;

	return hit ? (size_t)(hit - s.p) : s.len;
}

/*
 * Cut *rest at the first `sep`: *head gets what stands before it, *rest what
 * stands behind.  Without a sep *head is all and *rest is SPAN_NONE (p NULL).
 * False when *rest is SPAN_NONE already.
 */
MUST_USE bool span_cut(struct span *rest, char sep, struct span *head);

/* 1*DIGIT up to `max`; anything else is false and leaves *out untouched. */
MUST_USE bool span_u64(struct span s, uint64_t max, uint64_t *out);

/* Edit distance without regard to ASCII case, to tell what was probably meant; of `b` at most 255 bytes count. */
unsigned span_distance(struct span a, struct span b);

/* Copy lower-cased to dst (at least s.len bytes). */
void span_lower(struct span s, char *dst);

#endif
