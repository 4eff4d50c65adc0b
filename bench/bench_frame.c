/*
 * bench_frame - nanoseconds to find the end of one message in a stream: whole,
 * and when it comes in three pieces.
 *
 *   bench_frame [SECONDS]     default 1 for each line
 */
#include <stdlib.h>

#include "bench/repeat.h"
#include "bench/sample.h"
#include "common/sip/frame.h"

static bool whole(const void *arg)
{
	const struct span *in = arg;
	struct framer fr = { 0 };
	struct span head;

	return frame_next(&fr, 65536, *in, &head) == FRAME_HEAD;
}

static bool pieces(const void *arg)
{
	const struct span *in = arg;
	struct framer fr = { 0 };
	struct span head;

	return frame_next(&fr, 65536, span_head(*in, in->len / 3), &head) == FRAME_MORE &&
	       frame_next(&fr, 65536, span_head(*in, in->len / 3 * 2), &head) == FRAME_MORE &&
	       frame_next(&fr, 65536, *in, &head) == FRAME_HEAD;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	struct span in = SPAN(sample_options);

	return repeat("frame_next, 572 bytes", whole, &in, seconds) | repeat("frame_next, 572 bytes in 3 pieces", pieces, &in, seconds);
}
