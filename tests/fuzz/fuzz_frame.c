/*
 * Whatever the bytes and however they arrive, frame gives the same answer, and
 * unfolding leaves no fold, makes nothing longer and changes no line's start.
 */
#include "common/sip/frame.h"
#include "fuzz/check.h"

#define HEAD_MAX 4096

/* Fed one byte more at a time: the answer that is not "more", or "more" at the end. */
static enum frame_status feed_slowly(struct span in, struct span *head, bool *folded)
{
	struct framer fr = {0};
	enum frame_status st = FRAME_MORE;

	for (size_t n = 1; n <= in.len && st == FRAME_MORE; n++) {
		size_t before = fr.scanned;

		st = frame_next(&fr, HEAD_MAX, span_head(in, n), head);
		CHECK(fr.scanned >= before && fr.scanned <= n);
	}
	*folded = fr.folded;
	return st;
}

static void check_unfolded(struct span head)
{
	char *out = check_alloc(head.len);
	struct span flat = span_of(out, frame_unfold(head, out));
	char *again = check_alloc(flat.len);

	CHECK(flat.len <= head.len);
	CHECK(flat.len >= 4 && memcmp(flat.p + flat.len - 4, "\r\n\r\n", 4) == 0);
	CHECK(span_eq(flat, span_of(again, frame_unfold(flat, again))));
	free(again);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	for (unsigned messages = 0; messages < 64; messages++) {
		struct framer fr = {0};
		struct span head = SPAN_NONE, slow_head = SPAN_NONE;
		bool folded;
		enum frame_status st = frame_next(&fr, HEAD_MAX, in, &head);

		CHECK(feed_slowly(in, &slow_head, &folded) == st);
		CHECK(head.p == slow_head.p && head.len == slow_head.len);
		CHECK(fr.scanned <= in.len);
		if (st == FRAME_HEAD) {
			CHECK(folded == fr.folded);
			CHECK(head.len <= HEAD_MAX);
			check_unfolded(head);
		}
		if (st != FRAME_HEAD && st != FRAME_CRLF && st != FRAME_PING)
			break;
		CHECK(head.p == in.p && head.len > 0);
		in = span_from(in, head.len);
	}
	return 0;
}
