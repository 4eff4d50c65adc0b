/*
 * inbound - requests from outside to the containers, and the answers to them.
 *
 *   accept -> tls -> identify -> frame -> msg -> [inspect -> route -> rewrite] -> send
 *
 * Process: worker.  May include: all of common, worker/conn, hop, upstream, answer, events.  Owns nothing.
 */
#ifndef WORKER_INBOUND_H
#define WORKER_INBOUND_H

#include "common/base.h"
#include "worker/conn.h"

/* A well-formed request on a connection from outside; `raw` is all of it, to be kept while a container is awaited. */
void inbound_request(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw);

/* A response from a container. */
void inbound_response(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw);

/* A response from a container that came to another worker; false: it is lost. */
MUST_USE bool inbound_mail(struct worker *w, const struct sip_msg *msg, struct span raw);

#endif
