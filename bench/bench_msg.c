/*
 * bench_msg - nanoseconds to frame and to parse one message.
 *
 *   bench_msg [SECONDS]     default 1 for each line
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/sip/frame.h"
#include "common/sip/msg.h"

#define ROUND 20000

static const char options[] = "OPTIONS sip:+4930123456@core.example:5061;user=phone;transport=tls SIP/2.0\r\n"
			      "Via: SIP/2.0/TLS edge7.partner.example:5061;branch=z9hG4bK-524287-1-f00dcafe;rport\r\n"
			      "Max-Forwards: 70\r\n"
			      "From: \"Alice Example\" <sip:alice@partner.example>;tag=9fxced76sl\r\n"
			      "To: <sip:+4930123456@core.example;user=phone>\r\n"
			      "Call-ID: 3848276298220188511@edge7.partner.example\r\n"
			      "CSeq: 1711 OPTIONS\r\n"
			      "Contact: <sip:alice@edge7.partner.example:5061;transport=tls>\r\n"
			      "Accept: application/sdp, application/pidf+xml\r\n"
			      "User-Agent: sipward-load/1\r\n"
			      "P-Asserted-Identity: <sip:alice@partner.example>\r\n"
			      "Content-Length: 0\r\n"
			      "\r\n";

static const struct span identity_names[] = {{"p-asserted-identity", 19}, {"p-preferred-identity", 20}};
static const struct hdr_set identity = {identity_names, 2, UINT64_C(1) << 19 | UINT64_C(1) << 20};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* How many of ROUND went well: all, or the line means nothing. */
static unsigned frame_round(struct span in)
{
	unsigned good = 0;

	for (unsigned i = 0; i < ROUND; i++) {
		struct framer fr = {0};
		struct span head;

		good += frame_next(&fr, 65536, in, &head) == FRAME_HEAD;
	}
	return good;
}

static unsigned msg_round(struct span in)
{
	static struct msg_header header[256];
	const struct msg_rules rules = {.body_max = 65536, .identity = &identity, .stream = true};
	unsigned good = 0;

	for (unsigned i = 0; i < ROUND; i++) {
		struct sip_msg msg;
		struct msg_fault fault;

		good += msg_parse(in, &rules, header, 256, &msg, &fault) == FAULT_NONE;
	}
	return good;
}

static int measure(const char *what, unsigned (*round)(struct span), double seconds)
{
	struct span in = SPAN(options);
	double best = 1e9, begin = now();

	do {
		double from = now();
		double ns;

		if (round(in) != ROUND) {
			fprintf(stderr, "bench_msg: %s refuses its message\n", what);
			return 1;
		}
		ns = (now() - from) / ROUND * 1e9;
		best = MIN(best, ns);
	} while (now() - begin < seconds);
	printf("%-10s %zu bytes  %.0f ns\n", what, in.len, best);
	return 0;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;

	return measure("frame_next", frame_round, seconds) | measure("msg_parse", msg_round, seconds);
}
