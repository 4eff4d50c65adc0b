/* route: what tokens, Route and Request-URI say, and that hashes follow what they must and nothing else. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "common/policy/route.h"
#include "support/guard.h"
#include "support/test_image.h"

#define NOW 1700000000u
#define CALL_ID "abc@partner.example"

static const struct route_keys keys = {
	.tokens = { 2, { { 9, { { 4, 5, 6 } } }, { 7, { { 7, 8, 9 } } } } },
	.branch = { { 11, 12 } },
};

/* A request with these Route lines (whole, or ""). */
static struct sip_msg *request(const char *uri, const char *routes)
{
	static struct test_msg t;
	char text[4096];
	int len = snprintf(text, sizeof(text),
	    "BYE %s SIP/2.0\r\nVia: SIP/2.0/TLS a.b;branch=z9hG4bK1\r\n%sFrom: <sip:a@partner.example>;tag=1\r\n"
	    "To: <sip:b@core.example>;tag=2\r\nCall-ID: " CALL_ID "\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n", uri, routes);

	cr_assert_eq(test_msg_parse(&t, guard_copy(text, (size_t)len)), FAULT_NONE, "%s", text);
	return &t.msg;
}

/* "%1" to "%5" in a row's routes stand for tokens. */
static void make_token(int which, char out[static TOKEN_TEXT_MAX + 1])
{
	static const struct token_keys foreign = { 1, { { 9, { { 99 } } } } };
	struct dialog_token t = { DIALOG_FROM_OUTSIDE, 77, route_domain_id(test_image(), &keys, 0, D_PARTNER), NOW };
	size_t len;

	if (which == 2)
		t.domain = route_domain_id(test_image(), &keys, 0, D_OTHER);
	if (which == 4)
		t.time -= 100000;
	if (which == 5)
		t.container = 78;
	len = dialog_token_write(which == 3 ? &foreign : &keys.tokens, &t, SPAN(CALL_ID), out);
	out[len] = '\0';
}

static void fill_in(const char *routes, char *out)
{
	for (; *routes; routes++) {
		if (*routes == '%' && routes[1] >= '1' && routes[1] <= '5') {
			make_token(*++routes - '0', out);
			out += strlen(out);
		} else {
			*out++ = *routes;
		}
	}
	*out = '\0';
}

