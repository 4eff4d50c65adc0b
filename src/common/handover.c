#include "common/handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_MAX (8192 / sizeof(struct heritage_socket)) /* of one message */

static void close_fds(struct ctl_msg *msg)
{
	for (uint32_t i = 0; i < msg->fd_count; i++)
		if (msg->fds[i] >= 0)
			(void)close(msg->fds[i]); /* nothing can be done about a failure */
	msg->fd_count = 0;
}

static bool grow(struct handover *h, size_t rows)
{
	struct heritage_socket *p;

	if (h->count + rows <= h->cap)
		return true;
	p = realloc(h->sockets, (h->count + rows) * sizeof(*p));
	if (!p)
		return false;
	h->sockets = p;
	h->cap = h->count + rows;
	return true;
}

/* Part 0: image and keys stand before the sockets. */
static bool take_first(struct handover *h, struct ctl_msg *part, bool worker)
{
	uint32_t lead = worker ? 2 : 1;

	if (part->fd_count < lead)
		return false;
	h->begun = true;
	h->generation = part->generation;
	h->image_fd = part->fds[0];
	h->keys_fd = worker ? part->fds[1] : -1;
	for (uint32_t i = 0; i < lead; i++)
		part->fds[i] = -1;
	return true;
}

static int take_row(struct handover *h, struct ctl_msg *part, const struct heritage_socket *row, bool worker)
{
	struct heritage_socket *to = &h->sockets[h->count];

	*to = *row;
	to->fd = -1;
	if (row->fd >= 0) {
		if (!worker || (uint32_t)row->fd >= part->fd_count || part->fds[row->fd] < 0)
			return -EPROTO;
		to->fd = part->fds[row->fd];
		part->fds[row->fd] = -1;
	}
	h->count++;
	return 0;
}

int handover_take(struct handover *h, struct ctl_msg *part, bool worker)
{
	size_t rows = part->text_len / sizeof(struct heritage_socket);
	struct heritage_socket row;
	int rc = 0;

	if (part->text_len % sizeof(row) != 0)
		rc = -EPROTO;
	else if (part->arg == 0)
		rc = h->begun || !take_first(h, part, worker) ? -EPROTO : 0;
	else if (!h->begun || part->arg != h->parts || part->generation != h->generation)
		rc = -EPROTO;
	if (rc == 0 && !grow(h, rows))
		rc = -ENOMEM;
	for (size_t i = 0; rc == 0 && i < rows; i++) {
		memcpy(&row, part->text + i * sizeof(row), sizeof(row));
		rc = take_row(h, part, &row, worker);
	}
	close_fds(part);
	if (rc < 0)
		return rc;
	h->parts++;
	return part->ok ? 1 : 0;
}

void handover_drop(struct handover *h)
{
	if (h->begun && h->image_fd >= 0)
		(void)close(h->image_fd); /* nothing can be done about a failure */
	if (h->begun && h->keys_fd >= 0)
		(void)close(h->keys_fd); /* as above */
	for (size_t i = 0; i < h->count; i++)
		if (h->sockets[i].fd >= 0)
			(void)close(h->sockets[i].fd); /* as above */
	free(h->sockets);
	*h = (struct handover){ .begun = false };
}

void handover_part(struct ctl_msg *part, uint64_t generation, int image_fd, int keys_fd,
    const struct heritage_socket *table, const bool *fresh, size_t count, size_t *next)
{
	size_t rows = 0;
	struct heritage_socket row;

	part->id = CTL_PREPARE;
	part->generation = generation;
	part->fd_count = 0;
	if (*next == 0) {
		part->arg = 0;
		part->fds[part->fd_count++] = image_fd;
		if (keys_fd >= 0)
			part->fds[part->fd_count++] = keys_fd;
	} else {
		part->arg++;
	}
	for (; *next < count && rows < ROWS_MAX; (*next)++, rows++) {
		row = table[*next];
		row.fd = -1;
		if (fresh && fresh[*next]) {
			if (part->fd_count == CTL_FDS_MAX)
				break;
			row.fd = (int)part->fd_count;
			part->fds[part->fd_count++] = table[*next].fd;
		}
		memcpy(part->text + rows * sizeof(row), &row, sizeof(row));
	}
	part->text_len = (uint32_t)(rows * sizeof(row));
	part->ok = *next == count;
}
