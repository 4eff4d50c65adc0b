#include "worker/upstream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "worker/conn_table.h"
#include "worker/events.h"
#include "worker/follow.h"

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
	struct sockaddr_storage sockaddr; /* the kernel reads it until the connect completes */
	socklen_t sockaddr_len;
	uint64_t backoff, last_try, next_try;
	uint64_t retire_at; /* 0: not retired */
	struct upstream *next;
};

/* A server of a cluster, and the container that it is: one may stand in several, each with a weight for it. */
struct member {
	uint32_t cluster;
	const struct image_server *server;
	struct upstream *u;
};

/* A message that waits for a container to be connected. */
struct parked {
	struct parked *next;
	uint32_t slot, generation; /* of the connection that it came on */
	uint64_t since;
	size_t len;
	char bytes[];
};

struct upstreams {
	struct upstream *first;
	struct member *member; /* of the current image */
	size_t member_count;
	struct parked *parked, **parked_end;
	size_t parked_bytes;
	bool retry_due; /* something has changed for those that wait */
	bool retrying;
	uint64_t since; /* while retrying: of the message */
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

/* Room for all servers of the image; without it none is used until the next reload. */
static bool make_members(struct upstreams *us, const struct image *img)
{
	size_t count = 0;

	for (uint64_t i = 0; i < img->h->clusters.count; i++)
		count += img->cluster[i].servers.count;
	free(us->member);
	us->member_count = 0;
	us->member = calloc(count ? count : 1, sizeof(*us->member));
	return us->member != NULL;
}

static void take_server(struct worker *w, uint32_t cluster, const struct image_server *server)
{
	struct upstreams *us = w->upstreams;
	struct span id = image_text(w->img, server->id);
	struct upstream *u = find(us, id);

	if (!u && !(u = add(w, id)))
		return; /* no memory: the container stays unused until the next reload */
	us->member[us->member_count++] = (struct member){ cluster, server, u };
	u->server = server;
	u->retire_at = 0;
	memcpy(u->addr, server->addr, 16);
	u->port = server->port;
}

void upstreams_reload(struct worker *w)
{
	bool room = make_members(w->upstreams, w->img);

	for (struct upstream *u = w->upstreams->first; u; u = u->next)
		u->server = NULL;
	for (uint32_t i = 0; room && i < w->img->h->clusters.count; i++) {
		const struct image_server *s = image_at(w->img, w->img->cluster[i].servers);

		for (uint64_t j = 0; j < w->img->cluster[i].servers.count; j++)
			take_server(w, i, &s[j]);
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
	us->parked_end = &us->parked;
	w->upstreams = us;
	upstreams_reload(w);
	return 0;
}

/* ---- messages that wait ---- */

bool upstream_park(struct worker *w, struct conn *from, struct span message)
{
	struct upstreams *us = w->upstreams;
	struct parked *p;

	if (us->parked_bytes + message.len > w->img->settings->queue_bytes)
		return false;
	p = malloc(sizeof(*p) + message.len);
	if (!p)
		return false;
	*p = (struct parked){
		.slot = from->slot,
		.generation = from->generation,
		.since = us->retrying ? us->since : w->now,
		.len = message.len,
	};
	memcpy(p->bytes, message.p, message.len);
	*us->parked_end = p;
	us->parked_end = &p->next;
	us->parked_bytes += message.len;
	return true;
}

/* Try all of them again, in their order; those that must still wait are parked anew. */
static void retry_parked(struct worker *w)
{
	struct upstreams *us = w->upstreams;
	struct parked *list = us->parked;

	us->retry_due = false;
	us->retrying = true;
	us->parked = NULL;
	us->parked_end = &us->parked;
	us->parked_bytes = 0;
	while (list) {
		struct parked *p = list;
		struct conn *c = conn_table_get(w->conns, p->slot, p->generation);

		list = p->next;
		us->since = p->since;
		if (c && c->state == CONN_OPEN)
			conn_retry(w, c, span_of(p->bytes, p->len));
		free(p);
	}
	us->retrying = false;
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

/* Bind to source_address when one is configured. */
static bool bind_source(struct worker *w, struct upstream *u, int fd)
{
	struct span text = image_text(w->img, u->server->source_address);
	uint8_t addr[16];
	struct sockaddr_storage ss;
	socklen_t len;

	if (text.len == 0)
		return true;
	if (!addr_parse(text, addr))
		return false;
	len = addr_to_sockaddr(addr, 0, &ss);
	return bind(fd, (struct sockaddr *)&ss, len) == 0;
}

static void connect_to(struct worker *w, struct upstream *u)
{
	int fd;

	u->last_try = w->now;
	u->sockaddr_len = addr_to_sockaddr(u->addr, u->port, &u->sockaddr);
	fd = socket(u->sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		failed(w, u, "no socket");
		return;
	}
	if (!bind_source(w, u, fd)) {
		close(fd);
		failed(w, u, "source_address cannot be bound");
		return;
	}
	u->conn = conn_new(w, CONN_CONTAINER, fd, (struct sockaddr *)&u->sockaddr);
	if (!u->conn) {
		close(fd);
		failed(w, u, "no free connection slot");
		return;
	}
	counter_add(&w->counters->upstream_connects, 1);
	u->state = UPSTREAM_CONNECTING;
	u->conn->upstream = u;
	u->conn->state = CONN_CONNECTING;
	u->conn->in_flight++;
	timer_set(w->wheel, &u->conn->timer, w->now + w->img->settings->connect_timeout * NSEC_PER_MSEC);
	ring_connect(w->ring, u->conn->slot, u->conn->generation, fd, (struct sockaddr *)&u->sockaddr, u->sockaddr_len);
}

void upstream_on_connect(struct worker *w, struct conn *c, int res)
{
	struct upstream *u = c->upstream;

	c->in_flight--;
	if (c->state == CONN_CONNECTING && res < 0) {
		conn_kill(w, c, res == -ECONNREFUSED ? "connection refused" : "connect failed");
	} else if (c->state == CONN_CONNECTING) {
		timer_clear(w->wheel, &c->timer);
		c->state = CONN_OPEN;
		u->state = UPSTREAM_UP;
		u->backoff = BACKOFF_MIN;
		conn_start(w, c);
		conn_opened(w, c);
		events_container(w, true, id_of(u), "connected");
		w->upstreams->retry_due = true;
	}
	conn_settle(w, c);
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

	if (w->upstreams->retry_due)
		retry_parked(w);
	for (struct upstream **link = &w->upstreams->first; *link;) {
		struct upstream *u = *link;

		/* A connect under way keeps its address: wait for its end. */
		if (u->retire_at && (u->retire_at <= w->now || u->state == UPSTREAM_DOWN) && u->state != UPSTREAM_CONNECTING) {
			forget(w, link);
			continue;
		}
		if (u->state == UPSTREAM_DOWN && u->next_try <= w->now && !w->stopping)
			connect_to(w, u);
		if (u->state == UPSTREAM_DOWN)
			next = MIN(next, u->next_try);
		if (u->retire_at && u->state != UPSTREAM_CONNECTING)
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

/* The highest rank among the servers of the cluster that are in `state`. */
static struct upstream *by_rank(struct worker *w, uint32_t cluster, struct span call_id, enum upstream_state state)
{
	const struct upstreams *us = w->upstreams;
	const struct member *best = NULL;
	double best_rank = 0;

	for (const struct member *m = us->member; m < us->member + us->member_count; m++) {
		double rank;

		if (m->cluster != cluster || m->u->state != state || m->server->weight == 0)
			continue;
		if (!best) { /* a rank matters only to the second one */
			best = m;
			continue;
		}
		if (best_rank == 0)
			best_rank = route_rank(w->img, &w->keys, best->server, call_id);
		rank = route_rank(w->img, &w->keys, m->server, call_id);
		if (rank > best_rank) {
			best = m;
			best_rank = rank;
		}
	}
	return best ? best->u : NULL;
}

/* None is up: is one being connected, or due to be tried at once? */
static enum upstream_pick wait_or_none(struct worker *w, uint32_t cluster, struct span call_id)
{
	struct upstreams *us = w->upstreams;
	struct upstream *u;

	/* A container that never answers our connect must not keep a request for ever. */
	if (us->retrying && us->since + w->img->settings->connect_timeout * NSEC_PER_MSEC <= w->now)
		return UPSTREAM_NONE;
	if (by_rank(w, cluster, call_id, UPSTREAM_CONNECTING))
		return UPSTREAM_WAIT;
	u = by_rank(w, cluster, call_id, UPSTREAM_DOWN);
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

	if (w->upstreams->parked && !w->upstreams->retrying)
		return UPSTREAM_WAIT; /* behind those that wait already: order is kept */
	u = by_token(w, ask->plan);
	if (!u && follows) {
		struct upstream *followed = find(w->upstreams, follow_get(w->upstreams->follow, ask->branch, w->now));

		/* It stays with it while that is connected, also when a reload has retired it. */
		if (followed && followed->state == UPSTREAM_UP)
			u = followed;
	}
	if (!u && ask->cluster == IMAGE_NONE)
		return UPSTREAM_NONE;
	if (!u)
		u = by_rank(w, ask->cluster, ask->call_id, UPSTREAM_UP);
	if (!u)
		return wait_or_none(w, ask->cluster, ask->call_id);
	if (conn_queued(u->conn) > w->img->settings->queue_bytes)
		return UPSTREAM_FULL;
	if (ask->method == METHOD_INVITE)
		follow_put(w->upstreams->follow, ask->branch, id_of(u), w->now);
	*c = u->conn;
	*server = u->server;
	return UPSTREAM_READY;
}
