/* route: which external domain is a request from inside for? */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/policy/route.h"
#include "support/leaks.h"
#include "support/test_image.h"

TestSuite(route_outside, .fini = leaks_check);

#define NOW 5000

static struct route_keys keys = { .tokens = { .count = 2, .key = { { 1, { { 1 } } }, { 2, { { 2 } } } } }, .branch = { { 3 } } };

static struct sip_msg *request(const char *uri, const char *routes, const char *to)
{
	static struct test_msg t;
	static char text[8192];
	int n = snprintf(text, sizeof(text),
	    "BYE %s SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.5;branch=z9hG4bK1\r\nFrom: <sip:b@core.example>;tag=1\r\nTo: <%s>\r\n"
	    "Call-ID: call\r\nCSeq: 1 BYE\r\n%sContent-Length: 0\r\n\r\n", uri, to, routes);

	cr_assert_eq(test_msg_parse(&t, span_of(text, (size_t)n)), FAULT_NONE, "%s", text);
	return &t.msg;
}

static enum refusal outside(const struct sip_msg *msg, bool secure, struct route_plan *plan, struct route_outside *out)
{
	route_plan_internal(test_image(), &keys, msg, NOW, plan);
	if (plan->refusal != REFUSAL_NONE)
		return plan->refusal;
	route_outside(test_image(), msg, plan, secure, out);
	return out->refusal;
}

Test(route_outside, by_name)
{
	static const struct {
		const char *uri, *routes;
		enum refusal want;
		uint32_t domain;
		bool secure, to;
	} rows[] = {
		{ "sip:a@partner.example", "", REFUSAL_NONE, D_PARTNER },
		{ "sip:a@PARTNER.example.:9;maddr=10.0.0.9", "", REFUSAL_NONE, D_PARTNER },
		{ "sip:a@x.partner.example", "", REFUSAL_NONE, D_WILD },
		{ "sip:a@x.deep.partner.example", "", REFUSAL_NONE, D_WILDER },
		{ "sip:a@nowhere.example", "", REFUSAL_NO_DOMAIN },
		{ "sip:a@core.example", "", REFUSAL_LOCAL_DOMAIN },
		{ "sip:a@x.core.example", "", REFUSAL_LOCAL_DOMAIN },
		{ "sip:a@127.0.0.1", "", REFUSAL_LOCAL_DOMAIN },
		{ "tel:+4930", "", REFUSAL_NO_DOMAIN },
		{ "sips:a@partner.example", "", REFUSAL_NOT_SECURE },
		{ "sips:a@partner.example", "", REFUSAL_NONE, D_PARTNER, true },
		{ "sip:a@nowhere.example", "Route: <sip:edge.example;lr>, <sip:other.example;lr>\r\n", REFUSAL_NONE, D_OTHER },
		{ "sip:a@partner.example", "Route: <sip:edge.example;lr>\r\n", REFUSAL_NONE, D_PARTNER },
		{ "sip:a@partner.example", "Route: <sip:nowhere.example;lr>\r\n", REFUSAL_NO_DOMAIN },
		{ "sip:a@partner.example", "Route: <sip:token@edge.example;lr>\r\n", REFUSAL_TOKEN },
		{ "sip:a@nowhere.example", "", REFUSAL_NONE, D_OTHER, false, true },
	};
	struct image_header *h = (struct image_header *)(uintptr_t)test_image()->h;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct route_plan plan;
		struct route_outside out = { .domain = IMAGE_NONE };

		h->outbound_match_to = rows[i].to;
		cr_assert_str_eq(refusal_name(outside(request(rows[i].uri, rows[i].routes, "sip:x@other.example"), rows[i].secure, &plan, &out)),
		    refusal_name(rows[i].want), "%s %s", rows[i].uri, rows[i].routes);
		if (rows[i].want == REFUSAL_NONE)
			cr_assert_eq(out.domain, rows[i].domain, "%s %s", rows[i].uri, rows[i].routes);
	}
	h->outbound_match_to = 0;
}

