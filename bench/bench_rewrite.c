/*
 * bench_rewrite - nanoseconds for the whole pure path of a request from
 * outside: msg_parse, inspect, route, identity, rewrite.
 *
 *   bench_rewrite [SECONDS]     default 1 for each line
 */
#include <stdlib.h>

#include "bench/repeat.h"
#include "bench/sample.h"
#include "common/policy/inspect.h"
#include "common/policy/rewrite.h"
#include "common/policy/route.h"
#include "support/test_image.h"

static const char invite[] =
    "INVITE sip:+4930123456@core.example:5061;user=phone;transport=tls SIP/2.0\r\n"
    "Via: SIP/2.0/TLS edge7.partner.example:5061;branch=z9hG4bK-524287-1-f00dcafe;rport\r\n"
    "Via: SIP/2.0/UDP 10.20.30.40:5060;branch=z9hG4bKnashds8;received=10.20.30.41;rport=5060\r\n"
    "Record-Route: <sip:edge7.partner.example:5061;transport=tls;lr>\r\n"
    "Max-Forwards: 68\r\n"
    "From: \"Alice Example\" <sip:+4989654321@partner.example;user=phone>;tag=9fxced76sl\r\n"
    "To: <sip:+4930123456@core.example;user=phone>\r\n"
    "Call-ID: 3848276298220188511@edge7.partner.example\r\n"
    "CSeq: 1711 INVITE\r\n"
    "Contact: <sip:+4989654321@edge7.partner.example:5061;transport=tls>\r\n"
    "P-Asserted-Identity: <sip:+4989654321@partner.example;user=phone>\r\n"
    "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, NOTIFY, REFER\r\n"
    "Supported: 100rel, timer, replaces, histinfo\r\n"
    "Session-Expires: 1800;refresher=uac\r\n"
    "Min-SE: 90\r\n"
    "User-Agent: PartnerSBC 4.2.1 build 20931\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Disposition: session\r\n"
    "Content-Length: 264\r\n"
    "\r\n"
    "v=0\r\n"
    "o=- 3848276298 3848276298 IN IP4 192.0.2.77\r\n"
    "s=call\r\n"
    "c=IN IP4 192.0.2.77\r\n"
    "t=0 0\r\n"
    "m=audio 30124 RTP/SAVP 8 0 101\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\n"
    "a=sendrecv\r\n"
    "a=ptime:20\r\n"
    "a=maxptime:40\r\n"
    "a=x-pad:....\r\n";

static const struct route_keys keys = { .tokens = { 1, { { 9, { { 4, 5, 6 } } } } }, .branch = { { 11, 12 } } };

/* The length of what leaves; 0: refused somewhere. */
static size_t one(struct span head, struct span body)
{
	static struct msg_header header[256];
	static struct identity id;
	static char out[8192];
	const struct msg_rules rules = { .body_max = 65536, .identity = &test_image()->strip, .stream = true };
	const struct peer_judgement peer = { .domain_count = 1, .domain = { D_PARTNER } };
	struct rewrite_request how = {
		.via = SPAN("Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK0123456789abcdef0123456789abcdef;way=0123456789\r\n"),
		.source = SPAN("192.0.2.1"),
		.source_port = 40000,
		.identity = { .asserted = &id },
	};
	char extra[256], branch[ROUTE_BRANCH_LEN];
	struct route_plan plan;
	struct sip_msg msg;
	struct msg_fault fault;
	size_t extra_len;
	uint32_t domain;

	if (msg_parse(head, &rules, header, 256, &msg, &fault) != FAULT_NONE)
		return 0;
	msg.body = body;
	if (inspect_request(test_image(), UINT32_MAX, &msg, extra, sizeof(extra), &extra_len) != REFUSAL_NONE)
		return 0;
	domain = identity_domain(test_image(), &peer, &msg);
	route_plan_external(test_image(), &keys, &msg, domain, 1000, &plan);
	if (plan.refusal != REFUSAL_NONE || route_check_uri(test_image(), &plan, true) != REFUSAL_NONE)
		return 0;
	identity_decide(test_image(), &peer, &msg, plan.has_token, &id);
	if (id.refusal != REFUSAL_NONE)
		return 0;
	route_branch(&keys, &msg, route_back_id(test_image(), &keys, domain), how.source, branch);
	if (route_rank(test_image(), &keys, image_at(test_image(), test_image()->cluster->servers), msg.call_id) <= 0)
		return 0;
	how.plan = &plan;
	return rewrite_request(test_image(), &msg, &how, out, sizeof(out));
}

struct sample {
	struct span head, body;
};

static bool passes(const void *arg)
{
	const struct sample *s = arg;

	return one(s->head, s->body) > 0;
}

static struct sample cut(struct span in)
{
	const char *end = memmem(in.p, in.len, "\r\n\r\n", 4);

	return (struct sample){ span_head(in, (size_t)(end + 4 - in.p)), span_from(in, (size_t)(end + 4 - in.p)) };
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	struct sample a = cut(SPAN(sample_options)), b = cut(SPAN(invite));

	return repeat("OPTIONS of 572 bytes", passes, &a, seconds) | repeat("INVITE of 1234 bytes", passes, &b, seconds);
}
