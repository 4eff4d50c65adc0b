#include "common/sip/chars.h"

#define ALPHA(c) (((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z'))
#define DIGIT(c) ((c) >= '0' && (c) <= '9')
#define ALNUM(c) (ALPHA(c) || DIGIT(c))
#define HEX(c) (DIGIT(c) || ((c) >= 'A' && (c) <= 'F') || ((c) >= 'a' && (c) <= 'f'))

#define ODD(c)                                                                                                         \
	((c) == '.' || (c) == '!' || (c) == '%' || (c) == '*' || (c) == '_' || (c) == '+' || (c) == '`' ||             \
	 (c) == '\'' || (c) == '~')
#define TOKEN(c) (ALNUM(c) || (c) == '-' || ODD(c))
#define MARK(c)                                                                                                        \
	((c) == '-' || (c) == '_' || (c) == '.' || (c) == '!' || (c) == '~' || (c) == '*' || (c) == '\'' ||            \
	 (c) == '(' || (c) == ')')
#define UNRESERVED(c) (ALNUM(c) || MARK(c))
#define PASSWORD(c) (UNRESERVED(c) || (c) == '&' || (c) == '=' || (c) == '+' || (c) == '$' || (c) == ',')
#define USER(c) (PASSWORD(c) || (c) == ';' || (c) == '?' || (c) == '/')
#define PARAM(c)                                                                                                       \
	(UNRESERVED(c) || (c) == '[' || (c) == ']' || (c) == '/' || (c) == ':' || (c) == '&' || (c) == '+' ||          \
	 (c) == '$')
#define URI_HEADER(c)                                                                                                  \
	(UNRESERVED(c) || (c) == '[' || (c) == ']' || (c) == '/' || (c) == '?' || (c) == ':' || (c) == '+' ||          \
	 (c) == '$')
#define WORD(c)                                                                                                        \
	(TOKEN(c) || (c) == '(' || (c) == ')' || (c) == '<' || (c) == '>' || (c) == ':' || (c) == '\\' ||              \
	 (c) == '"' || (c) == '/' || (c) == '[' || (c) == ']' || (c) == '?' || (c) == '{' || (c) == '}')
#define QUOTED(c) (((c) >= 0x20 && (c) != '"' && (c) != '\\' && (c) != 0x7f) || (c) == '\t')
#define ADDR(c)                                                                                                        \
	((c) > 0x20 && (c) < 0x7f && (c) != ',' && (c) != ';' && (c) != '?' && (c) != '<' && (c) != '>' && (c) != '"')
#define OTHER(c) ((c) > 0x20 && (c) < 0x7f && (c) != '<' && (c) != '>' && (c) != '"' && (c) != '%')
#define SCHEME(c) (ALNUM(c) || (c) == '+' || (c) == '-' || (c) == '.')
#define PHONE(c) (HEX(c) || (c) == '*' || (c) == '#' || (c) == '-' || (c) == '.' || (c) == '(' || (c) == ')')

#define CLASSES(c)                                                                                                     \
	(uint32_t)((ALPHA(c) ? CHAR_ALPHA : 0) | (DIGIT(c) ? CHAR_DIGIT : 0) | (HEX(c) ? CHAR_HEX : 0) |               \
		   (TOKEN(c) ? CHAR_TOKEN : 0) | (USER(c) ? CHAR_USER : 0) | (PASSWORD(c) ? CHAR_PASSWORD : 0) |       \
		   (PARAM(c) ? CHAR_PARAM : 0) | (URI_HEADER(c) ? CHAR_URI_HEADER : 0) |                               \
		   (ALNUM(c) || (c) == '-' ? CHAR_LABEL : 0) | (WORD(c) ? CHAR_WORD : 0) |                             \
		   (QUOTED(c) ? CHAR_QUOTED : 0) | (ADDR(c) ? CHAR_ADDR : 0) | (SCHEME(c) ? CHAR_SCHEME : 0) |         \
		   (PHONE(c) ? CHAR_PHONE : 0) | ((c) == ' ' || (c) == '\t' ? CHAR_BLANK : 0) |                        \
		   (ODD(c) ? CHAR_ODD : 0) | (OTHER(c) ? CHAR_OTHER : 0))
#define ROW4(c) CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)
#define ROW64(c) ROW16(c), ROW16((c) + 16), ROW16((c) + 32), ROW16((c) + 48)

const uint32_t char_classes[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};

#ifdef __SSE2__
/* 16 bytes at p: their control bytes; *high collects those of 0x80 and more. */
static inline uint64_t scan_16(const char *p, unsigned *high)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i low = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20)); /* signed: bytes of 0x80 and more, too */
	__m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t'));
	__m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
	unsigned top = (unsigned)_mm_movemask_epi8(x);

	*high |= top;
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del)) & ~top;
}
#endif

/* A block of fewer than 64 bytes; where it can it looks again at bytes before the rest, rather than one by one. */
static uint64_t scan_short(const struct chars_scan *scan, size_t n, unsigned *high)
{
	uint64_t controls = 0;
	size_t i = 0;

#ifdef __SSE2__
	for (; n - i >= 16; i += 16)
		controls |= scan_16(scan->block + i, high) << i;
	if (n >= 16)
		return controls | scan_16(scan->block + n - 16, high) << (n - 16);
	if (scan->block - scan->start >= 16)
		return scan_16(scan->block + n - 16, high) >> (16 - n);
#endif
	for (; i < n; i++) {
		unsigned char c = (unsigned char)scan->block[i];

		controls |= (uint64_t)((c < 0x20 && c != '\t') || c == 0x7f) << i;
		*high |= c & 0x80;
	}
	return controls;
}

#ifdef __SSE2__
static inline uint64_t scan_64(const char *p, unsigned *high)
{
	return scan_16(p, high) | scan_16(p + 16, high) << 16 | scan_16(p + 32, high) << 32 |
	       scan_16(p + 48, high) << 48;
}
#endif

bool chars_scan_block(struct chars_scan *scan)
{
	size_t n = MIN((size_t)(scan->end - scan->next), (size_t)64);
	unsigned high = 0;

	if (n == 0)
		return false;
	scan->block = scan->next;
	scan->next += n;
#ifdef __SSE2__
	if (n == 64)
		scan->controls = scan_64(scan->block, &high);
	else
#endif
		scan->controls = scan_short(scan, n, &high);
	scan->block_high = high != 0;
	scan->high |= scan->block_high;
	return true;
}
