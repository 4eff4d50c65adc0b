/*
 * buckets - rates and counts that all workers keep together, in shared memory.
 *
 * Process: worker.  May include: common/base.h, heritage.  Owns nothing: the
 * region is the master's (heritage.buckets), buckets_bytes() long, zero at the start.
 *
 * A bucket is one word, the time at which the next event would be on time
 * (GCRA, the leaky bucket as a meter), changed by compare and swap.  Buckets are found by
 * a 64-bit keyed id and come and go: one that has been idle is another's.  A
 * count belongs to one worker, who clears its own at its start, so that its
 * death leaks nothing.  What a worker gone mad writes here costs accuracy.
 */
#ifndef COMMON_BUCKETS_H
#define COMMON_BUCKETS_H

#include <stdatomic.h>

#include "common/base.h"
#include "common/heritage.h"

struct buckets;

size_t buckets_bytes(uint32_t workers);

/*
 * May one more event of this id pass?  `rate` is in thousandths per second, not
 * 0; a second's worth, and at least one, may come at once, times `patience`.
 * Yes as well where there is no room for another bucket.
 */
MUST_USE bool bucket_take(struct buckets *b, uint64_t id, uint64_t rate, uint64_t patience, uint64_t now_ns);

/* Forget all counts of a worker. */
void counts_clear(struct buckets *b, uint32_t worker);

/* Count up or down; false: there is no room, and nothing is counted. */
bool count_add(struct buckets *b, uint32_t worker, uint64_t id, int32_t by);

/* Of all workers. */
uint64_t count_sum(const struct buckets *b, uint32_t workers, uint64_t id);

#endif
