/*
 * load_message: what sipward-load sends, and that an answer which is not wholly
 * the right one is told from it.  To add a case, add a row.
 */
#include <criterion/criterion.h>

#include "bench/load_message.h"
#include "support/guard.h"
#include "support/leaks.h"

TestSuite(load_message, .fini = leaks_check);

#define ID "000000070000000200000003000000ab"
static const struct load_id id = { 7, 2, 3, 0xab };

static struct load_template make(const char *method, size_t size, const char *header)
{
	struct load_shape shape = { .method = method, .from = "sip:load@partner.example", .to = "sip:bob@core.example",
		.transport = "TLS", .header = &header, .header_count = header != NULL, .size = size };
	struct load_template t;

	cr_assert(load_template_make(&shape, &t), "%s", method);
	return t;
}

/* The request as it leaves, read again. */
static void written(const struct load_template *t, char *out, struct scan_message *msg)
{
	load_template_write(t, &id, out);
	cr_assert_eq(scan_next(guard_copy(out, t->len), msg), SCAN_MESSAGE);
	cr_assert_eq(msg->whole.len, t->len);
}

static const struct {
	const char *method;
	size_t size, body;
	const char *type;
} requests[] = {
	{ "OPTIONS", 0, 0, NULL },
	{ "MESSAGE", 1, 1, "text/plain" },
	{ "MESSAGE", 5000, 5000, "text/plain" },
	{ "INVITE", 0, SIZE_MAX, "application/sdp" },
};

Test(load_message, requests)
{
	static struct scan_message msg;
	char out[8192];

	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		struct load_template t = make(requests[i].method, requests[i].size, "X-Mark: here");

		written(&t, out, &msg);
		cr_assert(span_eq(scan_method(&msg), span_str(requests[i].method)), "%zu: method", i);
		cr_assert(requests[i].body == SIZE_MAX ? msg.body.len > 100 : msg.body.len == requests[i].body, "%zu: body", i);
		cr_assert(span_eq(scan_value(&msg, SCAN_CONTENT_TYPE), span_str(requests[i].type)), "%zu: type", i);
		cr_assert(span_eq(scan_value(&msg, SCAN_CALL_ID), SPAN(ID "@load.invalid")), "%zu: Call-ID", i);
		cr_assert(span_eq(scan_param(scan_value(&msg, SCAN_VIA), SPAN("branch")), SPAN("z9hG4bK" ID)), "%zu: branch", i);
		cr_assert(span_eq(scan_param(scan_value(&msg, SCAN_FROM), SPAN("tag")), SPAN(ID)), "%zu: tag", i);
		cr_assert(memmem(out, t.len, "\r\nX-Mark: here\r\n", 16), "%zu: further header", i);
		load_template_done(&t);
	}
}

static const struct {
	const char *why, *method, *from, *to;
} refused[] = {
	{ "From is no URI", "OPTIONS", "load", "sip:a@b" },
	{ "To is of another scheme", "OPTIONS", "sip:a@b", "http://b/" },
	{ "a method of two words", "OPTIONS X", "sip:a@b", "sip:a@b" },
};

Test(load_message, what_cannot_be_sent)
{
	struct load_template t;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct load_shape shape = { .method = refused[i].method, .from = refused[i].from, .to = refused[i].to, .transport = "TLS" };

		cr_assert_not(load_template_make(&shape, &t), "%s", refused[i].why);
	}
}

#define OK "SIP/2.0 200 OK\r\n"
#define VIA "Via: SIP/2.0/TLS partner.example;branch=z9hG4bK" ID ";rport=5;received=192.0.2.1\r\n"
#define FROM "From: <sip:load@partner.example>;tag=" ID "\r\n"
#define TO "To: <sip:bob@core.example>;tag=x\r\n"
#define CALL "Call-ID: " ID "@load.invalid\r\n"
#define CSEQ "CSeq: 1 OPTIONS\r\n"
#define END "Content-Length: 0\r\n\r\n"
#define OTHER "000000070000000200000003000000ac"

static const struct {
	const char *why, *text;
	enum load_match want;
} answers[] = {
	{ "the right one", OK VIA FROM TO CALL CSEQ END, LOAD_MATCH_OK },
	{ "in another order, compact", OK "i: " ID "@load.invalid\r\n" CSEQ TO FROM "v: SIP/2.0/TLS h;branch=z9hG4bK" ID "\r\nl: 0\r\n\r\n",
	    LOAD_MATCH_OK },
	{ "a Call-ID that is not ours", OK VIA FROM TO "Call-ID: abc@d\r\n" CSEQ END, LOAD_MATCH_STRANGER },
	{ "one of another run", OK VIA FROM TO "Call-ID: 00000008000000020000000300000001@load.invalid\r\n" CSEQ END, LOAD_MATCH_STRANGER },
	{ "no Call-ID", OK VIA FROM TO CSEQ END, LOAD_MATCH_STRANGER },
	{ "upper case id", OK VIA FROM TO "Call-ID: 000000070000000200000003000000AB@load.invalid\r\n" CSEQ END, LOAD_MATCH_STRANGER },
	{ "branch of another request", OK "Via: SIP/2.0/TLS h;branch=z9hG4bK" OTHER "\r\n" FROM TO CALL CSEQ END, LOAD_MATCH_MIXED },
	{ "tag of another request", OK VIA "From: <sip:load@partner.example>;tag=" OTHER "\r\n" TO CALL CSEQ END, LOAD_MATCH_MIXED },
	{ "no branch", OK "Via: SIP/2.0/TLS h\r\n" FROM TO CALL CSEQ END, LOAD_MATCH_MIXED },
	{ "two Via", OK VIA VIA FROM TO CALL CSEQ END, LOAD_MATCH_MIXED },
	{ "two values in Via", OK "Via: SIP/2.0/TLS p;branch=1, SIP/2.0/TLS h;branch=z9hG4bK" ID "\r\n" FROM TO CALL CSEQ END, LOAD_MATCH_MIXED },
	{ "no Via", OK FROM TO CALL CSEQ END, LOAD_MATCH_MIXED },
	{ "two From", OK VIA FROM FROM TO CALL CSEQ END, LOAD_MATCH_MIXED },
	{ "two Call-ID", OK VIA FROM TO CALL CALL CSEQ END, LOAD_MATCH_MIXED },
	{ "no To", OK VIA FROM CALL CSEQ END, LOAD_MATCH_MIXED },
	{ "no CSeq", OK VIA FROM TO CALL END, LOAD_MATCH_MIXED },
	{ "CSeq is no number", OK VIA FROM TO CALL "CSeq: x OPTIONS\r\n" END, LOAD_MATCH_MIXED },
	{ "CSeq of a BYE with the branch of the INVITE", OK VIA FROM TO CALL "CSeq: 2 BYE\r\n" END, LOAD_MATCH_MIXED },
	{ "branch of a BYE with the CSeq of the INVITE", OK "Via: SIP/2.0/TLS h;branch=z9hG4bK" ID "B\r\n" FROM TO CALL CSEQ END, LOAD_MATCH_MIXED },
};

