#include "worker/links.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/x509/judge.h"
#include "common/x509/judgement.h"
#include "worker/accept.h"
#include "worker/back.h"
#include "worker/conn_table.h"
#include "worker/events.h"
#include "worker/follow.h"
#include "worker/link.h"
#include "worker/told.h"

#define STREAM_ABOVE 1300 /* RFC 3261 18.1.1: larger requests go by a stream */

int links_new(struct worker *w)
{
	struct links *ls = calloc(1, sizeof(*ls));

	if (!ls || !(ls->follow = follow_new())) {
		free(ls);
		return -ENOMEM;
	}
	w->links = ls;
	return 0;
}

/* ---- connections of a link ---- */

static bool add_member(struct worker *w, struct link *l, struct conn *c)
{
	struct link_member *m;

	for (m = c->members; m; m = m->next_of_conn)
		if (m->link == l)
			return true;
	m = malloc(sizeof(*m));
	if (!m)
		return false;
	*m = (struct link_member){ l, c, l->members, c->members };
	l->members = m;
	c->members = m;
	return true;
}

static void remove_members(struct conn *c)
{
	while (c->members) {
		struct link_member *m = c->members, **at = &m->link->members;

		while (*at != m)
			at = &(*at)->next_of_link;
		*at = m->next_of_link;
		c->members = m->next_of_conn;
		free(m);
	}
}

void links_tell(struct worker *w, struct conn *c)
{
	if (c->domain_link && c->judgement.domain_count)
		told_as(w, c, told_opened(c->domain_link->id));
}

void links_opened(struct worker *w, struct conn *c)
{
	struct link *l = c->domain_link;

	l->dialing = NULL;
	l->state = LINK_IDLE;
	l->backoff = 0;
	l->used = w->now;
	links_tell(w, c);
	if (!add_member(w, l, c))
		conn_kill(w, c, "out of memory");
	l->retry_due = true;
	link_busy(w, l);
}

void links_lost(struct worker *w, struct conn *c)
{
	if (c->domain_link && c->domain_link->dialing == c)
		link_attempt_failed(w, c->domain_link, c);
	remove_members(c);
	c->domain_link = NULL;
}

void links_offer(struct worker *w, struct conn *c, uint32_t domain)
{
	struct link *l;

	/* With a name of its own for each link nothing tells which of them the peer is. */
	if (link_key_name(w, domain, SPAN("x")).len || c->datagram || (!c->tls && image_policy_of(w->img, domain)->protocol == PROTO_TLS))
		return;
	l = link_get(w, domain, SPAN_NONE);
	if (!l || !add_member(w, l, c))
		return; /* without memory the peer's connection is not reused */
	l->used = w->now;
	told_as(w, c, told_reusable(l->id));
	c->offered = domain;
	c->offered_generation = w->img->h->generation;
}

bool links_offered(const struct worker *w, const struct conn *c, uint32_t domain)
{
	return c->offered == domain && c->offered_generation == w->img->h->generation;
}

void links_judge(struct worker *w, struct conn *c)
{
	uint32_t domain = c->domain_link ? link_domain(w, c->domain_link) : IMAGE_NONE;

	judgement_none(&c->judgement, w->img, PEER_PLAIN);
	if (domain == IMAGE_NONE)
		c->judgement.verdict = PEER_DN_UNKNOWN;
	else if (!image_domain_usable(w->img, domain))
		c->judgement.verdict = judge_use(w->img, domain);
	else if (c->tls && image_policy_of(w->img, domain)->tls == IMAGE_NONE)
		c->judgement.verdict = PEER_CHAIN_INVALID; /* a reload has left nothing to prove it by */
	else if (c->tls)
		judge_server(w->img, image_policy_of(w->img, domain)->tls, c->facts, domain, link_name(w, c->domain_link), w->wall,
		    &c->judgement);
	else
		judge_address(w->img, c->addr, false, &c->judgement);
}

bool links_speaks_for(struct worker *w, const struct conn *c, uint64_t id)
{
	uint32_t domain;

	if (back_is_known(w, c, id))
		return true;
	if (c->kind == CONN_DOMAIN && c->domain_link && c->domain_link->id == id && link_domain(w, c->domain_link) != IMAGE_NONE)
		return true;
	domain = c->judgement.domain_count ? image_find_id(w->img, IMAGE_ID_BACK, id) : IMAGE_NONE;
	if (domain != IMAGE_NONE && judgement_has(w->img, &c->judgement, domain))
		return true;
	return c->flow && told_flow_id(w, c) == id;
}

