#include "worker/keepalive.h"

#include "common/clock.h"
#include "common/put.h"
#include "worker/link.h"
#include "worker/options.h"

#define BRANCH_START "z9hG4bKping"
#define BRANCH_LEN (sizeof(BRANCH_START) - 1 + 16)

/* Of this very connection: nobody else's answer passes for its own. */
static struct span write_branch(const struct worker *w, const struct conn *c, char out[static BRANCH_LEN])
{
	struct put o = put_into(out, BRANCH_LEN);
	struct siphash_state s;

	siphash_begin(&s, &w->way_back_key);
	siphash_add(&s, BRANCH_START, sizeof(BRANCH_START));
	siphash_add(&s, &w->h->incarnation, sizeof(w->h->incarnation));
	siphash_add(&s, &c->slot, sizeof(c->slot));
	siphash_add(&s, &c->generation, sizeof(c->generation));
	put_span(&o, SPAN(BRANCH_START));
	put_hex(&o, siphash_end(&s));
	return put_done(&o);
}

static bool send_options(struct worker *w, struct conn *c, struct link *l)
{
	char uri[HOST_MAX + 8], branch[BRANCH_LEN];
	struct put o = put_into(uri, sizeof(uri));
	struct options what = { .run = l->id, .number = ++c->pings };

	put_span(&o, SPAN("sip:"));
	put_span(&o, link_name(w, l));
	what.uri = put_done(&o);
	what.branch = write_branch(w, c, branch);
	return options_send(w, c, &what);
}

static bool send_crlf(struct worker *w, struct conn *c)
{
	char *room = conn_room(c, 4);

	if (!room)
		return false;
	memcpy(room, "\r\n\r\n", 4);
	conn_written(w, c, 4);
	return true;
}

bool keepalive_answered(const struct worker *w, const struct conn *c, const struct sip_msg *msg)
{
	char branch[BRANCH_LEN];

	return c->pings && span_eq(msg->via.branch, write_branch(w, c, branch));
}

/* Is a ping due that is sent after `every` seconds without a byte? */
static bool is_due(const struct worker *w, const struct conn *c, uint32_t every)
{
	return every && c->last_active + every * NSEC_PER_SEC <= w->now;
}

void keepalive_check(struct worker *w, struct conn *c)
{
	struct link *l = c->domain_link;
	const struct image_policy *p;
	bool sent = false;

	if (!l || link_domain(w, l) == IMAGE_NONE)
		return;
	p = image_policy_of(w->img, link_domain(w, l));
	if (c->pinged > c->last_active) {
		if (c->pinged + w->img->settings->pong_timeout * NSEC_PER_MSEC <= w->now)
			conn_kill(w, c, "no answer to a keep-alive");
	} else if (is_due(w, c, p->options_ping)) {
		sent = send_options(w, c, l);
	} else if (is_due(w, c, p->crlf_ping)) {
		sent = send_crlf(w, c);
	}
	if (sent) {
		c->pinged = w->now;
		counter_add(&w->counters->pings_sent, 1);
	}
}
