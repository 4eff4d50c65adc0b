/* clock: dates against the C library's, over centuries. */
#include <criterion/criterion.h>

#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "support/leaks.h"

TestSuite(clock, .fini = leaks_check);

Test(clock, dates_agree_with_the_library)
{
	/* A step of no round length meets all days, hours and seconds; 600 years have each kind of leap year. */
	for (time_t t = 0; t < 600LL * 366 * 86400; t += 40009) {
		struct clock_date d;
		struct tm tm;

		cr_assert_not_null(gmtime_r(&t, &tm));
		clock_date(t, &d);
		cr_assert(d.year == tm.tm_year + 1900 && d.month == tm.tm_mon + 1 && d.day == tm.tm_mday, "%lld",
		    (long long)t);
		cr_assert(d.hour == tm.tm_hour && d.minute == tm.tm_min && d.second == tm.tm_sec, "%lld", (long long)t);
	}
}

struct row {
	const char *why;
	int64_t at;
	struct clock_date want;
};

Test(clock, borders)
{
	static const struct row rows[] = {
		{ "the beginning", 0, { 1970, 1, 1, 0, 0, 0 } },
		{ "before it", -1, { 1970, 1, 1, 0, 0, 0 } },
		{ "leap day", 951782399 + 1, { 2000, 2, 29, 0, 0, 0 } },
		{ "end of a leap year", 978307199, { 2000, 12, 31, 23, 59, 59 } },
		{ "no leap year", 4107542400, { 2100, 3, 1, 0, 0, 0 } },
		{ "past 32 bits", 4294967296, { 2106, 2, 7, 6, 28, 16 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct clock_date d;

		clock_date(rows[i].at, &d);
		cr_assert_eq(memcmp(&d, &rows[i].want, sizeof(d)), 0, "%s: %d-%d-%d %d:%d:%d", rows[i].why, d.year,
		    d.month, d.day, d.hour, d.minute, d.second);
	}
}

Test(clock, monotonic_time_does_not_go_back)
{
	uint64_t before = clock_mono_ns();

	cr_assert_leq(before, clock_mono_ns());
	cr_assert_gt(clock_wall_s(), 1700000000, "a wall clock since 2023");
}
