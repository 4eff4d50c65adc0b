#include "common/sip/chars.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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
#define SCHEME(c) (ALNUM(c) || (c) == '+' || (c) == '-' || (c) == '.')
#define PHONE(c) (HEX(c) || (c) == '*' || (c) == '#' || (c) == '-' || (c) == '.' || (c) == '(' || (c) == ')')

#define CLASSES(c)                                                                                                     \
	(uint16_t)((ALPHA(c) ? CHAR_ALPHA : 0) | (DIGIT(c) ? CHAR_DIGIT : 0) | (HEX(c) ? CHAR_HEX : 0) |               \
		   (TOKEN(c) ? CHAR_TOKEN : 0) | (USER(c) ? CHAR_USER : 0) | (PASSWORD(c) ? CHAR_PASSWORD : 0) |       \
		   (PARAM(c) ? CHAR_PARAM : 0) | (URI_HEADER(c) ? CHAR_URI_HEADER : 0) |                               \
		   (ALNUM(c) || (c) == '-' || (c) == '.' ? CHAR_HOST : 0) | (WORD(c) ? CHAR_WORD : 0) |                \
		   (QUOTED(c) ? CHAR_QUOTED : 0) | (ADDR(c) ? CHAR_ADDR : 0) | (SCHEME(c) ? CHAR_SCHEME : 0) |         \
		   (PHONE(c) ? CHAR_PHONE : 0) | ((c) == ' ' || (c) == '\t' ? CHAR_BLANK : 0) |                        \
		   (ODD(c) ? CHAR_ODD : 0))
#define ROW4(c) CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)
#define ROW64(c) ROW16(c), ROW16((c) + 16), ROW16((c) + 32), ROW16((c) + 48)

const uint16_t char_classes[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};

static bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

const char *chars_control(const char *p, const char *end, bool *high)
{
	unsigned char any = 0;

#ifdef __SSE2__
	const __m128i last = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
	unsigned top = 0;

	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(x, last), x);
		__m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), low), _mm_cmpeq_epi8(x, del));
		unsigned mask = (unsigned)_mm_movemask_epi8(bad);

		top |= (unsigned)_mm_movemask_epi8(x);
		if (mask) {
			*high |= top != 0;
			return p + __builtin_ctz(mask);
		}
	}
	*high |= top != 0;
#endif
	for (; p < end && !is_control((unsigned char)*p); p++)
		any |= (unsigned char)*p;
	*high |= any >= 0x80;
	return p;
}

const char *chars_line_end(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');

	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(x, cr), _mm_cmpeq_epi8(x, lf)));

		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && *p != '\r' && *p != '\n')
		p++;
	return p;
}
