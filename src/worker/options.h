/*
 * options - an OPTIONS of our own, to see whether somebody lives.
 *
 * Process: worker.  May include: all of common, worker/conn, hop.  Owns nothing.
 *
 * RFC 3261 11.1 and 8.1.1: all that a request must have.
 */
#ifndef WORKER_OPTIONS_H
#define WORKER_OPTIONS_H

#include "common/base.h"
#include "worker/conn.h"

struct options {
	struct span uri;    /* whom: "sip:example.net" */
	struct span branch; /* whole; by it the answer is known */
	uint64_t run;	    /* tag and Call-ID are made from it: the same for all that belong together */
	uint32_t number;    /* CSeq */
};

/* Write it to the connection; false: no room. */
MUST_USE bool options_send(struct worker *w, struct conn *c, const struct options *o);

#endif
