/*
 * load_stats - what sipward-load counted, and the JSON line about it.
 *
 * May include: common/base.h, common/histogram, bench/load_options.  Owns nothing.
 */
#ifndef BENCH_LOAD_STATS_H
#define BENCH_LOAD_STATS_H

#include "bench/load_options.h"
#include "common/base.h"
#include "common/histogram.h"

#define LOAD_STATUS_MAX 700

/* Of one thread, or of all together. */
struct load_stats {
	/* Of the measured part. */
	uint64_t sent, received, provisional, acks, calls;
	uint64_t status[LOAD_STATUS_MAX]; /* final answers */
	uint64_t lost, unsent, unexpected;
	struct histogram latency; /* ns */
	uint64_t latency_min;
	uint64_t from_ns, last_ns; /* its start, and the last answer in it */
	uint64_t made;		   /* handshakes in it, in handshake mode */
	uint64_t cpu_ns, waited_ns; /* CPU time in it; time with nothing to do */

	/* Of the whole run. */
	uint64_t wrong, disconnects, reconnects, pongs;
	uint64_t handshakes, resumed, handshake_failures;
	uint64_t connect_ns; /* time that it took to open all connections, before the run */
	uint32_t open;	     /* connections open at the end */
	char tls[16], cipher[48];
	char reason[160]; /* of the first connection that failed; empty: none */
};

void load_stats_latency(struct load_stats *s, uint64_t ns);
void load_stats_merge(struct load_stats *all, const struct load_stats *one);

/* Everything that makes the exit code 1. */
uint64_t load_stats_errors(const struct load_stats *s);

/* There was hardly a moment without work: what was measured might carry more. */
bool load_stats_limited(const struct load_stats *s, const struct load_options *o);

void load_stats_print(const struct load_stats *s, const struct load_options *o, double cpu_seconds, bool interrupted);

#endif
