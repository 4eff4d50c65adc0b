#include "common/ctl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const struct {
	enum ctl_direction direction;
	const char *name;
} rows[] = {
#define CTL(id, direction, name) { CTL_##direction, name },
#include "common/ctl.def"
#undef CTL
};

/* What travels before the text; both ends are the same program. */
struct head {
	uint32_t magic;
	uint32_t id;
	uint32_t ok;
	uint32_t text_len;
	uint32_t fd_count;
	uint32_t pad;
	uint64_t generation;
	uint64_t arg;
};

#define MAGIC 0x6c746373U /* also says: of this version of struct head */

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(CTL_FDS_MAX * sizeof(int))];
};

const char *ctl_name(uint32_t id)
{
	return id < CTL_COUNT ? rows[id].name : "unknown";
}

int ctl_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0 ? 0 : -errno;
}

int ctl_send(int fd, const struct ctl_msg *msg)
{
	struct head head = { MAGIC, msg->id, msg->ok, msg->text_len, msg->fd_count, 0, msg->generation, msg->arg };
	union control control = { 0 };
	struct iovec iov[2];
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (msg->id >= CTL_COUNT || msg->text_len >= CTL_TEXT_MAX || msg->fd_count > CTL_FDS_MAX)
		return -EINVAL;
	iov[0] = (struct iovec){ &head, sizeof(head) };
	iov[1] = (struct iovec){ (void *)(uintptr_t)msg->text, msg->text_len };
	if (msg->fd_count) {
		size_t size = msg->fd_count * sizeof(int);
		struct cmsghdr *c = &control.align;

		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(size);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(c), msg->fds, size);
	}
	do {
		n = sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The descriptors that came with a message; how many. */
static uint32_t take_fds(struct msghdr *mh, int fds[CTL_FDS_MAX])
{
	uint32_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n > CTL_FDS_MAX - count)
			continue;
		memcpy(fds + count, CMSG_DATA(c), n * sizeof(int));
		count += (uint32_t)n;
	}
	return count;
}

/*
 * A child may be in a stranger's hands: its message is what it says in size,
 * direction and count, or it is none.  Children send no descriptors.
 */
static bool is_ours(const struct head *head, size_t size, int flags, enum ctl_direction direction, uint32_t fd_count)
{
	return size >= sizeof(*head) && !(flags & (MSG_TRUNC | MSG_CTRUNC)) && head->magic == MAGIC &&
	    head->id < CTL_COUNT && rows[head->id].direction == direction && head->text_len < CTL_TEXT_MAX &&
	    head->text_len == size - sizeof(*head) && head->fd_count == fd_count &&
	    (direction == CTL_TO || fd_count == 0);
}

static int gone_or(int err)
{
	if (err == EAGAIN)
		return 0;
	return err == ECONNRESET || err == ENOTCONN ? -EPIPE : -err;
}

int ctl_recv(int fd, enum ctl_direction direction, struct ctl_msg *msg)
{
	struct head head;
	char text[CTL_TEXT_MAX];
	int fds[CTL_FDS_MAX];
	union control control;
	struct iovec iov[] = { { &head, sizeof(head) }, { text, sizeof(text) } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf) };
	uint32_t fd_count;
	ssize_t n;

	do {
		n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return gone_or(errno);
	fd_count = take_fds(&mh, fds);
	if (n == 0 && fd_count == 0)
		return -EPIPE;
	if (!is_ours(&head, (size_t)n, mh.msg_flags, direction, fd_count)) {
		for (uint32_t i = 0; i < fd_count; i++)
			close(fds[i]);
		return -EPROTO;
	}
	msg->id = head.id;
	msg->ok = head.ok;
	msg->generation = head.generation;
	msg->arg = head.arg;
	msg->text_len = head.text_len;
	msg->fd_count = fd_count;
	memcpy(msg->fds, fds, fd_count * sizeof(int));
	memcpy(msg->text, text, head.text_len);
	msg->text[head.text_len] = '\0';
	return 1;
}
