/*
 * buf - a growing byte buffer: what waits to be sent, or has come in part.
 *
 * Process: worker.  May include: common/base.h.  Owns its bytes.
 *
 * Small blocks are kept for reuse (buf_pool), so that a busy worker does not
 * allocate; an idle connection has none.
 */
#ifndef WORKER_BUF_H
#define WORKER_BUF_H

#include "common/base.h"

struct buf {
	uint8_t *p;
	size_t off; /* first byte still wanted */
	size_t len; /* bytes wanted, from off on */
	size_t cap;
};

/* Room for n more bytes behind the last one; NULL: no memory. */
MUST_USE uint8_t *buf_reserve(struct buf *b, size_t n);

/* n bytes were written into the reserved room. */
void buf_commit(struct buf *b, size_t n);

MUST_USE bool buf_append(struct buf *b, const void *data, size_t n);

/* The first n bytes are no longer wanted; the memory goes back when none are left. */
void buf_consume(struct buf *b, size_t n);

/* Drop everything and give the memory back. */
void buf_clear(struct buf *b);

static inline const uint8_t *buf_bytes(const struct buf *b)
{
	return b->p + b->off;
}

#endif
