/*
 * handover - a generation on its way to a child: the image, the keys and the
 * new table of listening sockets, in as many CTL_PREPARE parts as it takes.
 *
 *   master: handover_part() ... CTL_PREPARE -->  child: handover_take()
 *
 * Process: master (writes the parts), worker and admin (read them).
 * May include: common/base.h, ctl, heritage.  Owns the fds that it has taken.
 *
 * A part:  generation  of the image
 *          arg         number of the part, from 0
 *          ok          1: the last part; begin to build
 *          text        struct heritage_socket[], the next rows of the whole table
 *          fds         part 0: the image, then (workers only) the keys; then new sockets, in the order of the rows
 *
 * In a row `fd` is -1 for a socket that the child has already (same id, same
 * worker), and in the admin, which gets none; else it is the socket's index
 * among the part's fds.  A socket of the table in use that has no row in the
 * new one is removed: its listener is gone.
 *
 *	case CTL_PREPARE:
 *		switch (handover_take(&next, &msg, true)) {
 *		case 0: break;			more parts will come
 *		case 1: build from next.image_fd and next.keys_fd, then CTL_READY
 *		default: handover_drop(&next), CTL_REFUSED
 *		}
 *	case CTL_COMMIT: use the generation and next.sockets, then CTL_COMMITTED
 *	case CTL_CANCEL: handover_drop(&next)
 */
#ifndef COMMON_HANDOVER_H
#define COMMON_HANDOVER_H

#include "common/base.h"
#include "common/ctl.h"
#include "common/heritage.h"

/* Zero it to begin with. */
struct handover {
	bool begun;		/* part 0 has come; the fds below count */
	uint64_t generation;
	uint64_t parts;
	int image_fd, keys_fd;	/* -1: none; who takes one out sets it to -1 */
	struct heritage_socket *sockets; /* the whole new table, malloc'ed; fd -1: not new */
	size_t count, cap;
};

/*
 * Take one part over, its fds included (those of a refused part are closed).
 * 1: that was the last one; 0: more to come; -EPROTO: it does not fit to what
 * has come so far; -ENOMEM.
 */
MUST_USE int handover_take(struct handover *h, struct ctl_msg *part, bool worker);

/* Close everything in it that is still there, free the table, begin anew. */
void handover_drop(struct handover *h);

/*
 * Master: fill *part (zeroed before the first one) with the rows from *next
 * on, and move *next on; the last part has ok set.  Sockets for which `fresh`
 * is set are passed; NULL: none.  keys_fd -1: no keys.
 */
void handover_part(struct ctl_msg *part, uint64_t generation, int image_fd, int keys_fd,
    const struct heritage_socket *table, const bool *fresh, size_t count, size_t *next);

#endif
