#include "worker/upstream.h"

#include <errno.h>
#include <stdlib.h>

#include "common/addr.h"
#include "common/clock.h"
#include "worker/dial.h"
#include "worker/events.h"
#include "worker/follow.h"
#include "worker/park.h"

#define BACKOFF_MIN (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX (3 * NSEC_PER_SEC)
#define HURRY (50 * NSEC_PER_MSEC) /* a request makes the next attempt due this soon after the last */
#define RETIRE_TIME (32 * NSEC_PER_SEC) /* 64*T1 of RFC 3261 17: no answer is due after that */

enum upstream_state {
	UPSTREAM_DOWN, /* waiting for next_try */
	UPSTREAM_CONNECTING,
	UPSTREAM_UP,
};

struct upstream {
	char *id; /* "host:port;tcp", owned */
	size_t id_len;
	const struct image_server *server; /* in the current image; NULL: retired */
	uint8_t addr[16];
	uint16_t port;
	enum upstream_state state;
	struct conn *conn; /* CONNECTING, UP */
	uint64_t backoff, last_try, next_try;
	uint64_t retire_at; /* 0: not retired */
	struct upstream *next;
};

struct upstreams {
	struct upstream *first;
	struct park park; /* messages that wait for any container */
	bool retry_due; /* something has changed for those that wait */
	struct follow *follow; /* which container an INVITE's branch went to */
};

static struct span id_of(const struct upstream *u)
{
	return span_of(u->id, u->id_len);
}

static struct upstream *find(struct upstreams *us, struct span id)
{
	for (struct upstream *u = us->first; u; u = u->next)
		if (span_eq(id_of(u), id))
			return u;
	return NULL;
}

static struct upstream *add(struct worker *w, struct span id)
{
	struct upstream *u = calloc(1, sizeof(*u)), **end = &w->upstreams->first;

	if (!u || !(u->id = malloc(id.len + 1))) {
		free(u);
		return NULL;
	}
	memcpy(u->id, id.p, id.len);
	u->id_len = id.len;
	u->backoff = BACKOFF_MIN;
	u->next_try = w->now;
	while (*end)
		end = &(*end)->next;
	*end = u;
	return u;
}

bool upstream_is_address(const struct image *img, const uint8_t addr[16])
{
	for (uint64_t i = 0; i < img->h->clusters.count; i++) {
		const struct image_server *s = image_at(img, img->cluster[i].servers);

		for (uint64_t j = 0; j < img->cluster[i].servers.count; j++)
			if (memcmp(s[j].addr, addr, 16) == 0)
				return true;
	}
	return false;
}

void upstreams_reload(struct worker *w)
{
	for (struct upstream *u = w->upstreams->first; u; u = u->next)
		u->server = NULL;
	for (uint64_t i = 0; i < w->img->h->clusters.count; i++) {
		const struct image_server *s = image_at(w->img, w->img->cluster[i].servers);

		for (uint64_t j = 0; j < w->img->cluster[i].servers.count; j++) {
			struct span id = image_text(w->img, s[j].id);
			struct upstream *u = find(w->upstreams, id);

			if (!u && !(u = add(w, id)))
				continue; /* no memory: the container stays unused until the next reload */
			u->server = &s[j];
			u->retire_at = 0;
			memcpy(u->addr, s[j].addr, 16);
			u->port = s[j].port;
		}
	}
	for (struct upstream *u = w->upstreams->first; u; u = u->next)
		if (!u->server && !u->retire_at)
			u->retire_at = w->now + RETIRE_TIME;
}

int upstreams_new(struct worker *w)
{
	struct upstreams *us = calloc(1, sizeof(*us));

	if (!us || !(us->follow = follow_new())) {
		free(us);
		return -ENOMEM;
	}
	w->upstreams = us;
	upstreams_reload(w);
	return 0;
}

bool upstream_park(struct worker *w, struct conn *from, struct span message)
{
	return park_add(w, &w->upstreams->park, from, message);
}

/* ---- connecting ---- */

