/*
 * back - the way back of an answer: written into our Via, read from it, and
 * the connection that it leads to.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> [route] -> rewrite -> send
 *
 * Process: worker.  May include: all of common, worker/conn, conn_table, datagram.  Owns nothing.
 */
#ifndef WORKER_BACK_H
#define WORKER_BACK_H

#include "common/base.h"
#include "common/sip/msg.h"
#include "worker/conn.h"

struct back {
	struct way_back way;	 /* of a datagram: kind, domain and time only */
	bool datagram;
	struct datagram_back to; /* datagram */
};

/* route_back_id of a domain that the connection is judged as, remembered for its next message; 0 for IMAGE_NONE. */
uint64_t back_domain_id(struct worker *w, struct conn *c, uint32_t domain);

/* Is `id` the one remembered, and the connection still judged as that domain?  False: to be looked up. */
bool back_is_known(const struct worker *w, const struct conn *c, uint64_t id);

/* The token for a request with this topmost Via that came on `from`; what way_back says of the connection is filled in. */
size_t back_write(struct worker *w, const struct conn *from, const struct via *via, struct way_back *way,
    char out[static TOKEN_TEXT_MAX]);

MUST_USE enum token_status back_read(const struct worker *w, struct span text, struct back *out);

/* The open connection of ours that it leads to, aimed at who asked; NULL: it is gone, or another worker's. */
struct conn *back_conn(struct worker *w, const struct back *b);

#endif
