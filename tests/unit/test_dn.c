/*
 * dn: which texts are names, which name each of them is, and what is said
 * about those that are none.  To add a case, add a row.  Names out of
 * certificates are test_facts'.
 */
#include <criterion/criterion.h>

#include "common/dn.h"
#include "support/guard.h"

struct text_row {
	const char *why;
	const char *text;
	const char *want; /* the canonical form, printed */
};

static const struct text_row texts[] = {
	{ "one attribute", "CN=a", "CN=a" },
	{ "RFC 4514", "CN=sip.example.net,O=Example,C=DE", "CN=sip.example.net,O=example,C=de" },
	{ "blanks behind commas", "CN=a, O=b,  C=c", "CN=a,O=b,C=c" },
	{ "blanks around everything", "  CN = a , O =  b\t", "CN=a,O=b" },
	{ "runs of blanks inside are one", "O=A  b \t c", "O=a b c" },
	{ "escaped blanks at the ends are trimmed as X509_NAME_cmp does", "O=\\ a\\ ", "O=a" },
	{ "semicolons (RFC 2253)", "CN=a;O=b", "CN=a,O=b" },
	{ "keywords in any case", "cn=a,Ou=b,emailADDRESS=c", "CN=a,OU=b,emailAddress=c" },
	{ "long keywords", "commonName=a,organizationName=b,countryName=c", "CN=a,O=b,C=c" },
	{ "S is ST", "S=a", "ST=a" },
	{ "E and Email are emailAddress", "E=a,Email=b", "emailAddress=a,emailAddress=b" },
	{ "mail is another attribute than emailAddress", "mail=a", "mail=a" },
	{ "surname and serialNumber by their names", "surname=a,serialNumber=b", "surname=a,serialNumber=b" },
	{ "dotted OID of a known type", "2.5.4.3=a", "CN=a" },
	{ "dotted OID with its old prefix", "OID.2.5.4.10=a,oid.2.5.4.3=b", "O=a,CN=b" },
	{ "dotted OID of an unknown type", "1.2.3.4=a", "1.2.3.4=a" },
	{ "large arcs", "2.999.18446744073709551535=a", "2.999.18446744073709551535=a" },
	{ "multi-valued, in the order of bytes", "O=b+CN=a", "CN=a+O=b" },
	{ "multi-valued, blanks", "CN=a + O=b, C=c", "CN=a+O=b,C=c" },
	{ "the same attribute twice", "OU=a,OU=b,OU=a", "OU=a,OU=b,OU=a" },
	{ "escaped specials", "CN=\\,\\+\\\"\\\\\\<\\>\\;\\=\\#", "CN=\\,\\+\\\"\\\\\\<\\>\\;\\=#" },
	{ "a sharp at the beginning stays escaped", "CN=\\#a", "CN=\\#a" },
	{ "an equals sign needs no escape", "CN=a=b", "CN=a\\=b" },
	{ "hex pairs", "CN=\\41\\c3\\A4", "CN=a\xc3\xa4" },
	{ "a hex pair wins over an escaped character", "CN=\\20a", "CN=a" },
	{ "UTF-8 as it is", "O=M\xc3\xbcller", "O=m\xc3\xbcller" },
	{ "only ASCII is folded", "O=\xc3\x84", "O=\xc3\x84" },
	{ "quoted", "O=\"a, b+c\",CN=d", "O=a\\, b\\+c,CN=d" },
	{ "quoted, blanks behind", "O=\"a\" ,CN=d", "O=a,CN=d" },
	{ "quoted, with escapes", "O=\"a\\\"\\2Cb\"", "O=a\\\"\\,b" },
	{ "quoted angle brackets", "O=\"<a>\"", "O=\\<a\\>" },
	{ "empty value", "CN=,O=a", "CN=,O=a" },
	{ "empty value, in quotes", "CN=\"\"", "CN=" },
	{ "blank value is an empty one", "CN=  ", "CN=" },
	{ "hex: a PrintableString compares as text", "CN=#13034162 63", NULL },
	{ "hex: PrintableString", "CN=#1303416263", "CN=abc" },
	{ "hex: BMPString", "CN=#1e0400410062", "CN=ab" },
	{ "hex: blanks behind", "CN=#13016 1", NULL },
	{ "hex: blanks before the comma", "CN=#130161 ,O=b", "CN=a,O=b" },
	{ "hex: NumericString stays DER", "CN=#12023132", "CN=#12023132" },
	{ "hex: lower case digits", "CN=#0c01c3", NULL },
	{ "hex: an INTEGER", "CN=#02010a", "CN=#02010A" },
	{ "controls come out as hex", "CN=a\x01\x7f", "CN=a\\01\\7F" },
	{ "C1 controls too: some readers end a line there", "CN=a\xc2\x85" "b", "CN=a\\C2\\85b" },
	{ "slash form", "/C=c/O=b/CN=a", "CN=a,O=b,C=c" },
	{ "slash form: a slash begins an RDN only before a keyword", "/O=a/b/CN=c", "CN=c,O=a/b" },
	{ "slash form: unknown keyword is part of the value", "/O=a/bogus=c", "O=a/bogus\\=c" },
	{ "slash form: commas are nothing special", "/O=a, b+c/CN=\"d\"", "CN=\\\"d\\\",O=a\\, b\\+c" },
	{ "slash form: escaped slash", "/O=a\\/CN=b", "O=a/cn\\=b" },
	{ "slash form: a plus before a keyword joins, as OpenSSL prints it", "/C=c/O=b+CN=a", "CN=a+O=b,C=c" },
	{ "slash form: a plus elsewhere is part of the value", "/CN=a+b/O=c+=d", "O=c\\+\\=d,CN=a\\+b" },
	{ "slash form: escaped plus", "/CN=a\\+O=b", "CN=a\\+o\\=b" },
	{ "slash form: bytes in hex", "/O=M\\xC3\\xBCller", "O=m\xc3\xbcller" },
	{ "slash form: dotted OID", "/2.5.4.10=a/1.2.3=b", "1.2.3=b,O=a" },
	{ "slash form: empty value", "/CN=/O=a", "O=a,CN=" },
};

