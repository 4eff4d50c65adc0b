/* inspect: each refusal has a row, and the first in the order of RFC 3261 16.3 wins. */
#include <criterion/criterion.h>

#include "common/policy/inspect.h"
#include "support/guard.h"
#include "support/test_image.h"

#define BASE(method)                                                                                                   \
	"Via: SIP/2.0/TLS a.b\r\nFrom: <sip:a@partner.example>;tag=1\r\nTo: <sip:b@core.example>\r\nCall-ID: 1\r\nCSeq: 1 " method   \
	"\r\nContent-Length: 0\r\n"

static const struct image_listener listener = { .methods = 1u << METHOD_INVITE | 1u << METHOD_OPTIONS | 1u << METHOD_BYE };

static const struct {
	const char *why, *bytes;
	enum refusal want;
	const char *extra;
} rows[] = {
	{ "plain", "INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "\r\n", REFUSAL_NONE, "" },
	{ "method not taken", "REGISTER sip:b@core.example SIP/2.0\r\n" BASE("REGISTER") "\r\n", REFUSAL_METHOD, "Allow: INVITE, BYE, OPTIONS\r\n" },
	{ "unknown method", "FROB sip:b@core.example SIP/2.0\r\n" BASE("FROB") "\r\n", REFUSAL_METHOD, "Allow: INVITE, BYE, OPTIONS\r\n" },
	{ "method in another case is another", "invite sip:b@core.example SIP/2.0\r\n" BASE("invite") "\r\n", REFUSAL_METHOD, "Allow: INVITE, BYE, OPTIONS\r\n" },
	{ "405 before all else", "REFER http://x SIP/2.0\r\n" BASE("REFER") "Max-Forwards: 0\r\nProxy-Require: x\r\n\r\n", REFUSAL_METHOD, "Allow: INVITE, BYE, OPTIONS\r\n" },
	{ "tel", "INVITE tel:+49301234 SIP/2.0\r\n" BASE("INVITE") "\r\n", REFUSAL_NONE, "" },
	{ "sips", "INVITE SIPS:b@core.example SIP/2.0\r\n" BASE("INVITE") "\r\n", REFUSAL_NONE, "" },
	{ "another scheme", "INVITE http://core.example/ SIP/2.0\r\n" BASE("INVITE") "\r\n", REFUSAL_SCHEME, "" },
	{ "416 before 483", "INVITE urn:x SIP/2.0\r\n" BASE("INVITE") "Max-Forwards: 0\r\n\r\n", REFUSAL_SCHEME, "" },
	{ "no hop left", "INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "Max-Forwards: 0\r\n\r\n", REFUSAL_MAX_FORWARDS, "" },
	{ "one hop left", "INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "Max-Forwards: 1\r\n\r\n", REFUSAL_NONE, "" },
	{ "no hop left, but it is ours", "OPTIONS sip:core.example SIP/2.0\r\n" BASE("OPTIONS") "Max-Forwards: 0\r\n\r\n", REFUSAL_NONE, "" },
	{ "no hop left, host ours, user not", "OPTIONS sip:b@core.example SIP/2.0\r\n" BASE("OPTIONS") "Max-Forwards: 0\r\n\r\n", REFUSAL_MAX_FORWARDS, "" },
	{ "no hop left, ours, no OPTIONS", "BYE sip:core.example SIP/2.0\r\n" BASE("BYE") "Max-Forwards: 0\r\n\r\n", REFUSAL_MAX_FORWARDS, "" },
	{ "an extension", "INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "Proxy-Require: foo\r\n\r\n", REFUSAL_EXTENSION, "Unsupported: foo\r\n" },
	{ "several, in several lines", "INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "Proxy-Require: foo ,bar\r\nProxy-Require: sec-agree\r\n\r\n", REFUSAL_EXTENSION, "Unsupported: foo, bar, sec-agree\r\n" },
	{ "not even a token", "INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "Proxy-Require: \"x\xe2\x80\xa8\"\r\n\r\n", REFUSAL_EXTENSION, "" },
	{ "483 before 420", "INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "Max-Forwards: 0\r\nProxy-Require: foo\r\n\r\n", REFUSAL_MAX_FORWARDS, "" },
	{ "asks for nothing", "INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "Proxy-Require:\r\n\r\n", REFUSAL_NONE, "" },
	{ "Require is not for proxies", "INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "Require: foo\r\n\r\n", REFUSAL_NONE, "" },
};

Test(inspect, refuses_in_order)
{
	static struct test_msg t;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char extra[256];
		size_t extra_len = 99;

		cr_assert_eq(test_msg_parse(&t, guard_copy(rows[i].bytes, strlen(rows[i].bytes))), FAULT_NONE, "%s", rows[i].why);
		cr_assert_str_eq(refusal_name(inspect_request(test_image(), listener.methods, &t.msg, extra, sizeof(extra), &extra_len)),
		    refusal_name(rows[i].want), "%s", rows[i].why);
		cr_assert(span_eq(span_of(extra, extra_len), span_str(rows[i].extra)), "%s: %.*s", rows[i].why, (int)extra_len, extra);
	}
}

/* A list that does not fit is cut behind a whole member. */
Test(inspect, lists_are_cut_whole)
{
	static struct test_msg t;
	struct span in = SPAN("INVITE sip:b@core.example SIP/2.0\r\n" BASE("INVITE") "Proxy-Require: aaaa, bbbb,cccc\r\n\r\n");
	static const struct {
		size_t cap;
		const char *want;
	} cuts[] = {
		{ 0, "" }, { 18, "" }, { 19, "Unsupported: aaaa\r\n" }, { 24, "Unsupported: aaaa\r\n" },
		{ 25, "Unsupported: aaaa, bbbb\r\n" }, { 31, "Unsupported: aaaa, bbbb, cccc\r\n" },
	};

	cr_assert_eq(test_msg_parse(&t, in), FAULT_NONE);
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		struct span room = guard_copy("................................", cuts[i].cap);
		size_t len;

		cr_assert_eq(inspect_request(test_image(), listener.methods, &t.msg, (char *)(uintptr_t)room.p, cuts[i].cap, &len), REFUSAL_EXTENSION);
		cr_assert(span_eq(span_of(room.p, len), span_str(cuts[i].want)), "cap %zu: %.*s", cuts[i].cap, (int)len, room.p);
	}
}

Test(inspect, knows_its_own_names)
{
	static const struct {
		const char *host;
		bool ours;
	} hosts[] = {
		{ "core.example", true }, { "CORE.Example.", true }, { "edge.example", true }, { "127.0.0.1", true },
		{ "[2001:DB8:0:0::1]", true }, { "[::ffff:127.0.0.1]", true }, { "sub.core.example", false },
		{ "10.0.0.5", false }, { "core.example.evil", false }, { "ecore.example", false }, { "", false }, { "..", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		cr_assert_eq(inspect_host_is_ours(test_image(), guard_copy(hosts[i].host, strlen(hosts[i].host))), hosts[i].ours, "%s",
		    hosts[i].host);
}

/* Names stand in logs and counters: all there, none twice. */
Test(inspect, refusals_have_names)
{
	for (int i = 0; i < REFUSAL_COUNT; i++) {
		cr_assert_gt(strlen(refusal_name((enum refusal)i)), 0);
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(refusal_name((enum refusal)i), refusal_name((enum refusal)j));
		cr_assert_eq(refusal_status((enum refusal)i) == 0, strlen(refusal_reason((enum refusal)i)) == 0);
	}
}