static const char *route_of(const struct dialog_token *t)
{
	static char line[256];
	char text[TOKEN_TEXT_MAX];
	size_t len = dialog_token_write(&keys.tokens, t, SPAN("call"), text);

	snprintf(line, sizeof(line), "Route: <sip:%.*s@edge.example;lr>\r\n", (int)len, text);
	return line;
}

/* What stands in Request-URI and Route says nothing where a token does. */
Test(route_outside, by_token)
{
	struct dialog_token t = { .direction = DIALOG_FROM_INSIDE, .container = 5, .time = NOW };
	struct route_plan plan;
	struct route_outside out;

	t.domain = route_domain_id(test_image(), &keys, 0, D_OTHER);
	cr_assert_eq(outside(request("sip:a@10.9.8.7:99", route_of(&t), "sip:x@partner.example"), false, &plan, &out), REFUSAL_NO_DOMAIN);
	test_image_put_id(test_image(), 0, t.domain, D_OTHER);
	cr_assert_eq(outside(request("sip:a@10.9.8.7:99", route_of(&t), "sip:x@partner.example"), false, &plan, &out), REFUSAL_NONE);
	cr_assert(out.domain == D_OTHER && out.flow == 0 && plan.ours == 1 && plan.routes == 1);
	t.direction = DIALOG_UNTRUSTED;
	t.domain = 77;
	cr_assert_eq(outside(request("sip:a@10.9.8.7:99", route_of(&t), "sip:x@partner.example"), false, &plan, &out), REFUSAL_NONE);
	cr_assert(out.domain == IMAGE_NONE && out.flow == 77, "back to the connection");
}

/* RFC 3261 16.4: our own URI stands where the Request-URI was, and that behind the last Route. */
Test(route_outside, strict_router)
{
	struct dialog_token t = { .direction = DIALOG_FROM_INSIDE, .container = 5, .time = NOW };
	struct route_plan plan;
	struct route_outside out;
	char text[TOKEN_TEXT_MAX], uri[256];
	size_t len;

	t.domain = route_domain_id(test_image(), &keys, 0, D_PARTNER);
	test_image_put_id(test_image(), 0, t.domain, D_PARTNER);
	len = dialog_token_write(&keys.tokens, &t, SPAN("call"), text);
	snprintf(uri, sizeof(uri), "sip:%.*s@edge.example", (int)len, text);
	cr_assert_eq(outside(request(uri, "Route: <sip:x@proxy.example>, <sip:c@10.9.8.7>\r\n", "sip:x@other.example"), false, &plan, &out), REFUSAL_NONE);
	cr_assert(plan.strict && plan.routes == 2 && plan.ours == 0 && out.domain == D_PARTNER);
	cr_assert(span_eq(plan.uri.whole, SPAN("sip:c@10.9.8.7")));
	cr_assert_eq(outside(request(uri, "", "sip:x@other.example"), false, &plan, &out), REFUSAL_LOCAL_DOMAIN, "there is nothing to take instead");
	cr_assert_not(plan.strict);
}

/* A token of who is no domain serves only him. */
Test(route_outside, untrusted_token_from_outside)
{
	struct dialog_token t = { .direction = DIALOG_UNTRUSTED, .container = 5, .domain = 77, .time = NOW };
	struct sip_msg *msg = request("sip:b@core.example", route_of(&t), "sip:b@core.example");
	struct route_plan plan;

	route_plan_external(test_image(), &keys, msg, IMAGE_NONE, NOW, &plan);
	cr_assert(plan.refusal == REFUSAL_NONE && plan.has_token);
	route_plan_external(test_image(), &keys, msg, D_PARTNER, NOW, &plan);
	cr_assert_eq(plan.refusal, REFUSAL_TOKEN);
}
