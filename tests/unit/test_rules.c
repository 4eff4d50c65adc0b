/*
 * rules: which rule of a configuration takes which request.  To add a case,
 * add a row.
 */
#include <criterion/criterion.h>

#include "common/addr.h"
#include "common/dn.h"
#include "common/policy/rules.h"
#include "support/config_files.h"
#include "support/guard.h"
#include "support/leaks.h"
#include "support/test_image.h"

TestSuite(rules, .init = config_files_make, .fini = leaks_check);

/* Rules are told apart by their place; "main" is the default. */
static const char config[] =
    "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 5061 } ],"
    "\"clusters\": { \"first\": { \"servers\": [ { \"host\": \"127.0.0.1\", \"port\": 5070 } ] },"
    "  \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\", \"port\": 5071 } ] } }, \"default_cluster\": \"main\","
    "\"external_domains\": [ { \"domain\": \"partner.example\" }, { \"domain\": \"*.partner.example\" }, { \"domain\": \"b.carrier.example\" },"
    "  { \"domain\": \"carrier.example\" } ],"
    "\"routing_rules\": [ %s ] }";

static struct image *load(const char *rules)
{
	FILE *f = config_create("rules.json");
	struct config_loaded l;
	struct image *img;

	fprintf(f, config, rules);
	fclose(f);
	l = config_load("rules.json");
	cr_assert_eq(l.rc, 0, "%s", l.text);
	img = image_attach(l.result.image_fd);
	cr_assert_not_null(img);
	config_loaded_free(&l);
	return img;
}

/* A request of which some parts are said; the others are these. */
struct row {
	const char *why, *match; /* the conditions of the rule */
	bool want;
	const char *method, *uri, *from, *to, *headers, *source, *local, *domain, *dn;
};

