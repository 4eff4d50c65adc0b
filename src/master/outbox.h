/*
 * outbox - messages for a child that is behind in reading them.
 *
 * Process: master.  May include: common/base.h, ctl.  Owns copies of the messages, fds included.
 */
#ifndef MASTER_OUTBOX_H
#define MASTER_OUTBOX_H

#include "common/base.h"
#include "common/ctl.h"

#define OUTBOX_MAX 256 /* a reload with the most sockets takes about 130 */

struct outbox_entry;

/* Zero it to begin with. */
struct outbox {
	struct outbox_entry *first, *last;
	size_t count;
};

/* Send, or keep for later; 0 or -errno: -ENOBUFS: OUTBOX_MAX wait already; -EPIPE and the like: the child is gone. */
MUST_USE int outbox_send(struct outbox *o, int fd, const struct ctl_msg *msg);

/* fd is writable: send what waits; 0 or -errno as above. */
MUST_USE int outbox_flush(struct outbox *o, int fd);

void outbox_clear(struct outbox *o);

#endif
