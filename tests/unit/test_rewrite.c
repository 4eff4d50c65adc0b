/* rewrite: what leaves for what came, to the byte. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/policy/rewrite.h"
#include "support/guard.h"
#include "support/test_image.h"

#define OUR_VIA "Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKours\r\n"
#define OUR_ROUTE "Record-Route: <sip:TOKEN@127.0.0.1;lr>\r\n"
#define PPI "P-Preferred-Identity: <sip:a@partner.example>\r\n"

/* What most messages have, and leave with as it is. */
#define PARTIES "From: <sip:a@partner.example>;tag=1\r\nTo: <sip:b@core.example>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
#define LINE "INVITE sip:b@core.example SIP/2.0\r\n"
#define VIA_IN "Via: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1\r\n"
#define MF_IN "Max-Forwards: 70\r\n"
#define TOP LINE OUR_VIA PPI VIA_IN

static struct rewrite_request how_of(const struct identity *id, const struct route_plan *plan, const char *record_route)
{
	return (struct rewrite_request){ .via = SPAN(OUR_VIA),
					 .source = SPAN("192.0.2.1"),
					 .source_port = 4711,
					 .record_route = span_str(record_route),
					 .plan = plan,
					 .identity = { .asserted = id } };
}

static unsigned count_routes(const struct sip_msg *msg)
{
	unsigned n = 0;

	for (int i = msg->first[HDR_ROUTE]; i >= 0; i = msg_next_header(msg, HDR_ROUTE, (size_t)i + 1)) {
		struct span rest = msg->header[i].value;
		struct name_addr one;

		while (rest.p && name_addr_parse(rest, &one, &rest))
			n++;
	}
	return n;
}

/* Rewrite with the identity decided for `domain`; every smaller room must be refused. */
static struct span rewrite(const char *why, struct span in, uint32_t domain, unsigned routes, const char *record_route)
{
	static struct test_msg t;
	static char out[65536];
	struct peer_judgement peer = { .domain_count = domain != IMAGE_NONE, .domain = { domain } };
	static struct identity id;
	struct route_plan plan = { .ours = routes };
	struct rewrite_request how = how_of(&id, &plan, record_route);
	size_t len, bound;

	cr_assert_eq(test_msg_parse(&t, in), FAULT_NONE, "%s", why);
	plan.routes = count_routes(&t.msg);
	identity_decide(test_image(), &peer, &t.msg, false, &id);
	bound = rewrite_bound(&t.msg, &how);
	cr_assert_leq(bound, sizeof(out));
	len = rewrite_request(test_image(), &t.msg, &how, out, bound);
	cr_assert_gt(len, 0, "%s: rewrite_bound is enough", why);
	for (size_t cap = 0; cap < len; cap += len / 64 + 1) {
		struct span room = guard_copy(out, cap);

		cr_assert_eq(rewrite_request(test_image(), &t.msg, &how, (char *)(uintptr_t)room.p, cap), 0, "%s: cap %zu", why, cap);
		guard_free(room);
	}
	cr_assert_eq(rewrite_request(test_image(), &t.msg, &how, out, len), len, "%s: just enough room", why);
	return span_of(out, len);
}