static const struct row rows[] = {
	{ "no condition", "", true },
	{ "method", "\"method\": \"INVITE\"", true },
	{ "method of a list", "\"method\": [\"OPTIONS\", \"INVITE\"]", true },
	{ "another method", "\"method\": [\"OPTIONS\", \"MESSAGE\"]", false },
	{ "unknown method", "\"method\": \"FROB\"", true, .method = "FROB" },
	{ "ACK follows INVITE", "\"method\": \"INVITE\"", true, .method = "ACK" },
	{ "CANCEL follows INVITE", "\"method\": \"INVITE\"", true, .method = "CANCEL" },
	{ "CANCEL is not itself", "\"method\": [\"CANCEL\", \"BYE\"]", false, .method = "CANCEL" },
	{ "to", "\"to\": \"sip:bob@core.example\"", true },
	{ "to's tag and parameters", "\"to\": \"sip:bob@core.example\"", true, .to = "\"B\" <sip:bob@CORE.example:5060;x=y>;tag=9" },
	{ "another to", "\"to\": [\"sip:carol@core.example\", \"partner.example\"]", false },
	{ "from", "\"from\": \"*.partner.example\"", true, .from = "<sip:a@x.partner.example>;tag=1" },
	{ "another from", "\"from\": \"*.partner.example\"", false },
	{ "from is not to", "\"from\": \"core.example\"", false },
	{ "Request-URI", "\"request_uri\": \"sip:9*@core.example\"", true, .uri = "sip:9001@core.example" },
	{ "another Request-URI", "\"request_uri\": \"sip:9*@core.example\"", false },
	{ "tel", "\"request_uri\": [\"tel:+49*\"]", true, .uri = "tel:+49-30-1" },
	{ "source", "\"source\": \"192.0.2.0/24\"", true },
	{ "source in a list", "\"source\": [\"198.51.100.1\", \"192.0.2.64/26\"]", true },
	{ "another source", "\"source\": [\"192.0.2.0/26\", \"2001:db8::/32\"]", false },
	{ "IPv6 source", "\"source\": \"2001:db8::/32\"", true, .source = "2001:db8::7" },
	{ "everything of IPv4", "\"source\": \"0.0.0.0/0\"", true },
	{ "IPv6 is not in it", "\"source\": \"0.0.0.0/0\"", false, .source = "2001:db8::7" },
	{ "destination", "\"destination\": \"203.0.113.0/24\"", true },
	{ "destination and port", "\"destination\": \"203.0.113.1:5061\"", true },
	{ "another port", "\"destination\": \"203.0.113.1:5062\"", false },
	{ "another address", "\"destination\": [\"203.0.113.2:5061\", \"203.0.113.3\"]", false },
	{ "IPv6 destination", "\"destination\": \"[2001:db8::1]:5061\"", true, .local = "2001:db8::1" },
	{ "IPv6 destination without port", "\"destination\": \"2001:db8::5061\"", true, .local = "2001:db8::5061" },
	{ "header", "\"headers\": { \"Subject\": \"test\" }", true, .headers = "subject :  TEST \r\n" },
	{ "header missing", "\"headers\": { \"Subject\": \"*\" }", false },
	{ "header, any value", "\"headers\": { \"Subject\": \"*\" }", true, .headers = "Subject:\r\n" },
	{ "compact form came", "\"headers\": { \"Subject\": \"test\" }", true, .headers = "s: test\r\n" },
	{ "compact form asked for", "\"headers\": { \"s\": \"test\" }", true, .headers = "Subject: test\r\n" },
	{ "second occurrence", "\"headers\": { \"X-A\": [\"1\", \"2*\"] }", true, .headers = "X-A: 0\r\nX-B: 1\r\nx-a: 23\r\n" },
	{ "value of another", "\"headers\": { \"X-A\": \"1\" }", false, .headers = "X-A: 0\r\nX-B: 1\r\nX-AA: 1\r\n" },
	{ "two headers", "\"headers\": { \"X-A\": \"1\", \"X-B\": \"2\" }", true, .headers = "X-A: 1\r\nX-B: 2\r\n" },
	{ "one of two", "\"headers\": { \"X-A\": \"1\", \"X-B\": \"2\" }", false, .headers = "X-A: 1\r\nX-B: 1\r\n" },
	{ "a header that is parsed", "\"headers\": { \"Call-ID\": \"1*\" }", true },
	{ "domain", "\"domain\": \"partner.example\"", true, .domain = "partner.example" },
	{ "the wildcard entry is another", "\"domain\": \"partner.example\"", false, .domain = "x.partner.example" },
	{ "the wildcard entry", "\"domain\": \"*.partner.example\"", true, .domain = "x.partner.example" },
	{ "its base is another", "\"domain\": \"*.partner.example\"", false, .domain = "partner.example" },
	{ "an entry below", "\"domain\": [\"*.carrier.example\"]", true, .domain = "b.carrier.example" },
	{ "the suffix itself", "\"domain\": [\"*.carrier.example\"]", false, .domain = "carrier.example" },
	{ "an end that is no label", "\"domain\": [\"*.rtner.example\", \"carrier.example\"]", false, .domain = "partner.example" },
	{ "no domain", "\"domain\": [\"partner.example\", \"*.example\"]", false },
	{ "untrusted", "\"domain\": \"untrusted\"", true },
	{ "not untrusted", "\"domain\": \"untrusted\"", false, .domain = "partner.example" },
	{ "DN", "\"distinguished_name\": \"CN=sip.partner.example, O=Partner\"", true, .domain = "partner.example", .dn = "/O=Partner/CN=SIP.partner.example" },
	{ "another DN", "\"distinguished_name\": [\"CN=a\", \"O=Partner\"]", false, .domain = "partner.example", .dn = "CN=sip.partner.example,O=Partner" },
	{ "DN of one who is not trusted", "\"distinguished_name\": \"CN=a\"", false, .dn = "CN=a" },
	{ "no DN", "\"distinguished_name\": \"CN=a\"", false, .domain = "partner.example" },
	{ "all of them", "\"method\": \"INVITE\", \"to\": \"core.example\", \"source\": \"192.0.2.0/24\", \"headers\": { \"X\": \"1\" }", true, .headers = "X: 1\r\n" },
	{ "all but one", "\"method\": \"INVITE\", \"to\": \"core.example\", \"source\": \"192.0.3.0/24\", \"headers\": { \"X\": \"1\" }", false, .headers = "X: 1\r\n" },
};