static const char *printed(const struct dn *dn)
{
	static char out[DN_TEXT_MAX];
	size_t n = dn_print(dn->bytes, dn->len, out, sizeof(out) - 1);

	out[n] = '\0';
	return out;
}

Test(dn, text)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct text_row *r = &texts[i];
		struct span in = guard_copy(r->text, strlen(r->text));
		static struct dn dn, again;
		enum dn_status st = dn_from_text(in, &dn, NULL);

		guard_free(in);
		if (!r->want) {
			cr_expect_neq(st, DN_OK, "%s: %s", r->why, r->text);
			continue;
		}
		cr_assert_eq(st, DN_OK, "%s: %s", r->why, dn_status_name(st));
		cr_expect_str_eq(printed(&dn), r->want, "%s: %s", r->why, printed(&dn));
		cr_assert_eq(dn_from_text(span_str(printed(&dn)), &again, NULL), DN_OK, "%s", r->why);
		cr_expect(again.len == dn.len && memcmp(again.bytes, dn.bytes, dn.len) == 0, "%s: printed and read again", r->why);
	}
}

struct bad_row {
	const char *why;
	const char *text;
	size_t len; /* 0: up to the NUL */
	enum dn_status want;
	size_t where;
};

static const struct bad_row bad[] = {
	{ "empty", "", 0, DN_EMPTY, 0 },
	{ "blank", " \t ", 0, DN_EMPTY, 0 },
	{ "no equals sign", "sip.example.net", 0, DN_BAD_SYNTAX, 0 },
	{ "nothing behind the comma", "CN=a,", 0, DN_BAD_SYNTAX, 5 },
	{ "nothing behind the plus", "CN=a+", 0, DN_BAD_SYNTAX, 5 },
	{ "nothing between the commas", "CN=a,,O=b", 0, DN_BAD_TYPE, 5 },
	{ "no type", "=a", 0, DN_BAD_TYPE, 0 },
	{ "unknown keyword", "CN=a,XX=b", 0, DN_BAD_TYPE, 5 },
	{ "no OID: one arc", "2=a", 0, DN_BAD_TYPE, 0 },
	{ "no OID: first arc", "3.1=a", 0, DN_BAD_TYPE, 0 },
	{ "no OID: second arc", "1.40=a", 0, DN_BAD_TYPE, 0 },
	{ "no OID: a leading zero", "2.5.04.3=a", 0, DN_BAD_TYPE, 0 },
	{ "no OID: an empty arc", "2..4=a", 0, DN_BAD_TYPE, 0 },
	{ "no OID: a dot at the end", "2.5.4.=a", 0, DN_BAD_TYPE, 0 },
	{ "no OID: an arc over 64 bits", "2.5.18446744073709551616=a", 0, DN_BAD_TYPE, 0 },
	{ "SN is ambiguous", "CN=a,SN=b", 0, DN_AMBIGUOUS_SN, 5 },
	{ "SN is ambiguous in any case", "sn=b", 0, DN_AMBIGUOUS_SN, 0 },
	{ "SN is ambiguous in the slash form", "/CN=a/SN=b", 0, DN_AMBIGUOUS_SN, 5 },
	{ "unfinished escape", "CN=a\\", 0, DN_BAD_SYNTAX, 5 },
	{ "unfinished hex pair", "CN=a\\4", 0, DN_BAD_SYNTAX, 5 },
	{ "escape of an ordinary letter", "CN=a\\zb", 0, DN_BAD_SYNTAX, 5 },
	{ "unfinished quotes", "CN=\"a", 0, DN_BAD_SYNTAX, 5 },
	{ "text behind quotes", "CN=\"a\"b", 0, DN_BAD_SYNTAX, 6 },
	{ "a quote inside", "CN=a\"b\"", 0, DN_BAD_SYNTAX, 4 },
	{ "a bare angle bracket", "CN=a<b", 0, DN_BAD_SYNTAX, 4 },
	{ "hex: nothing", "CN=#", 0, DN_BAD_SYNTAX, 4 },
	{ "hex: half a byte", "CN=#0c016", 0, DN_BAD_SYNTAX, 8 },
	{ "hex: too short for its length", "CN=#0c0261", 0, DN_BAD_SYNTAX, 10 },
	{ "hex: more than its length", "CN=#0c016161", 0, DN_BAD_SYNTAX, 12 },
	{ "hex: no definite length", "CN=#0c806100", 0, DN_BAD_SYNTAX, 12 },
	{ "hex: text behind", "CN=#0c0161 b", 0, DN_BAD_SYNTAX, 11 },
	{ "hex: not UTF-8", "CN=#0c01c3", 0, DN_UNDECODABLE, 10 },
	{ "hex: a NUL", "CN=#0c026100", 0, DN_HAS_NUL, 12 },
	{ "NUL as it is", "CN=a\0b", 6, DN_HAS_NUL, 6 },
	{ "NUL behind all", "CN=a\0", 5, DN_HAS_NUL, 5 },
	{ "NUL escaped", "CN=a\\00", 0, DN_HAS_NUL, 7 },
	{ "NUL in the slash form", "/CN=a\\x00b", 0, DN_HAS_NUL, 10 },
	{ "not UTF-8", "CN=a\xff", 0, DN_UNDECODABLE, 5 },
	{ "UTF-8 cut short", "CN=a\xc3", 0, DN_UNDECODABLE, 5 },
	{ "overlong UTF-8", "CN=a\xc1\x81", 0, DN_UNDECODABLE, 6 },
	{ "a surrogate in UTF-8", "CN=\xed\xa0\x80", 0, DN_UNDECODABLE, 6 },
	{ "above U+10FFFF", "CN=\xf4\x90\x80\x80", 0, DN_UNDECODABLE, 7 },
	{ "only a slash", "/", 0, DN_BAD_SYNTAX, 0 },
	{ "slash form: no equals sign", "/CN", 0, DN_BAD_SYNTAX, 0 },
	{ "slash form: begins with an unknown type", "/bogus=a/CN=b", 0, DN_BAD_TYPE, 0 },
	{ "slash form: SN is ambiguous behind a plus", "/CN=a+SN=b", 0, DN_AMBIGUOUS_SN, 5 },
	{ "slash form: two slashes", "//CN=a", 0, DN_BAD_TYPE, 0 },
};

