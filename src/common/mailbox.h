/*
 * mailbox - messages between workers: a ring of bytes from each worker to each
 * other one, in shared memory, with one writer and one reader.
 *
 * Process: worker.  May include: common/base.h, span, heritage.  Owns nothing:
 * the memory is the master's mapping (heritage); no allocation, no calls.
 *
 * The region has a part for each worker, which this worker alone may write:
 * its incarnation; for each other worker what it has to say (a ring of bytes,
 * how far it is filled, and the incarnation that it is meant for) and how far
 * it has read the other's ring.  So a ring belongs to a pair of incarnations:
 * when either starts anew both begin at nothing, and what was meant for the
 * one before is never delivered.
 *
 * A part may be in a stranger's hands.  The reader copies before it looks,
 * believes no length and no position, and is done after one message; a writer
 * that breaks the rules is not heard again until it starts anew.
 *
 * A message larger than the ring does not pass, and mailbox_send says no.  A
 * ring has 1 MiB (256 KiB with more than 32 workers), so that only messages
 * with bodies near limits.body_bytes are too large.  Memory is used only where
 * a ring has been written: one that was read empty begins at its front again
 * after 64 KiB.
 */
#ifndef COMMON_MAILBOX_H
#define COMMON_MAILBOX_H

#include "common/base.h"
#include "common/heritage.h"
#include "common/span.h"

/* How far we are with one other worker. */
struct mail_peer {
	uint64_t to;   /* incarnation that our ring is meant for; 0: none yet */
	uint64_t tail; /* bytes that we have written for it */
	uint64_t from; /* incarnation whose ring we read; 0: none yet */
	uint64_t head; /* bytes of it that we have read */
	uint64_t deaf; /* incarnation that is not heard any more; 0: none */
};

/* One worker's view of all. */
struct mailbox {
	char *all;
	size_t each; /* bytes of a worker's part */
	size_t ring; /* bytes of a ring; a multiple of 8 */
	uint32_t workers, self;
	uint64_t incarnation;
	struct mail_peer peer[WORKERS_MAX];
};

/* Bytes of a worker's part, a multiple of REGION_PAGE; and of the largest message. */
size_t mailbox_bytes(uint32_t workers);
size_t mailbox_message_max(uint32_t workers);

/* Begin anew with the own part; from now on the others can send to `incarnation` (not 0). */
void mailbox_open(struct mailbox *m, void *all, uint32_t workers, uint32_t self, uint64_t incarnation);

/* The incarnation that this worker has, or had when it died; 0: none. */
uint64_t mailbox_incarnation(const struct mailbox *m, uint32_t worker);

/*
 * Put a message, `head` and behind it `body`, into the ring for that
 * incarnation of that worker.  False: it is another by now, there is no such
 * worker, or no room (nothing was written).
 */
MUST_USE bool mailbox_send(struct mailbox *m, uint32_t worker, uint64_t incarnation, struct span head,
    struct span body);

enum mail_status {
	MAIL_READY,  /* *out is a copy, in `room` */
	MAIL_NONE,   /* nothing for us there */
	MAIL_BROKEN, /* what stands there is no message: this incarnation is not heard again */
};

/* The next message from that worker; `room`: mailbox_message_max bytes. */
MUST_USE enum mail_status mailbox_take(struct mailbox *m, uint32_t worker, char *room, struct span *out);

#endif
