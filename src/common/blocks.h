/*
 * blocks - the domains that an operator has blocked at run time: one table in
 * shared memory.
 *
 * Process: master (the only writer), workers and admin (readers).
 * May include: common/base.h, span, sip/uri.  Owns nothing: the table is the
 * master's mapping (heritage), all zero when it is empty.
 *
 * It is kept twice: the writer fills the copy that is not in use, then says
 * that it is.  So a reader never waits, not even for a writer that has been
 * stopped in the middle:
 *
 *	do {
 *		version = blocks_version(b);
 *		... read blocks_copy(b, version) ...
 *	} while (blocks_version(b) != version);
 *
 * A name is blocked or it is not; whether an entry of that name is configured
 * is the image's business (image_blocked.h).
 */
#ifndef COMMON_BLOCKS_H
#define COMMON_BLOCKS_H

#include <stdatomic.h>

#include "common/base.h"
#include "common/sip/uri.h"
#include "common/span.h"

#define BLOCKS_MAX 4096
#define BLOCK_NAME_MAX (HOST_MAX + 2)	/* with "*." */
#define BLOCK_REASON_MAX 200
#define BLOCK_TIME_MAX ((int64_t)3650 * 86400) /* s: the longest block that ends by itself */
#define BLOCK_NO_END INT64_MAX

/* One domain.  Bytes behind the two texts are zero. */
struct block {
	int64_t since;		/* s since 1970 */
	int64_t until;		/* s since 1970: from then on it counts no more; BLOCK_NO_END: until it is lifted */
	uint32_t uid, pid;	/* of the operator's process */
	uint16_t name_len, reason_len;
	char name[BLOCK_NAME_MAX]; /* canonical; "*.suffix" is the wildcard entry alone */
	char reason[BLOCK_REASON_MAX]; /* UTF-8 without control characters; may be empty */
};

struct blocks_copy {
	uint32_t count;
	struct block row[BLOCKS_MAX]; /* in the order of their coming */
};

struct blocks {
	_Atomic uint64_t version; /* copy[version % 2] is in use */
	_Atomic uint32_t unsaved; /* 1: would not survive a restart as it is */
	struct blocks_copy copy[2];
};

static inline struct span block_name(const struct block *b)
{
	return span_of(b->name, MIN(b->name_len, sizeof(b->name)));
}

static inline struct span block_reason(const struct block *b)
{
	return span_of(b->reason, MIN(b->reason_len, sizeof(b->reason)));
}

static inline bool block_counts(const struct block *b, int64_t now)
{
	return b->until > now;
}

/*
 * Set name and reason of a zeroed row; `name` as an operator writes it.  False:
 * no domain or *.suffix, or the reason is too long or has control characters.
 */
MUST_USE bool block_set(struct block *b, struct span name, struct span reason);

/* Is everything in the row as block_set leaves it, and its end none or within BLOCK_TIME_MAX of its beginning? */
MUST_USE bool block_is_sound(const struct block *b);

/* ---- readers ---- */

static inline uint64_t blocks_version(const struct blocks *b)
{
	atomic_thread_fence(memory_order_acquire); /* what was read before counts only if this is still the version */
	return atomic_load_explicit(&b->version, memory_order_acquire);
}

static inline const struct blocks_copy *blocks_copy(const struct blocks *b, uint64_t version)
{
	return &b->copy[version % 2];
}

/* The row of a canonical name; NULL: none. */
const struct block *blocks_find(const struct blocks_copy *c, struct span name);

/* ---- the writer ---- */

/* What is in use now; no reader's loop is needed. */
static inline const struct blocks_copy *blocks_now(const struct blocks *b)
{
	return blocks_copy(b, blocks_version(b));
}

/* A sound row, in place of one of the same name.  0, or -ENOSPC: there are BLOCKS_MAX others. */
MUST_USE int blocks_put(struct blocks *b, const struct block *row);

/* False: it was not there. */
bool blocks_remove(struct blocks *b, struct span name);

/* Remove all that count no more. */
void blocks_expire(struct blocks *b, int64_t now);

/* These, which are sound, of different names and at most BLOCKS_MAX, and no others. */
void blocks_set(struct blocks *b, const struct blocks_copy *rows);

#endif
