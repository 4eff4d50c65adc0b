/* buckets: rates hold whoever takes, counts are of the living only. */
#include <criterion/criterion.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buckets.h"
#include "common/clock.h"

#define WORKERS 3
#define START (1000 * NSEC_PER_SEC)

static struct buckets *b;

static void setup(void)
{
	b = mmap(NULL, buckets_bytes(WORKERS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq((void *)b, MAP_FAILED);
}

static void done(void)
{
	munmap(b, buckets_bytes(WORKERS));
}

TestSuite(buckets, .init = setup, .fini = done);

static unsigned taken(uint64_t id, uint64_t rate, uint64_t patience, uint64_t now, unsigned tries)
{
	unsigned n = 0;

	while (tries--)
		n += bucket_take(b, id, rate, patience, now);
	return n;
}

Test(buckets, rates)
{
	static const struct {
		const char *why;
		uint64_t rate, patience, later;
		unsigned want;
	} rows[] = {
		{ "ten a second at once", 10000, 1, 0, 10 },
		{ "half a second later five more", 10000, 1, NSEC_PER_SEC / 2, 5 },
		{ "an hour later no more than a second's worth", 10000, 1, 3600 * NSEC_PER_SEC, 10 },
		{ "with patience twice as many", 10000, 2, 3600 * NSEC_PER_SEC, 20 },
		{ "less than one a second: one", 500, 1, 3600 * NSEC_PER_SEC, 1 },
		{ "... and not the next second", 500, 1, NSEC_PER_SEC, 0 },
		{ "... but the one behind that", 500, 1, NSEC_PER_SEC, 1 },
		{ "a thousandth a second", 1, 1, 3600 * NSEC_PER_SEC, 1 },
		{ "very many", 1000000000, 1, 3600 * NSEC_PER_SEC, 5000 },
	};
	uint64_t now = START;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		now += rows[i].later;
		cr_assert_eq(taken(77, rows[i].rate, rows[i].patience, now, 5000), rows[i].want, "%s", rows[i].why);
	}
}

Test(buckets, others_do_not_matter)
{
	cr_assert_eq(taken(1, 3000, 1, START, 10), 3);
	cr_assert_eq(taken(1 + 131072, 3000, 1, START, 10), 3, "the same place, another id");
	cr_assert_eq(taken(0, 3000, 1, START, 10), 0, "0 is counted as 1, which is spent");
}

/* With no room for one more everything passes; what is idle makes room. */
Test(buckets, full_window)
{
	for (uint64_t i = 0; i < 16; i++)
		cr_assert_eq(taken(5 + i * 131072, 1000, 1, START, 4), 1);
	cr_assert_eq(taken(5 + 16 * 131072, 1000, 1, START, 4), 4);
	cr_assert_eq(taken(5 + 16 * 131072, 1000, 1, START + 3 * NSEC_PER_SEC, 4), 1);
}

Test(buckets, workers_in_competition)
{
	unsigned sum = 0;

	for (int w = 0; w < 4; w++)
		if (fork() == 0)
			_exit((int)taken(9, 100000, 1, START, 1000));
	for (int w = 0; w < 4; w++) {
		int status;

		cr_assert_gt(wait(&status), 0);
		sum += (unsigned)WEXITSTATUS(status);
	}
	cr_assert_geq(sum, 100);
	cr_assert_leq(sum, 110, "who loses a race sixteen times passes, which is rare");
}

Test(buckets, counts)
{
	cr_assert(count_add(b, 0, 7, 1) && count_add(b, 0, 7, 1) && count_add(b, 1, 7, 1) && count_add(b, 2, 8, 1));
	cr_assert_eq(count_sum(b, WORKERS, 7), 3);
	cr_assert(count_add(b, 0, 7, -1));
	cr_assert_eq(count_sum(b, WORKERS, 7), 2);
	counts_clear(b, 1);
	cr_assert_eq(count_sum(b, WORKERS, 7), 1, "a worker that begins anew has none");
	for (uint64_t i = 1; i < 16; i++)
		cr_assert(count_add(b, 0, 7 + i * 16384, 1));
	cr_assert_not(count_add(b, 0, 7 + 16 * 16384, 1), "no room");
	cr_assert(count_add(b, 0, 7, -1));
	cr_assert(count_add(b, 0, 7 + 16 * 16384, 1), "what is down to nothing makes room");
}