static const struct {
	const char *why;
	const char *in, *want;
	uint32_t domain;
	unsigned routes;
	const char *record_route;
} rows[] = {
	{ "plain", LINE VIA_IN MF_IN PARTIES "Content-Length: 0\r\n\r\n",
	  TOP "Max-Forwards: 69\r\n" PARTIES "Content-Length: 0\r\n\r\n" },
	{ "untrusted: nothing asserted", LINE VIA_IN MF_IN PARTIES "P-Preferred-Identity: <sip:x@y>\r\nContent-Length: 0\r\n\r\n",
	  LINE OUR_VIA VIA_IN "Max-Forwards: 69\r\n" PARTIES "Content-Length: 0\r\n\r\n", IMAGE_NONE },
	{ "version in another case", "INVITE sip:b@core.example sip/2.0\r\n" VIA_IN MF_IN PARTIES "l: 0\r\n\r\n",
	  TOP "Max-Forwards: 69\r\n" PARTIES "Content-Length: 0\r\n\r\n" },
	{ "no Max-Forwards", LINE VIA_IN PARTIES "Content-Length: 0\r\n\r\n",
	  LINE OUR_VIA "Max-Forwards: 70\r\n" PPI VIA_IN PARTIES "Content-Length: 0\r\n\r\n" },
	{ "Max-Forwards with zeros, name in another case", LINE VIA_IN "mAX-fORWARDS : 0010\r\n" PARTIES "Content-Length: 0\r\n\r\n",
	  TOP "mAX-fORWARDS: 9\r\n" PARTIES "Content-Length: 0\r\n\r\n" },
	{ "Max-Forwards 255", LINE VIA_IN "Max-Forwards: 255\r\n" PARTIES "Content-Length: 0\r\n\r\n",
	  TOP "Max-Forwards: 254\r\n" PARTIES "Content-Length: 0\r\n\r\n" },
	{ "Content-Length with zeros, in front, compact", LINE "l : 0003\r\n" VIA_IN MF_IN PARTIES "\r\nabc",
	  TOP "Max-Forwards: 69\r\n" PARTIES "Content-Length: 3\r\n\r\nabc" },
	{ "body that looks like a message", LINE VIA_IN MF_IN PARTIES "Content-Length: 40\r\n\r\n\r\n\r\nINVITE x SIP/2.0\r\nP-Asserted-Ident\0\n",
	  TOP "Max-Forwards: 69\r\n" PARTIES "Content-Length: 40\r\n\r\n\r\n\r\nINVITE x SIP/2.0\r\nP-Asserted-Ident\0\n" },
	{ "identity headers, first, last and between", LINE "P-Asserted-Identity: <sip:x@y>\r\n" VIA_IN "Remote-Party-ID: x\r\nP-PREFERRED-IDENTITY \t: <sip:x@y>\r\n" MF_IN PARTIES "P-Charging-Vector: x\r\nContent-Length: 0\r\nX-Caller:\r\n\r\n",
	  TOP "Max-Forwards: 69\r\n" PARTIES "Content-Length: 0\r\n\r\n" },
	{ "names that only look like them pass", LINE VIA_IN MF_IN PARTIES "X-P-Asserted-Identity: 1\r\nIdentity: 2\r\nPrivacy: id\r\nContent-Length: 0\r\n\r\n",
	  TOP "Max-Forwards: 69\r\n" PARTIES "X-P-Asserted-Identity: 1\r\nIdentity: 2\r\nPrivacy: id\r\nContent-Length: 0\r\n\r\n" },
	{ "blanks before the colon go, all else stays", LINE VIA_IN MF_IN PARTIES "Subject \t : \t x  y \r\nX:\r\nY:  z \r\nE :\r\nContent-Length: 0\r\n\r\n",
	  TOP "Max-Forwards: 69\r\n" PARTIES "Subject: x  y\r\nX:\r\nY:  z \r\nE: \r\nContent-Length: 0\r\n\r\n" },
	{ "compact forms stay", LINE VIA_IN MF_IN "f:sip:a@partner.example\r\nt:sip:b@c\r\ni:1\r\nCSeq:1 INVITE\r\nm:<sip:a@b>\r\nc:a/b\r\nl:0\r\n\r\n",
	  TOP "Max-Forwards: 69\r\nf:sip:a@partner.example\r\nt:sip:b@c\r\ni:1\r\nCSeq:1 INVITE\r\nm:<sip:a@b>\r\nc:a/b\r\nContent-Length: 0\r\n\r\n" },
	{ "top Via with more in its line", LINE "X: 1\r\nv:SIP/2.0/TLS h.example;rport;branch=z9hG4bK1 ,\t SIP/2.0/UDP b.c\r\n" MF_IN PARTIES "Via : SIP/2.0/TCP d.e;received=1.2.3.4\r\nContent-Length: 0\r\n\r\n",
	  LINE OUR_VIA PPI "X: 1\r\nVia: SIP/2.0/TLS h.example;branch=z9hG4bK1;received=192.0.2.1;rport=4711, SIP/2.0/UDP b.c\r\nMax-Forwards: 69\r\n" PARTIES "Via: SIP/2.0/TCP d.e;received=1.2.3.4\r\nContent-Length: 0\r\n\r\n" },
	{ "Record-Route on top of others", LINE VIA_IN MF_IN PARTIES "Record-Route: <sip:x;lr>\r\nContent-Length: 0\r\n\r\n",
	  LINE OUR_VIA OUR_ROUTE PPI VIA_IN "Max-Forwards: 69\r\n" PARTIES "Record-Route: <sip:x;lr>\r\nContent-Length: 0\r\n\r\n", D_PARTNER, 0, OUR_ROUTE },
	{ "Routes of ours go", LINE VIA_IN MF_IN "Route: <sip:t@edge.example;lr>\r\nRoute : \"a,b\" <sip:t@edge.example;lr>;x=\",\" ,  <sip:c;lr>,<sip:d>\r\nRoute: <sip:e>\r\n" PARTIES "Content-Length: 0\r\n\r\n",
	  TOP "Max-Forwards: 69\r\nRoute: <sip:c;lr>,<sip:d>\r\nRoute: <sip:e>\r\n" PARTIES "Content-Length: 0\r\n\r\n", D_PARTNER, 2 },
	{ "all Routes go", LINE VIA_IN MF_IN "Route: <sip:t@edge.example;lr>,<sip:edge.example>\r\n" PARTIES "Content-Length: 0\r\n\r\n",
	  TOP "Max-Forwards: 69\r\n" PARTIES "Content-Length: 0\r\n\r\n", D_PARTNER, 2 },
	{ "no Route goes", LINE VIA_IN MF_IN "Route: <sip:c;lr> , <sip:d>\r\n" PARTIES "Content-Length: 0\r\n\r\n",
	  TOP "Max-Forwards: 69\r\nRoute: <sip:c;lr> , <sip:d>\r\n" PARTIES "Content-Length: 0\r\n\r\n" },
	{ "violation: nothing asserted, all removed", LINE VIA_IN MF_IN "From: <sip:a@core.example>\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nX-Caller: x\r\nContent-Length: 0\r\n\r\n",
	  LINE OUR_VIA VIA_IN "Max-Forwards: 69\r\nFrom: <sip:a@core.example>\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n", D_STRIP },
	{ "keep, but never what is believed", LINE VIA_IN MF_IN "From: <sip:a@strip.example>\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nP-Charging-Vector: x\r\nP-Preferred-Identity: x\r\nX-Caller: x\r\nRemote-Party-ID: x\r\nContent-Length: 0\r\n\r\n",
	  LINE OUR_VIA "X-Caller: <sip:a@strip.example>\r\n" VIA_IN "Max-Forwards: 69\r\nFrom: <sip:a@strip.example>\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nP-Charging-Vector: x\r\nContent-Length: 0\r\n\r\n", D_STRIP },
	{ "asserted by the peer, kept and rebuilt", LINE VIA_IN MF_IN PARTIES "P-Asserted-Identity: tel:+1;x=y\r\np-asserted-identity: \"X\" <sip:c@D.invalid;x>\r\nContent-Length: 0\r\n\r\n",
	  LINE OUR_VIA "P-Preferred-Identity: <sip:c@d.invalid>, <tel:+1>\r\nP-Asserted-Identity: <sip:c@d.invalid>, <tel:+1>\r\n" VIA_IN "Max-Forwards: 69\r\n" PARTIES "Content-Length: 0\r\n\r\n", D_ASSERTED },
	{ "asserted, and written as P-Asserted-Identity", LINE VIA_IN MF_IN PARTIES "Remote-Party-ID: x\r\nP-Asserted-Identity: <sip:c@d.invalid>\r\nContent-Length: 0\r\n\r\n",
	  LINE OUR_VIA "P-Asserted-Identity: <sip:c@d.invalid>\r\n" VIA_IN "Max-Forwards: 69\r\n" PARTIES "Remote-Party-ID: x\r\nContent-Length: 0\r\n\r\n", D_PAID },
};

