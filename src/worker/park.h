/*
 * park - messages that wait until their destination is connected or given up.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> [route] -> rewrite -> send
 *
 * Process: worker.  May include: all of common, worker/conn, conn_table.
 * A park owns its messages.  Each keeps the order in which they came; the
 * limit queue_bytes holds for each.
 */
#ifndef WORKER_PARK_H
#define WORKER_PARK_H

#include "common/base.h"
#include "worker/conn.h"

struct parked;

/* All zero is an empty one; it must not move while it holds messages. */
struct park {
	struct parked *first, *last;
	size_t bytes;
	bool retrying;
	uint64_t since; /* while retrying: when the message in hand came, ns */
};

/* Keep a message that came on `from`; false: no room, answer 503. */
MUST_USE bool park_add(struct worker *w, struct park *p, struct conn *from, struct span message);

/* Try all of them again, in their order (conn_retry); those that must still wait are parked anew. */
void park_retry(struct worker *w, struct park *p);

/* Must a message that has just come wait behind others? */
bool park_blocks(const struct park *p);

/* Has the message in hand waited for longer than `limit` (ns)? */
bool park_too_long(const struct worker *w, const struct park *p, uint64_t limit);

#endif
