/* hdr: every name of the table is found, none that merely resembles one is, and what a lenient reader would take is told. */
#include <criterion/criterion.h>

#include "common/sip/hdr.h"
#include "support/guard.h"

static const struct span identity_names[] = {
	{ "p-asserted-identity", 19 },
	{ "p-preferred-identity", 20 },
	{ "x_odd.name", 10 },
};
static const struct hdr_set identity = {
	identity_names, ARRAY_LEN(identity_names), UINT64_C(1) << 19 | UINT64_C(1) << 20 | UINT64_C(1) << 10
};

static struct span guarded(const char *text)
{
	return guard_copy(text, strlen(text));
}

Test(hdr, every_row_is_found_in_any_case)
{
	char other[64];

	for (int id = HDR_OTHER + 1; id < HDR_COUNT; id++) {
		struct span name = hdr_name((enum hdr_id)id);

		cr_assert_eq(hdr_lookup(guard_copy(name.p, name.len)), (enum hdr_id)id, "%.*s", SPAN_FMT(name));
		span_lower(name, other);
		cr_assert_eq(hdr_lookup(span_of(other, name.len)), (enum hdr_id)id, "lower %.*s", SPAN_FMT(name));
		for (size_t i = 0; i < name.len; i++)
			if (other[i] != '-')
				other[i] = (char)(other[i] & ~0x20);
		cr_assert_eq(hdr_lookup(span_of(other, name.len)), (enum hdr_id)id, "upper %.*s", SPAN_FMT(name));
	}
	cr_assert_eq(hdr_name(HDR_OTHER).len, 0);
}

Test(hdr, a_name_with_one_bit_changed_is_another)
{
	char other[64];

	for (int id = HDR_OTHER + 1; id < HDR_COUNT; id++) {
		struct span name = hdr_name((enum hdr_id)id);

		memcpy(other, name.p, name.len);
		for (size_t i = 0; i < name.len; i++)
			for (unsigned bit = 0; bit < 8; bit++) {
				bool same_letter = bit == 5 && name.p[i] != '-';

				other[i] = (char)(name.p[i] ^ (1 << bit));
				cr_assert_eq(hdr_lookup(span_of(other, name.len)) == (enum hdr_id)id, same_letter,
				    "%.*s", SPAN_FMT(name));
				other[i] = name.p[i];
			}
	}
}

Test(hdr, compact_forms)
{
	static const struct {
		const char *name;
		enum hdr_id want;
	} rows[] = {
		{ "v", HDR_VIA }, { "F", HDR_FROM }, { "t", HDR_TO }, { "I", HDR_CALL_ID }, { "l", HDR_CONTENT_LENGTH },
		{ "L", HDR_CONTENT_LENGTH }, { "c", HDR_CONTENT_TYPE }, { "m", HDR_CONTACT }, { "s", HDR_OTHER },
		{ "p", HDR_OTHER }, { "\x16", HDR_OTHER }, { "\x0c", HDR_OTHER }, { "", HDR_OTHER }, { "vv", HDR_OTHER },
	};
#define HDR(id, name, compact, flags) + ((compact) != 0)
	int compact_rows = 0
#include "common/sip/hdr.def"
	    ;
#undef HDR
	int found = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(hdr_lookup(guarded(rows[i].name)), rows[i].want, "'%s'", rows[i].name);
	for (int c = 'a'; c <= 'z'; c++) {
		char name = (char)c;

		found += hdr_lookup(span_of(&name, 1)) != HDR_OTHER;
	}
	cr_assert_eq(found, compact_rows, "each compact form of hdr.def, and no other letter");
}

Test(hdr, set_is_asked_in_full)
{
	cr_assert(hdr_set_has(&identity, SPAN("P-Asserted-Identity")));
	cr_assert(hdr_set_has(&identity, SPAN("p-PREFERRED-identity")));
	cr_assert(!hdr_set_has(&identity, SPAN("P-Asserted-Identit")));
	cr_assert(!hdr_set_has(&identity, SPAN("P-Asserted-Identitz")));
	cr_assert(!hdr_set_has(&identity, SPAN("X-Asserted-Identity")));
	cr_assert(!hdr_set_has(&identity, SPAN("")));
}

