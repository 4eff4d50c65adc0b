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

#define SESSION_WAYS 4		 /* entries that one tag may be in; the oldest gives way */
#define SESSION_RECORD_MAX 16384 /* bytes; longer ones are not kept */

/*
 * Bytes of the region: an index of 65,536 entries, and a ring of records that
 * stand side by side, of which the oldest are written over.  Memory is used as
 * the ring grows; most sessions take 600 to 1,000 bytes.
 */
#define SESSION_STORE_BYTES ((size_t)64 << 20)

/*
 * Put a record in, in the place of one with this tag.  `tag`: a keyed hash of
 * the session's id, not 0.  False: it is too long.
 */
bool session_store_put(void *region, size_t size, uint64_t tag, const void *record, size_t len);

/* Copy out what stands there under the tag; the length, 0: nothing. */
MUST_USE size_t session_store_get(const void *region, size_t size, uint64_t tag, uint8_t out[static SESSION_RECORD_MAX]);

void session_store_drop(void *region, size_t size, uint64_t tag);

#endif
