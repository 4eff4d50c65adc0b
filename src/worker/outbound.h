/*
 * outbound - requests from the containers to external domains, and the answers to them.
 *
 *   accept -> tls -> identify -> frame -> msg -> [inspect -> route -> rewrite] -> send
 *
 * Process: worker.  May include: all of common, worker/conn, hop, links, answer, events.  Owns nothing.
 */
#ifndef WORKER_OUTBOUND_H
#define WORKER_OUTBOUND_H

#include "common/base.h"
#include "worker/conn.h"

/* A well-formed request on a connection from inside; `raw` is all of it, to be kept while the domain is connected. */
void outbound_request(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw);

/* A response from outside. */
void outbound_response(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw);

struct post;

/* A response from outside that came to another worker; false: it is lost. */
MUST_USE bool outbound_mail(struct worker *w, const struct post *p, const struct sip_msg *msg, struct span raw);

#endif
