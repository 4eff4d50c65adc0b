/*
 * keepalive - are the connections that we opened to external domains alive?
 *
 * Process: worker.  May include: all of common, worker/conn, link, events.  Owns nothing.
 *
 * RFC 5626 4.4.1: a double CRLF after the entry's `crlf_ping` seconds without
 * a byte, or an OPTIONS after `options_ping`; the peer has timeouts.pong to
 * answer, with a CRLF, a response, or anything else.
 */
#ifndef WORKER_KEEPALIVE_H
#define WORKER_KEEPALIVE_H

#include "common/base.h"
#include "worker/conn.h"

/* About once a second for each open connection; it may be closed for want of a pong. */
void keepalive_check(struct worker *w, struct conn *c);

/* Is the response one to an OPTIONS of ours on this connection?  That it came has done its work. */
bool keepalive_answered(const struct worker *w, const struct conn *c, const struct sip_msg *msg);

#endif
