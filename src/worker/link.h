/*
 * link - one external domain as this worker is connected to it; for links.c,
 * link_table.c and link_connect.c alone.
 *
 * Process: worker.  May include: all of common, worker/conn, names, park.
 */
#ifndef WORKER_LINK_H
#define WORKER_LINK_H

#include "common/base.h"
#include "common/clock.h"
#include "common/image.h"
#include "common/policy/inspect.h"
#include "worker/conn.h"
#include "worker/names.h"
#include "worker/park.h"

#define LINK_RESOLVE_POLL (250 * NSEC_PER_MSEC) /* a name that is waited for is asked for again this often */

enum link_state {
	LINK_IDLE,	 /* nothing is being done */
	LINK_RESOLVING,	 /* asked again at next_try, or when names have changed */
	LINK_CONNECTING,
	LINK_FAILED,	 /* until next_try */
};

/* A connection that serves a link; in the lists of both. */
struct link_member {
	struct link *link;
	struct conn *conn;
	struct link_member *next_of_link, *next_of_conn;
};

struct link {
	struct link *next;	/* in its bucket */
	struct link *next_busy; /* of those that links_tick must look at */
	bool busy;
	uint64_t id;		/* route_back_id of the entry */
	uint32_t found;		/* see link_domain */
	uint64_t found_in;	/* generation of the image */
	enum link_state state;
	struct conn *dialing;
	struct link_member *members;
	uint32_t peer_slot, peer_generation; /* of the connection that sends datagrams, if it still is there */
	unsigned host, target;	/* which of the entry's hosts, which of its addresses is being tried */
	struct name_answer answer;
	bool answered;		/* `answer` is that of `host` */
	uint64_t backoff, next_try;
	uint64_t used;		/* ns */
	bool retry_due;		/* something has changed for those that wait */
	bool step_due;		/* the next target is to be tried */
	enum refusal refusal;	/* LINK_FAILED: why */
	char warning[200];
	struct park park;
	size_t name_len;	/* of the name asked for; 0: the entry's own */
	char name[HOST_MAX];
};

#define LINK_BUCKETS 16384 /* a power of two */

struct links {
	struct link *bucket[LINK_BUCKETS];
	struct link *busy;
	struct follow *follow; /* over which connection an INVITE's branch went */
	size_t count;
	unsigned look_at;     /* next bucket to look at */
	unsigned buckets_due; /* after a reload: so many have not been looked at since */
};

/* ---- link_connect.c ---- */

/* Begin a round of attempts: every host, every address of it. */
void link_begin(struct worker *w, struct link *l);
/* Go on with the round: the last target failed, or a name has been resolved. */
void link_step(struct worker *w, struct link *l);
/* The connection that was being opened has ended. */
void link_attempt_failed(struct worker *w, struct link *l, struct conn *c);

/* UDP: what sends to the first address of its hosts; NULL: not known yet, or never (l->state tells). */
struct conn *link_datagram(struct worker *w, struct link *l);
/* Nothing is sent there any more. */
void link_drop_peer(struct worker *w, struct link *l);

/* ---- link_table.c ---- */

/*
 * Is the name part of what the link is?  An entry that stands for many names
 * and says neither where they are nor what DN they show has a link for each.
 */
struct span link_key_name(const struct worker *w, uint32_t domain, struct span name);

/* The link of an entry, and perhaps of the name; made if there is none.  NULL: no memory. */
MUST_USE struct link *link_get(struct worker *w, uint32_t domain, struct span asked);

/* Forget what nothing has used for long, and find entries anew after a reload: a slice of the table. */
void links_look_at_some(struct worker *w);

/* Have links_tick look at it. */
void link_busy(struct worker *w, struct link *l);
/*
 * Index of its entry in the image of now; IMAGE_NONE: gone.  After a reload it
 * is found anew when it is first asked for, so a hundred thousand links do not
 * hold up the loop; then, too, what had failed may be tried again.
 */
uint32_t link_domain(struct worker *w, struct link *l);
/* The name that its server must prove: what was asked for, else the entry's, which must be there. */
struct span link_name(struct worker *w, struct link *l);

#endif
