/*
 * pattern: which spelling of a URI is compared, what a pattern may be, and
 * what it matches.  To add a case, add a row.
 */
#include <criterion/criterion.h>

#include "common/policy/pattern.h"
#include "support/guard.h"

static struct span copy(const char *text)
{
	return guard_copy(text, strlen(text));
}

/* ---- what may be configured, and how it is kept ("" : refused) ---- */

static const struct {
	const char *text, *want;
} canon[] = {
	{ "*", "*" },
	{ "a.example", "@a.example" },
	{ "A.Example.", "@a.example" },
	{ "*.A.example", "@*.a.example" },
	{ "192.0.2.*", "@192.0.2.*" },
	{ "192.000.002.1", "@192.0.2.1" },
	{ "[2001:DB8:0::1]", "@2001:db8::1" },
	{ "localhost", "@localhost" },
	{ "sip:alice@A.example", "sip:alice@a.example" },
	{ "SIPS:Alice@a.example.", "sips:Alice@a.example" },
	{ "sip:*@a.example", "sip:*@a.example" },
	{ "*@a.example", "*@a.example" },
	{ "*:bob@a.example", "*:bob@a.example" },
	{ "*bob@*", "*bob@*" },
	{ "sip:*", "sip:*" },
	{ "sip:a.example", "sip:a.example" },
	{ "sip:*.a.example", "sip:*.a.example" },
	{ "sip:%61lice@a.example", "sip:alice@a.example" },
	{ "sip:a%2Ab%25c%40d@a.example", "sip:a%2Ab%25c%40d@a.example" },
	{ "sip:+49-30*@a.example", "sip:+4930*@a.example" },
	{ "sip:+49(30)1;ext=5@a.example", "sip:+49301@a.example" },
	{ "sip:+a-b@a.example", "sip:+a-b@a.example" },
	{ "tel:+49*", "tel:+49*" },
	{ "TEL:+49-(30)", "tel:+4930" },
	{ "tel:7042", "tel:7042" },
	{ "tel:*", "tel:*" },
	{ "", "" },
	{ "alice@a.example", "" },
	{ "sip:alice*", "" },
	{ "sip:", "" },
	{ "sip:@a.example", "" },
	{ "sip:alice@", "" },
	{ "sip:alice@a.example:5060", "" },
	{ "sip:alice@a.example;transport=tcp", "" },
	{ "sip:a@b@a.example", "" },
	{ "sip:a%4@a.example", "" },
	{ "a.example:5060", "" },
	{ "a..example", "" },
	{ "-a.example", "" },
	{ "a b", "" },
	{ "http://a.example", "" },
	{ "urn:service:sos", "" },
	{ "tel:", "" },
	{ "tel:alice", "" },
	{ "tel:+49;phone-context=a", "" },
	{ "2001:db8::1", "" },
	{ "[2001:db8::*]", "" },
	{ "a.example\t", "" },
};

Test(pattern, what_may_be_configured)
{
	for (size_t i = 0; i < ARRAY_LEN(canon); i++) {
		char out[PATTERN_MAX + 1];
		size_t len = pattern_canon(copy(canon[i].text), out);

		cr_assert(span_eq(span_of(out, len), span_str(canon[i].want)), "%s: %.*s", canon[i].text, (int)len, out);
	}
}

Test(pattern, length_is_bounded)
{
	char text[PATTERN_MAX + 2], out[PATTERN_MAX + 1];

	memset(text, 'a', sizeof(text));
	text[PATTERN_MAX - 1] = '*';
	cr_assert_eq(pattern_canon(span_of(text, PATTERN_MAX), out), PATTERN_MAX + 1);
	cr_assert_eq(pattern_canon(span_of(text, PATTERN_MAX + 1), out), 0);
}

/* ---- what is matched ---- */

