/*
 * chars - the character classes of SIP's grammar, and runs of them.
 *
 * Process: any.  May include: common/base.h, common/span.h.  Owns nothing.  Pure.
 *
 * One table for all parsers under sip/, so that no two of them can differ on
 * what a token is.  RFC 3261 25.1, RFC 3966 3, RFC 2396 3.1.
 */
#ifndef COMMON_SIP_CHARS_H
#define COMMON_SIP_CHARS_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/base.h"
#include "common/span.h"

enum char_class {
	CHAR_ALPHA = 0x1,
	CHAR_DIGIT = 0x2,
	CHAR_HEX = 0x4,
	CHAR_TOKEN = 0x8,
	CHAR_USER = 0x10,	/* user part of a SIP URI, '%' not included */
	CHAR_PASSWORD = 0x20,	/* likewise */
	CHAR_PARAM = 0x40,	/* paramchar of a URI parameter, '%' not included */
	CHAR_URI_HEADER = 0x80, /* hname and hvalue, '%' not included */
	CHAR_LABEL = 0x100,	/* letters, digits and '-' */
	CHAR_WORD = 0x200,	/* word of a Call-ID */
	CHAR_QUOTED = 0x400,	/* qdtext; bytes of UTF-8 included */
	CHAR_ADDR = 0x800,	/* what an addr-spec without brackets may hold: printable, no blank , ; ? < > " */
	CHAR_SCHEME = 0x1000,
	CHAR_PHONE = 0x2000,  /* phonedigit-hex: digits, hex letters, * # and visual separators */
	CHAR_BLANK = 0x4000,  /* SP, HTAB */
	CHAR_ODD = 0x8000,    /* token characters other than letters, digits and '-' */
	CHAR_OTHER = 0x10000, /* a URI of another scheme, '%' not included */
};

extern const uint32_t char_classes[256];

static inline bool char_is(char c, unsigned classes)
{
	return char_classes[(unsigned char)c] & classes;
}

/* The first byte in [p, end) that is in none of the classes, or end. */
static inline const char *chars_run(const char *p, const char *end, unsigned classes)
{
	for (; end - p >= 4; p += 4) {
		if (!char_is(p[0], classes))
			return p;
		if (!char_is(p[1], classes))
			return p + 1;
		if (!char_is(p[2], classes))
			return p + 2;
		if (!char_is(p[3], classes))
			return p + 3;
	}
	while (p < end && char_is(*p, classes))
		p++;
	return p;
}

/* Likewise, '%' and two hex digits counting as one character of the class. */
static inline const char *chars_run_escaped(const char *p, const char *end, unsigned classes)
{
	for (;;) {
		p = chars_run(p, end, classes);
		if (end - p < 3 || *p != '%' || !char_is(p[1], CHAR_HEX) || !char_is(p[2], CHAR_HEX))
			return p;
		p += 3;
	}
}

static inline const char *chars_blanks(const char *p, const char *end)
{
	while (p < end && char_is(*p, CHAR_BLANK))
		p++;
	return p;
}

static inline struct span chars_span(const char *from, const char *to)
{
	return span_of(from, (size_t)(to - from));
}

/*
 * A walk over the control bytes (below 0x20 but not HTAB, and 0x7F) of a text,
 * 64 bytes of which are looked at together.
 */
struct chars_scan {
	const char *block; /* those 64 bytes, or fewer at the end */
	const char *next;  /* behind them */
	const char *start, *end;
	uint64_t controls; /* bit n: block[n] is one, and not yet told */
	bool block_high;   /* the block, or a little before it, holds bytes of 0x80 or more */
	bool high;	   /* it, or one since the caller set this back to block_high, does */
};

static inline struct chars_scan chars_scan_of(const char *p, const char *end)
{
	return (struct chars_scan){.block = p, .next = p, .start = p, .end = end};
}

/* Look at the next block; false at the end of the text. */
MUST_USE bool chars_scan_block(struct chars_scan *scan);

/* The next control byte, or the end. */
static inline const char *chars_scan_control(struct chars_scan *scan)
{
	const char *hit;

	while (scan->controls == 0)
		if (!chars_scan_block(scan))
			return scan->end;
	hit = scan->block + __builtin_ctzll(scan->controls);
	scan->controls &= scan->controls - 1;
	return hit;
}

/* The first c in [p, end), or end; meant for one that is near. */
static inline const char *chars_near(const char *p, const char *end, char c)
{
#ifdef __SSE2__
	const __m128i want = _mm_set1_epi8(c);

	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, want));

		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && *p != c)
		p++;
	return p;
}

#endif