/* May requests to this link's domain go over the connection?  It may be closed on the way to the answer. */
static bool usable(struct worker *w, struct link *l, struct conn *c)
{
	if (c->state != CONN_OPEN || !conn_judge_again(w, c) || !links_speaks_for(w, c, l->id))
		return false;
	if (!c->tls && image_policy_of(w->img, link_domain(w, l))->protocol == PROTO_TLS)
		return false; /* trusted by its address: good for what it asks, not for what is meant for TLS */
	return c->kind == CONN_DOMAIN || image_policy_of(w->img, link_domain(w, l))->reuse != REUSE_NEVER;
}

static struct conn *any_conn(struct worker *w, struct link *l)
{
	struct conn *c;

	for (struct link_member *m = l->members; m;) {
		struct link_member *next = m->next_of_link;

		c = m->conn;
		if (usable(w, l, c))
			return c;
		if (c->state == CONN_OPEN) {
			m = next;
		} else { /* it has just been closed, and left the lists */
			m = l->members;
		}
	}
	return NULL;
}

/* ---- choosing ---- */

struct followed {
	uint64_t incarnation; /* of the worker whose connection it is */
	uint32_t slot, generation;
};

static void remember(struct worker *w, const struct links_ask *ask, uint64_t incarnation, uint32_t slot, uint32_t generation)
{
	struct followed f = { incarnation, slot, generation };

	if (ask->method == METHOD_INVITE)
		follow_put(w->links->follow, ask->branch, span_of((const char *)&f, sizeof(f)), w->now);
}

/* Where the INVITE of a CANCEL or ACK went; false: not known, or no longer there. */
static bool by_branch(struct worker *w, struct link *l, const struct links_ask *ask, struct links_answer *out)
{
	struct span text = follow_get(w->links->follow, ask->branch, w->now);
	struct followed f;
	int worker;

	if ((ask->method != METHOD_CANCEL && ask->method != METHOD_ACK) || text.len != sizeof(f))
		return false;
	memcpy(&f, text.p, sizeof(f));
	if (f.incarnation == w->h->incarnation) {
		out->conn = conn_table_get(w->conns, f.slot, f.generation);
		return out->conn && usable(w, l, out->conn);
	}
	worker = post_worker(w, f.incarnation);
	out->worker = (uint32_t)worker;
	out->post = (struct post){ .kind = POST_REQUEST, .slot = f.slot, .generation = f.generation,
		.incarnation = f.incarnation, .domain = l->id };
	return worker >= 0;
}

static enum links_pick ready(struct worker *w, const struct links_ask *ask, struct conn *c, struct links_answer *out)
{
	if (conn_queued(c) > w->img->settings->queue_bytes)
		return LINKS_FULL;
	remember(w, ask, w->h->incarnation, c->slot, c->generation);
	out->conn = c;
	return LINKS_READY;
}

static enum links_pick none(const struct link *l, struct links_answer *out)
{
	out->refusal = l->refusal;
	out->warning = l->warning;
	return LINKS_NONE;
}

static enum links_pick wait_or_none(struct worker *w, struct link *l, struct links_answer *out)
{
	const struct settings *s = w->img->settings;

	if (park_too_long(w, &l->park, (s->connect_timeout + s->handshake_timeout) * NSEC_PER_MSEC * 2))
		return none(l, out);
	if (l->state == LINK_IDLE || (l->state == LINK_FAILED && l->next_try <= w->now))
		link_begin(w, l);
	return l->state == LINK_FAILED ? none(l, out) : LINKS_WAIT;
}

/* A connection that the domain has opened to another worker and offers for reuse. */
static bool elsewhere(struct worker *w, const struct link *l, uint64_t id, struct links_answer *out)
{
	out->post = (struct post){ .kind = POST_REQUEST };
	if (!post_find(w, id, &out->worker, &out->post))
		return false;
	out->post.domain = l->id;
	return true;
}

/* Its connection is an address: the first one that its hosts have. */
static enum links_pick by_datagram(struct worker *w, struct link *l, const struct links_ask *ask, struct links_answer *out)
{
	struct conn *c = link_datagram(w, l);

	if (c)
		return ready(w, ask, c, out);
	return l->state == LINK_RESOLVING ? LINKS_WAIT : none(l, out);
}

enum links_pick links_pick(struct worker *w, const struct links_ask *ask, struct links_answer *out)
{
	struct link *l = link_get(w, ask->domain, ask->name);
	bool datagrams = image_policy_of(w->img, ask->domain)->protocol == PROTO_UDP;
	enum links_pick pick;
	struct conn *c;

