/*
 * rewrite, differentially: whatever frame and msg accept leaves as a message
 * that msg accepts, with the same headers in the same order but for those that
 * are ours to change, no identity header but our own, one Content-Length, and
 * the body byte for byte.
 */
#include "common/policy/inspect.h"
#include "common/policy/rewrite.h"
#include "common/policy/route.h"
#include "common/sip/frame.h"
#include "common/sip/reply.h"
#include "fuzz/check.h"
#include "support/test_image.h"

#define HEAD_MAX 65536
#define FIELDS_MAX 300
#define OUR_VIA "Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKours\r\n"
#define OUR_ROUTES "Record-Route: <sip:x@127.0.0.1;lr>\r\nRecord-Route: <sip:x@edge.example;lr>\r\n"

static const struct route_keys keys = { .tokens = { 1, { { 9, { { 4, 5, 6 } } } } }, .branch = { { 11, 12 } } };

/* The message that left, parsed, and how far it has been compared. */
struct result {
	struct msg_header header[FIELDS_MAX];
	struct sip_msg msg;
	size_t at;
};

static void parse_again(struct result *r, struct span out, struct span body)
{
	const struct msg_rules rules = { .body_max = 1 << 20, .identity = &test_image()->strip, .stream = true };
	struct framer fr = { 0 };
	struct msg_fault fault;
	struct span head;

	CHECK(frame_next(&fr, HEAD_MAX * 2, out, &head) == FRAME_HEAD);
	CHECK(!fr.folded);
	CHECK(msg_parse(head, &rules, r->header, FIELDS_MAX, &r->msg, &fault) == FAULT_NONE);
	CHECK(r->msg.content_length == body.len);
	CHECK(span_eq(span_from(out, head.len), body));
	r->at = 0;
}

/* The next header that left. */
static const struct msg_header *next(struct result *r)
{
	CHECK(r->at < r->msg.header_count);
	return &r->header[r->at++];
}

static void expect(struct result *r, struct span name, struct span value)
{
	const struct msg_header *h = next(r);

	CHECK(span_eq(h->name, name));
	CHECK(span_eq(h->value, value));
}

static void expect_top(struct result *r, const struct sip_msg *msg, const struct identity *id, bool record_route)
{
	CHECK(span_eq(next(r)->line, SPAN(OUR_VIA)));
	for (int i = 0; i < 2 * record_route; i++)
		CHECK(next(r)->id == HDR_RECORD_ROUTE);
	if (msg->max_forwards < 0)
		expect(r, SPAN("Max-Forwards"), SPAN("70"));
	if (id->header.len)
		expect(r, id->header, span_of(id->value, id->value_len));
	if (id->asserted_len)
		expect(r, SPAN("P-Asserted-Identity"), span_of(id->value, id->asserted_len));
}

/* The Via that came on top: the same sent-by and branch, and the true source. */
static void expect_via(struct result *r, const struct sip_msg *msg)
{
	struct span rest, received;
	struct via via;

	CHECK(via_parse(next(r)->value, &via, &rest));
	CHECK(span_eq(via.sent_by, msg->via.sent_by));
	CHECK(span_eq(via.branch, msg->via.branch));
	CHECK(via.has_rport == msg->via.has_rport);
	CHECK(!via.has_received || (value_param(via.params, SPAN("received"), &received) && span_eq(received, SPAN("192.0.2.1"))));
	CHECK(span_eq(span_trim(rest), span_trim(msg->via_rest)));
}

static void expect_number(struct result *r, struct span name, uint64_t want)
{
	const struct msg_header *h = next(r);
	uint64_t n;

	CHECK(span_eq(h->name, name));
	CHECK(span_u64(h->value, UINT64_MAX, &n) && n == want);
}

/* All Route values but the first `removed`. */
static void expect_routes(struct result *r, const struct msg_header *h, unsigned *removed)
{
	struct span rest = h->value;
	struct name_addr one;

	while (*removed && rest.p) {
		CHECK(name_addr_parse(rest, &one, &rest));
		--*removed;
	}
	if (rest.p)
		expect(r, h->name, span_trim(rest));
}

