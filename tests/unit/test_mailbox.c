/*
 * mailbox: what one worker puts in comes out at the other, whole and in order;
 * nothing crosses from one incarnation to the next; a writer that breaks the
 * rules hurts nobody but itself.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "support/leaks.h"
#include "support/two_boxes.h"

TestSuite(mailbox, .fini = leaks_check);

static bool send_text(const char *text)
{
	return mailbox_send(&a, B, b.incarnation, SPAN("<"), span_str(text));
}

static void expect_text(const char *text)
{
	struct span got;

	cr_assert_eq(take(&got), MAIL_READY, "%s", text);
	cr_assert_eq(got.len, strlen(text) + 1);
	cr_assert(span_eq(span_from(got, 1), span_str(text)), "%.*s for %s", SPAN_FMT(got), text);
}

static void expect_none(void)
{
	struct span got;

	cr_assert_eq(take(&got), MAIL_NONE);
}

Test(mailbox, in_order_and_both_ways)
{
	struct span got;

	setup();
	expect_none();
	cr_assert(send_text("one"));
	cr_assert(send_text(""));
	cr_assert(send_text("three"));
	expect_text("one");
	cr_assert(mailbox_send(&b, A, a.incarnation, SPAN("back"), SPAN_NONE));
	expect_text("");
	expect_text("three");
	expect_none();
	cr_assert_eq(mailbox_take(&a, B, room, &got), MAIL_READY);
	cr_assert(span_eq(got, SPAN("back")));
	done();
}

Test(mailbox, nobody_else)
{
	struct span got;

	setup();
	cr_assert(!mailbox_send(&a, A, a.incarnation, SPAN("self"), SPAN_NONE));
	cr_assert(!mailbox_send(&a, 2, 0, SPAN("has never run"), SPAN_NONE));
	cr_assert(!mailbox_send(&a, 2, 5, SPAN("has never run"), SPAN_NONE));
	cr_assert(!mailbox_send(&a, WORKERS, 1, SPAN("no such"), SPAN_NONE));
	cr_assert(!mailbox_send(&a, B, b.incarnation + 1, SPAN("another"), SPAN_NONE));
	cr_assert_eq(mailbox_take(&a, A, room, &got), MAIL_NONE);
	cr_assert_eq(mailbox_take(&a, WORKERS, room, &got), MAIL_NONE);
	cr_assert_eq(mailbox_incarnation(&a, WORKERS), 0);
	done();
}

/* Every length passes at every distance from the end of the ring. */
Test(mailbox, wraps_anywhere)
{
	static char text[256];
	struct span got;
	size_t total = 0;

	setup();
	for (uint32_t n = 0; total < 3 * (size_t)RING; n++) {
		size_t len = n * 7 % sizeof(text);

		memset(text, (int)n, len);
		/* One stays behind always, so that the ring is never empty and never begins anew. */
		cr_assert(mailbox_send(&a, B, b.incarnation, span_of(text, len), span_of(&n, sizeof(n))));
		total += len + sizeof(n) + RECORD;
		if (n == 0)
			continue;
		cr_assert_eq(take(&got), MAIL_READY, "%u", n);
		cr_assert_eq(got.len, (n - 1) * 7 % sizeof(text) + sizeof(n));
		for (size_t i = 0; i + sizeof(n) < got.len; i++)
			cr_assert_eq((uint8_t)got.p[i], (uint8_t)(n - 1));
		cr_assert(!memcmp(got.p + got.len - sizeof(n), &(uint32_t){ n - 1 }, sizeof(n)));
	}
	done();
}

Test(mailbox, full_says_no_and_goes_on)
{
	static char text[10000];
	struct span got;
	unsigned in = 0, out = 0;

	setup();
	while (mailbox_send(&a, B, b.incarnation, span_of(&in, sizeof(in)), span_of(text, sizeof(text))))
		in++;
	cr_assert_eq(in, RING / (sizeof(text) + sizeof(in) + 4 + RECORD));
	for (; out < in; out++) {
		unsigned number;

		cr_assert_eq(take(&got), MAIL_READY);
		memcpy(&number, got.p, sizeof(number));
		cr_assert_eq(number, out);
		if (out == 0)
			cr_assert(mailbox_send(&a, B, b.incarnation, span_of(&in, sizeof(in)), span_of(text, sizeof(text))));
	}
	cr_assert_eq(take(&got), MAIL_READY, "the one for which there was room again");
	expect_none();
	done();
}

