#include "master/running.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE 10 /* s */
#define ANSWER_MAX 4096
static const char question[] = "{\"command\": \"image\"}\n";

static int connect_to(const char *path, char why[static 512])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) < sizeof(addr.sun_path))
		memcpy(addr.sun_path, path, strlen(path));
	else
		errno = ENAMETOOLONG;
	if (fd >= 0 && addr.sun_path[0] && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	(void)snprintf(why, 512, "%.300s: %s (is sipward running? -s names its socket)", path, strerror(errno)); /* cut */
	if (fd >= 0)
		(void)close(fd); /* the first error is the one that counts */
	return -1;
}

/* The one descriptor that may come; others would be a mistake, and are closed. */
static void take_fd(struct msghdr *mh, int *image_fd)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t count = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (*image_fd < 0)
				*image_fd = fd;
			else
				(void)close(fd); /* not asked for */
		}
	}
}

/* A line, and the descriptor with it; false: neither in time. */
static bool hear(int fd, char line[static ANSWER_MAX], int *image_fd)
{
	size_t len = 0;

	while (len < ANSWER_MAX - 1 && !memchr(line, '\n', len)) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec iov = { line + len, ANSWER_MAX - 1 - len };
		struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf) };
		ssize_t n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		take_fd(&mh, image_fd);
		len += (size_t)n;
	}
	line[len] = '\0';
	return true;
}

/* What the other side says of itself. */
static void explain(const char *line, char why[static 512])
{
	json_t *answer = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
	const char *error = json_string_value(json_object_get(answer, "error")),
		   *version = json_string_value(json_object_get(answer, "version"));

	if (error)
		(void)snprintf(why, 512, "the running sipward answers: %.300s", error); /* cut */
	else if (version && strcmp(version, SIPWARD_VERSION) != 0)
		(void)snprintf(why, 512, "the running sipward is version %.100s, this one is " SIPWARD_VERSION, version); /* cut */
	else
		(void)snprintf(why, 512, "what the running sipward has sent is no image"); /* fits */
	json_decref(answer);
}

struct image *running_image(const char *socket_path, char why[static 512])
{
	int fd = connect_to(socket_path, why), image_fd = -1;
	struct image *img = NULL;
	char line[ANSWER_MAX];

	if (fd < 0)
		return NULL;
	if (send(fd, question, strlen(question), MSG_NOSIGNAL) < 0 || !hear(fd, line, &image_fd)) {
		(void)snprintf(why, 512, "%.300s: no answer", socket_path); /* cut */
	} else {
		img = image_fd >= 0 ? image_attach(image_fd) : NULL;
		if (img && !image_verify(img)) { /* whoever sits there: it is looked into with our rights */
			image_free(img);
			img = NULL;
		}
		if (!img)
			explain(line, why);
	}
	if (image_fd >= 0)
		(void)close(image_fd); /* it is mapped */
	(void)close(fd); /* nothing more is asked */
	return img;
}
