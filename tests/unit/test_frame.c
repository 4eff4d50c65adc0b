/* frame: where a head ends, what stands between messages, and that the answer does not depend on how the bytes arrive. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/sip/frame.h"
#include "support/guard.h"

#define HEAD_MAX 64
#define OPT "OPTIONS sip:a@b SIP/2.0\r\n"

struct row {
	const char *why;
	const char *in;
	size_t len; /* 0: up to the NUL */
	enum frame_status want;
	size_t head; /* its length */
	bool folded;
};

static const struct row rows[] = {
	{ "a head", OPT "l: 0\r\n\r\n", 0, FRAME_HEAD, 33 },
	{ "a head and a body", OPT "l: 1\r\n\r\nx", 0, FRAME_HEAD, 33 },
	{ "two heads", OPT "l: 0\r\n\r\n" OPT "\r\n", 0, FRAME_HEAD, 33 },
	{ "exactly the limit", "A 3456789012345678901234567890123456789012345678901234567890\r\n\r\n", 0, FRAME_HEAD, 64 },
	{ "folded", OPT "a: b\r\n c\r\n\r\n", 0, FRAME_HEAD, 37, true },
	{ "folded by HTAB", OPT "a: b\r\n\tc\r\n\r\n", 0, FRAME_HEAD, 37, true },
	{ "no header", OPT "\r\n", 0, FRAME_HEAD, 27 },
	{ "other control bytes are for msg", OPT "a: \x01\x7f\r\n\r\n", 0, FRAME_HEAD, 34 },
	{ "NUL is for msg", OPT "a\0b: c\r\n\r\n", 35, FRAME_HEAD, 35 },
	{ "a blank first is for msg", " " OPT "\r\n", 0, FRAME_HEAD, 28 },
	{ "empty", "", 0, FRAME_MORE },
	{ "half a start line", "OPTI", 0, FRAME_MORE },
	{ "half an end", OPT "l: 0\r\n\r", 0, FRAME_MORE },
	{ "end of a line", OPT, 0, FRAME_MORE },
	{ "CR last", "OPTIONS\r", 0, FRAME_MORE },
	{ "one CR", "\r", 0, FRAME_MORE },
	{ "one CRLF", "\r\n", 0, FRAME_MORE },
	{ "three quarters of a ping", "\r\n\r", 0, FRAME_MORE },
	{ "ping", "\r\n\r\n", 0, FRAME_PING, 4 },
	{ "ping and more", "\r\n\r\n\r\n", 0, FRAME_PING, 4 },
	{ "stray CRLF", "\r\n" OPT, 0, FRAME_CRLF, 2 },
	{ "stray CRLF before garbage", "\r\n\x16", 0, FRAME_CRLF, 2 },
	{ "LF first", "\n", 0, FRAME_BAD_LINE },
	{ "CR and text first", "\rA", 0, FRAME_BAD_LINE },
	{ "CR CR first", "\r\r\n", 0, FRAME_BAD_LINE },
	{ "CRLF CR and text", "\r\n\rA", 0, FRAME_BAD_LINE },
	{ "bare LF, head incomplete", "OPTIONS\n", 0, FRAME_BAD_LINE },
	{ "bare CR, head incomplete", "OPTIONS\rx", 0, FRAME_BAD_LINE },
	{ "bare LF in a header", OPT "a: b\nc: d\r\n\r\n", 0, FRAME_BAD_LINE },
	{ "bare CR in a header", OPT "a: b\rc: d\r\n\r\n", 0, FRAME_BAD_LINE },
	{ "LF LF", OPT "l: 0\n\n", 0, FRAME_BAD_LINE },
	{ "CRLF LF", OPT "l: 0\r\n\n", 0, FRAME_BAD_LINE },
	{ "CRLF CR CR LF", OPT "l: 0\r\n\r\r\n", 0, FRAME_BAD_LINE },
	{ "CR CR LF", OPT "l: 0\r\r\n", 0, FRAME_BAD_LINE },
	{ "LF CR", OPT "l: 0\n\r", 0, FRAME_BAD_LINE },
	{ "TLS in TLS", "\x16\x03\x01", 0, FRAME_NOT_SIP },
	{ "NUL first", "\0", 1, FRAME_NOT_SIP },
	{ "8-bit byte first", "\xe4", 0, FRAME_NOT_SIP },
	{ "DEL first", "\x7f", 0, FRAME_NOT_SIP },
	{ "no end in the limit", "A 3456789012345678901234567890123456789012345678901234567890123456", 0, FRAME_TOO_BIG },
	{ "the limit falls into the end", "A 34567890123456789012345678901234567890123456789012345678901\r\n\r\n", 65, FRAME_TOO_BIG },
	{ "bad line behind the limit", "A 34567890123456789012345678901234567890123456789012345678901234\n", 0, FRAME_TOO_BIG },
	{ "bad line before the limit", "A 345678901234567890123456789012345678901234567890123456789012\n3456", 0, FRAME_BAD_LINE },
};