static void failed(struct worker *w, struct upstream *u, const char *reason)
{
	counter_add(&w->counters->upstream_failures, 1);
	events_container(w, false, id_of(u), reason);
	u->conn = NULL;
	u->state = UPSTREAM_DOWN;
	u->next_try = w->now + u->backoff;
	u->backoff = MIN(u->backoff * 2, BACKOFF_MAX);
	w->upstreams->retry_due = true; /* later: a message may be in the middle of being handled */
}

static void connect_to(struct worker *w, struct upstream *u)
{
	struct dial_to to = {
		.port = u->port,
		.tls = u->server->tls,
		.source = image_text(w->img, u->server->source_address),
		.sni = image_text(w->img, u->server->host),
		.expect = { .kind = EXPECT_CONTAINER, .server = &u->server },
	};
	const char *why = "";

	memcpy(to.addr, u->addr, 16);
	u->last_try = w->now;
	u->conn = dial(w, CONN_CONTAINER, &to, &why);
	if (!u->conn) {
		failed(w, u, why);
		return;
	}
	counter_add(&w->counters->upstream_connects, 1);
	u->state = UPSTREAM_CONNECTING;
	u->conn->upstream = u;
}

void upstream_opened(struct worker *w, struct upstream *u)
{
	u->state = UPSTREAM_UP;
	u->backoff = BACKOFF_MIN;
	events_container(w, true, id_of(u), "connected");
	w->upstreams->retry_due = true;
}

void upstream_lost(struct worker *w, struct upstream *u, struct conn *c)
{
	if (u->conn == c)
		failed(w, u, c->close_reason);
	/* Those that were slowed down for its queue would wait for a send that never comes. */
	conn_resume_all(w);
}

size_t upstreams_down(const struct worker *w)
{
	size_t n = 0;

	for (const struct upstream *u = w->upstreams->first; u; u = u->next)
		n += u->state == UPSTREAM_DOWN;
	return n;
}

static void forget(struct worker *w, struct upstream **link)
{
	struct upstream *u = *link;

	*link = u->next;
	if (u->conn) {
		u->conn->upstream = NULL;
		conn_close(w, u->conn, "no longer configured");
		conn_resume_all(w);
	}
	free(u->id);
	free(u);
}

uint64_t upstreams_tick(struct worker *w)
{
	uint64_t next = UINT64_MAX;

	if (w->upstreams->retry_due) {
		w->upstreams->retry_due = false;
		park_retry(w, &w->upstreams->park);
	}
	for (struct upstream **link = &w->upstreams->first; *link;) {
		struct upstream *u = *link;

		if (u->retire_at && (u->retire_at <= w->now || u->state == UPSTREAM_DOWN)) {
			forget(w, link);
			continue;
		}
		if (u->state == UPSTREAM_DOWN && u->next_try <= w->now && !w->stopping)
			connect_to(w, u);
		if (u->state == UPSTREAM_DOWN)
			next = MIN(next, u->next_try);
		if (u->retire_at)
			next = MIN(next, u->retire_at);
		link = &u->next;
	}
	return w->upstreams->retry_due ? w->now : next;
}

/* ---- choosing ---- */

static bool usable(const struct upstream *u)
{
	return u->state == UPSTREAM_UP && u->server;
}

/* The container that the token names, if it is there. */
static struct upstream *by_token(struct worker *w, const struct route_plan *plan)
{
	if (!plan->has_token)
		return NULL;
	for (struct upstream *u = w->upstreams->first; u; u = u->next)
		if (usable(u) && route_server_id(w->img, &w->keys, plan->token_key, u->server) == plan->token.container)
			return u;
	return NULL;
}

/* The highest rank among the servers of the default cluster that are in `state`. */
static struct upstream *by_rank(struct worker *w, struct span call_id, enum upstream_state state)
{
	const struct image_cluster *cluster = &w->img->cluster[w->img->h->default_cluster];
	const struct image_server *server = image_at(w->img, cluster->servers);
	struct upstream *best = NULL;
	double best_rank = 0;

	for (struct upstream *u = w->upstreams->first; u; u = u->next) {
		double rank;

		if (u->state != state || !u->server || u->server < server || u->server >= server + cluster->servers.count ||
		    u->server->weight == 0)
			continue;
		if (!best) { /* a rank matters only to the second one */
			best = u;
			continue;
		}
		if (best_rank == 0)
			best_rank = route_rank(w->img, &w->keys, best->server, call_id);
		rank = route_rank(w->img, &w->keys, u->server, call_id);
		if (rank > best_rank) {
			best = u;
			best_rank = rank;
		}
	}
	return best;
}

