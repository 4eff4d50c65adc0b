#include "worker/conn.h"

#include "common/clock.h"
#include "common/x509/facts.h"
#include "common/x509/judge.h"
#include "common/x509/judgement.h"
#include "worker/accept.h"
#include "worker/events.h"
#include "worker/links.h"
#include "worker/overload.h"
#include "worker/told.h"
#include "worker/upstream.h"

/* A connection is idle after this long without a byte. */
#define KEPT_IDLE (30 * NSEC_PER_SEC)

/*
 * Index of the connection's TLS profile in the current image: what its
 * listener has now, for a reload may have given it another.  A connection of
 * a removed listener keeps its own, as long as there is one of that name;
 * so does one that we opened.
 */
static uint32_t profile_of(const struct conn *c)
{
	const struct listener *l = c->listener;

	return l && l->index != IMAGE_NONE ? l->row.tls : tls_context_profile(tls_get_context(c->tls));
}

/* A container: over TLS it has to show its DN, whoever opened the connection. */
static bool is_inside(const struct conn *c)
{
	return c->kind == CONN_INTERNAL || c->kind == CONN_CONTAINER;
}

static void judge_inside(struct worker *w, struct conn *c)
{
	struct judge_want want = tls_want(c->tls);

	judge_wanted(w->img, profile_of(c), &want, c->facts, w->wall, &c->judgement);
}

static void judge(struct worker *w, struct conn *c)
{
	if (c->kind == CONN_DOMAIN)
		links_judge(w, c);
	else if (is_inside(c))
		judge_inside(w, c);
	else if (c->facts)
		judge_facts(w->img, profile_of(c), c->facts, w->wall, &c->judgement);
	else if (!c->tls)
		judge_address(w->img, c->addr, c->datagram, &c->judgement);
	else
		judgement_none(&c->judgement, w->img, PEER_NO_CERTIFICATE);
	if (c->kind == CONN_EXTERNAL && c->listener && !c->listener->row.enforce)
		judgement_observe(&c->judgement);
}

static bool is_trusted(const struct conn *c)
{
	return is_inside(c) ? c->judgement.verdict == PEER_TRUSTED : c->judgement.domain_count > 0;
}

/* Must a peer without trust go?  Inside, and on a listener with `require`, it must; whom we called must be who we called. */
static bool must_be_trusted(const struct conn *c)
{
	if (is_inside(c))
		return true;
	if (c->judgement.observed)
		return false;
	if (c->kind == CONN_DOMAIN)
		return c->tls || c->judgement.verdict != PEER_PLAIN;
	return c->tls && c->listener->client_certificate == CLIENT_CERT_REQUIRE;
}

/* `expired_connections: keep_until_idle`: a certificate that ran out ends the connection only when nothing is under way. */
static bool kept_until_idle(const struct worker *w, const struct conn *c)
{
	uint32_t tls = c->tls ? profile_of(c) : IMAGE_NONE;

	return c->judgement.verdict == PEER_EXPIRED && tls != IMAGE_NONE &&
	       w->img->tls[tls].expired_connections == EXPIRED_KEEP_UNTIL_IDLE &&
	       (c->outstanding || c->last_active + KEPT_IDLE > w->now);
}

bool conn_judge_again(struct worker *w, struct conn *c)
{
	bool was_trusted = is_trusted(c);

	if (c->socket || (is_inside(c) && !c->tls)) /* its address was looked at when it came */
		return true;
	if (!judge_is_current(w->img, &c->judgement) || c->judgement.valid_until <= w->wall) {
		struct peer_judgement before = c->judgement;

		judge(w, c);
		if (was_trusted && judge_is_current(w->img, &before) && kept_until_idle(w, c)) {
			c->judgement = before;
			c->judgement.valid_until = w->wall + 1; /* asked again every second */
			return true;
		}
		events_judged(w, c, was_trusted);
		told_judged(w, c);
		links_tell(w, c);
		(void)overload_judged(w, c, false); /* a reload closes nothing for its number */
	}
	/* Also when it was judged by this image: its handshake may have begun when the listener did not require it. */
	if (is_trusted(c) || !must_be_trusted(c))
		return true;
	conn_close(w, c, "trust lost");
	return false;
}

/* What the handshake found, unless a reload or a block has come between certificate and end of the handshake. */
static void first_judgement(struct worker *w, struct conn *c)
{
	if (c->tls) {
		struct peer_facts *facts = tls_facts(c->tls);

		c->facts = facts ? peer_facts_get(facts) : NULL;
		c->judgement = *tls_judgement(c->tls);
	}
	if (!c->tls || !judge_is_current(w->img, &c->judgement))
		judge(w, c);
}

void conn_opened(struct worker *w, struct conn *c)
{
	c->state = CONN_OPEN;
	if (c->tls || !is_inside(c))
		first_judgement(w, c);
	if (!is_inside(c))
		timer_set(w->wheel, &c->timer, w->now + w->img->settings->idle_timeout * NSEC_PER_MSEC);
	else
		timer_clear(w->wheel, &c->timer); /* of the handshake */
	events_accepted(w, c);
	told_judged(w, c);
	if (!overload_judged(w, c, true)) {
		conn_close(w, c, "too_many_connections_of_domain");
		return;
	}
	if (!conn_judge_again(w, c)) /* a listener may have begun to require what this peer lacks */
		return;
	if (c->kind == CONN_CONTAINER)
		upstream_opened(w, c->upstream);
	else if (c->kind == CONN_DOMAIN)
		links_opened(w, c);
}
