/*
 * hop - the lines by which we stand in a message: our Via, which holds the way
 * back, and our Record-Route, which holds the dialog's token.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> route -> [rewrite] -> send
 *
 * Process: worker.  May include: all of common, worker/conn, accept.  Owns nothing.
 *
 * RFC 3261 16.6 8 and 16.6 4, RFC 5658, RFC 5923 8 (alias).
 */
#ifndef WORKER_HOP_H
#define WORKER_HOP_H

#include "common/base.h"
#include "common/image_layout.h"
#include "worker/accept.h"
#include "worker/conn.h"

/* Longest lines that we add: two Record-Route with a token each. */
#define HOP_LINES_MAX 2048

/* The parameter of our Via that holds the way back. */
#define HOP_BACK "back"

/* One end of a hop, as far as our lines show it. */
struct hop_end {
	enum image_protocol protocol;
	const struct listener *listener; /* by whose address we are known there; NULL: that side has none */
	bool feedback;			 /* we offer RFC 7339 to who is there */
};

/* What a connection speaks. */
enum image_protocol hop_protocol(const struct conn *c);

struct hop_end hop_end_of(const struct worker *w, const struct conn *c);
/* Of a connection outside that another worker holds. */
struct hop_end hop_end_elsewhere(const struct worker *w, enum image_protocol protocol);

/*
 * The listener by whose address we are known on that hop: the connection's own,
 * else the first of its side with its protocol, else the first of its side;
 * NULL: that side has none.
 */
const struct listener *hop_listener(const struct worker *w, const struct conn *c);

/* Our whole Via line for a request from `from` to `to`, with this way back; its length, 0: no room. */
MUST_USE size_t hop_via(struct worker *w, const struct conn *from, struct hop_end to, struct span branch, struct span back,
    char *out, size_t cap);

/*
 * Record-Route of both sides, the one towards `to` on top; `secure`: the
 * Request-URI is sips (RFC 5630 3.1.1).  Length, 0: no room or no listener.
 */
MUST_USE size_t hop_record_route(struct worker *w, const struct conn *from, struct hop_end to,
    const struct dialog_token *token, struct span call_id, bool secure, char *out, size_t cap);

#endif
