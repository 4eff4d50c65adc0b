/* reply: what is copied of a request, well formed or not, and how Via goes back. */
#include <criterion/criterion.h>

#include "common/sip/reply.h"
#include "support/guard.h"
#include "support/test_image.h"

static const char invite[] = "INVITE sip:bob@core.example SIP/2.0\r\n"
			     "v: SIP/2.0/TLS pc33.partner.example;branch=z9hG4bKa;rport , SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKb\r\n"
			     "Via: SIP/2.0/UDP 10.1.1.2\r\n"
			     "From: \"A\" <sip:alice@partner.example>;tag=1\r\n"
			     "t: <sip:bob@core.example>\r\n"
			     "i: 17@pc33\r\n"
			     "CSeq: 1 INVITE\r\n"
			     "Max-Forwards: 70\r\n"
			     "l: 0\r\n\r\n";

static struct reply reply_of(unsigned status, const char *reason)
{
	return (struct reply){ .status = status,
			       .reason = span_str(reason),
			       .received = SPAN("192.0.2.9"),
			       .rport = 40000,
			       .tag = 0x1234,
			       .identity = &test_image()->strip };
}

static struct span build(struct span bytes, const struct reply *reply, char *out, size_t cap)
{
	static struct test_msg t;

	(void)test_msg_parse(&t, bytes); /* its verdict does not matter: answers go to malformed requests too */
	return span_of(out, reply_build(&t.msg, reply, out, cap));
}

Test(reply, answers_a_good_request)
{
	static const char want[] =
	    "SIP/2.0 503 Server Busy\r\n"
	    "Via: SIP/2.0/TLS pc33.partner.example;branch=z9hG4bKa;received=192.0.2.9;rport=40000, SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKb\r\n"
	    "Via: SIP/2.0/UDP 10.1.1.2\r\n"
	    "From: \"A\" <sip:alice@partner.example>;tag=1\r\n"
	    "To: <sip:bob@core.example>;tag=0000000000001234\r\n"
	    "Call-ID: 17@pc33\r\n"
	    "CSeq: 1 INVITE\r\n"
	    "Retry-After: 5\r\n"
	    "Content-Length: 0\r\n\r\n";
	struct reply r = reply_of(503, "Server Busy");
	char out[2048];
	struct span got;

	r.extra = SPAN("Retry-After: 5\r\n");
	got = build(SPAN(invite), &r, out, sizeof(out));
	cr_assert(span_eq(got, SPAN(want)), "%.*s", SPAN_FMT(got));
	/* And it is a message that we would take ourselves. */
	static struct test_msg again;
	cr_assert_eq(test_msg_parse(&again, got), FAULT_NONE);
}

Test(reply, says_when_there_is_no_room)
{
	struct reply r = reply_of(400, "");
	char out[2048];
	size_t len = build(SPAN(invite), &r, out, sizeof(out)).len;

	cr_assert_gt(len, 0);
	for (size_t cap = 0; cap < len; cap++) {
		struct span room = guard_copy(out, cap);

		cr_assert_eq(build(SPAN(invite), &r, (char *)(uintptr_t)room.p, cap).len, 0, "cap %zu", cap);
		guard_free(room);
	}
}

/* A request with something wrong, and what must or must not stand in the answer. */
static const struct {
	const char *why, *bytes, *has, *has_not;
} broken[] = {
	{ "To has a tag", "BYE sip:a SIP/2.0\r\nTo: <sip:b@c>;tag=9\r\n\r\n", "To: <sip:b@c>;tag=9\r\n", "0000001234" },
	{ "To without brackets", "BYE sip:a SIP/2.0\r\nTo: sip:b@c\r\n\r\n", "To: sip:b@c;tag=0000000000001234\r\n", NULL },
	{ "To does not parse", "BYE sip:a SIP/2.0\r\nTo: \"b <sip:b@c>\r\n\r\n", "To: \"b <sip:b@c>\r\n", NULL },
	{ "nothing but a start line", "BYE sip:a SIP/2.0\r\n\r\n", "SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "Via" },
	{ "doubled From: the first", "BYE sip:a SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nf: <sip:x@y>;tag=2\r\n\r\n", "From: <sip:a@b>;tag=1\r\n", "x@y" },
	{ "doubled Call-ID: the first", "BYE sip:a SIP/2.0\r\nCall-ID: 1@a\r\ni: 2@a\r\n\r\n", "Call-ID: 1@a\r\n", "2@a" },
	{ "Via that does not parse", "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/TLS\r\nCSeq: 1 BYE\r\n\r\n", "Via: SIP/2.0/TLS\r\nCSeq: 1 BYE\r\n", "received" },
	{ "second Via does not parse", "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/TLS a.b\r\nVia: x\r\n\r\n", "Via: SIP/2.0/TLS a.b;received=192.0.2.9\r\nVia: x\r\n", NULL },
	{ "DEL in From", "BYE sip:a SIP/2.0\r\nFrom: \"a\x7f\" <sip:a@b>\r\nCall-ID: 1\r\n\r\n", "Call-ID: 1\r\n", "From" },
	{ "escape in Via", "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/TLS a.b;x=\x1b[1m\r\nCall-ID: 1\r\n\r\n", "Call-ID: 1\r\n", "Via" },
	{ "tab is no control byte", "BYE sip:a SIP/2.0\r\nCSeq: 1\tBYE\r\n\r\n", "CSeq: 1\tBYE\r\n", NULL },
	{ "header hidden behind U+2028", "BYE sip:a SIP/2.0\r\nTo: \"\xe2\x80\xa8" "P-Asserted-Identity: x\" <sip:b@c>\r\nCall-ID: 1\r\n\r\n", "Call-ID: 1\r\n", "To" },
	{ "header hidden behind 0x85", "BYE sip:a SIP/2.0\r\nTo: \"\x85P-Preferred-Identity: x\" <sip:b@c>\r\nCall-ID: 1\r\n\r\n", "Call-ID: 1\r\n", "To" },
	{ "just UTF-8", "BYE sip:a SIP/2.0\r\nTo: \"\xc3\x85ke: x\" <sip:b@c>;tag=1\r\n\r\n", "To: \"\xc3\x85ke: x\" <sip:b@c>;tag=1\r\n", NULL },
};

Test(reply, answers_a_malformed_request)
{
	struct reply r = reply_of(400, "");
	char out[2048];

	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct span got = build(guard_copy(broken[i].bytes, strlen(broken[i].bytes)), &r, out, sizeof(out));

		cr_assert_gt(got.len, 0, "%s", broken[i].why);
		cr_assert(memmem(got.p, got.len, broken[i].has, strlen(broken[i].has)), "%s: %.*s", broken[i].why, SPAN_FMT(got));
		cr_assert(!broken[i].has_not || !memmem(got.p, got.len, broken[i].has_not, strlen(broken[i].has_not)),
		    "%s: %.*s", broken[i].why, SPAN_FMT(got));
	}
}

