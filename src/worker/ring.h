/*
 * ring - the only door to io_uring: set-up, submission, completion words,
 * provided receive buffers.
 *
 *   [accept] -> tls -> identify -> frame -> msg -> inspect -> route -> rewrite -> [send]
 *
 * Process: worker.  May include: common/base.h, liburing.
 * Owns the ring and the receive buffers.
 *
 * SINGLE_ISSUER | DEFER_TASKRUN | COOP_TASKRUN, CQ 4x SQ; made after the fork.
 * The completion word is operation (8 bits) + slot (24) + generation (32), so
 * that an old completion for a reused slot is recognised.  Submission never
 * fails for want of an entry: a full queue is submitted first.
 */
#ifndef WORKER_RING_H
#define WORKER_RING_H

#include <sys/socket.h>

#include "common/base.h"

enum ring_op {
	RING_NONE,
	RING_ACCEPT,  /* multishot; res = new fd */
	RING_RECV,    /* multishot, provided buffers; res = bytes, 0 = end of stream */
	RING_SEND,    /* res = bytes */
	RING_CONNECT, /* res = 0 or -errno */
	RING_POLL,    /* multishot poll for reading; res = poll mask */
	RING_CANCEL,  /* res of the cancellation itself; mostly ignored */
	RING_OP_COUNT
};

/* One completion. */
struct ring_event {
	enum ring_op op;
	uint32_t slot;	     /* below 2^24 */
	uint32_t generation;
	int32_t res;
	bool more;	     /* a multishot operation goes on; false: it has ended */
	int buffer;	     /* RING_RECV with data: id of the buffer, to be given back; else -1 */
};

/* Slots of RING_POLL: what the worker waits for besides its connections. */
enum ring_poll_slot { RING_POLL_CONTROL, RING_POLL_NAMES, RING_POLL_MAIL, RING_POLL_DATAGRAM /* and on: accept's sockets */ };

struct ring_config {
	unsigned entries;	/* SQ; a power of two; fewer are taken where memory is short */
	unsigned buffers;	/* receive buffers, a power of two up to 32768 */
	unsigned buffer_size;	/* bytes each */
};

/* What the kernel must be told about how long to wait. */
struct ring_wait {
	uint64_t timeout_ns; /* UINT64_MAX: none; 0: do not wait */
	unsigned batch;	     /* completions to wait for; 1: the first ends the wait, but for those of sends just queued */
	uint64_t batch_ns;   /* with batch > 1: wait at most this long for that many (kernel 6.12; else as batch 1) */
};

struct ring;

/*
 * NULL with errno set when the kernel lacks or forbids what we need; then
 * *why (never NULL, static text) says in one line what ("io_uring is disabled:
 * sysctl kernel.io_uring_disabled").
 */
MUST_USE struct ring *ring_new(const struct ring_config *config, const char **why);
void ring_free(struct ring *r);

void ring_accept(struct ring *r, uint32_t slot, uint32_t generation, int fd);
void ring_recv(struct ring *r, uint32_t slot, uint32_t generation, int fd);
/* The bytes must stay until the completion; MSG_NOSIGNAL | MSG_WAITALL. */
void ring_send(struct ring *r, uint32_t slot, uint32_t generation, int fd, const void *data, size_t len);
/* The address must stay until the completion. */
void ring_connect(struct ring *r, uint32_t slot, uint32_t generation, int fd, const struct sockaddr *addr,
    socklen_t len);
void ring_poll(struct ring *r, uint32_t slot, uint32_t generation, int fd);
/* Ask for the end of the operation with this completion word; it still completes (-ECANCELED or as it was). */
void ring_cancel(struct ring *r, enum ring_op op, uint32_t slot, uint32_t generation);

/*
 * Submit everything and wait.  0, or -errno for an error that the loop cannot
 * go on from; a time-out and EINTR are 0.
 */
MUST_USE int ring_turn(struct ring *r, const struct ring_wait *wait);

/* Take the completions that are there, one after the other; false: none left. */
MUST_USE bool ring_next(struct ring *r, struct ring_event *event);

/* Bytes of a receive buffer; valid until it is given back. */
uint8_t *ring_buffer(struct ring *r, int buffer);
/* Give it back; it becomes available at once. */
void ring_buffer_put(struct ring *r, int buffer);
/* Buffers that we hold at the moment. */
unsigned ring_buffers_out(const struct ring *r);

#endif
