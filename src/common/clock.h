/*
 * clock - monotonic and wall-clock time in nanoseconds and seconds.
 *
 * Process: any.  May include: common/base.h.  Owns nothing.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include "common/base.h"

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

/* CLOCK_MONOTONIC, ns: for deadlines and ages. */
uint64_t clock_mono_ns(void);

/* CPU time of this thread, ns: what a step has cost, whoever else wanted the processor meanwhile.  A system call. */
uint64_t clock_cpu_ns(void);

/* Seconds since 1970: for certificate dates, tokens and log lines. */
int64_t clock_wall_s(void);

/* A moment in UTC. */
struct clock_date {
	int year, month, day; /* month and day from 1 on */
	int hour, minute, second;
};

/* The date of a time that clock_wall_s gave.  Unlike gmtime it opens no file, so confined processes may use it. */
void clock_date(int64_t wall_s, struct clock_date *out);

#define CLOCK_TEXT_MAX 32

/* "2026-11-23T19:49:59Z", terminated; returns it. */
const char *clock_print(int64_t wall_s, char out[static CLOCK_TEXT_MAX]);

#endif