/* None is up: is one being connected, or due to be tried at once? */
static enum upstream_pick wait_or_none(struct worker *w, struct span call_id)
{
	struct upstream *u;

	/* A container that never answers our connect must not keep a request for ever. */
	if (park_too_long(w, &w->upstreams->park, w->img->settings->connect_timeout * NSEC_PER_MSEC))
		return UPSTREAM_NONE;
	if (by_rank(w, call_id, UPSTREAM_CONNECTING))
		return UPSTREAM_WAIT;
	u = by_rank(w, call_id, UPSTREAM_DOWN);
	if (!u || u->last_try + HURRY > w->now)
		return UPSTREAM_NONE;
	u->next_try = w->now;
	connect_to(w, u);
	return u->state == UPSTREAM_CONNECTING ? UPSTREAM_WAIT : UPSTREAM_NONE;
}

enum upstream_pick upstream_pick(struct worker *w, const struct upstream_ask *ask, struct conn **c,
    const struct image_server **server)
{
	bool follows = ask->method == METHOD_CANCEL || ask->method == METHOD_ACK;
	struct upstream *u;

	if (park_blocks(&w->upstreams->park))
		return UPSTREAM_WAIT; /* behind those that wait already: order is kept */
	u = by_token(w, ask->plan);
	if (!u && follows) {
		struct upstream *followed = find(w->upstreams, follow_get(w->upstreams->follow, ask->branch, w->now));

		/* It stays with it while that is connected, also when a reload has retired it. */
		if (followed && followed->state == UPSTREAM_UP)
			u = followed;
	}
	if (!u)
		u = by_rank(w, ask->call_id, UPSTREAM_UP);
	if (!u)
		return wait_or_none(w, ask->call_id);
	if (conn_queued(u->conn) > w->img->settings->queue_bytes)
		return UPSTREAM_FULL;
	if (ask->method == METHOD_INVITE)
		follow_put(w->upstreams->follow, ask->branch, id_of(u), w->now);
	*c = u->conn;
	*server = u->server;
	return UPSTREAM_READY;
}

/* ---- which one is it? ---- */

/* The port that a Via without one means, RFC 3261 18.2.1. */
static uint16_t via_port(const struct via *via)
{
	if (via->port)
		return via->port;
	return span_ieq(via->transport, SPAN("TLS")) ? 5061 : 5060;
}

static bool via_names(const struct worker *w, const struct via *via, const struct upstream *u)
{
	char canonical[HOST_MAX];
	struct span host = span_of(canonical, host_canon(via->host, canonical));
	uint8_t addr[16];

	if (via_port(via) != u->port)
		return false;
	return span_eq(host, image_text(w->img, u->server->host)) || (addr_parse(host, addr) && memcmp(addr, u->addr, 16) == 0);
}

const struct image_server *upstream_sender(const struct worker *w, const struct conn *c, const struct sip_msg *msg)
{
	const struct upstream *at_address = NULL;

	if (c->upstream)
		return c->upstream->server;
	for (const struct upstream *u = w->upstreams->first; u; u = u->next) {
		if (!u->server || memcmp(u->addr, c->addr, 16) != 0)
			continue;
		if (via_names(w, &msg->via, u))
			return u->server;
		if (!at_address)
			at_address = u;
	}
	return at_address ? at_address->server : NULL;
}

struct conn *upstream_by_back_id(const struct worker *w, uint64_t id)
{
	for (const struct upstream *u = w->upstreams->first; u; u = u->next)
		if (usable(u) && route_server_back_id(w->img, &w->keys, u->server) == id)
			return u->conn;
	return NULL;
}

bool upstream_is_via(const struct worker *w, const struct via *via, const uint8_t from[16])
{
	for (const struct upstream *u = w->upstreams->first; u; u = u->next)
		if (u->server && via_names(w, via, u) && memcmp(u->addr, from, 16) != 0)
			return true;
	return false;
}
