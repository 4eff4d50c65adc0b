/*
 * neighbour - what domains and containers say of their load (RFC 7339), and
 * how much of what begins something is kept from them for it.
 *
 * Process: worker.  May include: all of common, worker/conn.
 * Owns a table of fixed size: one neighbour's word may displace another's,
 * and holds for a minute at most.
 *
 * Only those are heard whose entry says `overload_control`.
 */
#ifndef WORKER_NEIGHBOUR_H
#define WORKER_NEIGHBOUR_H

#include "common/base.h"
#include "worker/conn.h"

/* Our Via as it came back from the neighbour with this id (route_back_id, route_server_back_id). */
void neighbour_heard(struct worker *w, uint64_t id, const struct via *via);

/* Is this request one of those that it does not want? */
MUST_USE bool neighbour_sheds(struct worker *w, uint64_t id, const struct sip_msg *msg, bool has_token);

#endif
