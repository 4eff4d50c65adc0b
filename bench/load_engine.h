/*
 * load_engine - one thread of sipward-load: its connections, what is in flight
 * on them, and when the next request is due.
 *
 *   load.c (threads, exit code) -> [load_run] (phases, pace) -> [load_conn] (a connection)
 *
 * May include: all of bench/load_*.  An engine owns its connections; options
 * and template are borrowed and shared with other engines.
 *
 * A *token* is the right to have one request in flight: one for each slot of
 * each connection (in handshake mode one for each connection).  Free tokens wait
 * in a ring; a request that is due takes the first of them, so the work is
 * spread evenly.  Latency counts from when a request was due, and one that finds
 * no free token stays due: a slow edge can't make the load look away.
 */
#ifndef BENCH_LOAD_ENGINE_H
#define BENCH_LOAD_ENGINE_H

#include "bench/load_message.h"
#include "bench/load_options.h"
#include "bench/load_stats.h"
#include "bench/load_stream.h"

enum load_slot_state {
	LOAD_SLOT_FREE,
	LOAD_SLOT_REQUEST, /* waits for the final answer */
	LOAD_SLOT_BYE,	   /* the INVITE was answered; waits for that of BYE */
};

struct load_slot {
	uint64_t due;
	uint32_t seq;
	uint8_t state;
	bool counted; /* was due in the measured part */
	bool waiting; /* its token is in the ring */
};

enum load_conn_state {
	LOAD_CONN_CLOSED,
	LOAD_CONN_CONNECTING,
	LOAD_CONN_SHAKING,
	LOAD_CONN_PINGING, /* handshake mode: shaken, not yet known to be taken */
	LOAD_CONN_OPEN,
};

struct load_conn {
	struct load_stream stream;
	enum load_conn_state state;
	uint32_t index; /* in the whole run: it stands in the ids */
	bool dirty;	/* is in the list of those to be flushed */
	bool blocked;	/* epoll watches for its being writable */
	bool failed;	/* in the first phase: don't wait for it */
	struct load_slot *slot;
	char *rest; /* the part of a message that has come */
	size_t rest_len, rest_cap;
	SSL_SESSION *session; /* to be resumed */
	uint64_t next_ping;
};

struct load_token {
	uint32_t conn, slot;
};

struct load_engine {
	const struct load_options *options;
	const struct load_template *template;
	struct load_tls tls;
	int epoll;
	uint32_t run; /* random: stands in the ids */
	struct load_conn *conn;
	uint32_t conns, first; /* how many, and the index of the first */
	uint32_t slots;	       /* on each */
	uint32_t opening;      /* under way */
	uint32_t open;
	uint64_t in_flight;

	struct load_token *ring;
	size_t ring_cap, ring_head, ring_len;
	uint32_t *dirty;
	uint32_t dirty_len;
	char *plain; /* decrypted bytes of the wake-up */
	size_t plain_cap;
	char *request; /* room for one */

	/* Set by load_run. */
	bool resume_tokens; /* answered slots may be used again */
	bool running;	    /* past the first phase */
	uint64_t now;
	uint64_t measure_from, measure_to;
	uint32_t seq;
	struct load_stats stats;
};

/* load_conn.c */

/* Begin to open; a failure is counted and leaves the connection closed. */
void load_conn_open(struct load_engine *e, struct load_conn *c);
void load_conn_event(struct load_engine *e, struct load_conn *c, uint32_t events);
/* Put a request on an open connection. */
void load_conn_request(struct load_engine *e, struct load_conn *c, uint32_t slot, uint64_t due);
void load_conn_ping(struct load_engine *e, struct load_conn *c);
/* Send what was queued on the connections since the last call: one send each. */
void load_conn_flush_all(struct load_engine *e);
/* Close for good, at the end of the run. */
void load_conn_done(struct load_engine *e, struct load_conn *c);

/* load_run.c */

MUST_USE bool load_engine_init(struct load_engine *e, const struct load_options *o, const struct load_template *t, uint32_t run,
    uint32_t first, uint32_t conns);
void load_engine_done(struct load_engine *e);

/* Open the connections. */
void load_engine_connect(struct load_engine *e);
/* Do the work; share: which part of the rate and count is this engine's. */
void load_engine_run(struct load_engine *e, double share);

/* Give a token back; it may go out again. */
void load_engine_free_token(struct load_engine *e, struct load_conn *c, uint32_t slot);

/* Set by a signal: end early, and print what there is. */
extern _Atomic int load_interrupted;

#endif
