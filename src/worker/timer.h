/*
 * timer - deadlines of connections: a wheel with O(1) set and clear.
 *
 * Process: worker.  May include: common/base.h.  Owns the wheel; the timers
 * are embedded in their owners, who clear them before they are freed.
 *
 * Granularity 2^24 ns (17 ms), any horizon (a deadline further than one turn of the
 * wheel is passed over until its time).  A timer never fires early.
 */
#ifndef WORKER_TIMER_H
#define WORKER_TIMER_H

#include "common/base.h"

struct timer {
	struct timer *next, **link; /* link NULL: not set */
	uint64_t deadline;	    /* CLOCK_MONOTONIC, ns */
};

struct timer_wheel;

MUST_USE struct timer_wheel *timer_wheel_new(uint64_t now_ns);
void timer_wheel_free(struct timer_wheel *w);

/* Set, or set anew. */
void timer_set(struct timer_wheel *w, struct timer *t, uint64_t deadline_ns);
void timer_clear(struct timer_wheel *w, struct timer *t);

static inline bool timer_is_set(const struct timer *t)
{
	return t->link != NULL;
}

/* A timer whose deadline has passed, cleared; NULL: none left for now. */
struct timer *timer_expired(struct timer_wheel *w, uint64_t now_ns);

/* Nanoseconds from now until timer_expired may have something; UINT64_MAX: no timer is set. Never late by more than the granularity. */
uint64_t timer_next(const struct timer_wheel *w, uint64_t now_ns);

#endif