Test(mailbox, largest_message)
{
	size_t most = mailbox_message_max(WORKERS);
	char *text = malloc(most + 1);
	struct span got;

	setup();
	cr_assert_eq(most, RING - RECORD);
	for (size_t i = 0; i <= most; i++)
		text[i] = (char)(i * 31 >> 3);
	cr_assert(!mailbox_send(&a, B, b.incarnation, span_of(text, most + 1), SPAN_NONE));
	cr_assert(!mailbox_send(&a, B, b.incarnation, span_of(text, SIZE_MAX), span_of(text, 2)));
	for (int i = 0; i < 3; i++) {
		cr_assert(send_text("some way from the front"));
		expect_text("some way from the front");
		cr_assert(mailbox_send(&a, B, b.incarnation, span_of(text, 100), span_of(text + 100, most - 100)));
		cr_assert_eq(take(&got), MAIL_READY);
		cr_assert(got.len == most && !memcmp(got.p, text, most));
	}
	free(text);
	done();
}

/* A ring that is read as fast as it is written uses its first pages only. */
Test(mailbox, little_memory_when_little_waits)
{
	static const char text[5000];
	uint64_t seen = 0;

	setup();
	for (int i = 0; i < 2000; i++) {
		struct span got;

		cr_assert(mailbox_send(&a, B, b.incarnation, span_of(text, sizeof(text)), SPAN_NONE));
		seen = MAX(seen, b.peer[A].head % RING);
		cr_assert_eq(take(&got), MAIL_READY);
		cr_assert_eq(got.len, sizeof(text));
	}
	cr_assert_lt(seen, 128u << 10);
	cr_assert_gt(b.peer[A].head, 4 * (uint64_t)RING);
	done();
}

Test(mailbox, nothing_for_a_former_reader)
{
	uint64_t before;

	setup();
	cr_assert(send_text("read"));
	expect_text("read");
	cr_assert(send_text("too late"));
	before = b.incarnation;
	open_as(&b, B);
	expect_none();
	cr_assert(!mailbox_send(&a, B, before, SPAN("later still"), SPAN_NONE));
	expect_none();
	cr_assert(send_text("for the new one"));
	expect_text("for the new one");
	expect_none();
	done();
}

Test(mailbox, nothing_of_a_former_writer)
{
	setup();
	cr_assert(send_text("one"));
	expect_text("one");
	cr_assert(send_text("not read in time"));
	open_as(&a, A);
	expect_none();
	cr_assert(send_text("of the new one"));
	expect_text("of the new one");
	expect_none();
	done();
}

/* Either may start anew at any time, also without a word in between. */
Test(mailbox, restarts_in_any_order)
{
	uint32_t dice = 1, waiting = 0, serial = 0, oldest = 0;
	struct span got;

	setup();
	for (int i = 0; i < 100000; i++) {
		dice = dice * 1664525 + 1013904223;
		if (dice >> 22 == 0) {
			open_as(&a, A);
			waiting = 0;
		} else if (dice >> 22 == 1) {
			open_as(&b, B);
			waiting = 0;
		} else if (dice >> 31) {
			cr_assert(mailbox_send(&a, B, b.incarnation, span_of(&serial, sizeof(serial)), SPAN("text")));
			if (!waiting++)
				oldest = serial;
			serial++;
		} else {
			uint32_t number;

			cr_assert_eq(take(&got), waiting ? MAIL_READY : MAIL_NONE, "step %d", i);
			if (!waiting)
				continue;
			memcpy(&number, got.p, sizeof(number));
			cr_assert_eq(number, oldest++);
			waiting--;
		}
	}
	done();
}

/* ---- a writer in a stranger's hands: offsets in A's part of what concerns B ---- */

#define LINES 64
#define LINE_B (LINES + B * 128)
#define OUT_TO LINE_B
#define OUT_TAIL (LINE_B + 8)
#define IN_FROM (LINE_B + 64)
#define IN_HEAD (LINE_B + 72)
#define RING_B (REGION_PAGE + B * RING)

static void poke(size_t at, uint64_t value)
{
	memcpy(memory + A * mailbox_bytes(WORKERS) + at, &value, sizeof(value));
}

struct row {
	const char *why;
	size_t at;
	uint64_t value;
	enum mail_status want;
};

/* One message of 5 bytes stands at 0, and has been written honestly. */
static const struct row rows[] = {
	{ "tail before head", OUT_TAIL, (uint64_t)-8, MAIL_BROKEN },
	{ "tail not on a border", OUT_TAIL, 12, MAIL_BROKEN },
	{ "tail in the length", OUT_TAIL, 4, MAIL_BROKEN },
	{ "tail before the end", OUT_TAIL, 8, MAIL_BROKEN },
	{ "tail one ring on", OUT_TAIL, RING, MAIL_READY },
	{ "tail more than a ring on", OUT_TAIL, RING + 8, MAIL_BROKEN },
	{ "tail far away", OUT_TAIL, UINT64_MAX / 2 & ~7ul, MAIL_BROKEN },
	{ "length behind the tail", RING_B, 9, MAIL_BROKEN },
	{ "length as far as the tail", RING_B, 8, MAIL_READY },
	{ "no length", RING_B, 0, MAIL_READY },
	{ "length of a ring", RING_B, RING, MAIL_BROKEN },
	{ "length that overflows", RING_B, UINT64_MAX - 1, MAIL_BROKEN },
	{ "length that overflows when rounded", RING_B, UINT64_MAX - 8, MAIL_BROKEN },
	{ "skip at the front", RING_B, UINT64_MAX, MAIL_BROKEN },
	{ "for nobody", OUT_TO, 0, MAIL_NONE },
	{ "for another", OUT_TO, 1, MAIL_NONE },
	{ "being cleaned", 0, 0, MAIL_NONE },
	{ "another incarnation", 0, 77, MAIL_READY },
	{ "what it says of our ring", IN_FROM, 77, MAIL_READY },
	{ "how far it says it has read", IN_HEAD, UINT64_MAX, MAIL_READY },
};

