/*
 * events - what a worker says about its connections: log lines, counters, the
 * published row.  Called once per event by conn_io, conn, accept, upstream.
 *
 * Process: worker.  May include: all of common, worker/conn.h.  Owns nothing.
 */
#ifndef WORKER_EVENTS_H
#define WORKER_EVENTS_H

#include "worker/conn.h"

void events_accepted(struct worker *w, struct conn *c);	   /* open: judged, handshake over */
void events_closed(struct worker *w, struct conn *c);	   /* c->close_reason */
/*
 * Unfinished handshakes of an address, and of others that share its place: the
 * hash is keyed, so nobody can choose whose.  An IPv6 source is its /64.
 */
uint32_t *source_of(struct worker *w, const uint8_t addr[16]);
void events_handshake_begun(struct worker *w, struct conn *c);
void events_handshake_over(struct worker *w, struct conn *c); /* it no longer counts as unfinished */
void events_handshake_done(struct worker *w, struct conn *c);
void events_handshake_failed(struct worker *w, struct conn *c); /* one that we began: events_server_refused */
void events_server_refused(struct worker *w, struct conn *c);	/* it is not whom we expected */
void events_peer_refused(struct worker *w, struct conn *c, const char *why);
void events_judged(struct worker *w, struct conn *c, bool was_trusted); /* anew, while it is open */
void events_message(struct worker *w, struct conn *c); /* one more passed on it */
void events_malformed(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct msg_fault *fault);
void events_refused(struct worker *w, struct conn *c, const struct sip_msg *msg, enum refusal r);
void events_container(struct worker *w, bool up, struct span server, const char *reason);

#endif
