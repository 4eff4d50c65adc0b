/*
 * dial - connections that we open: connect, TLS handshake as a client, and
 * nothing sent before the server has proved who it is.
 *
 * Process: worker.  May include: all of common, worker/conn, conn_table, tls, events.
 * Owns nothing: the connection belongs to the worker's table, what it is for
 * to upstream (containers) or links (external domains).
 *
 * It ends in conn_opened, or, whatever goes wrong, in upstream_lost or
 * links_lost with the connection's close_reason.
 */
#ifndef WORKER_DIAL_H
#define WORKER_DIAL_H

#include "common/base.h"
#include "worker/conn.h"
#include "worker/tls.h"

struct dial_to {
	uint8_t addr[16];	/* IPv4 mapped */
	uint16_t port;
	uint32_t tls;		/* index of image_tls; IMAGE_NONE: no TLS */
	struct span source;	/* literal address to bind to; empty: the kernel's choice */
	struct span sni;	/* name to ask for; empty: none */
	struct tls_expect expect; /* with TLS: who must answer */
};

/* Begin; NULL: *why is static text.  The time-outs `connect` and `handshake` run. */
MUST_USE struct conn *dial(struct worker *w, enum conn_kind kind, const struct dial_to *to, const char **why);

/* Completion of the connect. */
void dial_on_connect(struct worker *w, struct conn *c, int res);

/* What a connection that is being opened needs; NULL is fine. */
void dial_done(struct dialing *d);

#endif