/* The one row that has a NUL, in its body, says so by its length. */
static struct span bytes_of(const char *text)
{
	size_t len = strlen(text);

	return strstr(text, "Content-Length: 40") ? span_of(text, len + 2) : span_of(text, len);
}

Test(rewrite, requests)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = bytes_of(rows[i].in), want = bytes_of(rows[i].want);
		struct span got = rewrite(rows[i].why, guard_copy(in.p, in.len), rows[i].domain, rows[i].routes,
		    rows[i].record_route ? rows[i].record_route : "");

		cr_assert(span_eq(got, want), "%s:\n%.*s\nwanted\n%s", rows[i].why, SPAN_FMT(got), rows[i].want);
	}
}

/* However many lines there are, and whichever of them go. */
Test(rewrite, runs_of_lines)
{
	for (unsigned mask = 0; mask < 1024; mask++) {
		char in[4096], want[4096];
		int n = snprintf(in, sizeof(in), LINE VIA_IN MF_IN PARTIES);
		int m = snprintf(want, sizeof(want), TOP "Max-Forwards: 69\r\n" PARTIES);
		struct span got;

		for (unsigned i = 0; i < 10; i++) {
			bool goes = mask & 1u << i;

			n += snprintf(in + n, sizeof(in) - (size_t)n, "%s: %u\r\n", goes ? "Remote-Party-ID" : "X", i);
			m += goes ? 0 : snprintf(want + m, sizeof(want) - (size_t)m, "X: %u\r\n", i);
		}
		n += snprintf(in + n, sizeof(in) - (size_t)n, "Content-Length: 0\r\n\r\n");
		m += snprintf(want + m, sizeof(want) - (size_t)m, "Content-Length: 0\r\n\r\n");
		got = rewrite("runs", span_of(in, (size_t)n), D_PARTNER, 0, "");
		cr_assert(span_eq(got, span_of(want, (size_t)m)), "mask %x:\n%.*s", mask, SPAN_FMT(got));
	}
}

/* ---- responses on their way out ---- */

#define OK_LINE "SIP/2.0 200 OK\r\n"
#define THEIR_VIA "Via: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1;received=192.0.2.1\r\n"