static struct span input(const struct row *r)
{
	return guard_copy(r->in, r->len ? r->len : strlen(r->in));
}

static void check(const struct row *r, enum frame_status got, struct span head, const struct framer *fr, const char *how)
{
	cr_assert_str_eq(frame_status_name(got), frame_status_name(r->want), "%s, %s", r->why, how);
	cr_assert_eq(head.len, r->head, "%s, %s: length %zu", r->why, how, head.len);
	if (got == FRAME_HEAD)
		cr_assert_eq(fr->folded, r->folded, "%s, %s: folded", r->why, how);
}

Test(frame, at_once)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct framer fr = { 0 };
		struct span head = SPAN_NONE;
		enum frame_status got = frame_next(&fr, HEAD_MAX, input(&rows[i]), &head);

		check(&rows[i], got, head, &fr, "at once");
	}
}

Test(frame, reads_nothing_before_the_input)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = input(&rows[i]), front = guard_copy_front(in.p, in.len), head = SPAN_NONE;
		struct framer fr = { 0 };
		enum frame_status got = frame_next(&fr, HEAD_MAX, front, &head);

		check(&rows[i], got, head, &fr, "at the front");
	}
}

/* Up to every split, then the whole: what was said early stays said. */
Test(frame, at_every_split)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = input(&rows[i]);

		for (size_t n = 0; n <= in.len; n++) {
			struct framer fr = { 0 };
			struct span head = SPAN_NONE, part = guard_copy(in.p, n);
			enum frame_status got = frame_next(&fr, HEAD_MAX, part, &head);

			if (got == FRAME_MORE) {
				cr_assert(head.p == NULL, "%s: untouched", rows[i].why);
				got = frame_next(&fr, HEAD_MAX, in, &head);
			}
			check(&rows[i], got, head, &fr, "split");
			guard_free(part);
		}
	}
}

Test(frame, byte_at_a_time)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = input(&rows[i]), head = SPAN_NONE;
		struct framer fr = { 0 };
		enum frame_status got = FRAME_MORE;

		for (size_t n = 1; n <= in.len && got == FRAME_MORE; n++) {
			got = frame_next(&fr, HEAD_MAX, span_head(in, n), &head);
			cr_assert(fr.scanned + 4 >= n || got != FRAME_MORE || n < 4, "%s: scanned again", rows[i].why);
		}
		check(&rows[i], got, head, &fr, "byte at a time");
	}
}

Test(frame, unfolds)
{
	static const struct {
		const char *why, *in, *want;
	} folds[] = {
		{ "nothing to do", OPT "a: b\r\n\r\n", OPT "a: b\r\n\r\n" },
		{ "one fold", OPT "a: b\r\n c\r\n\r\n", OPT "a: b c\r\n\r\n" },
		{ "HTAB and blanks on both sides", OPT "a: b \t\r\n\t  c\r\n\r\n", OPT "a: b c\r\n\r\n" },
		{ "before the colon", OPT "a\r\n : b\r\n\r\n", OPT "a : b\r\n\r\n" },
		{ "several in a row", OPT "a: b\r\n \r\n\t\r\n c\r\n\r\n", OPT "a: b c\r\n\r\n" },
		{ "nothing but blanks", OPT "a: b\r\n \r\n\r\n", OPT "a: b \r\n\r\n" },
		{ "two headers", OPT "a:\r\n b\r\nc:\r\n d\r\n\r\n", OPT "a: b\r\nc: d\r\n\r\n" },
		{ "blank on the first header line", OPT " a: b\r\nc: d\r\n\r\n", OPT " a: b\r\nc: d\r\n\r\n" },
		{ "and a fold behind it", OPT " a: b\r\n c\r\n\r\n", OPT " a: b c\r\n\r\n" },
		{ "first header line all blank", OPT " \r\n \r\n\r\n", OPT " \r\n\r\n" },
		{ "no header", OPT "\r\n", OPT "\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(folds); i++) {
		struct span in = guard_copy(folds[i].in, strlen(folds[i].in));
		char *out = malloc(in.len);
		size_t n = frame_unfold(in, out);

		cr_assert(span_eq(span_of(out, n), span_str(folds[i].want)), "%s: %.*s", folds[i].why, (int)n, out);
		free(out);
	}
}

Test(frame, every_status_has_a_name)
{
	for (int st = FRAME_HEAD; st <= FRAME_TOO_BIG; st++)
		for (int other = FRAME_HEAD; other < st; other++)
			cr_assert_str_neq(frame_status_name((enum frame_status)st), frame_status_name((enum frame_status)other));
}
