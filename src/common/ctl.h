/*
 * ctl - messages between the master and its children over a SOCK_SEQPACKET
 * pair, file descriptors with them.
 *
 * Process: master, worker, admin.  May include: common/base.h.  Owns nothing:
 * the fds of a received message belong to the caller.
 *
 * The receiver checks id, direction and size before it looks at anything else;
 * a message from a child (FROM) must carry no descriptors.
 */
#ifndef COMMON_CTL_H
#define COMMON_CTL_H

#include "common/base.h"

#define CTL_TEXT_MAX 65536 /* with the NUL: a hundred complaints */
#define CTL_FDS_MAX 200 /* below the kernel's 253 */

enum ctl_id {
#define CTL(id, direction, name) CTL_##id,
#include "common/ctl.def"
#undef CTL
	CTL_COUNT
};

enum ctl_direction { CTL_TO, CTL_FROM };

struct ctl_msg {
	uint32_t id;	     /* enum ctl_id */
	uint32_t ok;	     /* RESULT, READY: 1 */
	uint64_t generation; /* of the image spoken of */
	uint64_t arg;
	uint32_t text_len;
	uint32_t fd_count;
	int fds[CTL_FDS_MAX];
	char text[CTL_TEXT_MAX]; /* always terminated on receipt */
};

/* A connected pair, close-on-exec, non-blocking; 0 or -errno. */
MUST_USE int ctl_pair(int fds[2]);

/* Send; the fds are duplicated to the other side, ours stay open.  0 or -errno (-EAGAIN: the other side is behind). */
MUST_USE int ctl_send(int fd, const struct ctl_msg *msg);

/*
 * Receive one.  1: *msg is filled in; 0: nothing there now; -EPIPE: the other
 * side is gone; -EPROTO: no message of ours, or not one for this direction.
 * `direction`: the one that the receiver takes (CTL_TO in a child).
 */
MUST_USE int ctl_recv(int fd, enum ctl_direction direction, struct ctl_msg *msg);

const char *ctl_name(uint32_t id);

#endif
