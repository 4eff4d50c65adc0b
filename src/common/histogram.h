/*
 * histogram - how often which value came: log-linear buckets of 64-bit counts.
 *
 * Process: any.  May include: common/base.h.  Owns nothing: zero-initialise it
 * where it shall live, in shared memory if readers are other processes.
 *
 * Single writer, many readers, no locks.  Values below 64 have a bucket each;
 * above, each power of two has 32: what is told of a value is at most 3.2 %
 * above it.  Any 64-bit value fits.
 */
#ifndef COMMON_HISTOGRAM_H
#define COMMON_HISTOGRAM_H

#include <stdatomic.h>

#include "common/base.h"

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
	_Atomic uint64_t max; /* exact */
	_Atomic uint64_t sum; /* modulo 2^64 */
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* The bucket of a value, and the largest value of a bucket. */
unsigned histogram_bucket(uint64_t value);
uint64_t histogram_upper(unsigned bucket);

void histogram_add(struct histogram *h, uint64_t value);
/* Add the counts of another one, which may be written meanwhile. */
void histogram_merge(struct histogram *h, const struct histogram *other);

uint64_t histogram_count(const struct histogram *h);

/*
 * The least value that a bucket tells of which `per_million` of all values do
 * not pass (500000: the median; 999000: the 99.9th percentile).  Never above
 * the maximum; 0 when there are no values.
 */
uint64_t histogram_percentile(const struct histogram *h, uint32_t per_million);

static inline uint64_t histogram_max(const struct histogram *h)
{
	return atomic_load_explicit(&h->max, memory_order_relaxed);
}

static inline uint64_t histogram_sum(const struct histogram *h)
{
	return atomic_load_explicit(&h->sum, memory_order_relaxed);
}

#endif