Test(mailbox, one_word_of_garbage)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span got = SPAN_NONE;

		setup();
		cr_assert(send_text("text"));
		poke(rows[i].at, rows[i].value);
		cr_assert_eq(take(&got), rows[i].want, "%s", rows[i].why);
		cr_assert_leq(got.len, mailbox_message_max(WORKERS), "%s", rows[i].why);
		if (rows[i].want == MAIL_BROKEN) {
			cr_assert_eq(take(&got), MAIL_NONE, "%s: not heard any more", rows[i].why);
			open_as(&a, A);
			cr_assert(send_text("anew"));
			expect_text("anew");
		}
		done();
	}
}

/* A skip must not lead to another, nor behind the tail. */
Test(mailbox, skips)
{
	struct span got;

	setup();
	cr_assert(send_text("text"));
	expect_text("text");
	poke(RING_B + 16, UINT64_MAX);
	poke(OUT_TAIL, RING);
	cr_assert_eq(take(&got), MAIL_BROKEN, "nothing behind it");
	open_as(&a, A);
	cr_assert(send_text("text"));
	expect_text("text");
	poke(RING_B + 16, UINT64_MAX);
	poke(RING_B, UINT64_MAX);
	poke(OUT_TAIL, RING + 16);
	cr_assert_eq(take(&got), MAIL_BROKEN, "another one behind it");
	open_as(&a, A);
	cr_assert(send_text("text"));
	expect_text("text");
	poke(RING_B + 16, UINT64_MAX);
	poke(RING_B, 8);
	poke(OUT_TAIL, RING + 16);
	cr_assert_eq(take(&got), MAIL_READY);
	cr_assert_eq(got.len, 8);
	done();
}

/* A reader that says anything about how far it has read gets what it deserves, and we go on. */
Test(mailbox, a_reader_that_lies)
{
	static const uint64_t said[] = { 1, 7, 16, RING, RING + 8, UINT64_MAX, UINT64_MAX - 7, 1ull << 63 };
	unsigned sent = 0;

	setup();
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		poke(IN_FROM, b.incarnation);
		poke(IN_HEAD, said[i]);
		for (int n = 0; n < 3000; n++)
			sent += mailbox_send(&b, A, a.incarnation, SPAN("something longer than a word"), span_of(room, 1000));
	}
	cr_assert_gt(sent, 0);
	open_as(&a, A);
	cr_assert(mailbox_send(&b, A, a.incarnation, SPAN("fine"), SPAN_NONE));
	done();
}

Test(mailbox, garbage_everywhere)
{
	static const size_t places[] = { 0, OUT_TO, OUT_TAIL, IN_FROM, IN_HEAD, RING_B, RING_B + 8, RING_B + 16, RING_B + 24,
		RING_B + RING - 8 };
	uint64_t x = 88172645463325252ull;
	unsigned ready = 0, broken = 0, sent = 0;
	struct span got;

	setup();
	for (int i = 0; i < 300000; i++) {
		uint64_t values[] = { x, x % 64, 0 - x % 64, RING - x % 64, a.incarnation, b.incarnation, b.peer[A].head + 8 * (x % 9),
			UINT64_MAX };

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		if (x >> 40 & 31) {
			poke(places[(x >> 8) % ARRAY_LEN(places)], values[(x >> 20) % ARRAY_LEN(values)]);
		} else {
			open_as(x >> 46 & 1 ? &a : &b, x >> 46 & 1 ? A : B);
			cr_assert(x >> 47 & 1 || send_text("honest"));
		}
		switch (take(&got)) {
		case MAIL_READY:
			ready++;
			cr_assert_leq(got.len, mailbox_message_max(WORKERS));
			break;
		case MAIL_BROKEN:
			broken++;
			break;
		case MAIL_NONE:
			break;
		}
		sent += mailbox_send(&b, A, mailbox_incarnation(&b, A), SPAN("answer"), SPAN_NONE);
	}
	cr_assert_gt(ready, 1000);
	cr_assert_gt(broken, 1000);
	cr_assert_gt(sent, 1000);
	done();
}
