/*
 * sink - what sipward-sink's files share: options, counts, connections, and the
 * answer to a message.
 *
 *   sink.c (sockets, loop) -> [sink_message] (count, show, answer) -> [sink_options]
 *
 * May include: common/base.h, common/span.h, bench/scan.
 */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "bench/scan.h"
#include "common/base.h"
#include "common/span.h"

#define SINK_LISTENERS_MAX 16
#define SINK_METHODS_MAX 32
#define SINK_ADDRESS_LEN 64 /* "[address]:port" */

struct sink_options {
	const char *listen[SINK_LISTENERS_MAX];
	size_t listeners;
	unsigned status; /* of the final answer */
	uint32_t delay_ms;
	bool ringing, show, count, expect_identity;
	struct span identity; /* the header that must be there once */
	struct span forbid;   /* p NULL: nothing is */
};

/* 0: go on; else the process ends with *exit_code. */
MUST_USE int sink_options_parse(int argc, char **argv, struct sink_options *out, int *exit_code);

struct sink_counts {
	uint64_t requests, responses, answers, bad, pings, connections, bytes;
	uint64_t identity_one, identity_none, identity_more, forbidden;
	struct {
		char name[24];
		uint64_t count;
	} method[SINK_METHODS_MAX];
	unsigned methods;
};

/* Bytes to be sent. */
struct sink_out {
	char *p;
	size_t len, cap, sent;
};

MUST_USE bool sink_out_put(struct sink_out *out, struct span bytes);

/* Count a message. */
void sink_count(struct sink_counts *c, const struct sink_options *o, const struct scan_message *msg);

/* Print it as it came, behind a line that says how many bytes follow and from whom. */
void sink_show(const struct sink_counts *c, const struct scan_message *msg, const char *from);

/* Which part of the answer to a request: with --delay the final one comes later. */
enum sink_part {
	SINK_PROVISIONAL = 1, /* 100 and 180, when asked for */
	SINK_FINAL = 2,
};

/*
 * Append the answers to `out` (RFC 3261 8.2.6, 12.1.1); nothing for an ACK or a
 * response.  `contact` is our own address.  False: out of memory.
 */
MUST_USE bool sink_answer(struct sink_counts *c, const struct sink_options *o, const struct scan_message *msg, const char *contact,
    unsigned parts, struct sink_out *out);

/* One JSON line. */
void sink_print(const struct sink_counts *c, double cpu_seconds);

/* Did every request carry exactly one identity, and none the forbidden text? */
bool sink_as_expected(const struct sink_counts *c);

#endif
