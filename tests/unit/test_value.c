/* value: Via, name-addr and CSeq by RFC 3261 25.1, one value of a list at a time. */
#include <criterion/criterion.h>

#include "common/sip/value.h"
#include "support/guard.h"

static struct span guarded(const char *text)
{
	return guard_copy(text, strlen(text));
}

static bool is(struct span got, const char *want)
{
	return want ? got.p && span_eq(got, span_str(want)) : got.p == NULL;
}

Test(value, via_parts)
{
	static const struct {
		const char *value, *whole, *transport, *host;
		unsigned port;
		const char *sent_by, *params, *branch, *rest;
		bool rport, received;
	} rows[] = {
		{ "SIP/2.0/TLS a.b:5061;branch=z9hG4bKx;rport", "SIP/2.0/TLS a.b:5061;branch=z9hG4bKx;rport", "TLS", "a.b", 5061,
		    "a.b:5061", "branch=z9hG4bKx;rport", "z9hG4bKx", NULL, true, false },
		{ "SIP/2.0/UDP 1.2.3.4", "SIP/2.0/UDP 1.2.3.4", "UDP", "1.2.3.4", 0, "1.2.3.4", "", NULL, NULL, false, false },
		{ " sip / 2.0\t/ tcp   [::1] : 5060 ; branch = z ; Received = 1.2.3.4 , SIP/2.0/UDP b",
		    "sip / 2.0\t/ tcp   [::1] : 5060 ; branch = z ; Received = 1.2.3.4", "tcp", "[::1]", 5060, "[::1] : 5060",
		    "branch = z ; Received = 1.2.3.4", "z", " SIP/2.0/UDP b", false, true },
		{ "SIP/2.0/TLS [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3",
		    "SIP/2.0/TLS [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3", "TLS", "[2001:db8::9:1]", 0,
		    "[2001:db8::9:1]", "received=2001:db8::9:255;branch=z9hG4bKas3", "z9hG4bKas3", NULL, false, true },
		{ "SIP/2.0/TLS a;x=\"q;,\\\"branch=1\";received=[::1];maddr=::1_", NULL },
		{ "SIP/2.0/TLS a;x=\"q;,\\\"branch=1\";y=[::1]", "SIP/2.0/TLS a;x=\"q;,\\\"branch=1\";y=[::1]", "TLS", "a", 0, "a",
		    "x=\"q;,\\\"branch=1\";y=[::1]", NULL, NULL, false, false },
		{ "SIP/2.0/TLS a;rport=5060,", "SIP/2.0/TLS a;rport=5060", "TLS", "a", 0, "a", "rport=5060", NULL, "", true, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct via v;
		struct span rest;
		bool ok = via_parse(guarded(rows[i].value), &v, &rest);

		cr_assert_eq(ok, rows[i].whole != NULL, "%s", rows[i].value);
		if (!ok)
			continue;
		cr_assert(is(v.whole, rows[i].whole), "%s: whole", rows[i].value);
		cr_assert(is(v.transport, rows[i].transport), "%s: transport", rows[i].value);
		cr_assert(is(v.host, rows[i].host), "%s: host", rows[i].value);
		cr_assert_eq(v.port, rows[i].port, "%s: port", rows[i].value);
		cr_assert(is(v.sent_by, rows[i].sent_by), "%s: sent-by", rows[i].value);
		cr_assert(is(v.params, rows[i].params), "%s: params", rows[i].value);
		cr_assert(is(v.branch, rows[i].branch), "%s: branch", rows[i].value);
		cr_assert(is(rest, rows[i].rest), "%s: rest", rows[i].value);
		cr_assert_eq(v.has_rport, rows[i].rport, "%s: rport", rows[i].value);
		cr_assert_eq(v.has_received, rows[i].received, "%s: received", rows[i].value);
	}
}

Test(value, via_refused)
{
	static const struct {
		const char *why, *value;
	} rows[] = {
		{ "empty", "" },
		{ "blank", "  " },
		{ "empty list member", ", SIP/2.0/TLS a" },
		{ "protocol only", "SIP/2.0/TLS" },
		{ "no sent-by", "SIP/2.0/TLS " },
		{ "no blank before sent-by", "SIP/2.0/TLS[::1]" },
		{ "another protocol", "HTTP/2.0/TLS a" },
		{ "another version", "SIP/3.0/TLS a" },
		{ "version with more digits", "SIP/2.00/TLS a" },
		{ "no transport", "SIP/2.0/ ;a" },
		{ "transport is no token", "SIP/2.0/T@S a" },
		{ "host is none", "SIP/2.0/TLS a_b" },
		{ "IPv6 without brackets", "SIP/2.0/TLS 2001:db8::1" },
		{ "user in sent-by", "SIP/2.0/TLS u@a" },
		{ "port 0", "SIP/2.0/TLS a:0" },
		{ "port 65536", "SIP/2.0/TLS a:65536" },
		{ "port empty", "SIP/2.0/TLS a:" },
		{ "two hosts", "SIP/2.0/TLS a b" },
		{ "empty parameter", "SIP/2.0/TLS a;;branch=z" },
		{ "empty parameter behind", "SIP/2.0/TLS a;" },
		{ "parameter without value", "SIP/2.0/TLS a;branch=" },
		{ "branch without value", "SIP/2.0/TLS a;branch" },
		{ "quoted branch", "SIP/2.0/TLS a;branch=\"z\"" },
		{ "branch in brackets", "SIP/2.0/TLS a;branch=[::1]" },
		{ "two branches", "SIP/2.0/TLS a;branch=z1;Branch=z1" },
		{ "two rports", "SIP/2.0/TLS a;rport;rport=1" },
		{ "two received", "SIP/2.0/TLS a;received=1.2.3.4;received=1.2.3.4" },
		{ "received without value", "SIP/2.0/TLS a;received" },
		{ "open quote", "SIP/2.0/TLS a;x=\"y" },
		{ "colon in another parameter", "SIP/2.0/TLS a;maddr=::1" },
		{ "control byte", "SIP/2.0/TLS a;x=\x01" },
		{ "8-bit byte", "SIP/2.0/TLS \xc3\xa4" },
	};
	struct via v;
	struct span rest;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert(!via_parse(guarded(rows[i].value), &v, &rest), "%s", rows[i].why);
	cr_assert(!via_parse(SPAN_NONE, &v, &rest));
}

Test(value, name_addr_parts)
{
	static const struct {
		const char *value, *whole, *display, *uri, *params, *tag, *rest;
		bool brackets;
	} rows[] = {
		{ "<sip:a@b>", "<sip:a@b>", "", "sip:a@b", "", NULL, NULL, true },
		{ "sip:a@b;tag=x", "sip:a@b;tag=x", "", "sip:a@b", "tag=x", "x", NULL, false },
		{ "sip:a@b ;  tag  = x ", "sip:a@b ;  tag  = x", "", "sip:a@b", "tag  = x", "x", NULL, false },
		{ "<sip:a@b;tag=no?c=d>;tag=x", "<sip:a@b;tag=no?c=d>;tag=x", "", "sip:a@b;tag=no?c=d", "tag=x", "x", NULL, true },
		{ "\"B \\\"<sip:x@y>, A\" <sip:a@b> ;p;tag=x , sip:c@d", "\"B \\\"<sip:x@y>, A\" <sip:a@b> ;p;tag=x",
		    "\"B \\\"<sip:x@y>, A\"", "sip:a@b", "p;tag=x", "x", " sip:c@d", true },
		{ "\"\"<sip:a@b>", "\"\"<sip:a@b>", "\"\"", "sip:a@b", "", NULL, NULL, true },
		{ "\"\xd1\x80\"<sip:a@b>", "\"\xd1\x80\"<sip:a@b>", "\"\xd1\x80\"", "sip:a@b", "", NULL, NULL, true },
		{ "token1~` token2'+_ token3*%!.- <sip:a@b>;fromParam''~+*_!.-%=\"\xd1\x80\";tag=_token~1'+`*%!-.",
		    "token1~` token2'+_ token3*%!.- <sip:a@b>;fromParam''~+*_!.-%=\"\xd1\x80\";tag=_token~1'+`*%!-.",
		    "token1~` token2'+_ token3*%!.-", "sip:a@b", "fromParam''~+*_!.-%=\"\xd1\x80\";tag=_token~1'+`*%!-.",
		    "_token~1'+`*%!-.", NULL, true },
		{ "Joe<sip:a@b>", "Joe<sip:a@b>", "Joe", "sip:a@b", "", NULL, NULL, true },
		{ "isbn:2983792873", "isbn:2983792873", "", "isbn:2983792873", "", NULL, NULL, false },
		{ "<http://a/b?c,d;e>,x", "<http://a/b?c,d;e>", "", "http://a/b?c,d;e", "", NULL, "x", true },
		{ "tel:+49;phone-context=a", "tel:+49;phone-context=a", "", "tel:+49", "phone-context=a", NULL, NULL, false },
		{ "sip:a@b,", "sip:a@b", "", "sip:a@b", "", NULL, "", false },
		{ "<sip:a@b>;x=\"tag=1;tag=2\";y=[::1]", "<sip:a@b>;x=\"tag=1;tag=2\";y=[::1]", "", "sip:a@b",
		    "x=\"tag=1;tag=2\";y=[::1]", NULL, NULL, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct name_addr a;
		struct span rest;

		cr_assert(name_addr_parse(guarded(rows[i].value), &a, &rest), "%s", rows[i].value);
		cr_assert(is(a.whole, rows[i].whole), "%s: whole", rows[i].value);
		cr_assert(is(a.display, rows[i].display), "%s: display", rows[i].value);
		cr_assert(is(a.uri.whole, rows[i].uri), "%s: URI", rows[i].value);
		cr_assert(is(a.params, rows[i].params), "%s: params", rows[i].value);
		cr_assert(is(a.tag, rows[i].tag), "%s: tag", rows[i].value);
		cr_assert(is(rest, rows[i].rest), "%s: rest", rows[i].value);
		cr_assert_eq(a.brackets, rows[i].brackets, "%s: brackets", rows[i].value);
	}
}

Test(value, name_addr_refused)
{
	static const struct {
		const char *why, *value;
	} rows[] = {
		{ "empty", "" },
		{ "blank", " " },
		{ "empty list member", ",<sip:a@b>" },
		{ "no URI", "\"a\"" },
		{ "no scheme", "Joe" },
		{ "nothing in brackets", "<>" },
		{ "blanks in brackets", "< sip:a@b >" },
		{ "no closing bracket", "<sip:a@b" },
		{ "open quote", "\"Mr. User <sip:a@b>" },
		{ "open quote behind backslash", "\"a\\\" <sip:a@b>" },
		{ "backslash at the end", "\"a\\" },
		{ "quoted 8-bit byte", "\"\\\xc3\xa4\" <sip:a@b>" },
		{ "control byte in quotes", "\"a\x01\" <sip:a@b>" },
		{ "quoted pair of a control byte", "\"a\\\x01\" <sip:a@b>" },
		{ "quoted pair of DEL", "\"a\\\x7f\" <sip:a@b>" },
		{ "text between quotes and bracket", "\"a\" b <sip:a@b>" },
		{ "two quoted strings", "\"a\" \"b\" <sip:a@b>" },
		{ "8-bit display name without quotes", "J\xc3\xb6 <sip:a@b>" },
		{ "comma in display name", "Bell, A <sip:a@b>" },
		{ "display name without brackets", "Joe sip:a@b" },
		{ "quoted display name without brackets", "\"Joe\" sip:a@b" },
		{ "question mark without brackets", "sip:a@b?c=d" },
		{ "bracket behind URI", "sip:a@b<" },
		{ "bad URI", "<sip:a@>" },
		{ "URI does not parse without brackets", "sip:a;b=c@d" },
		{ "text behind", "<sip:a@b> x" },
		{ "second URI behind", "<sip:a@b><sip:c@d>" },
		{ "empty parameter", "<sip:a@b>;;tag=x" },
		{ "empty parameter behind", "<sip:a@b>;" },
		{ "empty tag", "<sip:a@b>;tag=" },
		{ "tag without value", "<sip:a@b>;tag" },
		{ "quoted tag", "<sip:a@b>;tag=\"x\"" },
		{ "two tags", "<sip:a@b>;tag=x;TAG=x" },
		{ "parameter is no token", "<sip:a@b>;a@b=c" },
		{ "value is no token", "<sip:a@b>;a=b@c" },
		{ "open quote in parameter", "<sip:a@b>;a=\"b" },
		{ "blank in value", "<sip:a@b>;a=b c" },
		{ "name in value's brackets", "<sip:a@b>;a=[b]" },
	};
	struct name_addr a;
	struct span rest;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert(!name_addr_parse(guarded(rows[i].value), &a, &rest), "%s", rows[i].why);
	cr_assert(!name_addr_parse(SPAN_NONE, &a, &rest));
}

Test(value, params)
{
	struct span p = SPAN(" a = \"x;tag=no\" ; TAG = yes ;flag ; b=[::1]"), v;

	cr_assert(value_param(p, SPAN("tag"), &v) && is(v, "yes"));
	cr_assert(value_param(p, SPAN("A"), &v) && is(v, "\"x;tag=no\""), "the quotes stay");
	cr_assert(value_param(p, SPAN("flag"), &v) && is(v, ""));
	cr_assert(value_param(p, SPAN("b"), &v) && is(v, "[::1]"));
	cr_assert(!value_param(p, SPAN("x"), &v));
	cr_assert(!value_param(SPAN(""), SPAN("x"), &v));
	cr_assert(!value_param(SPAN_NONE, SPAN("x"), &v));
	cr_assert(!value_param(SPAN("a b;x=1"), SPAN("x"), &v), "not behind what does not parse");
}

Test(value, cseq)
{
	static const struct {
		const char *value;
		bool want;
		uint32_t number;
		const char *method;
	} rows[] = {
		{ "1 INVITE", true, 1, "INVITE" },
		{ "0009 \t INVITE", true, 9, "INVITE" },
		{ "2147483647 !x", true, 2147483647, "!x" },
		{ "2147483648 INVITE", false },
		{ "4294967297 INVITE", false },
		{ "18446744073709551617 INVITE", false },
		{ "1INVITE", false },
		{ "1", false },
		{ "1 ", false },
		{ "INVITE", false },
		{ "INVITE 1", false },
		{ "-1 INVITE", false },
		{ "+1 INVITE", false },
		{ "0x1 INVITE", false },
		{ "1 INVITE x", false },
		{ "1 IN@VITE", false },
		{ " 1 INVITE", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cseq c = { .number = 77 };

		cr_assert_eq(cseq_parse(guarded(rows[i].value), &c), rows[i].want, "'%s'", rows[i].value);
		cr_assert_eq(c.number, rows[i].want ? rows[i].number : 77, "'%s'", rows[i].value);
		cr_assert(is(c.method, rows[i].method), "'%s'", rows[i].value);
	}
}

Test(value, tokens)
{
	for (unsigned c = 0; c < 256; c++)
		cr_assert_eq(token_char((unsigned char)c), c && (strchr("-.!%*_+`'~", (int)c) || (c >= '0' && c <= '9') ||
			     (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')), "byte 0x%02x", c);
	cr_assert(token_valid(SPAN("a-b")));
	cr_assert(!token_valid(SPAN("a b")));
	cr_assert(!token_valid(SPAN("")));
	cr_assert(!token_valid(SPAN_NONE));
}
