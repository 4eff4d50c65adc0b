/*
 * bench_msg - nanoseconds to parse one message.
 *
 *   bench_msg [SECONDS]     default 1
 */
#include <stdlib.h>

#include "bench/repeat.h"
#include "bench/sample.h"
#include "common/sip/msg.h"

static const struct span identity_names[] = {{"p-asserted-identity", 19}, {"p-preferred-identity", 20}};
static const struct hdr_set identity = {identity_names, 2, UINT64_C(1) << 19 | UINT64_C(1) << 20};

static bool parse(const void *arg)
{
	const struct msg_rules rules = { .body_max = 65536, .identity = &identity, .stream = true };
	static struct msg_header header[256];
	const struct span *in = arg;
	struct msg_fault fault;
	struct sip_msg msg;

	return msg_parse(*in, &rules, header, 256, &msg, &fault) == FAULT_NONE;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	struct span in = SPAN(sample_options);

	return repeat("msg_parse, OPTIONS of 572 bytes", parse, &in, seconds);
}