static const char *or_else(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

/* What the rules say about the row's request. */
static struct rules_choice choose(const struct image *img, const struct row *r)
{
	static struct test_msg t;
	static struct dn dn;
	uint8_t source[16], local[16];
	struct rules_ask ask = { .msg = &t.msg, .source = source, .local = local, .local_port = 5061, .domain = IMAGE_NONE };
	struct rules_choice got;
	char text[1024];

	snprintf(text, sizeof(text), "%s %s SIP/2.0\r\nVia: SIP/2.0/TCP a.b\r\nFrom: %s\r\nTo: %s\r\nCall-ID: 1@a\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
	    or_else(r->method, "INVITE"), or_else(r->uri, "sip:bob@core.example"), or_else(r->from, "<sip:alice@partner.example>;tag=1"),
	    or_else(r->to, "<sip:bob@core.example>"), or_else(r->method, "INVITE"), or_else(r->headers, ""));
	cr_assert_eq(test_msg_parse(&t, guard_copy(text, strlen(text))), FAULT_NONE, "%s", r->why);
	cr_assert(addr_parse(span_str(or_else(r->source, "192.0.2.77")), source));
	cr_assert(addr_parse(span_str(or_else(r->local, "203.0.113.1")), local));
	if (r->domain) {
		ask.domain = image_find_domain(img, span_str(r->domain));
		cr_assert_neq(ask.domain, IMAGE_NONE, "%s", r->why);
	}
	if (r->dn) {
		cr_assert_eq(dn_from_text(span_str(r->dn), &dn, NULL), DN_OK, "%s", r->why);
		ask.dn = span_of(dn.bytes, dn.len);
	}
	rules_choose(img, &ask, &got);
	return got;
}

Test(rules, conditions)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char rule[1024];
		struct rules_choice got;
		struct image *img;

		snprintf(rule, sizeof(rule), "{ \"match\": { %s }, \"cluster\": \"first\" }", rows[i].match);
		img = load(rule);
		got = choose(img, &rows[i]);
		cr_assert_eq(got.cluster, rows[i].want ? 0 : 1, "%s: cluster %u", rows[i].why, got.cluster);
		cr_assert_eq(got.rule, rows[i].want ? 0 : IMAGE_NONE, "%s", rows[i].why);
		image_free(img);
	}
	config_files_remove();
}

/* The first that fits counts; those that are not enabled do not. */
Test(rules, order)
{
	static const struct row request = { .why = "order" };
	static const struct {
		const char *why, *rules;
		struct rules_choice want;
	} cases[] = {
		{ "no rule", "", { 1, 0, IMAGE_NONE } },
		{ "refused", "{ \"reject\": 603 }", { IMAGE_NONE, 603, 0 } },
		{ "first of two", "{ \"match\": { \"method\": \"INVITE\" }, \"cluster\": \"first\" }, { \"reject\": 403 }", { 0, 0, 0 } },
		{ "second of two", "{ \"match\": { \"method\": \"BYE\" }, \"cluster\": \"first\" }, { \"reject\": 403 }", { IMAGE_NONE, 403, 1 } },
		{ "not enabled", "{ \"enabled\": false, \"reject\": 403 }, { \"enabled\": true, \"cluster\": \"first\" }", { 0, 0, 1 } },
		{ "none fits", "{ \"match\": { \"method\": \"BYE\" }, \"reject\": 403 }", { 1, 0, IMAGE_NONE } },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct image *img = load(cases[i].rules);
		struct rules_choice got = choose(img, &request);

		cr_assert_eq(got.cluster, cases[i].want.cluster, "%s: cluster %u", cases[i].why, got.cluster);
		cr_assert_eq(got.rule, cases[i].want.rule, "%s: rule %u", cases[i].why, got.rule);
		cr_assert(got.cluster != IMAGE_NONE || got.reject == cases[i].want.reject, "%s: %u", cases[i].why, got.reject);
		image_free(img);
	}
	config_files_remove();
}
