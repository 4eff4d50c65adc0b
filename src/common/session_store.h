/*
 * session_store - sealed records of TLS sessions in memory that all workers
 * share, so that a session may be resumed on another worker than it was made on.
 *
 * Process: worker (reads and writes), master (makes the region).  May include: common/base.h.
 * Owns nothing: the region is the caller's, zeroed when it is made.
 *
 * Nothing is locked, so a worker that dies while it writes blocks nobody: what
 * two have written at once, or one by half, is a record whose seal is broken,
 * and that is as good as none.  Never trust anything in a record before its
 * seal was found whole (worker/session_record).
 */
#ifndef COMMON_SESSION_STORE_H
#define COMMON_SESSION_STORE_H

#include "common/base.h"

#define SESSION_SLOT 2048 /* bytes of one slot; larger records are not kept */
#define SESSION_WAYS 4	  /* slots that one tag may be in; the oldest gives way */
#define SESSION_RECORD_MAX (SESSION_SLOT - 32)

/* Bytes of the region: 32768 sessions, of which memory is used as slots are. */
#define SESSION_STORE_BYTES ((size_t)64 << 20)

/*
 * Put a record in, in the place of one with this tag, or the oldest of its
 * set.  `tag`: a keyed hash of the session's id, not 0.  `now`: s since 1970.
 * False: it is too long.
 */
bool session_store_put(void *region, size_t size, uint64_t tag, uint32_t now, const void *record, size_t len);

/* Copy out what stands there under the tag; the length, 0: nothing. */
MUST_USE size_t session_store_get(const void *region, size_t size, uint64_t tag, uint8_t out[static SESSION_RECORD_MAX]);

void session_store_drop(void *region, size_t size, uint64_t tag);

#endif
