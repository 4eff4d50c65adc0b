#include "worker/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/addr.h"
#include "common/clock.h"
#include "worker/conn_table.h"
#include "worker/datagram.h"
#include "worker/dial.h"
#include "worker/events.h"
#include "worker/pool.h"

#define BACKOFF_MIN (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX (3 * NSEC_PER_SEC)
#define LET_GO_AGAIN (100 * NSEC_PER_MSEC)
#define RETIRE_TIME (32 * NSEC_PER_SEC) /* 64*T1 of RFC 3261 17: no answer is due after that */

/* ---- the table ---- */

struct span upstream_id(const struct upstream *u)
{
	return span_of(u->id, u->id_len);
}

struct upstream *upstream_find(const struct upstreams *us, struct span id)
{
	for (struct upstream *u = us->first; u; u = u->next)
		if (span_eq(upstream_id(u), id))
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
			struct upstream *u = upstream_find(w->upstreams, id);

			if (!u && !(u = add(w, id)))
				continue; /* no memory: the container stays unused until the next reload */
			u->server = &s[j];
			u->retire_at = 0;
			memcpy(u->addr, s[j].addr, 16);
			u->port = s[j].port;
		}
	}
	pools_reload(w);
	for (struct upstream *u = w->upstreams->first; u; u = u->next) {
		probe_configure(w, u);
		if (!u->server && !u->retire_at)
			u->retire_at = w->now + RETIRE_TIME;
	}
}

int upstreams_new(struct worker *w)
{
	struct upstreams *us = calloc(1, sizeof(*us));

	if (!us || !(us->follow = follow_new()) ||
	    getrandom(&us->probe_key, sizeof(us->probe_key), 0) != sizeof(us->probe_key)) {
		if (us)
			follow_free(us->follow);
		free(us);
		return -ENOMEM;
	}
	w->upstreams = us;
	upstreams_reload(w);
	return 0;
}

/* ---- connecting ---- */

static void failed(struct worker *w, struct upstream *u, const char *reason)
{
	counter_add(&w->counters->upstream_failures, 1);
	events_container(w, false, upstream_id(u), reason);
	u->conn = NULL;
	u->state = STATE_DOWN;
	u->tried = true;
	u->probe.due = 0;
	u->next_try = w->now + u->backoff;
	u->backoff = MIN(u->backoff * 2, BACKOFF_MAX);
	w->upstreams->retry_due = true; /* later: a message may be in the middle of being handled */
}

void upstream_connect(struct worker *w, struct upstream *u)
{
	struct dial_to to = {
		.port = u->port,
		.tls = u->server->tls,
		.source = image_text(w->img, u->server->source_address),
		.sni = image_text(w->img, u->server->host),
		.expect = { .kind = EXPECT_CONTAINER, .server = &u->server },
	};
	const char *why = "no UDP socket inside";

	memcpy(to.addr, u->addr, 16);
	u->last_try = w->now;
	if (u->server->protocol == PROTO_UDP)
		u->conn = datagram_peer(w, CONN_CONTAINER, u->addr, u->port);
	else
		u->conn = dial(w, CONN_CONTAINER, &to, &why);
	if (!u->conn) {
		failed(w, u, why);
		return;
	}
	counter_add(&w->counters->upstream_connects, 1);
	u->state = STATE_CONNECTING;
	u->slot = u->conn->slot;
	u->generation = u->conn->generation;
	u->conn->upstream = u;
	if (u->conn->datagram)
		upstream_opened(w, u);
}

void upstream_proved(struct worker *w, struct upstream *u, const char *how)
{
	u->state = STATE_UP;
	events_container(w, true, upstream_id(u), how);
	w->upstreams->retry_due = true;
}

void upstream_sickened(struct worker *w, struct upstream *u)
{
	u->state = STATE_SICK;
	events_container(w, false, upstream_id(u), "does not answer probes");
	w->upstreams->retry_due = true;
}

void upstream_opened(struct worker *w, struct upstream *u)
{
	u->backoff = BACKOFF_MIN;
	if (probe_start(w, u))
		u->state = STATE_PROVING;
	else
		upstream_proved(w, u, "connected");
}

void upstream_lost(struct worker *w, struct upstream *u, struct conn *c)
{
	if (u->conn == c)
		failed(w, u, c->close_reason);
}

size_t upstreams_down(const struct worker *w)
{
	size_t n = 0;

	for (const struct upstream *u = w->upstreams->first; u; u = u->next)
		n += u->state == STATE_DOWN;
	return n;
}

void upstreams_count(const struct worker *w)
{
	size_t up = 0, all = 0;

	for (const struct upstream *u = w->upstreams->first; u; u = u->next) {
		all += u->server != NULL;
		up += u->server && u->state == STATE_UP;
	}
	counter_set(&w->counters->containers_up, up);
	counter_set(&w->counters->containers_down, all - up);
}

/* Its connection ends; true once nothing of it is left that may ask whom we expected there. */
static bool let_go(struct worker *w, struct upstream *u)
{
	struct conn *c = u->conn;

	if (c) {
		c->upstream = NULL;
		u->conn = NULL;
		u->state = STATE_DOWN;
		if (c->state == CONN_OPEN)
			conn_close(w, c, "no longer configured");
		else
			conn_kill(w, c, "no longer configured");
	}
	return conn_table_get(w->conns, u->slot, u->generation) == NULL;
}

static void forget(struct worker *w, struct upstream **link)
{
	struct upstream *u = *link;

	*link = u->next;
	park_retry(w, &u->park); /* no longer in the table: they go elsewhere */
	free(u->id);
	free(u);
}

uint64_t upstreams_tick(struct worker *w)
{
	uint64_t next = UINT64_MAX;

	if (w->upstreams->retry_due)
		pools_retry(w);
	for (struct upstream **link = &w->upstreams->first; *link;) {
		struct upstream *u = *link;

		if (u->retire_at && (u->retire_at <= w->now || u->state == STATE_DOWN)) {
			if (let_go(w, u)) {
				forget(w, link);
			} else {
				next = MIN(next, w->now + LET_GO_AGAIN);
				link = &u->next;
			}
			continue;
		}
		if (u->state == STATE_DOWN && u->next_try <= w->now && !w->stopping)
			upstream_connect(w, u);
		if (u->state == STATE_DOWN)
			next = MIN(next, u->next_try);
		if (u->retire_at)
			next = MIN(next, u->retire_at);
		next = MIN(next, probe_tick(w, u));
		link = &u->next;
	}
	return w->upstreams->retry_due ? w->now : next;
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
	struct span host;
	uint8_t addr[16];

	if (via_port(via) != u->port)
		return false;
	host = span_of(canonical, host_canon(via->host, canonical));
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
		if (u->server && u->conn && u->conn->state == CONN_OPEN && route_server_back_id(w->img, &w->keys, u->server) == id)
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