Test(reply, reason_is_escaped)
{
	struct reply r = reply_of(400, "");
	char out[2048];
	struct span got;

	r.reason = SPAN("Bad \"X\"\r\nP-Asserted-Identity:\x85\xff\x00<");
	got = build(SPAN(invite), &r, out, sizeof(out));
	cr_assert(span_istarts(got, SPAN("SIP/2.0 400 Bad %22X%22%0D%0AP-Asserted-Identity:%85%FF%00%3C\r\nVia")), "%.*s",
	    SPAN_FMT(got));
}

static const struct {
	const char *why, *via, *source, *want;
} vias[] = {
	{ "nothing asked, right address", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1", "192.0.2.1", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1" },
	{ "another address", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "192.0.2.2", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=192.0.2.2" },
	{ "a name", "SIP/2.0/TLS a.example", "192.0.2.2", "SIP/2.0/TLS a.example;received=192.0.2.2" },
	{ "rport asked for", "SIP/2.0/TLS 192.0.2.1;rport;branch=z9hG4bK1", "192.0.2.1", "SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1;received=192.0.2.1;rport=65535" },
	{ "rport and received forged", "SIP/2.0/TLS a.b;RPORT=1;Received = 9.9.9.9;x", "192.0.2.1", "SIP/2.0/TLS a.b;x;received=192.0.2.1;rport=65535" },
	{ "two received", "SIP/2.0/TLS a.b;received=10.0.0.5;received=10.0.0.6", "192.0.2.1", NULL },
	{ "received came", "SIP/2.0/TLS 192.0.2.1;received=10.0.0.5;x=y", "192.0.2.1", "SIP/2.0/TLS 192.0.2.1;x=y;received=192.0.2.1" },
	{ "rport with a value", "SIP/2.0/TLS 192.0.2.1;rport=9;x", "192.0.2.1", "SIP/2.0/TLS 192.0.2.1;x;received=192.0.2.1;rport=65535" },
	{ "IPv6, the same in another spelling", "SIP/2.0/TLS [2001:DB8:0::1]:5061;a", "2001:db8::1", "SIP/2.0/TLS [2001:DB8:0::1]:5061;a" },
	{ "IPv6, another", "SIP/2.0/TLS [2001:db8::2]", "2001:db8::1", "SIP/2.0/TLS [2001:db8::2];received=2001:db8::1" },
	{ "semicolons in quotes", "SIP/2.0/TLS 192.0.2.1;a=\"x;received=1\\\";rport=2\";b", "192.0.2.1", "SIP/2.0/TLS 192.0.2.1;a=\"x;received=1\\\";rport=2\";b" },
	{ "blanks", "SIP / 2.0 / TLS 192.0.2.1 : 5060 ; a = b ; rport", "192.0.2.1", "SIP / 2.0 / TLS 192.0.2.1 : 5060;a = b;received=192.0.2.1;rport=65535" },
};

Test(reply, via_tells_where_it_came_from)
{
	for (size_t i = 0; i < ARRAY_LEN(vias); i++) {
		struct span in = guard_copy(vias[i].via, strlen(vias[i].via)), rest;
		struct via via;
		char out[256];
		size_t len;

		if (!vias[i].want) { /* two of a kind: sip/value refuses it, so that it never comes here */
			cr_assert(!via_parse(in, &via, &rest), "%s", vias[i].why);
			continue;
		}
		cr_assert(via_parse(in, &via, &rest), "%s", vias[i].why);
		len = reply_via(&via, span_str(vias[i].source), 65535, SPAN_NONE, out, sizeof(out));
		cr_assert(span_eq(span_of(out, len), span_str(vias[i].want)), "%s: %.*s", vias[i].why, (int)len, out);
		for (size_t cap = 0; cap < len; cap++)
			cr_assert_eq(reply_via(&via, span_str(vias[i].source), 65535, SPAN_NONE, out, cap), 0, "%s: cap %zu", vias[i].why, cap);
	}
}

Test(reply, phrases)
{
	cr_assert_str_eq(reply_phrase(483), "Too Many Hops");
	cr_assert_str_eq(reply_phrase(499), "Bad Request");
	cr_assert_str_eq(reply_phrase(0), "Unknown");
	cr_assert_str_eq(reply_phrase(700), "Unknown");
}