static const struct {
	const char *why, *routes;
	enum refusal want;
	bool has_token;
	unsigned ours;
} plans[] = {
	{ "no Route", "", REFUSAL_NONE, false, 0 },
	{ "names us", "Route: <sip:edge.example;lr>\r\n", REFUSAL_NONE, false, 1 },
	{ "names us by local domain", "Route: <sip:CORE.example;lr>\r\n", REFUSAL_NONE, false, 1 },
	{ "names us with a user part that is no token", "Route: <sip:bob@CORE.example;lr>\r\n", REFUSAL_TOKEN, false, 0 },
	{ "names us twice", "Route: <sip:edge.example;lr>, <sips:127.0.0.1:5061;lr>\r\n", REFUSAL_NONE, false, 2 },
	{ "foreign", "Route: <sip:elsewhere.example;lr>\r\n", REFUSAL_ROUTE, false, 0 },
	{ "a container is not us", "Route: <sip:10.0.0.5;lr>\r\n", REFUSAL_ROUTE, false, 0 },
	{ "below a local domain is not us", "Route: <sip:x.core.example;lr>\r\n", REFUSAL_ROUTE, false, 0 },
	{ "another scheme", "Route: <tel:+49>\r\n", REFUSAL_ROUTE, false, 0 },
	{ "us, then foreign", "Route: <sip:edge.example;lr>,<sip:elsewhere.example;lr>\r\n", REFUSAL_ROUTE, false, 1 },
	{ "us, then foreign, in two lines", "Route: <sip:edge.example;lr>\r\nRoute: <sip:elsewhere.example;lr>\r\n", REFUSAL_ROUTE, false, 1 },
	{ "token", "Route: <sip:%1@edge.example;lr>\r\n", REFUSAL_NONE, true, 1 },
	{ "token twice", "Route: <sip:%1@edge.example;lr>, <sip:%1@127.0.0.1;transport=tcp;lr>\r\n", REFUSAL_NONE, true, 2 },
	{ "token twice, in two lines", "Route: <sip:%1@edge.example;lr>\r\nRoute: <sip:%1@127.0.0.1;lr>\r\n", REFUSAL_NONE, true, 2 },
	{ "token, then one that names us", "Route: <sip:%1@edge.example;lr>, <sip:edge.example>\r\n", REFUSAL_NONE, true, 2 },
	{ "token, then others", "Route: <sip:%1@edge.example;lr>, <sip:app@10.0.0.5;lr>\r\nRoute: <sip:x.invalid>\r\n", REFUSAL_NONE, true, 1 },
	{ "token, then another call's leg", "Route: <sip:%1@edge.example;lr>, <sip:%5@edge.example;lr>\r\n", REFUSAL_NONE, true, 1 },
	{ "token, then a forged one", "Route: <sip:%1@edge.example;lr>, <sip:%3@edge.example;lr>\r\n", REFUSAL_TOKEN, true, 1 },
	{ "token at a host that is not ours", "Route: <sip:%1@elsewhere.example;lr>\r\n", REFUSAL_ROUTE, false, 0 },
	{ "token behind a foreign Route", "Route: <sip:elsewhere.example;lr>, <sip:%1@edge.example;lr>\r\n", REFUSAL_ROUTE, false, 0 },
	{ "token of another domain", "Route: <sip:%2@edge.example;lr>\r\n", REFUSAL_TOKEN, false, 0 },
	{ "token of another edge", "Route: <sip:%3@edge.example;lr>\r\n", REFUSAL_TOKEN, false, 0 },
	{ "token too old", "Route: <sip:%4@edge.example;lr>\r\n", REFUSAL_TOKEN, false, 0 },
	{ "forged token", "Route: <sip:sw1dAAAA@edge.example;lr>\r\n", REFUSAL_TOKEN, false, 0 },
};

Test(route, plans)
{
	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		char routes[2048];
		struct route_plan plan;

		fill_in(plans[i].routes, routes);
		route_plan_external(test_image(), &keys, request("sip:b@core.example", routes), D_PARTNER, NOW + 5, &plan);
		cr_assert_str_eq(refusal_name(plan.refusal), refusal_name(plans[i].want), "%s", plans[i].why);
		cr_assert_eq(plan.has_token, plans[i].has_token, "%s", plans[i].why);
		cr_assert_eq(plan.ours, plans[i].ours, "%s: %u", plans[i].why, plan.ours);
		if (plan.has_token) {
			cr_assert_eq(plan.token.container, 77, "%s", plans[i].why);
			cr_assert_eq(plan.token_key, 0, "%s", plans[i].why);
		}
	}
}

/* A token serves only on a connection judged as its domain, and an untrusted one serves only there. */
Test(route, token_belongs_to_its_domain)
{
	char routes[2048];
	struct route_plan plan;
	struct dialog_token t = { DIALOG_FROM_OUTSIDE, 77, 0, NOW };
	char text[TOKEN_TEXT_MAX];
	size_t len = dialog_token_write(&keys.tokens, &t, SPAN(CALL_ID), text);
	static const struct {
		uint32_t domain;
		bool ok;
	} rows[] = { { D_PARTNER, true }, { D_TWIN, true }, { D_WILD, false }, { D_OTHER, false }, { IMAGE_NONE, false } };

	fill_in("Route: <sip:%1@edge.example;lr>\r\n", routes);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		route_plan_external(test_image(), &keys, request("sip:b@core.example", routes), rows[i].domain, NOW, &plan);
		cr_assert_eq(plan.has_token, rows[i].ok, "row %zu", i);
		cr_assert_eq(plan.refusal, rows[i].ok ? REFUSAL_NONE : REFUSAL_TOKEN, "row %zu", i);
	}
	snprintf(routes, sizeof(routes), "Route: <sip:%.*s@edge.example;lr>\r\n", (int)len, text);
	route_plan_external(test_image(), &keys, request("sip:b@core.example", routes), IMAGE_NONE, NOW, &plan);
	cr_assert(plan.has_token, "an untrusted one, where it belongs");
	route_plan_external(test_image(), &keys, request("sip:b@core.example", routes), D_PARTNER, NOW, &plan);
	cr_assert_eq(plan.refusal, REFUSAL_TOKEN, "an untrusted one on a trusted connection");
}

