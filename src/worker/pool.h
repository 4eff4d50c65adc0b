/*
 * pool - what the modules of the containers share: upstream.c (connections to
 * them), pool.c (clusters, and which container a request goes to), probe.c
 * (OPTIONS, to see whether they live).
 *
 * Process: worker.  May include: all of common, worker/conn, park, follow.
 * Everything here belongs to upstream.c, but for the clusters, which are pool.c's.
 */
#ifndef WORKER_POOL_H
#define WORKER_POOL_H

#include "common/base.h"
#include "common/siphash.h"
#include "worker/conn.h"
#include "worker/follow.h"
#include "worker/park.h"
#include "worker/upstream.h"

enum upstream_state {
	STATE_DOWN,	  /* no connection; waiting for next_try */
	STATE_CONNECTING,
	STATE_PROVING,	  /* connected; the answer to the first probe decides */
	STATE_SICK,	  /* connected, but it does not answer probes: not chosen */
	STATE_UP,
};

/* OPTIONS to one container; times in ns. */
struct probing {
	uint64_t interval; /* 0: none are sent */
	uint64_t timeout;
	uint32_t allowed;  /* so many unanswered in a row, and it is sick */
	uint32_t failed;   /* in a row */
	uint64_t sequence; /* of the last one sent */
	uint64_t due;	   /* when its answer must be there; 0: none is awaited */
	uint64_t next;	   /* when the next one is sent */
};

struct upstream {
	char *id; /* "host:port;tcp", owned */
	size_t id_len;
	const struct image_server *server; /* in the current image; NULL: retired */
	uint8_t addr[16];
	uint16_t port;
	enum upstream_state state;
	struct conn *conn; /* but for STATE_DOWN */
	uint32_t slot, generation; /* of its last connection */
	uint64_t backoff, last_try, next_try;
	uint64_t retire_at; /* 0: not retired */
	bool tried;	    /* a connection has failed or been lost since the start */
	struct probing probe;
	struct park park; /* requests of its dialogs that wait for its first connection */
	struct upstream *next;
};

/* A server of a cluster, and the container that it is: one may stand in several clusters, each with its weight. */
struct member {
	const struct image_server *server;
	struct upstream *u;
};

/* A cluster.  One that a reload removed stays until nothing waits for it. */
struct pool {
	struct pool *next;
	char *name; /* owned */
	size_t name_len;
	uint32_t cluster; /* index in the current image; IMAGE_NONE: gone */
	struct member *member;
	size_t member_count;
	struct park park; /* messages that wait for any of its containers */
};

struct upstreams {
	struct upstream *first;
	struct pool *pools;
	bool retry_due;	/* something has changed for those that wait */
	struct siphash_key probe_key;
	uint64_t probes; /* sent so far: their sequence */
	struct follow *follow; /* which container an INVITE's branch went to */
};

/* ---- upstream.c ---- */

struct span upstream_id(const struct upstream *u);
struct upstream *upstream_find(const struct upstreams *us, struct span id);
/* Begin to connect; it may be down at once. */
void upstream_connect(struct worker *w, struct upstream *u);
/* It answers (again), it does not. */
void upstream_proved(struct worker *w, struct upstream *u, const char *how);
void upstream_sickened(struct worker *w, struct upstream *u);

/* ---- pool.c ---- */

/* The clusters of the current image, after all their servers have their upstream. */
void pools_reload(struct worker *w);
/* Try again what waits; clusters that are gone go when nothing does. */
void pools_retry(struct worker *w);

/* ---- probe.c ---- */

/* How often, as the clusters say that it stands in. */
void probe_configure(struct worker *w, struct upstream *u);
/* A connection is there: begin anew; false: it is not probed. */
MUST_USE bool probe_start(struct worker *w, struct upstream *u);
/* What is due; returns when it is to be called again (ns), UINT64_MAX: not. */
uint64_t probe_tick(struct worker *w, struct upstream *u);

#endif
