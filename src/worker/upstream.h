/*
 * upstream - the containers: one connection to each per worker, shared by all
 * peers; which one a message goes to; messages that wait for one.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> [route] -> rewrite -> [send]
 *
 * Process: worker.  May include: all of common, worker/conn, dial, park, follow, pool, events.
 * Owns the table of containers and the waiting messages.
 *
 * A container is opened at start, and again with back-off (0.1 s doubling to
 * 3 s) when the connection is lost; a request that finds none up hurries the
 * next attempt.  Where its cluster is probed, a new connection is used once
 * OPTIONS has been answered on it, and not while several in a row are not; so
 * one attempt, or one probe, decides whether it is back.  Over a reload a
 * container is recognised by its id; one that is gone from the configuration
 * keeps its connection for 32 s, so that answers still come through.
 */
#ifndef WORKER_UPSTREAM_H
#define WORKER_UPSTREAM_H

#include "common/base.h"
#include "common/image.h"
#include "worker/conn.h"

struct park;

enum upstream_pick {
	UPSTREAM_READY,	   /* conn is the connection to write to */
	UPSTREAM_WAIT,	   /* one is being connected: keep the message in `park` */
	UPSTREAM_NONE,	   /* no server is up */
	UPSTREAM_FULL,	   /* its queue is over the limit */
	UPSTREAM_INSECURE, /* sips, and no container there is reached over TLS */
	UPSTREAM_GONE,	   /* the container that its token names is configured no more */
	UPSTREAM_REFUSED,  /* a rule refuses it, and it follows no INVITE */
};

/* Table for the worker's image; 0 or -errno. */
MUST_USE int upstreams_new(struct worker *w);

/* The image has changed: add, keep, retire. */
void upstreams_reload(struct worker *w);

/*
 * Choose the container for a request: the one that an INVITE of the same branch
 * went to (CANCEL, ACK), else the one that the token names, else by rendezvous
 * hash on Call-ID in the cluster.  A dialog leaves its container only while
 * that is down, for another one of its cluster.
 */
struct upstream_ask {
	const struct route_plan *plan;
	struct span call_id;
	struct span branch;   /* ours: 39 bytes */
	enum method method;
	uint32_t cluster;     /* that the rules say; IMAGE_NONE: they refuse it */
	bool secure;	      /* sips: only over TLS */
};

struct upstream_answer {
	struct conn *conn;		   /* READY */
	const struct image_server *server; /* READY; NULL: configured no more */
	struct park *park;		   /* WAIT */
};
MUST_USE enum upstream_pick upstream_pick(struct worker *w, const struct upstream_ask *ask, struct upstream_answer *out);

/* A container's connection is open; it has ended. */
void upstream_opened(struct worker *w, struct upstream *u);
void upstream_lost(struct worker *w, struct upstream *u, struct conn *c);

/* Is this response an answer to a probe of ours?  Then it is taken, and goes nowhere. */
MUST_USE bool upstream_probed(struct worker *w, struct conn *c, const struct sip_msg *msg);

/* Once per turn: due attempts, retired containers; returns when it wants to be called again (ns), UINT64_MAX: not. */
uint64_t upstreams_tick(struct worker *w);

/* Containers that have no connection, nor one under way. */
size_t upstreams_down(const struct worker *w);

/* Tell the counters how many are up, and how many are not. */
void upstreams_count(const struct worker *w);

/* Which container does a connection from inside, and this request on it, come from?  NULL: none that is configured. */
const struct image_server *upstream_sender(const struct worker *w, const struct conn *c, const struct sip_msg *msg);

/* Our open connection to the container with this id (route_server_back_id); NULL: none. */
struct conn *upstream_by_back_id(const struct worker *w, uint64_t id);

/* Does this Via name a container's host and port? */
bool upstream_is_via(const struct worker *w, const struct via *via, const uint8_t from[16]);

/* Is this the address of a configured container? */
bool upstream_is_address(const struct image *img, const uint8_t addr[16]);

#endif