Test(route, request_uri)
{
	static const struct {
		const char *uri;
		bool has_token, forward;
		enum refusal want;
		bool secure;
	} rows[] = {
		{ "sip:b@core.example", false, false, REFUSAL_NONE },
		{ "sip:b@EDGE.example:9999", false, false, REFUSAL_NONE },
		{ "sip:b@elsewhere.example", false, false, REFUSAL_FOREIGN_URI },
		{ "sip:b@x.core.example", false, false, REFUSAL_FOREIGN_URI },
		{ "sip:b@10.0.0.5", false, false, REFUSAL_FOREIGN_URI },
		{ "sip:b@10.0.0.5", true, false, REFUSAL_NONE },
		{ "sip:b@elsewhere.example", false, true, REFUSAL_NONE },
		{ "sip:b@core.example;maddr=elsewhere.example", false, false, REFUSAL_NONE },
		{ "tel:+4930", false, false, REFUSAL_NONE },
		{ "sips:b@core.example", false, false, REFUSAL_NOT_SECURE },
		{ "sips:b@core.example", true, false, REFUSAL_NOT_SECURE },
		{ "sips:b@core.example", false, false, REFUSAL_NONE, true },
		{ "sips:b@elsewhere.example", false, true, REFUSAL_NOT_SECURE },
		{ "sips:b@elsewhere.example", false, false, REFUSAL_FOREIGN_URI },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct image_header *h = (struct image_header *)(uintptr_t)test_image()->h;
		struct route_plan plan = { .uri = request(rows[i].uri, "")->request_uri, .has_token = rows[i].has_token };

		h->foreign_request_uri = rows[i].forward ? FOREIGN_FORWARD : FOREIGN_REJECT;
		cr_assert_str_eq(refusal_name(route_check_uri(test_image(), &plan, rows[i].secure)), refusal_name(rows[i].want), "%s", rows[i].uri);
	}
}

static const struct image_server *server_of(int index)
{
	return (const struct image_server *)image_at(test_image(), test_image()->cluster->servers) + index;
}

Test(route, ids)
{
	const struct image *img = test_image();
	uint64_t id = route_domain_id(img, &keys, 0, D_PARTNER);

	cr_assert_eq(route_domain_id(img, &keys, 0, IMAGE_NONE), 0);
	cr_assert_neq(id, 0);
	cr_assert_eq(id, route_domain_id(img, &keys, 0, D_TWIN), "by name, not by place in the configuration");
	cr_assert_neq(id, route_domain_id(img, &keys, 0, D_WILD), "a suffix is not the name");
	cr_assert_neq(id, route_domain_id(img, &keys, 1, D_PARTNER), "keyed");
	cr_assert_neq(route_server_id(img, &keys, 0, server_of(0)), route_server_id(img, &keys, 0, server_of(1)));
	cr_assert_eq(route_server_id(img, &keys, 0, server_of(2)), token_name_id(&keys.tokens, 0, SPAN("10.0.0.7:5060;tcp")));
}

/* ---- choosing a container ---- */

Test(route, way_back_outlives_new_secrets)
{
	const struct image *img = test_image();
	struct route_keys other = keys;
	uint64_t id = route_back_id(img, &keys, D_PARTNER);

	other.tokens.key[0].key.k[0]++;
	other.tokens.count = 1;
	cr_assert_eq(route_back_id(img, &keys, IMAGE_NONE), 0);
	cr_assert_neq(id, 0);
	cr_assert_eq(id, route_back_id(img, &other, D_PARTNER), "a reload with new token secrets drops no answer");
	cr_assert_eq(id, route_back_id(img, &keys, D_TWIN), "by name, not by place in the configuration");
	cr_assert_neq(id, route_back_id(img, &keys, D_OTHER));
	other.branch.k[0]++;
	cr_assert_neq(id, route_back_id(img, &other, D_PARTNER), "keyed");
}

