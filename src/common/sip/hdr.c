#include "common/sip/hdr.h"

#include "common/sip/chars.h"

/* Longer than every name that can be asked for; longer readings match none. */
#define READING_MAX 64

static const struct {
	struct span name;
	char compact;
	unsigned flags;
} rows[HDR_COUNT] = {
#define HDR(id, name, compact, flags) [HDR_##id] = {{name, sizeof(name) - 1}, compact, flags},
#include "common/sip/hdr.def"
#undef HDR
};

static enum hdr_id compact_lookup(char c)
{
	switch (c | 0x20) {
#define COMPACT(id, c)                                                                                                 \
	case c:                                                                                                        \
		return HDR_##id
		COMPACT(VIA, 'v');
		COMPACT(FROM, 'f');
		COMPACT(TO, 't');
		COMPACT(CALL_ID, 'i');
		COMPACT(CONTENT_LENGTH, 'l');
		COMPACT(CONTENT_TYPE, 'c');
		COMPACT(CONTACT, 'm');
#undef COMPACT
	default:
		return HDR_OTHER;
	}
}

/* The names once more, so that each compare below is one with constants. */
#define HDR(id, name, compact, flags) static const char name_##id[] = name;
#include "common/sip/hdr.def"
#undef HDR

/* n bytes at p, n a power of two. */
static inline uint64_t load(const char *p, size_t n)
{
	uint64_t x = 0;
	uint32_t four;
	uint16_t two;

	if (n == 8) {
		memcpy(&x, p, 8);
		return x;
	}
	if (n == 4) {
		memcpy(&four, p, 4);
		return four;
	}
	memcpy(&two, p, 2);
	return two;
}

/*
 * Equal but for case.  Names in hdr.def are letters and '-' only, and of these
 * just the letters have bit 6: where it is set bit 5 does not count.
 */
static inline bool same(const char *p, const char *name, size_t n)
{
	uint64_t x = load(p, n), want = load(name, n);

	return ((x ^ want) & ~((want & UINT64_C(0x4040404040404040)) >> 1)) == 0;
}

/* n is the length of both, at least 2, and known when this is compiled: words that overlap cover it. */
static inline __attribute__((always_inline)) bool is(const char *p, const char *name, size_t n)
{
	size_t word = n >= 8 ? 8 : n >= 4 ? 4 : 2;

	if (n > 16 && !same(p + 8, name + 8, 8))
		return false;
	return same(p, name, word) && same(p + n - word, name + n - word, word);
}

#define IS(id) is(name.p, name_##id, sizeof(name_##id) - 1) ? HDR_##id

/* clang-format off */
/* Each row of hdr.def stands here under its length; the unit test asks for every one of them. */
enum hdr_id hdr_lookup(struct span name)
{
	switch (name.len) {
	case 1:
		return char_is(name.p[0], CHAR_ALPHA) ? compact_lookup(name.p[0]) : HDR_OTHER;
	case 2:
		return IS(TO) : HDR_OTHER;
	case 3:
		return IS(VIA) : HDR_OTHER;
	case 4:
		return IS(FROM) : IS(CSEQ) : HDR_OTHER;
	case 5:
		return IS(ROUTE) : HDR_OTHER;
	case 7:
		return IS(CALL_ID) : IS(CONTACT) : IS(PRIVACY) : HDR_OTHER;
	case 11:
		return IS(MAX_BREADTH) : HDR_OTHER;
	case 12:
		return IS(MAX_FORWARDS) : IS(CONTENT_TYPE) : IS(RECORD_ROUTE) : HDR_OTHER;
	case 13:
		return IS(PROXY_REQUIRE) : HDR_OTHER;
	case 14:
		return IS(CONTENT_LENGTH) : HDR_OTHER;
	case 19:
		return IS(PROXY_AUTHORIZATION) : IS(P_ASSERTED_IDENTITY) : HDR_OTHER;
	default:
		return HDR_OTHER;
	}
}
/* clang-format on */

struct span hdr_name(enum hdr_id id)
{
	return id == HDR_OTHER ? SPAN("") : rows[id].name;
}

unsigned hdr_flags(enum hdr_id id)
{
	return rows[id].flags;
}

bool hdr_set_has(const struct hdr_set *set, struct span name)
{
	if (!(set->filter >> (name.len & 63) & 1))
		return false;
	for (size_t i = 0; i < set->count; i++)
		if (span_ieq(name, set->name[i]))
			return true;
	return false;
}

/* What a reader that folds Unicode takes for an ASCII character: hyphens, full-width forms, long s ... */
static const struct lookalike {
	char bytes[4];
	char last_high; /* the last byte may be anything from bytes' to this */
	char reading;	/* '+': counts up with the last byte from first */
	char first;
} lookalikes[] = {
    {"\xc2\xad", '\xad', '-', 0},	/* U+00AD */
    {"\xc4\xb0", '\xb1', 'i', 0},	/* U+0130, U+0131 */
    {"\xc5\xbf", '\xbf', 's', 0},	/* U+017F */
    {"\xe2\x80\x90", '\x95', '-', 0},	/* U+2010 to U+2015 */
    {"\xe2\x84\xaa", '\xaa', 'k', 0},	/* U+212A */
    {"\xe2\x88\x92", '\x92', '-', 0},	/* U+2212 */
    {"\xef\xb9\x98", '\x98', '-', 0},	/* U+FE58 */
    {"\xef\xb9\xa3", '\xa3', '-', 0},	/* U+FE63 */
    {"\xef\xbc\x8d", '\x8d', '-', 0},	/* U+FF0D */
    {"\xef\xbc\x90", '\x99', '+', '0'}, /* full-width digits */
    {"\xef\xbc\xa1", '\xba', '+', 'a'}, /* full-width capitals */
    {"\xef\xbc\xbf", '\xbf', '-', 0},	/* full-width low line */
    {"\xef\xbd\x81", '\x9a', '+', 'a'}, /* full-width small letters */
};

