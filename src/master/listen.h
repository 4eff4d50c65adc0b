/*
 * listen - the listening sockets: one per listener and worker, made and kept
 * by the master, so that neither a dead worker nor a reload loses a queue.
 *
 * Process: master.  May include: common/base.h, image_layout, image, heritage.
 * Owns the sockets.
 *
 * A listener is the same over reloads when side, protocol, host and port are
 * (several with port 0: in their order).  All sockets of one listener share
 * its port by SO_REUSEPORT; before the first is bound, a bind without it finds
 * out whether somebody else listens there, for the kernel would silently
 * share the port with any program of the same user.  New sockets are bound
 * when a reload is prepared and listen when it is committed, so that a
 * cancelled one never takes a connection.
 *
 * A host name is looked up, and its first address taken.
 */
#ifndef MASTER_LISTEN_H
#define MASTER_LISTEN_H

#include "common/base.h"
#include "common/heritage.h"
#include "common/image.h"

#define LISTEN_HOST_MAX 256

struct listener {
	uint64_t id;   /* heritage_socket.id */
	uint8_t side;  /* enum image_side */
	uint8_t protocol;
	uint16_t port; /* as configured */
	uint16_t bound;
	bool fresh;    /* made for this generation; not in the one before */
	char host[LISTEN_HOST_MAX];
	int *fds;      /* one for each worker; shared with the generation before unless fresh */
};

/* In the order of the image's listeners. */
struct listeners {
	struct listener *listener;
	size_t count;
	uint32_t workers;
	uint64_t next_id;
};

/*
 * Pure: for each of `want` the index in `old` of the one that it continues, or
 * SIZE_MAX.  No old one is given twice.
 */
void listeners_match(const struct listener *want, size_t want_count, const struct listener *old, size_t old_count,
    size_t *match);

/* Pure: index of a listener with the same host and port as an earlier one (port 0 is never the same); count: none. */
size_t listeners_twice(const struct listener *l, size_t count);

/*
 * The listeners of an image: those of `old` go on, new ones are bound.
 * 0, or -errno with the reason in why; nothing is left behind then.
 */
MUST_USE int listeners_prepare(const struct image *img, const struct listeners *old, uint32_t workers,
    struct listeners *out, char why[static 512]);

/* Let the fresh ones listen; 0, or -1 with the reason. */
MUST_USE int listeners_listen(const struct listeners *l, char why[static 512]);

/* A cancelled generation: close the fresh ones, free everything. */
void listeners_cancel(struct listeners *l);

/*
 * `next` has taken over: shut down and close what `old` had alone, and free it.
 * Shut down, because processes that are slow to close must not keep a queue
 * open that nobody serves.
 */
void listeners_retire(struct listeners *old, struct listeners *next);

/* Stop listening altogether, in all processes. */
void listeners_shutdown(struct listeners *l);

/*
 * All sockets as rows for children, malloc'ed; *fresh (unless NULL) likewise:
 * which of them are new.  0 or -ENOMEM.
 */
MUST_USE int listeners_table(const struct listeners *l, struct heritage_socket **table, bool **fresh, size_t *count);

#endif
