/*
 * counters - one block of numbers per worker in shared memory: a single
 * writer, many readers, no locks.
 *
 * Process: any.  May include: common/base.h.  Owns nothing: the block is the
 * master's mapping (heritage).  Rows and HELP sentences are in counters.def.
 */
#ifndef COMMON_COUNTERS_H
#define COMMON_COUNTERS_H

#include <stdatomic.h>

#include "common/base.h"

#define COUNTERS_REASONS_MAX 64

/* Of a histogram of times: up to 25 us, 50 us, 100 us ... 410 ms, and longer. */
#define LATENCY_BUCKETS 16

static inline uint64_t latency_edge_ns(unsigned bucket)
{
	return UINT64_C(25000) << bucket;
}

struct counters {
#define COUNTER(field, metric, type, sentence) _Atomic uint64_t field;
#include "common/counters.def"
#undef COUNTER
	_Atomic uint64_t fault[COUNTERS_REASONS_MAX];	/* by enum fault */
	_Atomic uint64_t refusal[COUNTERS_REASONS_MAX]; /* by enum refusal */
	_Atomic uint64_t verdict[COUNTERS_REASONS_MAX]; /* refused or untrusted peers by enum peer_verdict */
	_Atomic uint64_t latency[LATENCY_BUCKETS];	/* messages by the time that the turn took which handed them on */
	_Atomic uint64_t latency_sum;			/* ns */
} __attribute__((aligned(4096))); /* a page of its own: the only counters that a worker may write */

struct counter_row {
	const char *field;
	const char *metric;
	bool gauge;
	const char *sentence;
	size_t offset;
};

extern const struct counter_row counter_rows[];
extern const size_t counter_row_count;

/* The single writer needs no locked instruction: a plain load, add, store. */
static inline void counter_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void counter_set(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t counter_get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* n messages took so long each. */
void counters_latency(struct counters *c, uint64_t ns, uint64_t n);

uint64_t counter_row_get(const struct counters *c, const struct counter_row *row);

#endif
