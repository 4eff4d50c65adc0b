/* uri: what the grammar of RFC 3261 25.1 and RFC 3966 allows, its parts, and nothing else. */
#include <criterion/criterion.h>

#include "common/sip/uri.h"
#include "support/guard.h"

static struct span guarded(const char *text)
{
	return guard_copy(text, strlen(text));
}

Test(uri, parts)
{
	static const struct {
		const char *text;
		enum uri_scheme scheme;
		const char *user, *password, *host; /* NULL: none */
		enum host_kind kind;
		unsigned port;
		const char *params, *headers;
	} rows[] = {
		{ "sip:example.com", URI_SIP, NULL, NULL, "example.com", HOST_NAME, 0, "", "" },
		{ "SIP:alice@Example.COM.", URI_SIP, "alice", NULL, "Example.COM.", HOST_NAME, 0, "", "" },
		{ "sips:a:b@h:5061;transport=tcp;lr?Subject=x&y=", URI_SIPS, "a", "b", "h", HOST_NAME, 5061,
		    "transport=tcp;lr", "Subject=x&y=" },
		{ "sip:a:@h", URI_SIP, "a", "", "h", HOST_NAME, 0, "", "" },
		{ "sip:host:5060", URI_SIP, NULL, NULL, "host", HOST_NAME, 5060, "", "" },
		{ "sip:user;par=u%40example.net@h", URI_SIP, "user;par=u%40example.net", NULL, "h", HOST_NAME, 0, "", "" },
		{ "sip:a?b/c,d=e@h", URI_SIP, "a?b/c,d=e", NULL, "h", HOST_NAME, 0, "", "" },
		{ "sip:+1-212-555-1212:1234@gw.com;user=phone", URI_SIP, "+1-212-555-1212", "1234", "gw.com", HOST_NAME, 0,
		    "user=phone", "" },
		{ "sip:1.2.3.4", URI_SIP, NULL, NULL, "1.2.3.4", HOST_IPV4, 0, "", "" },
		{ "sip:a@001.02.3.255:00005060", URI_SIP, "a", NULL, "001.02.3.255", HOST_IPV4, 5060, "", "" },
		{ "sip:a@[2001:db8::1]:5070;x=[::1]", URI_SIP, "a", NULL, "[2001:db8::1]", HOST_IPV6, 5070, "x=[::1]", "" },
		{ "sip:a@[::ffff:1.2.3.4]", URI_SIP, "a", NULL, "[::ffff:1.2.3.4]", HOST_IPV6, 0, "", "" },
		{ "sip:a@3com.example", URI_SIP, "a", NULL, "3com.example", HOST_NAME, 0, "", "" },
		{ "sip:a@x-y.z9", URI_SIP, "a", NULL, "x-y.z9", HOST_NAME, 0, "", "" },
		{ "sip:%00@h;a%3b=%25", URI_SIP, "%00", NULL, "h", HOST_NAME, 0, "a%3b=%25", "" },
		{ "sip:h?a=", URI_SIP, NULL, NULL, "h", HOST_NAME, 0, "", "a=" },
		{ "tel:+1-201-555-0123", URI_TEL, "+1-201-555-0123", NULL, NULL, HOST_NAME, 0, "", "" },
		{ "TEL:7042;phone-context=example.com", URI_TEL, "7042", NULL, NULL, HOST_NAME, 0,
		    "phone-context=example.com", "" },
		{ "tel:*21#;phone-context=+49", URI_TEL, "*21#", NULL, NULL, HOST_NAME, 0, "phone-context=+49", "" },
		{ "tel:911", URI_TEL, "911", NULL, NULL, HOST_NAME, 0, "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span text = guarded(rows[i].text);
		struct sip_uri u;

		cr_assert(uri_parse(text, &u), "%s", rows[i].text);
		cr_assert(span_eq(u.whole, text));
		cr_assert_eq(u.scheme, rows[i].scheme, "%s: scheme", rows[i].text);
		cr_assert_eq(u.user.p == NULL, rows[i].user == NULL, "%s: user", rows[i].text);
		cr_assert(span_eq(u.user, span_str(rows[i].user)), "%s: user", rows[i].text);
		cr_assert_eq(u.password.p == NULL, rows[i].password == NULL, "%s: password", rows[i].text);
		cr_assert(span_eq(u.password, span_str(rows[i].password)), "%s: password", rows[i].text);
		cr_assert(span_eq(u.host, span_str(rows[i].host)), "%s: host", rows[i].text);
		cr_assert_eq(u.host_kind, rows[i].kind, "%s: kind", rows[i].text);
		cr_assert_eq(u.port, rows[i].port, "%s: port", rows[i].text);
		cr_assert(span_eq(u.params, span_str(rows[i].params)), "%s: params", rows[i].text);
		cr_assert(span_eq(u.headers, span_str(rows[i].headers)), "%s: headers", rows[i].text);
	}
}

Test(uri, other_schemes)
{
	static const char *good[] = { "soap.beep://192.0.2.103:3002", "isbn:2983792873", "http://www.example.com/?a=b;c,d#e",
		"h323:user@example.com", "name:John_Smith" };
	struct sip_uri u;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cr_assert(uri_parse(guarded(good[i]), &u), "%s", good[i]);
		cr_assert_eq(u.scheme, URI_OTHER);
		cr_assert_eq(u.host.len + u.user.len + u.params.len, 0);
	}
}

