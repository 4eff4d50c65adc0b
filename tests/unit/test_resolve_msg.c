/* resolve_msg: what is a question.  Answers that are none stand in test_names. */
#include <criterion/criterion.h>

#include "common/resolve_msg.h"

static struct resolve_question question(const char *host, size_t len)
{
	struct resolve_question q = { .id = 1, .host_len = (uint32_t)len };

	memcpy(q.host, host, MIN(len, sizeof(q.host)));
	return q;
}

static const struct {
	const char *host;
	size_t len; /* 0: all of it */
	bool ok;
} rows[] = {
	{ "sip.partner.example", 0, true },
	{ "localhost", 0, true },
	{ "xn--bcher-kva.example", 0, true },
	{ "SIP.partner.example", 0, false },
	{ "sip.partner.example.", 0, false },
	{ "192.0.2.1", 0, false },
	{ "[2001:db8::1]", 0, false },
	{ "2001:db8::1", 0, false },
	{ "a b.example", 0, false },
	{ "a\0.example", 10, false },
	{ "..", 0, false },
	{ "../etc/hosts", 0, false },
};

Test(resolve_msg, hosts)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct resolve_question q = question(rows[i].host, rows[i].len ? rows[i].len : strlen(rows[i].host));

		cr_assert_eq(resolve_question_ok(&q, sizeof(q)), rows[i].ok, "%s", rows[i].host);
	}
}

Test(resolve_msg, shape)
{
	struct resolve_question q = question("a.example", 9), bad = q;

	cr_assert(resolve_question_ok(&q, sizeof(q)));
	cr_assert_not(resolve_question_ok(&q, sizeof(q) - 1));
	cr_assert_not(resolve_question_ok(&q, sizeof(q) + 1));
	cr_assert_not(resolve_question_ok(&q, 0));
	bad.protocol = PROTO_UDP + 1;
	cr_assert_not(resolve_question_ok(&bad, sizeof(bad)));
	bad = q, bad.host_len = 0;
	cr_assert_not(resolve_question_ok(&bad, sizeof(bad)));
	bad = q, bad.host_len = sizeof(bad.host);
	cr_assert_not(resolve_question_ok(&bad, sizeof(bad)), "longer than a name can be");
	bad = q, bad.host_len = UINT32_MAX;
	cr_assert_not(resolve_question_ok(&bad, sizeof(bad)));
}

Test(resolve_msg, default_ports)
{
	cr_assert_eq(resolve_default_port(PROTO_TLS), 5061);
	cr_assert_eq(resolve_default_port(PROTO_TCP), 5060);
	cr_assert_eq(resolve_default_port(PROTO_UDP), 5060);
}
