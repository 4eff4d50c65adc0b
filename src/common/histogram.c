#include "common/histogram.h"

#define SUB (1U << HISTOGRAM_SUB_BITS)

unsigned histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value < SUB)
		return (unsigned)value;
	/* The highest HISTOGRAM_SUB_BITS + 1 bits count; the first of them is always set. */
	shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
}

uint64_t histogram_upper(unsigned bucket)
{
	unsigned shift = bucket < 2 * SUB ? 0 : (bucket >> HISTOGRAM_SUB_BITS) - 1;
	uint64_t top = bucket - (shift << HISTOGRAM_SUB_BITS);

	return (top << shift) | ((1ULL << shift) - 1);
}

/* There is one writer: a load, an addition and a store lose nothing. */
static void add(_Atomic uint64_t *to, uint64_t n)
{
	atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n, memory_order_relaxed);
}

static void keep_max(_Atomic uint64_t *to, uint64_t value)
{
	if (value > atomic_load_explicit(to, memory_order_relaxed))
		atomic_store_explicit(to, value, memory_order_relaxed);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	add(&h->bucket[histogram_bucket(value)], 1);
	add(&h->sum, value);
	keep_max(&h->max, value);
}

void histogram_merge(struct histogram *h, const struct histogram *other)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		add(&h->bucket[i], atomic_load_explicit(&other->bucket[i], memory_order_relaxed));
	add(&h->sum, histogram_sum(other));
	keep_max(&h->max, histogram_max(other));
}

uint64_t histogram_count(const struct histogram *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
	return n;
}

/* How many values of `count` must be at or below the percentile: rounded up, at least one. */
static uint64_t rank_of(uint64_t count, uint32_t per_million)
{
	uint64_t part = MIN(per_million, 1000000U);
	uint64_t whole = count / 1000000 * part, rest = count % 1000000 * part;

	return MAX(whole + (rest + 999999) / 1000000, (uint64_t)1);
}

uint64_t histogram_percentile(const struct histogram *h, uint32_t per_million)
{
	uint64_t count = histogram_count(h), seen = 0, max = histogram_max(h), rank;
	unsigned i;

	if (count == 0)
		return 0;
	rank = rank_of(count, per_million);
	for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		if (seen >= rank)
			break;
	}
	return MIN(histogram_upper(i), max);
}
