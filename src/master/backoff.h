/*
 * backoff - when to start the next one after a death.
 *
 * Process: master.  May include: common/base.h.  Pure; owns nothing.
 *
 * The first three deaths in ten seconds are replaced at once, further ones
 * after 0.2 s, 0.4 s ... 5 s; a minute without a death forgives everything.
 */
#ifndef MASTER_BACKOFF_H
#define MASTER_BACKOFF_H

#include "common/base.h"

#define BACKOFF_FREE 3 /* deaths in the window that cost nothing */

struct backoff {
	uint64_t last[BACKOFF_FREE]; /* ns: times of the latest deaths, newest first; 0: none */
	unsigned step;		     /* 0: not backing off */
};

/* A death at `now_ns` (not 0): how long to wait before the next start, in ns. */
MUST_USE uint64_t backoff_death(struct backoff *b, uint64_t now_ns);

#endif