Test(route, rank_shares_by_weight)
{
	unsigned won[4] = { 0 }, moved = 0;

	for (unsigned n = 0; n < 6000; n++) {
		char call_id[32];
		struct span id = span_of(call_id, (size_t)snprintf(call_id, sizeof(call_id), "call-%u@x", n));
		double rank[4];
		int best = 0, best_without_1 = 0;

		for (int i = 0; i < 4; i++) {
			rank[i] = route_rank(test_image(), &keys, server_of(i), id);
			cr_assert(isfinite(rank[i]) && (server_of(i)->weight ? rank[i] > 0 : rank[i] == 0));
			cr_assert(rank[i] == route_rank(test_image(), &keys, server_of(i), id));
			if (rank[i] > rank[best])
				best = i;
			if (i != 1 && rank[i] > rank[best_without_1])
				best_without_1 = i;
		}
		won[best]++;
		moved += best != 1 && best_without_1 != best;
	}
	cr_assert(won[0] > 850 && won[0] < 1150, "%u", won[0]);
	cr_assert(won[1] > 1800 && won[1] < 2200, "%u", won[1]);
	cr_assert(won[2] > 2800 && won[2] < 3200, "%u", won[2]);
	cr_assert_eq(won[3], 0, "drained");
	cr_assert_eq(moved, 0, "who was elsewhere stays there when one goes");
}

Test(route, rank_cannot_be_aimed)
{
	struct route_keys other = keys;

	other.branch.k[5] ^= 1;
	cr_assert(route_rank(test_image(), &keys, server_of(0), SPAN("x")) !=
	    route_rank(test_image(), &other, server_of(0), SPAN("x")));
}

/* ---- branch ---- */

#define TRANSACTION(method, via, call_id, cseq, extra)                                                                 \
	method " sip:b@core.example SIP/2.0\r\nVia: SIP/2.0/TLS " via "\r\nFrom: <sip:a@partner.example>;tag=1\r\nTo: <sip:b@core.example>\r\n" \
	"Call-ID: " call_id "\r\nCSeq: " cseq " " method "\r\nContent-Length: 0\r\n" extra "\r\n"

static struct span branch_of(const char *bytes, uint32_t domain, const char *source, char out[static ROUTE_BRANCH_LEN])
{
	static struct test_msg t;

	cr_assert_eq(test_msg_parse(&t, guard_copy(bytes, strlen(bytes))), FAULT_NONE, "%s", bytes);
	route_branch(&keys, &t.msg, route_back_id(test_image(), &keys, domain), span_str(source), out);
	return span_of(out, ROUTE_BRANCH_LEN);
}

static const struct {
	const char *why, *bytes;
	uint32_t domain;
	const char *source;
	bool same; /* as the first of its group */
} branches[] = {
	{ "INVITE", TRANSACTION("INVITE", "a.b:5061;branch=z9hG4bK1;rport", "c", "1", ""), D_PARTNER, "192.0.2.1", true },
	{ "sent again, from elsewhere", TRANSACTION("INVITE", "a.b:5061;branch=z9hG4bK1;rport", "c", "1", ""), D_PARTNER, "192.0.2.2", true },
	{ "its CANCEL", TRANSACTION("CANCEL", "a.b:5061;branch=z9hG4bK1", "c", "1", ""), D_PARTNER, "192.0.2.1", true },
	{ "its ACK", TRANSACTION("ACK", "a.b:5061;branch=z9hG4bK1", "c", "1", "X: y\r\n"), D_PARTNER, "192.0.2.1", true },
	{ "the same domain by another certificate", TRANSACTION("INVITE", "a.b:5061;branch=z9hG4bK1", "c", "1", ""), D_TWIN, "192.0.2.1", true },
	{ "another branch", TRANSACTION("INVITE", "a.b:5061;branch=z9hG4bK2", "c", "1", ""), D_PARTNER, "192.0.2.1", false },
	{ "another sent-by", TRANSACTION("INVITE", "a.b:5062;branch=z9hG4bK1", "c", "1", ""), D_PARTNER, "192.0.2.1", false },
	{ "another domain", TRANSACTION("INVITE", "a.b:5061;branch=z9hG4bK1", "c", "1", ""), D_OTHER, "192.0.2.1", false },
	{ "the suffix", TRANSACTION("INVITE", "a.b:5061;branch=z9hG4bK1", "c", "1", ""), D_WILD, "192.0.2.1", false },
	{ "untrusted", TRANSACTION("INVITE", "a.b:5061;branch=z9hG4bK1", "c", "1", ""), IMAGE_NONE, "192.0.2.1", false },
	{ "without cookie", TRANSACTION("INVITE", "a.b:5061;branch=1", "c", "1", ""), IMAGE_NONE, "192.0.2.1", false },
};

