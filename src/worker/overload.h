/*
 * overload - how much a domain, a container or all together may have.
 *
 *   accept -> tls -> [identify] -> frame -> msg -> inspect -> [route] -> rewrite -> send
 *
 * Process: worker.  May include: all of common, worker/conn, events.
 * Owns the list of counts on each connection.
 *
 * What ends or goes on with a call comes before what begins one: ACK, CANCEL,
 * BYE and PRACK always pass, requests of a dialog up to twice the rate.
 */
#ifndef WORKER_OVERLOAD_H
#define WORKER_OVERLOAD_H

#include "common/base.h"
#include "common/policy/inspect.h"
#include "worker/conn.h"

/* A request from outside, judged as `domain` (IMAGE_NONE: untrusted). */
MUST_USE enum refusal overload_request(struct worker *w, const struct sip_msg *msg, uint32_t domain, bool has_token);

/* ... for this container. */
MUST_USE enum refusal overload_server(struct worker *w, const struct sip_msg *msg, const struct image_server *server,
    bool has_token);

/*
 * The connection has been judged: count it for its domains.  False: one of
 * them has as many as it may; only a new one is asked.
 */
bool overload_judged(struct worker *w, struct conn *c, bool is_new);
void overload_gone(struct worker *w, struct conn *c);

/* Status and reason phrase of these refusals; false: it is none of them. */
bool overload_answer(const struct worker *w, enum refusal r, unsigned *status, struct span *reason);

/* At the end of a turn: how long it took. */
void overload_turn(struct worker *w);

#endif