Test(load_message, an_answer_belongs_to_its_request)
{
	static struct scan_message msg;

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct span method;
		struct load_id got;
		uint32_t cseq;
		enum load_match m;

		cr_assert_eq(scan_next(guard_copy(answers[i].text, strlen(answers[i].text)), &msg), SCAN_MESSAGE, "%s", answers[i].why);
		m = load_match(&msg, 7, &got, &cseq, &method);
		cr_assert_eq(m, answers[i].want, "%s: %d", answers[i].why, (int)m);
		if (m != LOAD_MATCH_OK)
			continue;
		cr_assert(got.run == 7 && got.conn == 2 && got.slot == 3 && got.seq == 0xab, "%s: id", answers[i].why);
		cr_assert(cseq == 1 && span_eq(method, SPAN("OPTIONS")), "%s: CSeq", answers[i].why);
	}
}

#define INVITED VIA FROM TO CALL "CSeq: 1 INVITE\r\n"
#define TARGET "Contact: <sip:bob@192.0.2.9:5070;transport=tcp>\r\n"

static const struct {
	const char *why, *answer, *method;
	uint32_t cseq;
	const char *want;
} dialogs[] = {
	{ "ACK of a 2xx, routes in reverse order",
	    "SIP/2.0 200 OK\r\n" INVITED TARGET "Record-Route: <sip:a;lr>, \"x, y\" <sip:b;lr>\r\nRecord-Route: <sip:c,d;lr>\r\n" END, "ACK", 1,
	    "ACK sip:bob@192.0.2.9:5070;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TLS partner.example;branch=z9hG4bK" ID "A;rport\r\n"
	    "Max-Forwards: 70\r\nRoute: <sip:c,d;lr>\r\nRoute: \"x, y\" <sip:b;lr>\r\nRoute: <sip:a;lr>\r\n" FROM TO CALL
	    "CSeq: 1 ACK\r\n" END },
	{ "BYE", "SIP/2.0 200 OK\r\n" INVITED TARGET END, "BYE", 2,
	    "BYE sip:bob@192.0.2.9:5070;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TLS partner.example;branch=z9hG4bK" ID "B;rport\r\n"
	    "Max-Forwards: 70\r\n" FROM TO CALL "CSeq: 2 BYE\r\n" END },
	{ "a Contact without brackets", "SIP/2.0 200 OK\r\n" INVITED "m: sip:bob@h;expires=3\r\n" END, "BYE", 2,
	    "BYE sip:bob@h SIP/2.0\r\nVia: SIP/2.0/TLS partner.example;branch=z9hG4bK" ID "B;rport\r\n"
	    "Max-Forwards: 70\r\n" FROM TO CALL "CSeq: 2 BYE\r\n" END },
	{ "ACK of a refusal: the INVITE's branch and URI, no routes",
	    "SIP/2.0 486 Busy Here\r\n" INVITED TARGET "Record-Route: <sip:a;lr>\r\n" END, "ACK", 1,
	    "ACK sip:bob@core.example SIP/2.0\r\nVia: SIP/2.0/TLS partner.example;branch=z9hG4bK" ID ";rport\r\n"
	    "Max-Forwards: 70\r\n" FROM TO CALL "CSeq: 1 ACK\r\n" END },
	{ "a 2xx without Contact", "SIP/2.0 200 OK\r\n" INVITED END, "ACK", 1, "" },
};

Test(load_message, within_a_dialog)
{
	struct load_template t = make("INVITE", 0, NULL);
	static struct scan_message msg;
	char out[4096];

	for (size_t i = 0; i < ARRAY_LEN(dialogs); i++) {
		size_t want = strlen(dialogs[i].want), len;

		cr_assert_eq(scan_next(guard_copy(dialogs[i].answer, strlen(dialogs[i].answer)), &msg), SCAN_MESSAGE, "%s", dialogs[i].why);
		len = load_dialog_write(&t, &msg, dialogs[i].method, dialogs[i].cseq, out, sizeof(out));
		cr_assert(len == want && memcmp(out, dialogs[i].want, want) == 0, "%s:\n%.*s", dialogs[i].why, (int)len, out);
		for (size_t cap = 0; cap < want; cap++)
			cr_assert_eq(load_dialog_write(&t, &msg, dialogs[i].method, dialogs[i].cseq, out, cap), 0, "%s: %zu bytes", dialogs[i].why, cap);
	}
	load_template_done(&t);
}
