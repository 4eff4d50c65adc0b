/*
 * mailbox: whatever another worker writes into its part, we read no further
 * than it goes, take no more than a message, and are done; what we then put
 * into our own part is as it would have been.
 *
 * The input: steps of nine bytes, each a place in the other's part and a word
 * for it; between them we take, and now and then send.
 */
#include <sys/mman.h>

#include "common/mailbox.h"
#include "fuzz/check.h"

#define WORKERS 2
#define THEIRS 0
#define OURS 1
#define STEP 9

static char *memory, *room, *end;
static struct mailbox they, we;

/* Both parts, and behind them what can't be read. */
static void map(void)
{
	size_t size = WORKERS * mailbox_bytes(WORKERS);

	if (memory)
		return;
	memory = mmap(NULL, size + REGION_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED && mprotect(memory + size, REGION_PAGE, PROT_NONE) == 0);
	room = check_alloc(mailbox_message_max(WORKERS));
}

/* A place that means something: an incarnation, the words about us, the front of the ring for us, or its end. */
static char *place(uint8_t which)
{
	static const size_t words[] = { 0, 64 + 128, 64 + 128 + 8, 64 + 128 + 64, 64 + 128 + 72 };
	size_t ring = REGION_PAGE + (mailbox_bytes(WORKERS) - REGION_PAGE) / WORKERS * OURS;

	if (which < ARRAY_LEN(words))
		return memory + words[which];
	if (which & 128)
		return end - (size_t)8 * (which - 127);
	return memory + ring + (size_t)8 * (which - ARRAY_LEN(words));
}

static void take(void)
{
	uint64_t before = we.peer[THEIRS].head;
	struct span got = SPAN_NONE;

	switch (mailbox_take(&we, THEIRS, room, &got)) {
	case MAIL_READY:
		CHECK(got.p == room && got.len <= mailbox_message_max(WORKERS));
		CHECK(we.peer[THEIRS].head % 8 == 0);
		break;
	case MAIL_BROKEN:
		CHECK(mailbox_take(&we, THEIRS, room, &got) == MAIL_NONE);
		break;
	case MAIL_NONE:
		CHECK(we.peer[THEIRS].head == before || we.peer[THEIRS].head == 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[1000];
	uint64_t fresh = (uint64_t)1 << 63; /* never the one that was read last */

	map();
	end = memory + mailbox_bytes(WORKERS);
	memset(memory, 0, REGION_PAGE);
	mailbox_open(&they, memory, WORKERS, THEIRS, 1);
	mailbox_open(&we, memory, WORKERS, OURS, 2);
	for (size_t at = 0; size - at >= STEP; at += STEP) {
		uint64_t incarnation = mailbox_incarnation(&we, THEIRS);

		if (data[at] == 0xff) {
			fresh += 1 + (fresh + 1 == we.peer[THEIRS].from);
			mailbox_open(&they, memory, WORKERS, THEIRS, fresh);
			CHECK(mailbox_send(&they, OURS, 2, SPAN("honest"), span_of(text, data[at + 2])));
		} else {
			memcpy(place(data[at]), data + at + 1, 8);
		}
		take();
		take();
		if (mailbox_send(&we, THEIRS, incarnation, span_of(text, data[at + 8]), SPAN_NONE))
			CHECK(we.peer[THEIRS].tail % 8 == 0 && we.peer[THEIRS].to == incarnation);
	}
	return 0;
}
