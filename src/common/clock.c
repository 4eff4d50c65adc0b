#include "common/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_cpu_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_wall_s(void)
{
	return (int64_t)time(NULL);
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

void clock_date(int64_t wall_s, struct clock_date *out)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t at = MAX(wall_s, 0), days = at / 86400, in_day = at % 86400;
	int year = 1970, month = 0;

	/* The calendar repeats every 400 years of 146097 days. */
	year += (int)(days / 146097) * 400;
	days %= 146097;
	for (; days >= 365 + is_leap(year); year++)
		days -= 365 + is_leap(year);
	for (; days >= lengths[month] + (month == 1 && is_leap(year)); month++)
		days -= lengths[month] + (month == 1 && is_leap(year));
	*out = (struct clock_date){ year, month + 1, (int)days + 1, (int)(in_day / 3600), (int)(in_day / 60 % 60),
				    (int)(in_day % 60) };
}

const char *clock_print(int64_t wall_s, char out[static CLOCK_TEXT_MAX])
{
	struct clock_date d;

	clock_date(wall_s, &d);
	snprintf(out, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02dZ", d.year, d.month, d.day, d.hour, d.minute, d.second);
	return out;
}
