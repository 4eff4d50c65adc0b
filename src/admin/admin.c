#include "admin/admin.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "admin/control_socket.h"
#include "admin/explain.h"
#include "admin/http.h"
#include "common/confine.h"
#include "common/ctl.h"
#include "common/log.h"
#include "common/shm.h"

static struct ctl_msg message;

static void reply(const struct admin *a, uint32_t id, uint64_t generation, bool ok)
{
	message = (struct ctl_msg){ .id = id, .ok = ok, .generation = generation };
	if (ctl_send(a->h->control_fd, &message) != 0)
		exit(1); /* without the master there is nothing to report on */
}

static void cancel(struct admin *a)
{
	image_free(a->next_img);
	a->next_img = NULL;
	handover_drop(&a->next);
}

static void prepare(struct admin *a)
{
	uint64_t generation = message.generation;
	int more;

	if (message.arg == 0)
		cancel(a); /* a first part begins anew */
	more = handover_take(&a->next, &message, false);
	if (more == 0)
		return;
	if (more > 0)
		a->next_img = image_attach(a->next.image_fd);
	if (a->next_img) {
		reply(a, CTL_READY, generation, true);
		return;
	}
	cancel(a);
	reply(a, CTL_REFUSED, generation, false);
}

static void commit(struct admin *a)
{
	if (!a->next_img || a->next_img->h->generation != message.generation)
		return;
	image_free(a->img);
	a->img = a->next_img;
	close(a->image_fd);
	a->image_fd = a->next.image_fd;
	a->next.image_fd = -1;
	a->next_img = NULL;
	free(a->sockets);
	a->sockets = a->next.sockets;
	a->socket_count = a->next.count;
	a->next.sockets = NULL;
	a->next.count = 0;
	handover_drop(&a->next);
	log_setup(a->log_fd, NULL, a->img->h->log.format == LOG_JSON, (enum log_level)a->img->h->log.level);
	reply(a, CTL_COMMITTED, a->img->h->generation, true);
}

static void reopen_log(struct admin *a)
{
	if (message.fd_count != 1)
		return;
	if (a->log_fd != STDERR_FILENO)
		close(a->log_fd);
	a->log_fd = message.fds[0];
	log_setup(a->log_fd, NULL, a->img->h->log.format == LOG_JSON, (enum log_level)a->img->h->log.level);
}

/* What the master says to an operator; a long text comes in a memfd. */
static void result(struct admin *a)
{
	struct span text = span_of(message.text, message.text_len), mapped;
	int fd = message.fd_count == 1 ? message.fds[0] : -1;

	if (fd >= 0 && shm_map(fd, &mapped) == 0) {
		clients_result(a, message.arg, message.ok, mapped);
		shm_unmap(mapped);
	} else {
		clients_result(a, message.arg, message.ok, text);
	}
	if (fd >= 0)
		close(fd);
}

static void act(struct admin *a)
{
	switch (message.id) {
	case CTL_PREPARE:
		prepare(a);
		break;
	case CTL_COMMIT:
		commit(a);
		break;
	case CTL_CANCEL:
		cancel(a);
		break;
	case CTL_LOG_FD:
		reopen_log(a);
		break;
	case CTL_RESULT:
		result(a);
		break;
	case CTL_STOP:
		a->stopping = true;
		break;
	default:
		break;
	}
}

static void on_control(struct admin *a)
{
	int n;

	while ((n = ctl_recv(a->h->control_fd, CTL_TO, &message)) > 0)
		act(a);
	if (n < 0)
		a->stopping = true;
}

/* Copy what workers have logged; false: nothing (more) is there. */
static bool copy_log(struct admin *a)
{
	char buf[65536];
	ssize_t n = read(a->h->log_pipe_fd, buf, sizeof(buf));

	for (ssize_t off = 0, k; off < n; off += k) {
		k = write(a->log_fd, buf + off, (size_t)(n - off));
		if (k < 0)
			return true; /* a full disk costs the lines, never the calls */
	}
	return n > 0;
}

static void loop(struct admin *a)
{
	struct pollfd fds[CLIENTS_MAX + 4];

	while (!a->stopping) {
		size_t n = 3;

		fds[0] = (struct pollfd){ .fd = a->h->control_fd, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = a->h->log_pipe_fd, .events = POLLIN };
		fds[2] = (struct pollfd){ .fd = http_fd(a), .events = POLLIN };
		if (a->h->control_socket_fd >= 0)
			n += clients_poll(a, fds + 3);
		if (poll(fds, n, http_patience(a)) < 0 && errno != EINTR)
			exit(1);
		if (fds[1].revents & POLLIN)
			(void)copy_log(a); /* whether more is there, the next poll says */
		if (fds[0].revents)
			on_control(a);
		if (n > 3)
			clients_run(a, fds + 3, n - 3);
		http_run(a);
	}
	/* Bounded: the workers end at the same time, and what they said last is worth keeping. */
	for (int i = 0; i < 64 && poll(&fds[1], 1, 20) > 0 && (fds[1].revents & POLLIN); i++)
		if (!copy_log(a))
			break;
}

static int start(struct admin *a)
{
	size_t size = a->h->socket_count * sizeof(*a->sockets);
	size_t seed = 0;

	/* Left to itself jansson opens a file for its seed, and soon there is no file system. */
	if (getrandom(&seed, sizeof(seed), 0) < 0)
		return -1;
	json_object_seed(seed | 1);
	if (!explain_init())
		return -1;

	a->img = image_attach(a->h->image_fd);
	a->sockets = malloc(size ? size : 1);
	a->clients = clients_new();
	if (!a->img || !a->sockets || !a->clients)
		return -1;
	if (!http_start(a))
		return -1;
	memcpy(a->sockets, a->h->sockets, size);
	a->socket_count = a->h->socket_count;
	a->image_fd = a->h->image_fd;
	return 0;
}

NORETURN void admin_main(const struct heritage *h)
{
	struct admin a = { .h = h, .log_fd = h->log_fd };

	log_setup(h->log_fd, "admin", false, LOG_INFO);
	if (start(&a) != 0 || confine_drop(h->drop, h->uid, h->gid) != 0 || confine(CONFINE_ADMIN) != 0) {
		reply(&a, CTL_REFUSED, 0, false);
		exit(1);
	}
	log_setup(a.log_fd, NULL, a.img->h->log.format == LOG_JSON, (enum log_level)a.img->h->log.level);
	reply(&a, CTL_RUNNING, a.img->h->generation, true);
	loop(&a);
	exit(0);
}
