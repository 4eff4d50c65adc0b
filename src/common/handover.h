/*
 * handover - a generation on its way to a child: the image, the keys and the
 * new table of listening sockets, in as many CTL_PREPARE parts as it takes.
 *
 *   master: handover_part() ... CTL_PREPARE -->  child: handover_take()
 *
 * Process: master (writes the parts), worker and admin (read them).
 * May include: common/base.h, ctl, heritage.  Owns what it has taken until handover_drop.
 *
 * A part:  generation  of the image
 *          arg         number of the part, from 0
 *          ok          1: the last part; begin to build
 *          text        struct heritage_socket[], the next rows of the whole table
 *          fds         part 0: the image, then (workers only) the keys; then new sockets
 *
 * In a row `fd` is the index of the socket among this part's fds, or -1: the
 * child has it already (same id, same worker), or is the admin, which gets
 * none.  A socket that is in the old table and in no row is removed: its
 * listener is gone.
 *
 *	case CTL_PREPARE:
 *		switch (handover_take(&next, &msg, h->sockets, h->socket_count)) {
 *		case 0: break;			more parts will come
 *		case 1: build from next.image_fd and next.keys_fd, then CTL_READY
 *		default: handover_drop(&next), CTL_REFUSED
 *		}
 *	case CTL_COMMIT: accept on the sockets that are new in next.sockets, stop on
 *		those gone; then handover_commit(&next, &h->sockets, &h->socket_count), CTL_COMMITTED
 *	case CTL_CANCEL: handover_drop(&next)
 */
#ifndef COMMON_HANDOVER_H
#define COMMON_HANDOVER_H

#include "common/base.h"
#include "common/ctl.h"
#include "common/heritage.h"

struct handover {
	bool begun;		/* part 0 has come */
	uint64_t generation;
	uint64_t parts;
	int image_fd, keys_fd;	/* -1: not there, or taken by the caller, who then closes it */
	struct heritage_socket *sockets; /* the whole new table; fd < 0 only in the admin */
	size_t count, cap;
};

/*
 * Take one part over, its fds included.  `old` is the table in use.
 * 1: that was the last one; 0: more to come; -EPROTO: not a part that fits
 * (drop the handover), -ENOMEM.  On failure the part's fds are closed.
 */
MUST_USE int handover_take(struct handover *h, struct ctl_msg *part, bool worker, const struct heritage_socket *old,
    size_t old_count);

/* Close what is new in it and forget everything; fine on one that has not begun. */
void handover_drop(struct handover *h, const struct heritage_socket *old, size_t old_count);

/* The new table replaces the old one (malloc'ed both): sockets that are gone are closed.  Forgets the rest. */
void handover_commit(struct handover *h, struct heritage_socket **table, size_t *count);

/*
 * Master: fill *part with the rows from *next on, and move *next.  Sockets for
 * which `fresh` is set are passed; NULL: none (admin).  keys_fd -1: no keys.
 */
void handover_part(struct ctl_msg *part, uint64_t generation, int image_fd, int keys_fd,
    const struct heritage_socket *table, const bool *fresh, size_t count, size_t *next);

#endif
