/*
 * accept - listening sockets: multishot accept, and who may come in.
 *
 *   [accept] -> tls -> identify -> frame -> msg -> inspect -> route -> rewrite -> send
 *
 * Process: worker.  May include: all of common, worker/conn, conn_table, upstream, events.
 * Owns the listener records; the sockets are the master's and only lent.
 */
#ifndef WORKER_ACCEPT_H
#define WORKER_ACCEPT_H

#include "common/heritage.h"
#include "worker/conn.h"

/* What is the same for all sockets of one listener; lives as long as the worker, for its connections do. */
struct listener {
	struct listener *next;
	uint64_t id;	      /* heritage_socket.id */
	uint32_t index;	      /* of image_listener; IMAGE_NONE: removed by a reload */
	struct image_listener row; /* as configured last; its texts and sections are good only while index is */
	uint8_t client_certificate; /* enum image_client_certificate, kept for a removed listener */
	uint16_t port;	      /* bound */
	size_t shown_len;
	char shown[300];      /* "host:port" for Via and Record-Route */
	char text[64];	      /* for operators: "external TLS 127.0.0.1:5061" */
};

MUST_USE int listeners_new(struct worker *w);

/*
 * The sockets as they are now, all workers' (heritage or a committed reload):
 * new ones of ours begin to accept, missing ones stop.  The fds become ours.
 */
void listeners_update(struct worker *w, const struct heritage_socket *sockets, size_t count);

/* Accept on another worker's sockets as well, until it is back. */
void listeners_adopt(struct worker *w, uint32_t worker);
void listeners_release(struct worker *w, uint32_t worker);

/* Drain: accept nothing more. */
void listeners_stop(struct worker *w);

void listeners_on_accept(struct worker *w, const struct ring_event *e);

/* Begin again where accepting had to stop for want of descriptors; returns when to be called again. */
uint64_t listeners_tick(struct worker *w);

/* A UDP socket can be read. */
void listeners_on_poll(struct worker *w, const struct ring_event *e);

/* The connection of our own UDP socket: of the first listener of that side that has one, or of this one; NULL: none. */
struct conn *listeners_datagram(const struct worker *w, enum image_side side);
struct conn *listeners_datagram_of(const struct worker *w, uint64_t id);

/* The first listener of a side that speaks the protocol, else the first of that side; NULL: it has none. */
const struct listener *listeners_first(const struct worker *w, enum image_side side, enum image_protocol protocol);

#endif
