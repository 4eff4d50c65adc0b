/* backoff: three deaths are free, then it doubles up to five seconds, and a calm minute forgives. */
#include <criterion/criterion.h>

#include "common/clock.h"
#include "master/backoff.h"

#define MS NSEC_PER_MSEC
#define S NSEC_PER_SEC

struct death {
	const char *why;
	uint64_t after; /* ns since the one before */
	uint64_t want;	/* ns to wait */
};

static void play(const struct death *rows, size_t count)
{
	struct backoff b = { .step = 0 };
	uint64_t now = 1000 * S;

	for (size_t i = 0; i < count; i++) {
		now += rows[i].after;
		cr_assert_eq(backoff_death(&b, now), rows[i].want, "row %zu: %s", i, rows[i].why);
	}
}

Test(backoff, doubles_behind_three_in_ten_seconds)
{
	static const struct death rows[] = {
		{ "first", 0, 0 },
		{ "second", 1 * MS, 0 },
		{ "third", 1 * MS, 0 },
		{ "fourth", 1 * MS, 200 * MS },
		{ "fifth", 200 * MS, 400 * MS },
		{ "sixth", 400 * MS, 800 * MS },
		{ "seventh", 800 * MS, 1600 * MS },
		{ "eighth", 1600 * MS, 3200 * MS },
		{ "never longer", 3200 * MS, 5 * S },
		{ "still", 5 * S, 5 * S },
		{ "also when they are far apart", 59 * S, 5 * S },
		{ "calm for a minute", 60 * S, 0 },
		{ "second of a new row", 1 * MS, 0 },
		{ "third of a new row", 1 * MS, 0 },
		{ "begins anew", 1 * MS, 200 * MS },
	};

	play(rows, ARRAY_LEN(rows));
}

Test(backoff, seldom_deaths_cost_nothing)
{
	struct backoff b = { .step = 0 };

	for (uint64_t i = 1; i < 1000; i++)
		cr_assert_eq(backoff_death(&b, i * 4 * S), 0, "death %lu, three in twelve seconds", (unsigned long)i);
}

Test(backoff, the_window_is_ten_seconds)
{
	static const struct death outside[] = { { "1", 0, 0 }, { "2", 0, 0 }, { "3", 0, 0 }, { "at its end", 10 * S, 0 } };
	static const struct death inside[] = { { "1", 0, 0 }, { "2", 0, 0 }, { "3", 0, 0 },
		{ "just before", 10 * S - 1, 200 * MS } };

	play(outside, ARRAY_LEN(outside));
	play(inside, ARRAY_LEN(inside));
}

Test(backoff, a_very_long_row_does_not_wrap)
{
	struct backoff b = { .step = 0 };
	uint64_t wait = 0;

	for (uint64_t i = 1; i < 200; i++)
		wait = backoff_death(&b, i * MS);
	cr_assert_eq(wait, 5 * S);
}
