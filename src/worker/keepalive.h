/*
 * keepalive - are the connections that we opened to external domains alive?
 *
 * Process: worker.  May include: all of common, worker/conn, link, events.  Owns nothing.
 *
 * RFC 5626 4.4.1: a double CRLF after the entry's `crlf_ping` seconds without
 * a byte; the peer has timeouts.pong to answer, with a CRLF or anything else.
 */
#ifndef WORKER_KEEPALIVE_H
#define WORKER_KEEPALIVE_H

#include "common/base.h"
#include "worker/conn.h"

/* About once a second for each open connection; it may be closed for want of a pong. */
void keepalive_check(struct worker *w, struct conn *c);

#endif