static const struct {
	const char *why, *bytes;
	const char *source;
	bool same;
} old_branches[] = {
	{ "no branch at all", TRANSACTION("INVITE", "a.b", "c", "1", ""), "192.0.2.1", true },
	{ "sent again", TRANSACTION("INVITE", "a.b", "c", "1", ""), "192.0.2.1", true },
	{ "CANCEL", TRANSACTION("CANCEL", "a.b", "c", "1", ""), "192.0.2.1", true },
	{ "another branch without cookie means nothing", TRANSACTION("INVITE", "a.b;branch=7", "c", "1", ""), "192.0.2.1", true },
	{ "another source", TRANSACTION("INVITE", "a.b", "c", "1", ""), "192.0.2.2", false },
	{ "another Call-ID", TRANSACTION("INVITE", "a.b", "d", "1", ""), "192.0.2.1", false },
	{ "another CSeq", TRANSACTION("INVITE", "a.b", "c", "2", ""), "192.0.2.1", false },
	{ "another sent-by", TRANSACTION("INVITE", "a.c", "c", "1", ""), "192.0.2.1", false },
};

Test(route, branch_follows_the_transaction)
{
	char first[ROUTE_BRANCH_LEN], other[ROUTE_BRANCH_LEN];
	struct span want = branch_of(branches[0].bytes, branches[0].domain, branches[0].source, first);

	cr_assert(span_istarts(want, SPAN("z9hG4bK")));
	for (size_t i = 7; i < want.len; i++)
		cr_assert(strchr("0123456789abcdef", want.p[i]));
	for (size_t i = 0; i < ARRAY_LEN(branches); i++)
		cr_assert_eq(span_eq(want, branch_of(branches[i].bytes, branches[i].domain, branches[i].source, other)),
		    branches[i].same, "%s", branches[i].why);
	want = branch_of(old_branches[0].bytes, IMAGE_NONE, old_branches[0].source, first);
	for (size_t i = 0; i < ARRAY_LEN(old_branches); i++)
		cr_assert_eq(span_eq(want, branch_of(old_branches[i].bytes, IMAGE_NONE, old_branches[i].source, other)),
		    old_branches[i].same, "%s", old_branches[i].why);
}

Test(route, dialogs)
{
	static const struct {
		enum method method;
		bool fresh, within; /* without and with a To tag */
	} rows[] = {
		{ METHOD_INVITE, true, false }, { METHOD_SUBSCRIBE, true, false }, { METHOD_REFER, true, false },
		{ METHOD_NOTIFY, true, true },	{ METHOD_OPTIONS, false, false },  { METHOD_MESSAGE, false, false },
		{ METHOD_BYE, false, false },	{ METHOD_ACK, false, false },	   { METHOD_CANCEL, false, false },
		{ METHOD_OTHER, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_msg msg = { .method_id = rows[i].method };

		cr_assert_eq(route_makes_dialog(&msg), rows[i].fresh, "row %zu", i);
		msg.to_tag = SPAN("1");
		cr_assert_eq(route_makes_dialog(&msg), rows[i].within, "row %zu", i);
	}
}