/* In `keep` of these entries of the image, and no header that containers believe. */
static bool may_pass(uint32_t domain, struct span name)
{
	return (domain == D_STRIP && span_ieq(name, SPAN("P-Charging-Vector"))) ||
	    (domain == D_PAID && span_ieq(name, SPAN("Remote-Party-ID")));
}

static void compare(struct result *r, const struct sip_msg *msg, const struct identity *id, unsigned routes)
{
	for (size_t i = 0; i < msg->header_count; i++) {
		const struct msg_header *h = &msg->header[i];

		if ((h->identity && !may_pass(id->domain, h->name)) || h->id == HDR_CONTENT_LENGTH)
			continue;
		if ((int)i == msg->first[HDR_VIA])
			expect_via(r, msg);
		else if (h->id == HDR_ROUTE)
			expect_routes(r, h, &routes);
		else if (h->id == HDR_MAX_FORWARDS)
			expect_number(r, h->name, msg->max_forwards > 0 ? (uint64_t)msg->max_forwards - 1 : 0);
		else
			expect(r, h->name, h->value);
	}
	expect_number(r, SPAN("Content-Length"), msg->body.len);
	CHECK(r->at == r->msg.header_count);
}

static void check_identities(const struct result *r, const struct identity *id)
{
	unsigned ours = (id->header.len > 0) + (id->asserted_len > 0), seen = 0;

	for (size_t i = 0; i < r->msg.header_count; i++)
		seen += r->header[i].identity && !may_pass(id->domain, r->header[i].name);
	CHECK(seen == ours);
	CHECK(!(id->violation || id->domain == IMAGE_NONE) || ours == 0);
}

static void try_request(const struct sip_msg *msg, uint32_t domain, bool record_route)
{
	static struct identity id;
	static struct result r;
	const struct peer_judgement peer = { .domain_count = domain != IMAGE_NONE, .domain = { domain } };
	struct rewrite_request how = { .via = SPAN(OUR_VIA), .source = SPAN("192.0.2.1"), .source_port = 5, .identity = { .asserted = &id } };
	struct route_plan plan;
	char extra[256], branch[ROUTE_BRANCH_LEN], *out;
	size_t extra_len, bound, len;

	CHECK(inspect_request(test_image(), UINT32_MAX, msg, extra, sizeof(extra), &extra_len) < REFUSAL_COUNT);
	CHECK(extra_len <= sizeof(extra));
	route_plan_external(test_image(), &keys, msg, domain, 1000, &plan);
	CHECK(!plan.has_token);
	CHECK(route_check_uri(test_image(), &plan, false) < REFUSAL_COUNT);
	identity_decide(test_image(), &peer, msg, false, &id);
	CHECK(id.domain == domain);
	route_branch(&keys, msg, route_back_id(test_image(), &keys, domain), how.source, branch);
	how.plan = &plan;
	how.record_route = record_route ? SPAN(OUR_ROUTES) : SPAN_NONE;
	bound = rewrite_bound(msg, &how);
	out = check_alloc(bound);
	len = rewrite_request(test_image(), msg, &how, out, bound);
	CHECK(len > 0 && len <= bound);
	parse_again(&r, span_of(out, len), msg->body);
	CHECK(r.msg.is_request && span_eq(r.msg.method, msg->method));
	CHECK(span_eq(r.msg.request_uri_text, msg->request_uri_text));
	check_identities(&r, &id);
	expect_top(&r, msg, &id, record_route);
	compare(&r, msg, &id, plan.ours);
	free(out);
}

