#include "worker/pool.h"

#include <stdlib.h>

#include "common/clock.h"

#define HURRY (50 * NSEC_PER_MSEC) /* a request makes the next attempt due this soon after the last */

/* ---- clusters ---- */

static struct pool *pool_of(const struct upstreams *us, uint32_t cluster)
{
	for (struct pool *p = us->pools; p; p = p->next)
		if (p->cluster == cluster)
			return p;
	return NULL;
}

static struct pool *named_pool(struct upstreams *us, struct span name)
{
	struct pool *p = us->pools;

	while (p && !span_eq(span_of(p->name, p->name_len), name))
		p = p->next;
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p || !(p->name = malloc(name.len + 1))) {
		free(p);
		return NULL;
	}
	memcpy(p->name, name.p, name.len);
	p->name_len = name.len;
	p->next = us->pools;
	us->pools = p;
	return p;
}

static void take_members(struct worker *w, struct pool *p, struct image_section servers)
{
	const struct image_server *s = image_at(w->img, servers);

	p->member = calloc(servers.count, sizeof(*p->member));
	for (uint64_t i = 0; p->member && i < servers.count; i++) {
		struct upstream *u = upstream_find(w->upstreams, image_text(w->img, s[i].id));

		if (u)
			p->member[p->member_count++] = (struct member){ &s[i], u };
	}
}

void pools_reload(struct worker *w)
{
	struct upstreams *us = w->upstreams;

	for (struct pool *p = us->pools; p; p = p->next) {
		p->cluster = IMAGE_NONE;
		p->member_count = 0;
		free(p->member);
		p->member = NULL;
	}
	for (uint32_t i = 0; i < w->img->h->clusters.count; i++) {
		struct pool *p = named_pool(us, image_text(w->img, w->img->cluster[i].name));

		if (!p)
			continue; /* no memory: nothing is sent there until the next reload */
		p->cluster = i;
		take_members(w, p, w->img->cluster[i].servers);
	}
	us->retry_due = true;
}

void pools_retry(struct worker *w)
{
	struct upstreams *us = w->upstreams;

	us->retry_due = false;
	for (struct upstream *u = us->first; u; u = u->next)
		park_retry(w, &u->park);
	for (struct pool *p = us->pools; p; p = p->next)
		park_retry(w, &p->park);
	for (struct pool **link = &us->pools; *link;) {
		struct pool *p = *link;

		if (p->cluster != IMAGE_NONE || p->park.first) {
			link = &p->next;
			continue;
		}
		*link = p->next;
		free(p->member);
		free(p->name);
		free(p);
	}
}

/* ---- by token ---- */

/* The container that the token names, if it is configured. */
static struct upstream *named(struct worker *w, const struct route_plan *plan)
{
	for (struct upstream *u = w->upstreams->first; u; u = u->next)
		if (u->server && route_server_id(w->img, &w->keys, plan->token_key, u->server) == plan->token.container)
			return u;
	return NULL;
}

/* The cluster that it stands in, where its dialogs go when it is down; of several the default one. */
static uint32_t cluster_of(const struct worker *w, const struct upstream *u)
{
	uint32_t found = w->img->h->default_cluster;

	for (const struct pool *p = w->upstreams->pools; p; p = p->next)
		for (size_t i = 0; i < p->member_count; i++) {
			if (p->member[i].u != u)
				continue;
			if (p->cluster == w->img->h->default_cluster)
				return p->cluster;
			found = p->cluster;
		}
	return found;
}

/* It is being connected for the first time since we started: its dialogs wait, or each start would tear some. */
static bool is_coming(struct worker *w, struct upstream *u)
{
	if (u->tried || park_too_long(w, &u->park, w->img->settings->connect_timeout * NSEC_PER_MSEC))
		return false;
	if (u->state == STATE_DOWN)
		upstream_connect(w, u);
	return u->state == STATE_CONNECTING || u->state == STATE_PROVING;
}

/* ---- by rank ---- */

static bool may_take(const struct member *m, const struct upstream_ask *ask)
{
	return m->server->weight && (!ask->secure || m->server->protocol == PROTO_TLS);
}

/* The highest rank among those that are in `state`. */
static struct upstream *by_rank(struct worker *w, const struct pool *p, const struct upstream_ask *ask, enum upstream_state state)
{
	const struct member *best = NULL;
	double best_rank = 0;

