/*
 * post - what workers have to say to each other about messages: sent through
 * the mailbox, with one wake-up for each receiver and turn.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> route -> rewrite -> [send]
 *
 * Process: worker.  May include: all of common, worker/conn.h.
 * Owns the worker's view of the mailboxes.
 *
 * The kinds are few, for what comes from another worker is believed as little
 * as possible: it is checked here, and conn_mail judges the connection before
 * anything is written to it.
 */
#ifndef WORKER_POST_H
#define WORKER_POST_H

#include "common/base.h"
#include "common/peer.h"
#include "common/span.h"
#include "worker/conn.h"

enum post_kind {
	POST_RESPONSE, /* a response as it was received, to be handled as if it had come to the other worker */
	POST_REQUEST,  /* a request (or a response), ready to be written to a connection of the other worker */
	POST_ANSWER,   /* our own answer to a request of a container, ready to be written: it could not be passed on */
	POST_KINDS
};

struct post {
	uint8_t kind;		 /* enum post_kind */
	uint8_t from_outside;	 /* POST_RESPONSE: it came from an external domain, else from a container; 0 or 1 */
	uint8_t pad[2];
	uint32_t slot, generation; /* of the connection */
	uint32_t domain_count;	 /* POST_RESPONSE from outside: domains that the connection that it came on is judged as */
	uint64_t incarnation;	 /* of the worker that it is for */
	uint64_t domain;	 /* route_back_id.  POST_REQUEST: the connection must be judged as this one; POST_RESPONSE
				    from outside: the one it came from */
	uint64_t domains[PEER_DOMAINS_MAX];
};

/* 0 or -errno.  From now on the others can send to this worker. */
MUST_USE int post_new(struct worker *w);
void post_free(struct worker *w);

/* Index of the running worker with that incarnation; -1: none. */
int post_worker(const struct worker *w, uint64_t incarnation);

/* Incarnation of a running worker; 0: it does not run. */
uint64_t post_incarnation(const struct worker *w, uint32_t worker);

/*
 * A connection of the domain with that id (route_back_id) that another worker
 * that runs has told of (presence_put): *worker, and slot, generation,
 * incarnation and domain in *to.
 */
MUST_USE bool post_find(const struct worker *w, uint64_t domain, uint32_t *worker, struct post *to);

/*
 * Send; p->incarnation must be the other worker's.  False: it has none of that
 * incarnation, its queue is full, or the message is larger than the queue
 * (mailbox.h).  To oneself nothing is sent.
 */
MUST_USE bool post_send(struct worker *w, uint32_t worker, const struct post *p, struct span bytes);

/* The end of a turn: wake those whom something was sent to. */
void post_flush(struct worker *w);

/* The worker's eventfd can be read: post_step has something to do. */
void post_on_event(struct worker *w);

/* Once a turn, when all completions have been handled: so a connection whose end is known gets nothing more. */
void post_step(struct worker *w);

/* Is something left for the next turn? */
bool post_pending(const struct worker *w);

#endif
