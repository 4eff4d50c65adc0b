/*
 * datagram - UDP: sockets of listeners as connections that many share, and
 * peers that are spoken to from such a socket.
 *
 *   [accept] -> [identify] -> frame -> msg -> inspect -> route -> rewrite -> [send]
 *
 * Process: worker.  May include: all of common, worker/conn, accept, conn_table, events, upstream.
 * The connections are the worker's table's.
 *
 * RFC 3261 18, RFC 3581.  A socket's connection has the address of the datagram
 * in hand; to send elsewhere it is aimed.  A peer's connection has its own
 * address, and only sends: what it answers comes to the socket.  What is
 * written leaves at once, whole, as one datagram; what cannot leave is lost
 * and counted, which is what datagrams are.
 */
#ifndef WORKER_DATAGRAM_H
#define WORKER_DATAGRAM_H

#include "common/base.h"
#include "common/sip/value.h"
#include "worker/conn.h"

/* Serve a listener's socket; `fd` stays the caller's.  NULL: no slot, descriptor or memory. */
MUST_USE struct conn *datagram_open(struct worker *w, struct listener *l, int fd);
void datagram_close(struct worker *w, struct conn *c);
/* The listener is gone, and its socket with it: so are the peers that were spoken to from it. */
void datagram_close_peers(struct worker *w, const struct listener *l);

/* It can be read: as much as this turn's share allows. */
void datagram_read(struct worker *w, struct conn *c);

/* The bytes written last leave as one datagram. */
void datagram_send(struct worker *w, struct conn *c);

/* A connection of `kind` that sends from the socket of that side to one place; NULL: there is no such socket. */
MUST_USE struct conn *datagram_peer(struct worker *w, enum conn_kind kind, const uint8_t addr[16], uint16_t port);

/* The listener's socket of ours, aimed and judged as if a datagram had come from there; NULL: there is none. */
struct conn *datagram_aim(struct worker *w, uint64_t listener, const uint8_t addr[16], uint16_t port,
    const uint8_t local[16]);

/* The same for a message that has waited: it came from there to this socket. */
void datagram_came_from(struct worker *w, struct conn *c, const uint8_t addr[16], uint16_t port, const uint8_t local[16]);

/* Where the answer to the datagram in hand goes: RFC 3261 18.2.2, RFC 3581 4. */
uint16_t datagram_reply_port(const struct conn *c, const struct via *via);

#endif