static void try_response(const struct sip_msg *msg, bool trust_domain)
{
	static struct result r;
	struct rewrite_identity how = { .keep_asserted = trust_domain };
	size_t bound = rewrite_response_bound(msg, &how);
	char *out = check_alloc(bound);
	size_t len = rewrite_response(test_image(), msg, &how, out, bound);
	bool via_left = msg->via_rest.p || msg_next_header(msg, HDR_VIA, (size_t)msg->first[HDR_VIA] + 1) >= 0;

	CHECK(len > 0 && len <= bound);
	if (via_left) { /* else the response is for ourselves and goes nowhere */
		parse_again(&r, span_of(out, len), msg->body);
		CHECK(!r.msg.is_request && r.msg.status == msg->status && span_eq(r.msg.reason, msg->reason));
		for (size_t i = 0; i < msg->header_count; i++) {
			const struct msg_header *h = &msg->header[i];

			if (h->id == HDR_CONTENT_LENGTH || (h->identity && !(trust_domain && h->id == HDR_P_ASSERTED_IDENTITY)))
				continue;
			if ((int)i != msg->first[HDR_VIA])
				expect(&r, h->name, h->value);
			else if (msg->via_rest.p)
				expect(&r, SPAN("Via"), span_trim(msg->via_rest));
		}
		expect_number(&r, SPAN("Content-Length"), msg->body.len);
		CHECK(r.at == r.msg.header_count);
	}
	free(out);
}

/* An answer is a message too, as long as the request was one. */
static void try_reply(const struct sip_msg *msg, bool good)
{
	static struct result r;
	struct reply reply = { .status = 400, .received = SPAN("192.0.2.1"), .tag = 7, .identity = &test_image()->strip };
	size_t cap = msg->head.len + 512, len;
	char *out = check_alloc(cap);

	len = reply_build(msg, &reply, out, cap);
	CHECK(len > 0 && len <= cap);
	for (size_t i = 0; i < len; i++)
		CHECK((unsigned char)out[i] >= 0x20 ? out[i] != 0x7f : out[i] == '\t' || out[i] == '\r' || out[i] == '\n');
	if (good) {
		parse_again(&r, span_of(out, len), SPAN_NONE);
		CHECK(r.msg.status == 400 && r.msg.to_tag.p && span_eq(r.msg.call_id, msg->call_id));
	}
	free(out);
}

/* Returns what to skip behind the head, or SIZE_MAX when the stream cannot go on. */
static size_t try_message(struct span head, struct span behind)
{
	static struct msg_header header[256];
	const struct msg_rules rules = { .body_max = 1 << 20, .identity = &test_image()->strip, .stream = true };
	struct sip_msg msg;
	struct msg_fault fault;
	enum fault code = msg_parse(head, &rules, header, ARRAY_LEN(header), &msg, &fault);

	if (fault_closes(code) || msg.content_length > behind.len)
		return SIZE_MAX;
	msg.body = span_head(behind, msg.content_length);
	if (msg.is_request)
		try_reply(&msg, code == FAULT_NONE);
	if (code == FAULT_NONE && msg.is_request)
		for (uint32_t d = 0; d <= D_COUNT; d++)
			try_request(&msg, d < D_COUNT ? d : IMAGE_NONE, d & 1);
	else if (code == FAULT_NONE)
		for (int trust = 0; trust < 2; trust++)
			try_response(&msg, trust);
	return msg.content_length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	size_t skip = 0;

	for (unsigned messages = 0; messages < 16 && skip < in.len; messages++) {
		struct framer fr = { 0 };
		struct span head;
		enum frame_status st;

		in = span_from(in, skip);
		st = frame_next(&fr, HEAD_MAX, in, &head);
		if (st == FRAME_CRLF || st == FRAME_PING) {
			skip = head.len;
		} else if (st == FRAME_HEAD) {
			char *flat = check_alloc(head.len);
			size_t body = try_message(span_of(flat, frame_unfold(head, flat)), span_from(in, head.len));

			free(flat);
			if (body == SIZE_MAX)
				break;
			skip = head.len + body;
		} else {
			break;
		}
	}
	return 0;
}
