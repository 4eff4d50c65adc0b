/*
 * repeat - how long one thing takes that is done over and over: the best round
 * of many, which on a shared machine is nearest to the truth.
 *
 * May include: common/base.h.  Owns nothing.
 */
#ifndef BENCH_REPEAT_H
#define BENCH_REPEAT_H

#include <stdio.h>
#include <time.h>

#include "common/base.h"

#define REPEAT_ROUND 20000

static inline double repeat_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Print the nanoseconds of once(arg).  0; 1: it did not do what it should, so that the figure would mean nothing. */
static inline int repeat(const char *what, bool (*once)(const void *arg), const void *arg, double seconds)
{
	double best = 1e9, begin = repeat_now();

	do {
		double from = repeat_now();
		unsigned good = 0;

		for (unsigned i = 0; i < REPEAT_ROUND; i++)
			good += once(arg);
		best = MIN(best, (repeat_now() - from) / REPEAT_ROUND * 1e9);
		if (good != REPEAT_ROUND) {
			fprintf(stderr, "%s went wrong\n", what);
			return 1;
		}
	} while (repeat_now() - begin < seconds);
	printf("%-36s %7.0f ns\n", what, best);
	return 0;
}

#endif
