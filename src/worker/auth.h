/*
 * auth - proxy authentication of those whose connection is not trusted: the
 * challenge, and who has answered it.
 *
 *   accept -> tls -> identify -> frame -> msg -> [inspect -> auth] -> route -> rewrite -> send
 *
 * Process: worker.  May include: all of common, worker/conn, hop.  Owns nothing.
 *
 * RFC 3261 22.3, RFC 7616, RFC 8760.  What an answer proves is counted as used
 * only once the request can leave (auth_take): one that waits for a container
 * is looked at again.
 */
#ifndef WORKER_AUTH_H
#define WORKER_AUTH_H

#include "common/auth/nonces.h"
#include "common/base.h"
#include "common/policy/identity.h"
#include "common/put.h"
#include "worker/conn.h"

#define AUTH_LINES_MAX 2048 /* the longest challenge: one line for each algorithm */

/* What one request has proved. */
struct auth {
	struct span realm;	/* whose credentials go once it leaves; p NULL: nothing was asked for */
	const struct image_auth *row;
	struct nonces_use use;	/* borrows from the message */
};

/*
 * `identity` is decided already; who has proved something is asserted in it.
 * `lines` gets the challenge of a request that is refused.
 */
MUST_USE enum refusal auth_check(struct worker *w, struct conn *c, const struct sip_msg *msg, struct identity *identity,
    struct auth *out, struct put *lines);

/* The request leaves: its answer is used up by this.  `raw`: all of it, since a datagram may come again. */
MUST_USE enum refusal auth_take(struct worker *w, struct conn *c, const struct auth *auth, struct span raw,
    struct put *lines);

/* The keys, and the users of a generation, are these from now on; the table becomes the worker's. */
void auth_use(struct worker *w, struct auth_users *users);

#endif
