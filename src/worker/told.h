/*
 * told - what the other workers are told of this one's connections to external
 * domains (common/presence), and taking it back.
 *
 * Process: worker.  May include: all of common, worker/conn.  Owns the list on each connection.
 *
 * A trusted connection is told under each domain that it is judged as, so that
 * responses find another way back; one that requests may go over is told a
 * second time, under an id of its own.
 */
#ifndef WORKER_TOLD_H
#define WORKER_TOLD_H

#include "common/base.h"
#include "worker/conn.h"

/* The id under which connections that requests may go over are told. */
static inline uint64_t told_reusable(uint64_t id)
{
	return id ^ 0x9e3779b97f4a7c15u;
}

/* The id under which those are told that a worker has opened itself: for others that can't. */
static inline uint64_t told_opened(uint64_t id)
{
	return id ^ 0xd1b54a32d192ed03u;
}

/* It has just been judged: tell it under what it is now, and nothing else. */
void told_judged(struct worker *w, struct conn *c);
/* Tell it under this id too: told_reusable, or told_opened, of a domain's. */
void told_as(struct worker *w, struct conn *c, uint64_t id);
/* Now and then: what the table had no room for may have some now, as others of the same domain have gone. */
void told_again(struct worker *w, struct conn *c);
/*
 * The keyed id of an untrusted connection, by which the requests of its
 * dialogs find it from inside; 0: it is none that lasts.
 */
uint64_t told_flow_id(const struct worker *w, const struct conn *c);
/* A dialog knows it by that. */
void told_flow(struct worker *w, struct conn *c);
/* It is closed. */
void told_gone(struct worker *w, struct conn *c);

/* A connection of our own that is told under the id; NULL: none that still is there. */
struct conn *told_here(const struct worker *w, uint64_t id);

#endif