/* One look-alike at p: its reading, or 0.  *len gets its bytes. */
static char lookalike_read(const char *p, size_t left, size_t *len)
{
	for (size_t i = 0; i < ARRAY_LEN(lookalikes); i++) {
		const struct lookalike *l = &lookalikes[i];
		size_t n = strlen(l->bytes);
		unsigned char low = (unsigned char)l->bytes[n - 1];

		if (left < n || memcmp(p, l->bytes, n - 1) != 0)
			continue;
		if ((unsigned char)p[n - 1] < low || (unsigned char)p[n - 1] > (unsigned char)l->last_high)
			continue;
		*len = n;
		return l->reading == '+' ? (char)(l->first + ((unsigned char)p[n - 1] - low)) : l->reading;
	}
	return 0;
}

static unsigned hex_value(char c)
{
	return char_is(c, CHAR_DIGIT) ? (unsigned)(c - '0') : (unsigned)(ascii_lower(c) - 'a' + 10);
}

static char ascii_read(unsigned char c)
{
	if (c == '_')
		return '-';
	return c < 0x80 && char_is((char)c, CHAR_ALPHA | CHAR_DIGIT) ? ascii_lower((char)c) : c == '-' ? '-' : 0;
}

/*
 * What lenient readers make of the character at p: a lower-case letter, digit
 * or '-', or 0 when they drop it.  *len gets the bytes it takes.  Some readers
 * decode percent escapes and others do not, so `decode` is for the caller to vary.
 */
static char lenient_read(const char *p, size_t left, bool decode, size_t *len)
{
	*len = 1;
	if (decode && left >= 3 && *p == '%' && char_is(p[1], CHAR_HEX) && char_is(p[2], CHAR_HEX)) {
		*len = 3;
		return ascii_read((unsigned char)(hex_value(p[1]) << 4 | hex_value(p[2])));
	}
	if ((unsigned char)*p >= 0x80)
		return lookalike_read(p, left, len);
	return ascii_read((unsigned char)*p);
}

static size_t lenient(struct span name, bool decode, char *out, size_t cap)
{
	size_t n = 0;
	size_t len;

	for (size_t i = 0; i < name.len && n < cap; i += len) {
		char c = lenient_read(name.p + i, name.len - i, decode, &len);

		if (c)
			out[n++] = c;
	}
	return n;
}

size_t hdr_lenient(struct span name, char *out, size_t cap)
{
	return lenient(name, true, out, cap);
}

/* Is this reading, all in lower case, a CONFUSE row of hdr.def or in the set? */
static bool reading_matches(const struct hdr_set *set, struct span reading)
{
	enum hdr_id id = reading.len ? hdr_lookup(reading) : HDR_OTHER;

	return (rows[id].flags & HDR_F_CONFUSE) || hdr_set_has(set, reading);
}

bool hdr_confusing(const struct hdr_set *set, struct span name)
{
	char out[READING_MAX];

	if (name.len == 0 || reading_matches(set, name))
		return false;
	return reading_matches(set, span_of(out, lenient(name, true, out, sizeof(out)))) ||
	       reading_matches(set, span_of(out, lenient(name, false, out, sizeof(out))));
}

/* Progress through a line in search of names behind line breaks that only some readers know. */
struct hidden {
	char last[READING_MAX]; /* what was read lately, the newest at the end */
	uint64_t breaks;	/* bit n: a break stood before the last n characters of `last` */
};

static void hidden_read(struct hidden *h, char c)
{
	memmove(h->last, h->last + 1, sizeof(h->last) - 1);
	h->last[sizeof(h->last) - 1] = c;
	h->breaks <<= 1;
}

/* At a colon: is what stands between some break and here a name? */
static bool hidden_name(const struct hidden *h, const struct hdr_set *set)
{
	for (uint64_t left = h->breaks & ~UINT64_C(1); left; left &= left - 1) {
		size_t n = (size_t)__builtin_ctzll(left);

		if (reading_matches(set, span_of(h->last + sizeof(h->last) - n, n)))
			return true;
	}
	return false;
}

/* The bytes of a line break at p that is none to us: 0x85 (U+0085 ends with it too), U+2028, U+2029; 0: none. */
static size_t break_len(const char *p, size_t left)
{
	if (*p == '\x85')
		return 1;
	if (left >= 3 && p[0] == '\xe2' && p[1] == '\x80' && (p[2] == '\xa8' || p[2] == '\xa9'))
		return 3;
	return 0;
}

static bool hides(const struct hdr_set *set, struct span text, bool decode)
{
	struct hidden h = {.breaks = 0};
	size_t len;

	for (size_t i = 0; i < text.len; i += len) {
		size_t left = text.len - i;
		char c;

		len = break_len(text.p + i, left);
		if (len) {
			h.breaks |= 1;
			continue;
		}
		if (text.p[i] == ':') {
			if (hidden_name(&h, set))
				return true;
			h.breaks &= 1; /* an empty name: some readers go on to the next colon */
			len = 1;
			continue;
		}
		c = lenient_read(text.p + i, left, decode, &len);
		if (c)
			hidden_read(&h, c);
		if (text.p[i + len - 1] == '\x85')
			h.breaks |= 1; /* the tail of a look-alike, for readers of single bytes */
	}
	return false;
}

bool hdr_hidden(const struct hdr_set *set, struct span text)
{
	return hides(set, text, true) || hides(set, text, false);
}
