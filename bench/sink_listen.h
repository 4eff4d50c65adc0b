/*
 * sink_listen - listening sockets of sipward-sink, and addresses in print.
 *
 * May include: bench/sink.  Owns nothing: the socket is the caller's.
 */
#ifndef BENCH_SINK_LISTEN_H
#define BENCH_SINK_LISTEN_H

#include "bench/sink.h"

/* Listen at "HOST:PORT", and say where; -1 after a complaint. */
MUST_USE int sink_listen(const char *name);

/* "address:port", IPv6 in brackets. */
void sink_address_print(const struct sockaddr_storage *address, char out[SINK_ADDRESS_LEN]);

#endif