static const struct {
	const char *why, *text;
} refused[] = {
	{ "empty", "" },
	{ "no colon", "sip" },
	{ "no scheme", ":a@b" },
	{ "scheme begins with a digit", "1sip:a@b" },
	{ "blank in scheme", "s ip:a@b" },
	{ "no host", "sip:" },
	{ "no host behind user", "sip:a@" },
	{ "no host, parameter", "sip:;lr" },
	{ "empty user", "sip:@b" },
	{ "two at signs", "sip:a@b@c" },
	{ "bracketed URI", "<sip:a@b>" },
	{ "port 0", "sip:a@b:0" },
	{ "port 65536", "sip:a@b:65536" },
	{ "port too large for any integer", "sip:a@b:99999999999999999999999" },
	{ "port empty", "sip:a@b:" },
	{ "port not a number", "sip:a@b:5x" },
	{ "signed port", "sip:a@b:+5060" },
	{ "IPv6 without brackets", "sip:a@2001:db8::1" },
	{ "IPv6 with three colons", "sip:a@[2001:db8:::192.0.2.1]" },
	{ "IPv6 with zone", "sip:a@[fe80::1%25eth0]" },
	{ "IPv6 not closed", "sip:a@[::1" },
	{ "nothing in brackets", "sip:a@[]" },
	{ "name in brackets", "sip:a@[b]" },
	{ "IPv4 with five parts", "sip:1.2.3.4.5" },
	{ "IPv4 with three parts", "sip:1.2.3" },
	{ "IPv4 part above 255", "sip:1.2.3.256" },
	{ "IPv4 part of four digits", "sip:1.2.3.0004" },
	{ "IPv4 with dot behind", "sip:1.2.3.4." },
	{ "last label begins with a digit", "sip:a@b.1c" },
	{ "number as host", "sip:a@16909060" },
	{ "empty label", "sip:a@b..c" },
	{ "dot first", "sip:a@.b" },
	{ "two dots last", "sip:a@b.." },
	{ "label begins with hyphen", "sip:a@-b" },
	{ "label ends with hyphen", "sip:a@b-" },
	{ "inner label ends with hyphen", "sip:a@b-.c" },
	{ "inner label begins with hyphen", "sip:a@b.-c" },
	{ "low line in host", "sip:a@b_c" },
	{ "percent in host", "sip:a@b%20c" },
	{ "blank", "sip:a b@c" },
	{ "blank behind", "sip:a@b " },
	{ "blank before", " sip:a@b" },
	{ "HTAB", "sip:a\t@b" },
	{ "8-bit byte", "sip:\xc3\xa4@b" },
	{ "DEL", "sip:a\x7f@b" },
	{ "escape of one digit", "sip:a%2@b" },
	{ "escape without hex digits", "sip:a%zz@b" },
	{ "hash in user", "sip:*21#@b" },
	{ "colon twice in user", "sip:a:b:c@d" },
	{ "slash in password", "sip:a:b/c@d" },
	{ "empty parameter", "sip:a@b;" },
	{ "empty parameter inside", "sip:a@b;;lr" },
	{ "parameter without name", "sip:a@b;=x" },
	{ "parameter with empty value", "sip:a@b;x=" },
	{ "at sign in parameter", "sip:b;x=a@c%" },
	{ "quote in parameter", "sip:a@b;x=\"c\"" },
	{ "comma in parameter", "sip:a@b;x=c,d" },
	{ "empty headers", "sip:a@b?" },
	{ "header without equals", "sip:a@b?c" },
	{ "header without name", "sip:a@b?=c" },
	{ "empty header behind", "sip:a@b?c=d&" },
	{ "semicolon in headers", "sip:a@b?c=d;e" },
	{ "tel without number", "tel:" },
	{ "tel with plus only", "tel:+" },
	{ "tel with separators only", "tel:-.()" },
	{ "tel, global number with star", "tel:+49*1" },
	{ "tel, global number with letter", "tel:+49a" },
	{ "tel with other letters", "tel:12x" },
	{ "tel with host", "tel:12@b" },
	{ "tel with headers", "tel:12?a=b" },
	{ "tel with empty parameter", "tel:12;" },
	{ "other without rest", "http:" },
	{ "other with blank", "http://a b" },
	{ "other with angle bracket", "http://a>b" },
	{ "other with quote", "http://a\"b" },
	{ "other with half an escape", "http://a%2" },
	{ "other with an escape of no digits", "http://a%zz/" },
	{ "other with 8-bit byte", "http://\xc3\xa4" },
};