	*out = (struct links_answer){ .link = l, .refusal = REFUSAL_DOMAIN_DOWN, .warning = "out of memory" };
	if (!l)
		return LINKS_NONE;
	l->used = w->now;
	if (park_blocks(&l->park))
		return LINKS_WAIT; /* behind those that wait already: order is kept */
	if (by_branch(w, l, ask, out))
		return out->conn ? ready(w, ask, out->conn, out) : LINKS_POST;
	c = any_conn(w, l);
	if (c)
		return ready(w, ask, c, out);
	out->conn = NULL;
	if (image_policy_of(w->img, link_domain(w, l))->reuse != REUSE_NEVER && elsewhere(w, l, told_reusable(l->id), out)) {
		remember(w, ask, out->post.incarnation, out->post.slot, out->post.generation);
		return LINKS_POST;
	}
	if (datagrams && ask->size <= STREAM_ABOVE)
		return by_datagram(w, l, ask, out);
	pick = wait_or_none(w, l, out);
	if (pick == LINKS_NONE && elsewhere(w, l, told_opened(l->id), out)) {
		remember(w, ask, out->post.incarnation, out->post.slot, out->post.generation);
		return LINKS_POST;
	}
	/* RFC 3261 18.1.1: what does not take streams gets the datagram all the same. */
	return datagrams && pick == LINKS_NONE ? by_datagram(w, l, ask, out) : pick;
}

enum links_pick links_pick_any(struct worker *w, const struct links_ask *ask, struct links_answer *out)
{
	uint64_t id = route_back_id(w->img, &w->keys, ask->domain);
	struct conn *c = told_here(w, id);
	struct link *l;

	if (c && c->state == CONN_OPEN && conn_judge_again(w, c) && links_speaks_for(w, c, id)) {
		out->conn = c;
		return conn_queued(c) > w->img->settings->queue_bytes ? LINKS_FULL : LINKS_READY;
	}
	l = link_get(w, ask->domain, ask->name);
	if (l && elsewhere(w, l, id, out))
		return LINKS_POST;
	return links_pick(w, ask, out);
}

enum links_pick links_pick_flow(struct worker *w, uint64_t flow, struct links_answer *out)
{
	struct conn *c = told_here(w, flow);

	*out = (struct links_answer){ .refusal = REFUSAL_NO_DOMAIN, .warning = "the connection of this dialog is gone",
		.post.kind = POST_REQUEST };
	if (c && c->state == CONN_OPEN && conn_judge_again(w, c) && links_speaks_for(w, c, flow)) {
		out->conn = c;
		return conn_queued(c) > w->img->settings->queue_bytes ? LINKS_FULL : LINKS_READY;
	}
	return post_find(w, flow, &out->worker, &out->post) ? LINKS_POST : LINKS_NONE;
}

bool links_park(struct worker *w, struct link *l, struct conn *from, struct span message)
{
	return park_add(w, &l->park, from, message);
}

/* ---- once per turn ---- */

/* A name that it waits for may be there, or has been given up. */
static void resolved(struct worker *w, struct link *l)
{
	if (link_domain(w, l) != IMAGE_NONE && image_policy_of(w->img, link_domain(w, l))->protocol != PROTO_UDP) {
		link_step(w, l);
		return;
	}
	l->state = LINK_IDLE;
	l->retry_due = false;
	park_retry(w, &l->park);
}

/* What happened to it since the last turn. */
static void attend(struct worker *w, struct link *l)
{
	if (l->step_due) {
		l->step_due = false;
		link_step(w, l);
	}
	if (l->retry_due) {
		l->retry_due = false;
		park_retry(w, &l->park);
	}
	if (l->state == LINK_RESOLVING && l->next_try <= w->now)
		resolved(w, l);
	if (l->state == LINK_RESOLVING)
		link_busy(w, l); /* until the name is there, or is given up */
}

void links_names_changed(struct worker *w)
{
	for (struct link *l = w->links->busy; l; l = l->next_busy)
		if (l->state == LINK_RESOLVING)
			l->next_try = w->now;
}

uint64_t links_tick(struct worker *w)
{
	struct link *list = w->links->busy;
	bool resolving = false;

	w->links->busy = NULL;
	while (list) {
		struct link *l = list;

		list = l->next_busy;
		l->busy = false;
		attend(w, l);
		resolving |= l->state == LINK_RESOLVING;
	}
	if (w->links->count)
		links_look_at_some(w);
	else
		w->links->buckets_due = 0;
	for (struct link *l = w->links->busy; l; l = l->next_busy)
		if (l->step_due || l->retry_due)
			return w->now;
	if (w->links->buckets_due)
		return w->now;
	return resolving ? w->now + LINK_RESOLVE_POLL : UINT64_MAX;
}
