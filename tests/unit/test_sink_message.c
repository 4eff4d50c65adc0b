/* sink_message: what sipward-sink counts, and what it answers.  To add a case, add a row. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "bench/sink.h"
#include "support/guard.h"
#include "support/leaks.h"

TestSuite(sink_message, .fini = leaks_check);

#define HEAD "Via: SIP/2.0/TCP a;branch=1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 "
#define END "Content-Length: 0\r\n\r\n"
#define ONE "P-Preferred-Identity: <sip:a@b>\r\n"

static struct sink_options options = { .status = 200, .identity = SPAN("P-Preferred-Identity"), .forbid = SPAN("spoofed") };

static void scan(const char *text, struct scan_message *msg)
{
	cr_assert_eq(scan_next(guard_copy(text, strlen(text)), msg), SCAN_MESSAGE, "%s", text);
}

static const struct {
	const char *why, *text;
	unsigned one, none, more, forbidden;
} identities[] = {
	{ "none", "OPTIONS sip:a SIP/2.0\r\n" HEAD "OPTIONS\r\n" END, 0, 1, 0, 0 },
	{ "one", "OPTIONS sip:a SIP/2.0\r\n" HEAD "OPTIONS\r\n" ONE END, 1, 0, 0, 0 },
	{ "one, without brackets", "OPTIONS sip:a SIP/2.0\r\n" HEAD "OPTIONS\r\nP-PREFERRED-IDENTITY : sip:a@b\r\n" END, 1, 0, 0, 0 },
	{ "a comma within brackets", "OPTIONS sip:a SIP/2.0\r\n" HEAD "OPTIONS\r\nP-Preferred-Identity: \"a,\" <sip:a,b@b>\r\n" END, 1, 0, 0, 0 },
	{ "two lines", "OPTIONS sip:a SIP/2.0\r\n" HEAD "OPTIONS\r\n" ONE ONE END, 0, 0, 1, 0 },
	{ "two values", "OPTIONS sip:a SIP/2.0\r\n" HEAD "OPTIONS\r\nP-Preferred-Identity: <sip:a@b>, <tel:+1>\r\n" END, 0, 0, 1, 0 },
	{ "another name", "OPTIONS sip:a SIP/2.0\r\n" HEAD "OPTIONS\r\nP-Preferred-Identity-X: <sip:a@b>\r\n" END, 0, 1, 0, 0 },
	{ "forbidden text", "OPTIONS sip:a SIP/2.0\r\n" HEAD "OPTIONS\r\n" ONE "X: is spoofed.\r\n" END, 1, 0, 0, 1 },
	{ "a response counts for nothing", "SIP/2.0 200 OK\r\n" HEAD "OPTIONS\r\nX: spoofed\r\n" END, 0, 0, 0, 0 },
};

Test(sink_message, identities)
{
	static struct scan_message msg;

	for (size_t i = 0; i < ARRAY_LEN(identities); i++) {
		struct sink_counts c = { 0 };

		scan(identities[i].text, &msg);
		sink_count(&c, &options, &msg);
		cr_assert_eq(c.identity_one, identities[i].one, "%s: one", identities[i].why);
		cr_assert_eq(c.identity_none, identities[i].none, "%s: none", identities[i].why);
		cr_assert_eq(c.identity_more, identities[i].more, "%s: more", identities[i].why);
		cr_assert_eq(c.forbidden, identities[i].forbidden, "%s: forbidden", identities[i].why);
		cr_assert_eq(sink_as_expected(&c), !c.identity_none && !c.identity_more && !c.forbidden, "%s", identities[i].why);
		cr_assert_eq(c.requests + c.responses, 1, "%s", identities[i].why);
	}
}

Test(sink_message, methods)
{
	static struct scan_message msg;
	struct sink_counts c = { 0 };
	char text[512];

	for (unsigned i = 0; i < 3 * SINK_METHODS_MAX; i++) {
		snprintf(text, sizeof(text), "M%u sip:a SIP/2.0\r\n" HEAD "M%u\r\n" END, i % 40, i % 40);
		scan(text, &msg);
		sink_count(&c, &options, &msg);
	}
	cr_assert_eq(c.methods, SINK_METHODS_MAX, "as many as there is room for");
	cr_assert(strcmp(c.method[1].name, "M1") == 0 && c.method[1].count == 3);
	cr_assert_eq(c.requests, 3 * SINK_METHODS_MAX);
}

#define COPIED(cseq) "Via: SIP/2.0/TCP a;branch=1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=T\r\nCall-ID: x\r\nCSeq: 1 " cseq "\r\n"
#define CONTACT "Contact: <sip:sink@127.0.0.1:5070;transport=tcp>\r\n"

static const struct {
	const char *why, *text;
	unsigned status;
	bool ringing;
	unsigned parts;
	const char *want; /* T stands for the tag */
} answers[] = {
	{ "OPTIONS", "OPTIONS sip:a SIP/2.0\r\n" HEAD "OPTIONS\r\nSubject: x\r\n" END, 200, false, 3,
	    "SIP/2.0 200 OK\r\n" COPIED("OPTIONS") CONTACT "Accept: application/sdp\r\n" END },
	{ "Record-Route and each Via, in order",
	    "MESSAGE sip:a SIP/2.0\r\nRecord-Route: <sip:p;lr>\r\nv: SIP/2.0/TLS p;branch=2\r\nRecord-Route: <sip:q;lr>\r\n" HEAD "MESSAGE\r\n" END,
	    200, false, 3,
	    "SIP/2.0 200 OK\r\nRecord-Route: <sip:p;lr>\r\nv: SIP/2.0/TLS p;branch=2\r\nRecord-Route: <sip:q;lr>\r\n" COPIED("MESSAGE") CONTACT END },
	{ "no Record-Route in a refusal", "MESSAGE sip:a SIP/2.0\r\nRecord-Route: <sip:p;lr>\r\n" HEAD "MESSAGE\r\n" END, 404, false, 3,
	    "SIP/2.0 404 Not Found\r\n" COPIED("MESSAGE") END },
	{ "INVITE with ringing", "INVITE sip:a SIP/2.0\r\n" HEAD "INVITE\r\n" END, 200, true, 3,
	    "SIP/2.0 100 Trying\r\nVia: SIP/2.0/TCP a;branch=1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n" END
	    "SIP/2.0 180 Ringing\r\n" COPIED("INVITE") CONTACT END "SIP/2.0 200 OK\r\n" COPIED("INVITE") CONTACT END },
	{ "the final answer comes later", "INVITE sip:a SIP/2.0\r\n" HEAD "INVITE\r\n" END, 200, false, SINK_PROVISIONAL, "" },
	{ "ringing is for INVITE", "BYE sip:a SIP/2.0\r\n" HEAD "BYE\r\n" END, 200, true, 3, "SIP/2.0 200 OK\r\n" COPIED("BYE") CONTACT END },
	{ "ACK", "ACK sip:a SIP/2.0\r\n" HEAD "ACK\r\n" END, 200, true, 3, "" },
	{ "a response", "SIP/2.0 200 OK\r\n" HEAD "INVITE\r\n" END, 200, true, 3, "" },
	{ "another status", "BYE sip:a SIP/2.0\r\n" HEAD "BYE\r\n" END, 499, false, 3, "SIP/2.0 499 As Asked For\r\n" COPIED("BYE") END },
};