Test(uri, refused)
{
	struct sip_uri u, before;

	memset(&u, 0x5a, sizeof(u));
	before = u;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		cr_assert(!uri_parse(guarded(refused[i].text), &u), "%s", refused[i].why);
		cr_assert_eq(memcmp(&u, &before, sizeof(u)), 0, "%s: untouched", refused[i].why);
	}
	cr_assert(!uri_parse(guard_copy("sip:a\0b@c", 9), &u), "NUL");
	cr_assert(!uri_parse(SPAN_NONE, &u));
}

/* Every single byte at every place of a URI: only what the grammar has there. */
Test(uri, each_byte)
{
	static const struct {
		const char *why, *before, *after, *allowed; /* beside letters and digits */
	} rows[] = {
		{ "user", "sip:a", "b@h", "-_.!~*'()&=+$,;?/:@" /* the last two change what the parts are */ },
		{ "password", "sip:a:b", "c@h", "-_.!~*'()&=+$,@" },
		{ "host", "sip:a@b", "c", "-.;?:@" },
		{ "parameter", "sip:h;a", "b", "-_.!~*'()[]/:&+$;=?@" },
		{ "header", "sip:h?a=b", "c", "-_.!~*'()[]/?:+$@" },
	};
	char text[32];
	struct sip_uri u;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (unsigned c = 0; c < 256; c++) {
			size_t n = strlen(rows[i].before);
			struct span in;

			memcpy(text, rows[i].before, n);
			text[n++] = (char)c;
			memcpy(text + n, rows[i].after, strlen(rows[i].after));
			in = guard_copy(text, n + strlen(rows[i].after));
			if (uri_parse(in, &u))
				cr_assert((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
					      (c && strchr(rows[i].allowed, (int)c)),
				    "%s: byte 0x%02x", rows[i].why, c);
			else
				cr_assert(!(c >= 'a' && c <= 'z'), "%s: byte 0x%02x", rows[i].why, c);
			guard_free(in);
		}
}

Test(uri, params)
{
	struct span p = SPAN("Transport=TLS;lr;maddr=[::1];lr=on"), v;

	cr_assert(uri_param(p, SPAN("transport"), &v) && span_eq(v, SPAN("TLS")));
	cr_assert(uri_param(p, SPAN("LR"), &v) && v.len == 0);
	cr_assert(uri_param(p, SPAN("maddr"), &v) && span_eq(v, SPAN("[::1]")));
	cr_assert(!uri_param(p, SPAN("l"), &v));
	cr_assert(!uri_param(p, SPAN("lr=on"), &v));
	cr_assert(!uri_param(SPAN(""), SPAN("lr"), &v));
	cr_assert(!uri_param(SPAN_NONE, SPAN("lr"), &v));
}

Test(uri, hosts)
{
	enum host_kind kind;

	cr_assert(host_parse(guarded("a.b"), &kind) && kind == HOST_NAME);
	cr_assert(host_parse(guarded("1.2.3.4"), &kind) && kind == HOST_IPV4);
	cr_assert(host_parse(guarded("[::]"), &kind) && kind == HOST_IPV6);
	cr_assert(!host_parse(guarded("a.b:5060"), &kind));
	cr_assert(!host_parse(guarded("[::]x"), &kind));
	cr_assert(!host_parse(guarded("::1"), &kind));
	cr_assert(!host_parse(guarded(""), &kind));
	cr_assert(!host_parse(SPAN_NONE, &kind));
}

Test(uri, one_spelling_per_host)
{
	static const struct {
		const char *host, *want;
	} rows[] = {
		{ "Example.COM", "example.com" }, { "example.com.", "example.com" }, { "1.2.3.4", "1.2.3.4" },
		{ "001.02.3.004", "1.2.3.4" }, { "[2001:DB8:0:0:0:0:0:1]", "2001:db8::1" }, { "[::FFFF:1.2.3.4]", "1.2.3.4" },
		{ "[::ffff:102:304]", "1.2.3.4" }, { "[0:0:0:0:0:0:0:0]", "::" }, { "[2001:db8:0:1:1:1:1:1]", "2001:db8:0:1:1:1:1:1" },
		{ "a b", "" }, { "", "" }, { "1.2.3", "" }, { "::1", "" },
	};
	char out[HOST_MAX], longest[HOST_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = host_canon(guarded(rows[i].host), out);

		cr_assert(span_eq(span_of(out, n), span_str(rows[i].want)), "%s: %.*s", rows[i].host, (int)n, out);
	}
	memset(longest, 'a', sizeof(longest));
	cr_assert_eq(host_canon(guard_copy(longest, HOST_MAX), out), HOST_MAX);
	cr_assert_eq(host_canon(guard_copy(longest, HOST_MAX + 1), out), 0, "too long");
}