static const struct {
	const char *pattern, *uri;
	bool want;
} rows[] = {
	{ "*", "sip:a@b.example", true },
	{ "*", "tel:+49301234", true },
	{ "*", "urn:service:sos", true },
	{ "a.example", "sip:x@a.example", true },
	{ "a.example", "SIPS:x@A.EXAMPLE.:5061;transport=tls?a=b", true },
	{ "a.example", "sip:a.example", true },
	{ "a.example", "sip:a.example@b.example", false },
	{ "a.example", "sip:x@b.a.example", false },
	{ "a.example", "sip:x@ba.example", false },
	{ "a.example", "tel:+49", false },
	{ "*.a.example", "sip:x@b.a.example", true },
	{ "*.a.example", "sip:x@c.b.a.example", true },
	{ "*.a.example", "sip:x@a.example", false },
	{ "*.a.example", "sip:x@a.example.evil", false },
	{ "192.0.2.*", "sip:x@192.0.2.77", true },
	{ "192.0.2.1", "sip:x@[::ffff:192.0.2.1]", true },
	{ "[2001:db8::1]", "sip:x@[2001:DB8:0:0::1]", true },
	{ "sip:alice@a.example", "sip:alice@a.example", true },
	{ "sip:alice@a.example", "sip:alice@A.example:5070;x=y", true },
	{ "sip:alice@a.example", "sip:alice:secret@a.example", true },
	{ "sip:alice@a.example", "sip:%61%6Cice@a.example", true },
	{ "sip:alice@a.example", "sip:Alice@a.example", false },
	{ "sip:alice@a.example", "sips:alice@a.example", false },
	{ "*:alice@a.example", "sips:alice@a.example", true },
	{ "*alice@a.example", "sips:malice@a.example", true },
	{ "sip:alice@a.example", "sip:alice%40a.example@b.example", false },
	{ "*@a.example", "sip:x%40a.example@b.example", false },
	{ "sip:*@a.example", "sip:x@a.example", true },
	{ "sip:*@a.example", "sip:a.example", false },
	{ "sip:a.example", "sip:a.example", true },
	{ "sip:a.example", "sip:x@a.example", false },
	{ "sip:*", "sip:x@a.example", true },
	{ "sip:*", "sips:x@a.example", false },
	{ "sip:9*@a.example", "sip:900123;x=y@a.example", true },
	{ "sip:*5@*", "sip:125@a.example", true },
	{ "sip:a*b*c@*", "sip:abxbxc@a.example", true },
	{ "sip:a*b*c@*", "sip:acb@a.example", false },
	{ "sip:a%2Ab@*", "sip:a*b@a.example", true },
	{ "sip:a%2Ab@*", "sip:a%2ab@a.example", true },
	{ "sip:a%2Ab@*", "sip:axb@a.example", false },
	{ "sip:a*b@*", "sip:a*b@a.example", true },
	{ "tel:+49*", "tel:+49301234", true },
	{ "tel:+4930*", "tel:+49-(30)-1234;ext=7", true },
	{ "tel:+4930*", "tel:+4931", false },
	{ "tel:7042", "tel:7042;phone-context=a.example", true },
	{ "tel:1a", "tel:1-A;phone-context=a.example", true },
	{ "sip:+4930*@*", "sip:+49-30.1@a.example;user=phone", true },
	{ "sip:+4930*@*", "sip:%2B49%2D30;phone-context=x@a.example", true },
	{ "sip:+4930@*", "sip:+4930;isub=1@a.example", true },
	{ "sip:+4930*@*", "sip:49-30@a.example", false },
	{ "tel:+49*", "sip:+49@a.example", false },
};

Test(pattern, matches)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[PATTERN_MAX + 1];
		size_t len = pattern_canon(copy(rows[i].pattern), out);
		struct pattern_uri ready;
		struct sip_uri uri;

		cr_assert(uri_parse(copy(rows[i].uri), &uri), "%s", rows[i].uri);
		pattern_uri_of(&uri, &ready);
		cr_assert_gt(len, 0, "%s", rows[i].pattern);
		cr_assert_eq(pattern_matches_uri(span_of(out, len), &ready), rows[i].want, "%s and %s", rows[i].pattern, rows[i].uri);
	}
}

/* A URI's own text, escapes and all, is a pattern for it: nothing is lost or confused between the two readings. */
Test(pattern, a_uri_matches_itself)
{
	static const char *const uris[] = { "sip:a%20b@a.example", "sip:%00%7f%ff@a.example", "sip:a%25b%2541@a.example",
		"sip:a;b=c/d?e@a.example", "sip:!~'()$,&=+@a.example", "sip:+@a.example", "sip:+1-;@a.example", "sips:x@[::1]", "tel:1*2#" };

	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		char out[PATTERN_MAX + 1];
		size_t len = pattern_canon(copy(uris[i]), out);
		struct pattern_uri ready;
		struct sip_uri uri;

		cr_assert(uri_parse(copy(uris[i]), &uri), "%s", uris[i]);
		pattern_uri_of(&uri, &ready);
		cr_assert(len && pattern_matches_uri(span_of(out, len), &ready), "%s: %.*s", uris[i], (int)len, out);
	}
}

Test(pattern, texts)
{
	static const struct {
		const char *pattern, *value;
		bool want;
	} texts[] = {
		{ "test", "TEST", true }, { "test", "tests", false }, { "test*", "Tests", true }, { "*", "", true }, { "", "", true },
		{ "", "x", false }, { "*a*b*", "xxaxxbxx", true }, { "*a*b*", "xxbxxaxx", false }, { "a%41", "a%41", true },
		{ "**a", "ba", true }, { "a*", "ba", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		cr_assert_eq(pattern_matches_text(copy(texts[i].pattern), copy(texts[i].value)), texts[i].want, "%s and %s",
		    texts[i].pattern, texts[i].value);
}