Test(hdr, lenient_reading)
{
	static const struct {
		const char *why, *name, *want;
	} rows[] = {
		{ "as it is", "P-Asserted-Identity", "p-asserted-identity" },
		{ "low line", "P_Asserted_Identity", "p-asserted-identity" },
		{ "percent escape", "P-Asserted%2DIdentity", "p-asserted-identity" },
		{ "escaped letter", "C%6fntact", "contact" },
		{ "no escape", "a%zzb", "azzb" },
		{ "escape cut short", "ab%2", "ab2" },
		{ "controls and blanks", "P-Asserted\x01 -Identity\t", "p-asserted-identity" },
		{ "other token characters", "l~!.*'`+", "l" },
		{ "U+2010", "P\xe2\x80\x90" "Asserted", "p-asserted" },
		{ "U+00AD", "P\xc2\xad" "A", "p-a" },
		{ "U+017F", "A\xc5\xbf\xc5\xbf" "erted", "asserted" },
		{ "U+212A", "\xe2\x84\xaa", "k" },
		{ "full width", "\xef\xbc\xb0\xef\xbc\x8d\xef\xbd\x81\xef\xbc\x91", "p-a1" },
		{ "other UTF-8", "a\xc3\xa4\xe2\x82\xac" "b", "ab" },
		{ "UTF-8 cut short", "a\xe2\x80", "a" },
	};
	char out[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = hdr_lenient(guarded(rows[i].name), out, sizeof(out));

		cr_assert(span_eq(span_of(out, n), span_str(rows[i].want)), "%s: %.*s", rows[i].why, (int)n, out);
	}
	cr_assert_eq(hdr_lenient(SPAN("abcdef"), out, 3), 3, "cut to cap");
}

Test(hdr, confusing_names)
{
	static const struct {
		const char *name;
		bool want;
	} rows[] = {
		{ "P_Asserted_Identity", true }, { "P-Asserted%2DIdentity", true }, { "P%2dAsserted%2dIdentity", true },
		{ "P-Preferr%ed-Identity", true }, /* only readers that do not decode */
		{ "P-Asserted-Identity!", true }, { "Content_Length", true }, { "Content-Length~", true },
		{ "C%6Fntent-Length", true }, { "l~", true }, { "%6c", true }, { "~L", true },
		{ "P-Asserted-Identity", false }, { "Content-Length", false }, { "l", false }, { "L", false },
		{ "ContentLength", false }, { "PAssertedIdentity", false }, { "X-P-Asserted-Identity", false },
		{ "P-Asserted-Identity-2", false }, { "F_rom", false }, { "C%6Fntact", false }, { "", false }, { "!", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(hdr_confusing(&identity, guarded(rows[i].name)), rows[i].want, "%s", rows[i].name);
}

Test(hdr, hidden_headers)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{ "Subject: a\x85P-Asserted-Identity: x", true },
		{ "Subject: a\xc2\x85P-Asserted-Identity : x", true },
		{ "Subject: a\xe2\x80\xa8p-asserted-identity:x", true },
		{ "Subject: a\xe2\x80\xa9  P_Preferred_Identity\t:x", true },
		{ "Subject: a\x85P-Asserted-Identity", false },
		{ "Subject: a P-Asserted-Identity: x", false },
		{ "Subject: a\xe2\x80\xa7P-Asserted-Identity: x", false },
		{ "Subject: a\x85l:5", true },
		{ "Subject: a\x85" "Content-Length: 5", true },
		{ "Subject: \x85" "Foo: \x85P-Asserted-Identity: x", true },
		{ "Subject: \x85" "Foo: P-Asserted-Identity: x", false },
		{ "Subject: \x85 : P-Asserted-Identity: x", true }, /* an empty name, then the next colon */
		{ "Subject: \x85junk\x85P-Asserted-Identity: x", true },
		{ "Subject: \xe2\x80\xa8P-Asserted\x85-Identity: x", true }, /* the second break is none to some */
		{ "Subject: \x85P-Asserted%2dIdentity: x", true },
		{ "Subject: \x85P-Preferr%ed-Identity: x", true },
		{ "Subject: \x85\xef\xbc\xb0-Asserted-Identity: x", true },
		{ "Subject: \xef\xbd\x85P-Asserted-Identity: x", true }, /* a full-width e ends in 0x85 */
		{ "Subject: \xd1\x85P-Asserted-Identity: x", true },	 /* and so does a Cyrillic letter */
		{ "Subject: \xd1\x85\xd0\xbe: \xd0\xb4", false },
		{ "", false },
		{ "\x85", false },
		{ "\x85:", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(hdr_hidden(&identity, guarded(rows[i].text)), rows[i].want, "row %zu", i);
}

/* Padding of any length that lenient readers drop hides nothing. */
Test(hdr, hidden_behind_padding)
{
	char text[5000];

	memset(text, ' ', sizeof(text));
	text[0] = '\x85';
	memcpy(text + sizeof(text) - 20, "P-Asserted-Identity:", 20);
	cr_assert(hdr_hidden(&identity, guard_copy(text, sizeof(text))));
	memset(text, 'a', sizeof(text));
	text[0] = '\x85';
	cr_assert(!hdr_hidden(&identity, guard_copy(text, sizeof(text))));
}
