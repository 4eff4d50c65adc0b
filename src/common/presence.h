/*
 * presence - which external domains a worker holds usable connections of, told
 * to the other workers: a table in shared memory for each worker.
 *
 * Process: worker (writes its own, reads the others').  May include: common/base.h.
 * Owns nothing: the tables are the master's mapping (heritage), empty at the start of a worker.
 *
 * Open addressing; one writer, readers without locks.  What is read is a hint:
 * the connection may be gone, or the table in a stranger's hands.  Who gets
 * the message looks at the connection and judges it before a byte is written.
 *
 * Domains stand there by a keyed 64-bit id (route_back_id), so that nobody can
 * choose where one lands.  Of one domain PRESENCE_EACH connections are told; the
 * owner puts another one when one of them goes.
 */
#ifndef COMMON_PRESENCE_H
#define COMMON_PRESENCE_H

#include <stdatomic.h>

#include "common/base.h"

#define PRESENCE_SLOTS 65536 /* a power of two */
#define PRESENCE_WINDOW 64   /* an id stands at most this far from its place */
#define PRESENCE_EACH 4

struct presence_entry {
	_Atomic uint64_t id;	/* 0: never used or cleaned, PRESENCE_GONE: free, but others may stand behind it */
	_Atomic uint64_t where; /* slot and generation */
};

#define PRESENCE_GONE UINT64_MAX

/* A worker's part; a multiple of REGION_PAGE. */
struct presence {
	struct presence_entry entry[PRESENCE_SLOTS];
};

/* Tell of a connection; false: not told (table full there, enough of that domain, or an id that is none). Twice is once. */
bool presence_put(struct presence *own, uint64_t id, uint32_t slot, uint32_t generation);

/* It is gone; nothing happens when it was not told. */
void presence_remove(struct presence *own, uint64_t id, uint32_t slot, uint32_t generation);

/* A connection of that domain that this worker has told of. */
MUST_USE bool presence_here(const struct presence *one, uint64_t id, uint32_t *slot, uint32_t *generation);

/*
 * A connection of that domain that another worker has told of.  `*worker` is
 * where the search begins (the first one looked at stands behind it) and what
 * was found; call again with it for the next worker.  Begin with `self`, which
 * is never looked at: there the search ends.
 */
MUST_USE bool presence_find(const struct presence *all, uint32_t workers, uint32_t self, uint64_t id, uint32_t *worker,
    uint32_t *slot, uint32_t *generation);

#endif