static const struct {
	const char *why, *in, *want;
	bool trust_domain;
} responses[] = {
	{ "our Via goes", OK_LINE OUR_VIA THEIR_VIA PARTIES "Content-Length: 0\r\n\r\n", OK_LINE THEIR_VIA PARTIES "Content-Length: 0\r\n\r\n" },
	{ "our Via in one line with theirs", OK_LINE "v: SIP/2.0/TCP 127.0.0.1;x=\",\" , SIP/2.0/TLS a.b ,SIP/2.0/TLS c.d\r\n" PARTIES "Content-Length: 0\r\n\r\n",
	  OK_LINE "Via: SIP/2.0/TLS a.b ,SIP/2.0/TLS c.d\r\n" PARTIES "Content-Length: 0\r\n\r\n" },
	{ "version, empty reason, length", "sip/2.0 180 \r\n" OUR_VIA THEIR_VIA PARTIES "l: 2\r\n\r\nhi", "SIP/2.0 180 \r\n" THEIR_VIA PARTIES "Content-Length: 2\r\n\r\nhi" },
	{ "identity headers go", OK_LINE OUR_VIA THEIR_VIA "P-Asserted-Identity: x\r\nX-Caller: x\r\nPrivacy: id\r\n" PARTIES "P-Served-User: x\r\nContent-Length: 0\r\n\r\n",
	  OK_LINE THEIR_VIA "Privacy: id\r\n" PARTIES "Content-Length: 0\r\n\r\n" },
	{ "to a trust domain one of them passes", OK_LINE OUR_VIA THEIR_VIA "P-Asserted-Identity: x\r\nP-Preferred-Identity: y\r\nPrivacy: id\r\n" PARTIES "P-Served-User: x\r\nContent-Length: 0\r\n\r\n",
	  OK_LINE THEIR_VIA "P-Asserted-Identity: x\r\nPrivacy: id\r\n" PARTIES "Content-Length: 0\r\n\r\n", true },
	{ "Max-Forwards and Route of a response are none of ours", OK_LINE OUR_VIA THEIR_VIA "Route: <sip:x>\r\n" MF_IN PARTIES "Content-Length: 0\r\n\r\n",
	  OK_LINE THEIR_VIA "Route: <sip:x>\r\n" MF_IN PARTIES "Content-Length: 0\r\n\r\n" },
};

Test(rewrite, responses)
{
	static struct test_msg t;
	char out[4096];

	for (size_t i = 0; i < ARRAY_LEN(responses); i++) {
		struct span in = guard_copy(responses[i].in, strlen(responses[i].in));
		struct rewrite_identity how = { .keep_asserted = responses[i].trust_domain };
		size_t len;

		cr_assert_eq(test_msg_parse(&t, in), FAULT_NONE, "%s", responses[i].why);
		len = rewrite_response(test_image(), &t.msg, &how, out, sizeof(out));
		cr_assert(span_eq(span_of(out, len), span_str(responses[i].want)), "%s:\n%.*s", responses[i].why, (int)len, out);
		for (size_t cap = 0; cap < len; cap++)
			cr_assert_eq(rewrite_response(test_image(), &t.msg, &how, out, cap), 0);
	}
}

/* Credentials that have been used go, and those of other realms stay as they are. */
Test(rewrite, spent_credentials)
{
	static const char in[] = LINE VIA_IN MF_IN PARTIES "Proxy-Authorization: Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"0\", cnonce=\"c\", qop=auth, nc=00000001\r\n"
						       "Proxy-Authorization:Digest realm=\"other\"\r\nProxy-Authorization: Digest realm=\"\\r\"\r\n"
						       "Proxy-Authorization: Basic r\r\nContent-Length: 0\r\n\r\n";
	static struct identity id = { .domain = IMAGE_NONE };
	static struct test_msg t;
	struct route_plan plan = { 0 };
	struct rewrite_request how = how_of(&id, &plan, "");
	char out[4096];
	struct span got;

	cr_assert_eq(test_msg_parse(&t, span_str(in)), FAULT_NONE);
	got = span_of(out, rewrite_request(test_image(), &t.msg, &how, out, sizeof(out)));
	cr_assert(memmem(got.p, got.len, "nonce=\"n\"", 9), "nothing is asked for: it passes");
	how.realm = SPAN("r");
	got = span_of(out, rewrite_request(test_image(), &t.msg, &how, out, sizeof(out)));
	cr_assert_not(memmem(got.p, got.len, "nonce", 5) || memmem(got.p, got.len, "\\r", 2), "%.*s", SPAN_FMT(got));
	cr_assert(memmem(got.p, got.len, "Proxy-Authorization:Digest realm=\"other\"\r\nProxy-Authorization: Basic r\r\n", 72), "%.*s", SPAN_FMT(got));
}
