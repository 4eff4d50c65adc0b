#include "master/backoff.h"

#include <string.h>

#include "common/clock.h"

#define WINDOW (10 * NSEC_PER_SEC)
#define CALM (60 * NSEC_PER_SEC)
#define SHORTEST (200 * NSEC_PER_MSEC)
#define LONGEST (5 * NSEC_PER_SEC)
#define STEPS_MAX 10 /* more doublings than it takes to reach LONGEST */

uint64_t backoff_death(struct backoff *b, uint64_t now_ns)
{
	uint64_t oldest = b->last[BACKOFF_FREE - 1];
	uint64_t delay;

	if (b->last[0] && now_ns - b->last[0] >= CALM)
		b->step = 0;
	memmove(&b->last[1], &b->last[0], sizeof(b->last) - sizeof(b->last[0]));
	b->last[0] = now_ns;
	if (b->step == 0 && (!oldest || now_ns - oldest >= WINDOW))
		return 0;
	if (b->step < STEPS_MAX)
		b->step++;
	delay = SHORTEST << (b->step - 1);
	return MIN(delay, LONGEST);
}