/* The text with every tag of ours as T. */
static void plain_tags(struct sink_out *out)
{
	char *at, *end;

	if (!out->len)
		return;
	end = out->p + out->len;
	while ((at = memmem(out->p, (size_t)(end - out->p), ";tag=s", 6)) && end - at >= 22) {
		at[5] = 'T';
		memmove(at + 6, at + 22, (size_t)(end - at - 22));
		end -= 16;
	}
	out->len = (size_t)(end - out->p);
}

Test(sink_message, answers)
{
	static struct scan_message msg;

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct sink_options o = { .status = answers[i].status, .ringing = answers[i].ringing, .identity = options.identity };
		struct sink_counts c = { 0 };
		struct sink_out out = { 0 };

		scan(answers[i].text, &msg);
		cr_assert(sink_answer(&c, &o, &msg, "127.0.0.1:5070", answers[i].parts, &out), "%s", answers[i].why);
		plain_tags(&out);
		cr_assert(out.len == strlen(answers[i].want) && (!out.len || memcmp(out.p, answers[i].want, out.len) == 0), "%s:\n%.*s",
		    answers[i].why, (int)out.len, out.p);
		free(out.p);
	}
}

Test(sink_message, a_tag_that_is_there_stays_and_sdp_is_answered)
{
	static const char text[] = "INVITE sip:a SIP/2.0\r\nv: SIP/2.0/TCP a;branch=1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=old\r\n"
				   "i: x\r\nCSeq: 2 INVITE\r\nc: Application/SDP\r\nl: 5\r\n\r\nv=0\r\n";
	static struct scan_message msg, answer;
	struct sink_counts c = { 0 };
	struct sink_out out = { 0 };

	scan(text, &msg);
	cr_assert(sink_answer(&c, &options, &msg, "h", SINK_FINAL, &out));
	cr_assert_eq(scan_next(span_of(out.p, out.len), &answer), SCAN_MESSAGE);
	cr_assert_eq(answer.whole.len, out.len);
	cr_assert(span_eq(scan_value(&answer, SCAN_TO), SPAN("<sip:c@d>;tag=old")));
	cr_assert(answer.body.len > 50 && memcmp(answer.body.p, "v=0\r\n", 5) == 0);
	free(out.p);
}