Test(dn, bad_text)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct bad_row *r = &bad[i];
		struct span in = guard_copy(r->text, r->len ? r->len : strlen(r->text));
		static struct dn dn;
		size_t where = SIZE_MAX;
		enum dn_status st;

		dn = (struct dn){ .len = 77 };
		st = dn_from_text(in, &dn, &where);
		guard_free(in);
		cr_expect_str_eq(dn_status_name(st), dn_status_name(r->want), "%s: %s", r->why, dn_status_name(st));
		cr_expect_eq(where, r->where, "%s: at %zu", r->why, where);
		cr_expect_eq(dn.len, 77, "%s: the outcome stays untouched", r->why);
	}
}

/* Every prefix of a text is read to its end and no further, whatever comes of it. */
Test(dn, every_prefix)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (size_t n = 0; n < strlen(texts[i].text); n++) {
			struct span in = guard_copy(texts[i].text, n);
			static struct dn dn;
			size_t where = SIZE_MAX;

			if (dn_from_text(in, &dn, &where) == DN_OK)
				cr_expect_eq(where, n, "%s: read to the end", texts[i].why);
			cr_expect_leq(where, n, "%s", texts[i].why);
			guard_free(in);
		}
}

Test(dn, limits)
{
	static char text[DN_TEXT_MAX + 2];
	static struct dn dn;
	size_t n = 0;

	memset(text, 'a', sizeof(text));
	memcpy(text, "CN=", 3);
	cr_expect_eq(dn_from_text(span_of(text, 8000), &dn, NULL), DN_OK, "long, but it fits");
	cr_expect_eq(dn_from_text(span_of(text, DN_MAX), &dn, NULL), DN_TOO_LONG, "no room for lengths and OID");
	cr_expect_eq(dn_from_text(span_of(text, DN_MAX + 4), &dn, NULL), DN_TOO_LONG, "value over DN_MAX");
	cr_expect_eq(dn_from_text(span_of(text, DN_TEXT_MAX + 1), &dn, NULL), DN_TOO_LONG, "text over DN_TEXT_MAX");
	memcpy(text, "/CN", 3);
	text[3] = '=';
	cr_expect_eq(dn_from_text(span_of(text, DN_TEXT_MAX), &dn, NULL), DN_TOO_LONG, "slash form over DN_MAX");
	for (size_t i = 0; i < DN_AVA_MAX + 1; i++, n += 4)
		memcpy(text + n, ",C=a", 4);
	cr_expect_eq(dn_from_text(span_of(text + 1, 4 * DN_AVA_MAX - 1), &dn, NULL), DN_OK, "DN_AVA_MAX attributes");
	cr_expect_eq(dn_from_text(span_of(text + 1, n - 1), &dn, NULL), DN_TOO_LONG, "one more");
	for (size_t i = 3; i < n; i += 4)
		text[i + 1] = '+';
	cr_expect_eq(dn_from_text(span_of(text + 1, 4 * DN_AVA_MAX - 1), &dn, NULL), DN_OK, "in one RDN");
	cr_expect_eq(dn_from_text(span_of(text + 1, n - 1), &dn, NULL), DN_TOO_LONG, "in one RDN, one more");
}

