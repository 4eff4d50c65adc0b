/* histogram: its buckets cover all values without a gap, its percentiles agree with a sorted list. */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "common/histogram.h"
#include "support/leaks.h"

TestSuite(histogram, .fini = leaks_check);

Test(histogram, buckets_cover_all_values_without_gap_or_overlap)
{
	uint64_t lower = 0;

	for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
		uint64_t upper = histogram_upper(b);

		cr_assert_geq(upper, lower, "bucket %u", b);
		cr_assert_eq(histogram_bucket(lower), b);
		cr_assert_eq(histogram_bucket(upper), b);
		cr_assert_leq(upper - lower, lower / 32, "bucket %u is too wide", b);
		lower = upper + 1;
	}
	cr_assert_eq(lower, 0, "the last bucket ends with the last value");
	cr_assert_eq(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

#define VALUES 5000

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The definition: the least value that so many of all do not pass. */
static uint64_t exact(const uint64_t *sorted, uint64_t count, uint32_t per_million)
{
	uint64_t rank = (count * per_million + 999999) / 1000000;

	return sorted[rank ? rank - 1 : 0];
}

Test(histogram, percentiles_agree_with_a_sorted_list)
{
	static const uint32_t parts[] = { 0, 1, 10000, 250000, 500000, 900000, 990000, 999000, 999999, 1000000, UINT32_MAX };
	static struct histogram h, a, b;
	static uint64_t values[VALUES];
	uint64_t x = 88172645463325252ULL, sum = 0;

	for (size_t i = 0; i < VALUES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		values[i] = x >> (x % 64);
		sum += values[i];
		histogram_add(i % 3 ? &a : &b, values[i]);
	}
	histogram_merge(&h, &a);
	histogram_merge(&h, &b);
	qsort(values, VALUES, sizeof(values[0]), compare);
	cr_assert_eq(histogram_count(&h), VALUES);
	cr_assert_eq(histogram_sum(&h), sum);
	cr_assert_eq(histogram_max(&h), values[VALUES - 1]);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint64_t want = exact(values, VALUES, MIN(parts[i], 1000000U));
		uint64_t got = histogram_percentile(&h, parts[i]);

		cr_assert_geq(got, want, "part %u", parts[i]);
		cr_assert_leq(got - want, want / 31, "part %u", parts[i]);
	}
}

Test(histogram, nothing_one_and_the_borders)
{
	static struct histogram h;

	cr_assert_eq(histogram_percentile(&h, 500000), 0);
	cr_assert_eq(histogram_count(&h), 0);
	histogram_add(&h, 1000003);
	cr_assert_eq(histogram_percentile(&h, 0), 1000003, "never above the maximum");
	cr_assert_eq(histogram_percentile(&h, 1000000), 1000003);
	histogram_add(&h, UINT64_MAX);
	histogram_add(&h, 0);
	cr_assert_eq(histogram_percentile(&h, 1), 0);
	cr_assert_eq(histogram_percentile(&h, 1000000), UINT64_MAX);
}
