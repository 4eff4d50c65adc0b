/*
 * links - the external domains that this worker has, or wants, connections to:
 * which one a message goes over, connecting with back-off, messages that wait.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> [route] -> rewrite -> [send]
 *
 * Process: worker.  May include: all of common, worker/conn, conn_table, dial, names, park, follow, post, told, events.
 * Owns the table of links and the waiting messages.
 *
 * A link is made when a message wants one, and forgotten when nothing has used
 * it for a while.  It is keyed by the domain's keyed id, never by an address,
 * and, where the entry stands for many names without saying where they are or
 * what DN they have, by the name too.  A connection belongs to those links
 * whose domains it is judged as (RFC 5923, contract section 4), and that is
 * looked at again for each message.
 */
#ifndef WORKER_LINKS_H
#define WORKER_LINKS_H

#include "common/base.h"
#include "common/image.h"
#include "common/policy/inspect.h"
#include "worker/conn.h"
#include "worker/post.h"

struct link;

enum links_pick {
	LINKS_READY, /* write to *conn */
	LINKS_POST,  /* a connection of another worker: post it there */
	LINKS_WAIT,  /* one is being connected: park the message */
	LINKS_NONE,  /* none can be had: refusal and warning say why */
	LINKS_FULL,  /* its queue is over the limit */
};

struct links_ask {
	uint32_t domain;      /* index of image_domain */
	struct span name;     /* canonical domain asked for; empty: the entry's own */
	struct span branch;   /* ours: CANCEL and ACK follow the INVITE of the same one; empty: a response */
	enum method method;
	size_t size;	      /* of the message, for RFC 3261 18.1.1 */
};

struct links_answer {
	struct conn *conn;    /* LINKS_READY */
	uint32_t worker;      /* LINKS_POST: whose, and the request's address there */
	struct post post;
	struct link *link;    /* LINKS_WAIT: for links_park */
	enum refusal refusal; /* LINKS_NONE */
	const char *warning;  /* LINKS_NONE: for a Warning; valid until the next call */
};

MUST_USE int links_new(struct worker *w);

MUST_USE enum links_pick links_pick(struct worker *w, const struct links_ask *ask, struct links_answer *out);

/* The same for a response: any connection that speaks for the domain will do, offered for reuse or not. */
MUST_USE enum links_pick links_pick_any(struct worker *w, const struct links_ask *ask, struct links_answer *out);

/* The connection of who is no domain, by its id: READY, POST or NONE. */
MUST_USE enum links_pick links_pick_flow(struct worker *w, uint64_t flow, struct links_answer *out);

/* Keep a message until the link is there or given up; false: no room. */
MUST_USE bool links_park(struct worker *w, struct link *l, struct conn *from, struct span message);

/* The image has changed: entries are found anew, slice by slice and when they are asked for. */
void links_reload(struct worker *w);

/* A connection that we opened is open; one of any kind that belongs to links has ended. */
void links_opened(struct worker *w, struct conn *c);
void links_lost(struct worker *w, struct conn *c);

/* It was judged again: other workers may use it where they cannot open one of their own. */
void links_tell(struct worker *w, struct conn *c);

/* Requests to this domain may go back over the peer's connection c (RFC 5923 5). */
void links_offer(struct worker *w, struct conn *c, uint32_t domain);
/* Was it offered for that domain already, under this image? */
bool links_offered(const struct worker *w, const struct conn *c, uint32_t domain);

/* Judge a connection that we opened, by the image of now: fills c->judgement. */
void links_judge(struct worker *w, struct conn *c);

/* Does the connection speak for the domain with this id (route_back_id): judged as it, or opened by us to it? */
bool links_speaks_for(struct worker *w, const struct conn *c, uint64_t id);

/* Names have been resolved. */
void links_names_changed(struct worker *w);

/* Once per turn; returns when it wants to be called again (ns), UINT64_MAX: not. */
uint64_t links_tick(struct worker *w);

#endif