static const struct {
	const char *why, *text;
	bool want;
} reversed[] = {
	{ "comma form, country first", "C=DE,O=a,CN=b", true },
	{ "lower case", "c=DE,O=a", true },
	{ "blanks", "  C =DE, O=a", true },
	{ "country last", "CN=b,O=a,C=DE", false },
	{ "slash form begins with C rightly", "/C=DE/O=a", false },
	{ "CN is not C", "CN=a", false },
	{ "empty", "", false },
};

Test(dn, looks_reversed)
{
	for (size_t i = 0; i < ARRAY_LEN(reversed); i++) {
		struct span in = guard_copy(reversed[i].text, strlen(reversed[i].text));

		cr_expect_eq(dn_looks_reversed(in), reversed[i].want, "%s", reversed[i].why);
	}
}

static const struct {
	const char *why, *seen, *configured, *want;
	unsigned common;
} differences[] = {
	{ "none", "CN=A,O=b", "cn=a, O=B", "no difference", 2 },
	{ "one value", "CN=a,O=x", "CN=a,O=b", "has O=x, configured is O=b", 1 },
	{ "one missing", "CN=a", "CN=a,OU=b", "OU=b is configured and missing", 1 },
	{ "one more", "CN=a,OU=b", "CN=a", "has OU=b, which is not configured", 1 },
	{ "one missing, one more", "CN=a,OU=b", "CN=a,O=b", "O=b is configured and missing; has OU=b, which is not configured", 1 },
	{ "reversed", "CN=a,O=b,C=c", "C=c,O=b,CN=a", "the same attributes in reverse order", 3 },
	{ "another order", "CN=a,O=b,C=c", "O=b,CN=a,C=c", "the same attributes in another order or grouping", 3 },
	{ "another grouping", "CN=a+O=b", "CN=a,O=b", "the same attributes in another order or grouping", 2 },
	{ "reversed, one RDN with two", "CN=a+O=b,C=c", "C=c,CN=a+O=b", "the same attributes in reverse order", 3 },
	{ "one of two alike", "OU=a,OU=a", "OU=a", "has OU=a, which is not configured", 1 },
	{ "string and DER", "CN=#120131", "CN=1", "has CN=#120131, configured is CN=1", 0 },
};

