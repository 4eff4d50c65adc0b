#include "master/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct outbox_entry {
	struct outbox_entry *next;
	struct ctl_msg msg;
};

static void entry_free(struct outbox_entry *e)
{
	for (uint32_t i = 0; i < e->msg.fd_count; i++)
		(void)close(e->msg.fds[i]); /* a duplicate */
	free(e);
}

/* The sender may close its fds before we get to send them. */
static int entry_new(const struct ctl_msg *msg, struct outbox_entry **out)
{
	struct outbox_entry *e = malloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->next = NULL;
	e->msg = *msg;
	for (e->msg.fd_count = 0; e->msg.fd_count < msg->fd_count; e->msg.fd_count++) {
		int fd = fcntl(msg->fds[e->msg.fd_count], F_DUPFD_CLOEXEC, 3);
		int rc = -errno;

		if (fd < 0) {
			entry_free(e);
			return rc;
		}
		e->msg.fds[e->msg.fd_count] = fd;
	}
	*out = e;
	return 0;
}

int outbox_send(struct outbox *o, int fd, const struct ctl_msg *msg)
{
	struct outbox_entry *e = NULL;
	int rc = o->first ? -EAGAIN : ctl_send(fd, msg);

	if (rc != -EAGAIN)
		return rc;
	if (o->count >= OUTBOX_MAX)
		return -ENOBUFS;
	rc = entry_new(msg, &e);
	if (rc != 0)
		return rc;
	if (o->last)
		o->last->next = e;
	else
		o->first = e;
	o->last = e;
	o->count++;
	return 0;
}

static void drop_first(struct outbox *o)
{
	struct outbox_entry *e = o->first;

	o->first = e->next;
	if (!o->first)
		o->last = NULL;
	o->count--;
	entry_free(e);
}

int outbox_flush(struct outbox *o, int fd)
{
	while (o->first) {
		int rc = ctl_send(fd, &o->first->msg);

		if (rc == -EAGAIN)
			return 0;
		if (rc != 0)
			return rc;
		drop_first(o);
	}
	return 0;
}

void outbox_clear(struct outbox *o)
{
	while (o->first)
		drop_first(o);
}
