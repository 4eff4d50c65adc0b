/*
 * control_socket - the operators' Unix socket: one JSON object a line in, one out.
 *
 *	{"command": "status"}                       -> {"ok": true, ...}
 *	{"command": "lookup", "dn": "CN=a,O=b"}     -> {"ok": true, "found": ...}
 *	{"command": "image"}                        -> {"ok": true, ...}, with the descriptor of the sealed image
 *	{"command": "reload"}                       -> when it is done: {"ok": ..., "text": ...}
 *
 * Process: admin.  May include: all of common, admin.h, report, jansson.
 * Owns the clients; the listening socket is inherited.
 *
 * Who may connect is decided by the socket's mode; whoever changes something
 * is named in the log by uid (SO_PEERCRED).
 */
#ifndef ADMIN_CONTROL_SOCKET_H
#define ADMIN_CONTROL_SOCKET_H

#include <poll.h>

#include "admin/admin.h"

#define CLIENTS_MAX 32

MUST_USE struct clients *clients_new(void);

/* Fill in what to poll for (room for CLIENTS_MAX + 1); returns how many. */
size_t clients_poll(const struct admin *a, struct pollfd *fds);

/* Handle what poll found, and clients that are too slow. */
void clients_run(struct admin *a, const struct pollfd *fds, size_t count);

/* The master has answered a question. */
void clients_result(struct admin *a, uint64_t ticket, bool ok, struct span text);

#endif