static struct dn made(const char *text)
{
	struct dn dn = { 0 };

	cr_assert_eq(dn_from_text(span_str(text), &dn, NULL), DN_OK, "%s", text);
	return dn;
}

Test(dn, explain_difference)
{
	for (size_t i = 0; i < ARRAY_LEN(differences); i++) {
		struct dn a = made(differences[i].seen), b = made(differences[i].configured);
		struct span sa = guard_copy(a.bytes, a.len), sb = guard_copy(b.bytes, b.len);
		const uint8_t *pa = (const uint8_t *)sa.p, *pb = (const uint8_t *)sb.p;
		char out[256];
		size_t n = dn_explain_difference(pa, sa.len, pb, sb.len, out, sizeof(out));

		cr_expect(span_eq(span_of(out, n), span_str(differences[i].want)), "%s: %.*s", differences[i].why, (int)n, out);
		cr_expect_eq(dn_common_attributes(pa, sa.len, pb, sb.len), differences[i].common, "%s", differences[i].why);
		for (size_t cap = 0; cap < n; cap++)
			cr_expect_leq(dn_explain_difference(pa, sa.len, pb, sb.len, out, cap), cap, "%s: cut", differences[i].why);
	}
}

/* A canonical form cut anywhere, as a damaged image would give it, is read to its end at most. */
Test(dn, broken_canonical)
{
	struct dn dn = made("CN=a+O=b,OU=c,C=#120131");
	char out[256];

	for (size_t n = 0; n <= dn.len; n++) {
		struct span cut = guard_copy(dn.bytes, n);

		cr_expect_leq(dn_print((const uint8_t *)cut.p, n, out, sizeof(out)), sizeof(out));
		guard_free(cut);
	}
	for (size_t i = 0; i < dn.len; i++)
		for (unsigned v = 0; v < 256; v += 15) {
			struct span whole;
			uint8_t was = dn.bytes[i];

			dn.bytes[i] = (uint8_t)v;
			whole = guard_copy(dn.bytes, dn.len);
			dn.bytes[i] = was;
			cr_expect_leq(dn_print((const uint8_t *)whole.p, dn.len, out, sizeof(out)), sizeof(out));
			cr_expect_leq(dn_common_attributes((const uint8_t *)whole.p, dn.len, dn.bytes, dn.len), 4);
			guard_free(whole);
		}
}

Test(dn, print_needs_room)
{
	struct dn dn = made("CN=abc,O=d");
	char out[16];

	cr_expect_eq(dn_print(dn.bytes, dn.len, out, 10), 10);
	for (size_t cap = 0; cap < 10; cap++)
		cr_expect_eq(dn_print(dn.bytes, dn.len, out, cap), 0, "room for %zu", cap);
}

/* ---- attributes of a certificate ---- */

#define OID_CN SPAN("\x55\x04\x03")

