/*
 * scan: the tools' own reader, strict about line ends and Content-Length; what
 * it says does not depend on how the bytes arrive.  To add a case, add a row.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "bench/scan.h"
#include "support/guard.h"

#define OPT "OPTIONS sip:a@b SIP/2.0\r\n"

static const struct row {
	const char *why, *in;
	enum scan_status want;
	size_t whole, body; /* when it is a message */
} rows[] = {
	{ "no body", OPT "Content-Length: 0\r\n\r\n", SCAN_MESSAGE, 46, 0 },
	{ "compact name, a body, and more behind it", OPT "l:2\r\n\r\nhiX", SCAN_MESSAGE, 34, 2 },
	{ "blanks around the colon", OPT "CONTENT-length \t: 1 \r\n\r\nx", SCAN_MESSAGE, 50, 1 },
	{ "a response", "SIP/2.0 200 OK\r\nl: 0\r\n\r\n", SCAN_MESSAGE, 24, 0 },
	{ "nothing", "", SCAN_MORE },
	{ "half a start line", "OPTIONS si", SCAN_MORE },
	{ "half a line end", OPT "l: 0\r\n\r", SCAN_MORE },
	{ "half a head", OPT "l: 0\r\n", SCAN_MORE },
	{ "half a body", OPT "l: 4\r\n\r\nhi", SCAN_MORE },
	{ "half a ping", "\r\n\r", SCAN_MORE },
	{ "a ping", "\r\n\r\n", SCAN_PING },
	{ "one line end before a message", "\r\nOPTIONS", SCAN_CRLF },
	{ "bare CR in front", "\rOPTIONS", SCAN_BAD },
	{ "bare CR in a line", OPT "a: b\rl: 0\r\n\r\n", SCAN_BAD },
	{ "bare LF in a line", OPT "a: b\nl: 0\r\n\r\n", SCAN_BAD },
	{ "bare LF at once", OPT "l: 0\n", SCAN_BAD },
	{ "no length", OPT "a: b\r\n\r\n", SCAN_BAD },
	{ "two lengths", OPT "l: 0\r\nContent-Length: 0\r\n\r\n", SCAN_BAD },
	{ "a sign", OPT "l: +0\r\n\r\n", SCAN_BAD },
	{ "an empty length", OPT "l:\r\n\r\n", SCAN_BAD },
	{ "a length over the limit", OPT "l: 8388609\r\n\r\n", SCAN_BAD },
	{ "a length over 64 bits", OPT "l: 18446744073709551616\r\n\r\n", SCAN_BAD },
	{ "a folded line", OPT "a: b\r\n c\r\nl: 0\r\n\r\n", SCAN_BAD },
	{ "a line without colon", OPT "what\r\nl: 0\r\n\r\n", SCAN_BAD },
	{ "a line without name", OPT ": x\r\nl: 0\r\n\r\n", SCAN_BAD },
};

Test(scan, what_is_a_message)
{
	static struct scan_message msg;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = guard_copy(rows[i].in, strlen(rows[i].in));
		enum scan_status st = scan_next(in, &msg);

		cr_assert_eq(st, rows[i].want, "%s: %d", rows[i].why, (int)st);
		if (st != SCAN_MESSAGE)
			continue;
		cr_assert_eq(msg.whole.len, rows[i].whole, "%s: %zu bytes", rows[i].why, msg.whole.len);
		cr_assert_eq(msg.body.len, rows[i].body, "%s: body of %zu", rows[i].why, msg.body.len);
		cr_assert(msg.body.p + msg.body.len == in.p + msg.whole.len, "%s: body at the end", rows[i].why);
	}
}

Test(scan, a_nul_is_refused)
{
	static struct scan_message msg;
	static const char text[] = OPT "a: b\0c\r\nl: 0\r\n\r\n";

	cr_assert_eq(scan_next(guard_copy(text, sizeof(text) - 1), &msg), SCAN_BAD);
}

Test(scan, byte_at_a_time)
{
	static struct scan_message msg;
	static const char text[] = OPT "Via: x\r\nl: 2\r\n\r\nhi";

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		cr_assert_eq(scan_next(guard_copy(text, n), &msg), SCAN_MORE, "at byte %zu", n);
	cr_assert_eq(scan_next(guard_copy(text, sizeof(text) - 1), &msg), SCAN_MESSAGE);
}

