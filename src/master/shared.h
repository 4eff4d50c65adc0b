/*
 * shared - the regions of shared memory that counters, connection rows,
 * states, mail and presence live in: made before the first fork, kept while the master lives.
 *
 * Process: master; shared_narrow and shared_clean in its children.
 * May include: common/base.h, heritage, blocks, counters, conn_rows, mailbox, presence.  Owns the mappings and their memfds.
 *
 * F_SEAL_FUTURE_WRITE: after the master's own mapping is made, no other
 * writable one can be.  A child maps everything but its own part again,
 * read-only, and can't take that back.
 */
#ifndef MASTER_SHARED_H
#define MASTER_SHARED_H

#include "common/base.h"
#include "common/heritage.h"

enum shared_region_id {
	SHARED_COUNTERS,
	SHARED_ROWS,
	SHARED_STATES,
	SHARED_MAIL,	/* common/mailbox: what a worker has to say to the others, and how far it has read theirs */
	SHARED_PRESENCE, /* common/presence: the domains that a worker is connected with */
	SHARED_BLOCKS,	/* common/blocks: written by the master alone, as the next one */
	SHARED_MASTER,
	SHARED_BUCKETS, /* common/buckets: written by every worker */
	SHARED_NONCES,	/* common/auth/nonces: written by every worker */
	SHARED_SESSIONS, /* common/session_store: likewise */
	SHARED_REGIONS
};

/* Bytes of the regions; each is a multiple of REGION_PAGE. */
#define NONCES_BYTES ((size_t)4 << 20)

struct shared_region {
	int fd;
	char *p;
	size_t each;  /* bytes of one worker's part; all of it where there are no parts */
	size_t size;
};

struct shared {
	struct shared_region region[SHARED_REGIONS];
	size_t rows_per_worker;
};

/* 0 or -errno.  `rows` is a wish: it is cut so that a worker's rows fill whole pages. */
MUST_USE int shared_init(struct shared *s, uint32_t workers, size_t rows);

/* Child: make read-only what is not worker `worker`'s own; `worker` = UINT32_MAX: everything. 0 or -errno. */
MUST_USE int shared_narrow(const struct shared *s, uint32_t worker);

/* Child that has no use for them: give all regions up. */
void shared_drop(struct shared *s);

/* Worker: zero the own rows, gauges and presence, which the one before has left. */
void shared_clean(const struct shared *s, uint32_t worker);

static inline struct counters *shared_counters(const struct shared *s)
{
	return (struct counters *)(void *)s->region[SHARED_COUNTERS].p;
}

static inline struct conn_row *shared_rows(const struct shared *s)
{
	return (struct conn_row *)(void *)s->region[SHARED_ROWS].p;
}

static inline struct worker_state *shared_states(const struct shared *s)
{
	return (struct worker_state *)(void *)s->region[SHARED_STATES].p;
}

static inline struct blocks *shared_blocks(const struct shared *s)
{
	return (struct blocks *)(void *)s->region[SHARED_BLOCKS].p;
}

static inline struct master_state *shared_master(const struct shared *s)
{
	return (struct master_state *)(void *)s->region[SHARED_MASTER].p;
}

#endif