	for (const struct member *m = p->member; m < p->member + p->member_count; m++) {
		double rank;

		if (m->u->state != state || !may_take(m, ask))
			continue;
		if (!best) { /* a rank matters only to the second one */
			best = m;
			continue;
		}
		if (best_rank == 0)
			best_rank = route_rank(w->img, &w->keys, best->server, ask->call_id);
		rank = route_rank(w->img, &w->keys, m->server, ask->call_id);
		if (rank > best_rank) {
			best = m;
			best_rank = rank;
		}
	}
	return best ? best->u : NULL;
}

/* RFC 5630 5.3: is there no container at all to which the second hop would be secure? */
static bool cannot_be_secure(const struct pool *p, const struct upstream_ask *ask)
{
	for (size_t i = 0; i < p->member_count; i++)
		if (p->member[i].server->protocol == PROTO_TLS)
			return false;
	return ask->secure;
}

/* None is up: is one being connected, or due to be tried at once? */
static enum upstream_pick wait_or_none(struct worker *w, struct pool *p, const struct upstream_ask *ask)
{
	struct upstream *u;

	/* A container that never answers our connect must not keep a request for ever. */
	if (park_too_long(w, &p->park, w->img->settings->connect_timeout * NSEC_PER_MSEC))
		return UPSTREAM_NONE;
	if (by_rank(w, p, ask, STATE_CONNECTING) || by_rank(w, p, ask, STATE_PROVING))
		return UPSTREAM_WAIT;
	u = by_rank(w, p, ask, STATE_DOWN);
	if (!u || u->last_try + HURRY > w->now)
		return UPSTREAM_NONE;
	upstream_connect(w, u);
	return u->state == STATE_CONNECTING ? UPSTREAM_WAIT : UPSTREAM_NONE;
}

/* ---- choosing ---- */

static enum upstream_pick hand_to(struct worker *w, struct upstream *u, const struct upstream_ask *ask, struct upstream_answer *out)
{
	if (ask->secure && !u->conn->tls)
		return UPSTREAM_INSECURE;
	if (conn_queued(u->conn) > w->img->settings->queue_bytes)
		return UPSTREAM_FULL;
	if (ask->method == METHOD_INVITE)
		follow_put(w->upstreams->follow, ask->branch, upstream_id(u), w->now);
	*out = (struct upstream_answer){ .conn = u->conn, .server = u->server };
	return UPSTREAM_READY;
}

/* The container that the INVITE of this CANCEL or ACK went to, while it is connected, also when a reload has retired it. */
static struct upstream *followed(struct worker *w, const struct upstream_ask *ask)
{
	struct upstream *u;

	if (ask->method != METHOD_CANCEL && ask->method != METHOD_ACK)
		return NULL;
	u = upstream_find(w->upstreams, follow_get(w->upstreams->follow, ask->branch, w->now));
	return u && u->conn && u->conn->state == CONN_OPEN ? u : NULL;
}

static enum upstream_pick pick_from(struct worker *w, uint32_t cluster, const struct upstream_ask *ask, struct upstream_answer *out)
{
	struct pool *p = pool_of(w->upstreams, cluster);
	enum upstream_pick r = UPSTREAM_WAIT;
	struct upstream *u;

	if (!p)
		return UPSTREAM_NONE;
	if (cannot_be_secure(p, ask))
		return UPSTREAM_INSECURE;
	if (!park_blocks(&p->park)) { /* else behind those that wait already: order is kept */
		u = by_rank(w, p, ask, STATE_UP);
		if (u)
			return hand_to(w, u, ask, out);
		r = wait_or_none(w, p, ask);
	}
	*out = (struct upstream_answer){ .park = &p->park };
	return r;
}

enum upstream_pick upstream_pick(struct worker *w, const struct upstream_ask *ask, struct upstream_answer *out)
{
	bool has_token = ask->plan->has_token && ask->plan->token.container;
	struct upstream *u = followed(w, ask);

	if (u)
		return hand_to(w, u, ask, out);
	if (!has_token)
		return ask->cluster == IMAGE_NONE ? UPSTREAM_REFUSED : pick_from(w, ask->cluster, ask, out);
	u = named(w, ask->plan);
	if (!u)
		return w->img->settings->affinity_failure_status ? UPSTREAM_GONE : pick_from(w, ask->cluster, ask, out);
	if (u->state == STATE_UP && !park_blocks(&u->park))
		return hand_to(w, u, ask, out);
	if (park_blocks(&u->park) || is_coming(w, u)) {
		*out = (struct upstream_answer){ .park = &u->park };
		return UPSTREAM_WAIT;
	}
	return pick_from(w, cluster_of(w, u), ask, out);
}
