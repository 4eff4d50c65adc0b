/*
 * query - single DNS queries, by c-ares: retries, time-outs, truncated answers
 * again over TCP, several servers.
 *
 *   lookup -> [query] -> servers
 *
 * Process: resolver.  May include: common/base.h, image_layout, addr, dns, c-ares.
 * Owns the c-ares channel and its sockets.
 *
 * After query_new nothing of it opens a file.
 */
#ifndef RESOLVER_QUERY_H
#define RESOLVER_QUERY_H

#include <poll.h>

#include "common/base.h"
#include "common/image_layout.h"
#include "resolver/dns.h"

#define QUERY_FDS_MAX 64

struct query_channel;

enum query_status {
	QUERY_ANSWER,	 /* there are records */
	QUERY_NOTHING,	 /* a server says that there are none; the message says for how long */
	QUERY_FAILED,	 /* nobody answers, or only with refusals */
	QUERY_CANCELLED, /* by us */
};

/* The end of a query; the message is valid until it returns, and may be empty. */
typedef void (*query_done)(void *arg, enum query_status status, const uint8_t *msg, size_t len);

/* NULL: no memory, or no randomness. */
MUST_USE struct query_channel *query_new(void);

/* Use these servers from now on.  Nothing may be under way: see query_cancel.  0 or -ENOMEM. */
MUST_USE int query_servers(struct query_channel *q, const struct image_resolver *server, size_t count);

/* Ask; `done` is called exactly once, perhaps before this returns. */
void query_ask(struct query_channel *q, const char *name, enum dns_type type, query_done done, void *arg);

/* End all that is under way, each with QUERY_CANCELLED, before it returns. */
void query_cancel(struct query_channel *q);

/* What to wait for; returns how many, at most QUERY_FDS_MAX. */
size_t query_poll(const struct query_channel *q, struct pollfd *fds);

/* Milliseconds until a time-out, at most `most`. */
int query_timeout(struct query_channel *q, int most);

/* After poll: read, write, time out. */
void query_run(struct query_channel *q, const struct pollfd *fds, size_t count);

#endif
