#include "worker/keepalive.h"

#include "common/clock.h"
#include "worker/link.h"

static void ping(struct worker *w, struct conn *c)
{
	char *room = conn_room(c, 4);

	if (!room)
		return; /* the next second tries again */
	memcpy(room, "\r\n\r\n", 4);
	conn_written(w, c, 4);
	c->pinged = w->now;
	counter_add(&w->counters->pings_sent, 1);
}

void keepalive_check(struct worker *w, struct conn *c)
{
	const struct link *l = c->domain_link;
	uint64_t every;

	if (!l || l->domain == IMAGE_NONE)
		return;
	every = (uint64_t)w->img->domain[l->domain].crlf_ping * NSEC_PER_SEC;
	if (c->pinged > c->last_active) {
		if (c->pinged + w->img->settings->pong_timeout * NSEC_PER_MSEC <= w->now)
			conn_kill(w, c, "no answer to a keep-alive");
	} else if (every && c->last_active + every <= w->now) {
		ping(w, c);
	}
}