Test(scan, limits)
{
	static struct scan_message msg;
	static char text[2 * SCAN_HEAD_MAX];
	size_t len = strlen(OPT);

	memset(text, 'a', sizeof(text));
	cr_assert_eq(scan_next(span_of(text, SCAN_HEAD_MAX), &msg), SCAN_MORE, "may yet end");
	cr_assert_eq(scan_next(span_of(text, SCAN_HEAD_MAX + 1), &msg), SCAN_BAD, "a line over the limit");
	memcpy(text, OPT, len);
	for (unsigned i = 0; i <= SCAN_LINES_MAX; i++, len += 6)
		memcpy(text + len, "a: b\r\n", 6);
	cr_assert_eq(scan_next(span_of(text, len), &msg), SCAN_BAD, "one line too many");
	cr_assert_eq(scan_next(span_of(text, len - 6), &msg), SCAN_MORE, "as many as there may be");
}

static const struct {
	const char *why, *name;
	enum scan_name want;
} names[] = {
	{ "long", "Via", SCAN_VIA },
	{ "compact", "v", SCAN_VIA },
	{ "upper case", "CALL-ID", SCAN_CALL_ID },
	{ "compact, upper case", "I", SCAN_CALL_ID },
	{ "no compact form", "CSeq", SCAN_CSEQ },
	{ "longer", "Record-Route", SCAN_RECORD_ROUTE },
	{ "a part of a name", "Record", SCAN_OTHER },
	{ "a name and more", "Vias", SCAN_OTHER },
	{ "unknown", "Subject", SCAN_OTHER },
};

Test(scan, names)
{
	static struct scan_message msg;
	char text[128];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t len = (size_t)snprintf(text, sizeof(text), OPT "%s:  some value \r\nl: 0\r\n\r\n", names[i].name);

		cr_assert_eq(scan_next(guard_copy(text, len), &msg), SCAN_MESSAGE, "%s", names[i].why);
		cr_assert_eq(msg.line[0].id, names[i].want, "%s", names[i].why);
		cr_assert(span_eq(msg.line[0].value, SPAN("some value")), "%s", names[i].why);
		cr_assert_eq(msg.line[0].whole.len, strlen(names[i].name) + 16, "%s", names[i].why);
	}
}

static const struct {
	const char *why, *start;
	unsigned status;
	const char *method;
} starts[] = {
	{ "a request", "INVITE sip:a@b SIP/2.0", 0, "INVITE" },
	{ "a response", "SIP/2.0 183 Session Progress", 183, NULL },
	{ "a response without a phrase", "SIP/2.0 200 ", 200, NULL },
	{ "a status out of range", "SIP/2.0 700 No", 0, NULL },
	{ "a status too low", "SIP/2.0 099 No", 0, NULL },
	{ "a status of four digits", "SIP/2.0 2000 No", 0, NULL },
	{ "another version", "INVITE sip:a@b SIP/3.0", 0, NULL },
	{ "two blanks", "INVITE  sip:a@b SIP/2.0", 0, NULL },
	{ "one word", "INVITE", 0, NULL },
};

Test(scan, start_lines)
{
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		struct scan_message msg = { .start = guard_copy(starts[i].start, strlen(starts[i].start)) };

		cr_assert_eq(scan_response_status(&msg), starts[i].status, "%s", starts[i].why);
		cr_assert(span_eq(scan_method(&msg), span_str(starts[i].method)), "%s", starts[i].why);
	}
}

static const struct {
	const char *why, *value, *name, *want;
} params[] = {
	{ "of a From", "<sip:a@b;tag=no>;tag=yes", "tag", "yes" },
	{ "not that of the URI", "<sip:a@b;tag=no>", "tag", NULL },
	{ "not in a quoted name", "\"a>;tag=no\" <sip:a@b>;x=1", "tag", NULL },
	{ "of a Via", "SIP/2.0/TLS h;rport;branch=z9hG4bK1;received=1.2.3.4", "branch", "z9hG4bK1" },
	{ "without a value", "SIP/2.0/TLS h;rport", "rport", "" },
	{ "any case, blanks", "<sip:a@b>; TAG = x ", "tag", "x" },
	{ "absent", "<sip:a@b>;tagged=x", "tag", NULL },
};

Test(scan, parameters)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		struct span got = scan_param(guard_copy(params[i].value, strlen(params[i].value)), span_str(params[i].name));

		cr_assert_eq(got.p == NULL, params[i].want == NULL, "%s", params[i].why);
		cr_assert(span_eq(got, span_str(params[i].want)), "%s: %.*s", params[i].why, SPAN_FMT(got));
	}
}