static const struct {
	const char *why;
	unsigned tag;
	struct span value;
	enum dn_status want;
	const char *canonical; /* when DN_OK */
} avas[] = {
	{ "UTF8String", DN_UTF8, SPAN("M\xc3\xbc"), DN_OK, "CN=m\xc3\xbc" },
	{ "TeletexString is Latin-1", DN_TELETEX, SPAN("M\xfc"), DN_OK, "CN=m\xc3\xbc" },
	{ "BMPString", DN_BMP, SPAN("\0M\0\xfc"), DN_OK, "CN=m\xc3\xbc" },
	{ "UniversalString", DN_UNIVERSAL, SPAN("\0\0\0M\0\0\0\xfc"), DN_OK, "CN=m\xc3\xbc" },
	{ "UniversalString beyond the BMP", DN_UNIVERSAL, SPAN("\0\1\xf6\0"), DN_OK, "CN=\xf0\x9f\x98\x80" },
	{ "IA5String", DN_IA5, SPAN("A"), DN_OK, "CN=a" },
	{ "VisibleString", DN_VISIBLE, SPAN("A"), DN_OK, "CN=a" },
	{ "PrintableString, white space of all kinds", DN_PRINTABLE, SPAN("\n A\v\f B\r\t"), DN_OK, "CN=a b" },
	{ "NUL in UTF8String", DN_UTF8, SPAN("a\0b"), DN_HAS_NUL, NULL },
	{ "NUL at the end of a PrintableString", DN_PRINTABLE, SPAN("a\0"), DN_HAS_NUL, NULL },
	{ "NUL in BMPString", DN_BMP, SPAN("\0a\0\0"), DN_HAS_NUL, NULL },
	{ "NUL in UniversalString", DN_UNIVERSAL, SPAN("\0\0\0\0"), DN_HAS_NUL, NULL },
	{ "NUL in NumericString", DN_NUMERIC, SPAN("1\0"), DN_HAS_NUL, NULL },
	{ "BMPString of odd length", DN_BMP, SPAN("\0a\0"), DN_UNDECODABLE, NULL },
	{ "a surrogate in BMPString", DN_BMP, SPAN("\xd8\x00"), DN_UNDECODABLE, NULL },
	{ "UniversalString of odd length", DN_UNIVERSAL, SPAN("\0\0\0a\0"), DN_UNDECODABLE, NULL },
	{ "UniversalString above U+10FFFF", DN_UNIVERSAL, SPAN("\0\x11\0\0"), DN_UNDECODABLE, NULL },
	{ "bad UTF-8", DN_UTF8, SPAN("\xc3("), DN_UNDECODABLE, NULL },
};

Test(dn, from_avas)
{
	for (size_t i = 0; i < ARRAY_LEN(avas); i++) {
		struct span value = guard_copy(avas[i].value.p, avas[i].value.len);
		struct dn_ava ava = { .oid = OID_CN, .tag = avas[i].tag, .value = value, .der = value };
		static struct dn dn;
		enum dn_status st;

		dn.len = 77;
		st = dn_from_avas(&ava, 1, &dn);
		cr_expect_str_eq(dn_status_name(st), dn_status_name(avas[i].want), "%s: %s", avas[i].why, dn_status_name(st));
		if (avas[i].canonical)
			cr_expect_str_eq(printed(&dn), avas[i].canonical, "%s: %s", avas[i].why, printed(&dn));
		else
			cr_expect_eq(dn.len, 77, "%s: the outcome stays untouched", avas[i].why);
	}
	cr_expect_eq(dn_from_avas(NULL, 0, &(struct dn){ 0 }), DN_EMPTY, "an empty subject");
}

/* What cannot be decoded is shown as DER, so that the log stays one line of UTF-8. */
Test(dn, print_undecodable)
{
	struct dn_ava ava = { .oid = OID_CN, .tag = DN_UTF8, .value = SPAN("\xff"), .der = SPAN("\x0c\x01\xff") };
	char out[64];
	size_t n = dn_print_avas(&ava, 1, out, sizeof(out));

	cr_expect(span_eq(span_of(out, n), SPAN("CN=#0C01FF")), "%.*s", (int)n, out);
}

Test(dn, status_names)
{
	for (enum dn_status a = DN_OK; a <= DN_AMBIGUOUS_SN; a++)
		for (enum dn_status b = DN_OK; b < a; b++)
			cr_expect_str_neq(dn_status_name(a), dn_status_name(b));
}
