#include "master/loader.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/confine.h"
#include "common/image.h"
#include "master/diff.h"
#include "master/proctitle.h"

#define CHUNK 16384
#define LOADER_NICE 10
#define TEXT_MAX (1 << 20) /* more than 100 complaints ever need */
#define DONE 'D'	   /* image and keys come with this one */
#define TEXT 'T'
#define SUMMARY 'S'

/* ---- the child: blocking, for the master reads as it comes ---- */

static bool send_text(int fd, char kind, const char *text, size_t len)
{
	char buf[CHUNK];

	for (size_t n; len > 0; text += n, len -= n) {
		n = MIN(len, sizeof(buf) - 1);
		buf[0] = kind;
		memcpy(buf + 1, text, n);
		if (send(fd, buf, n + 1, MSG_NOSIGNAL) < 0)
			return false;
	}
	return true;
}

static bool send_result(int fd, const struct load_result *r)
{
	int fds[2] = { r->image_fd, r->keys_fd };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(fds))];
	} control = { .buf = { 0 } };
	char kind = DONE;
	struct iovec iov = { &kind, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == 1;
}

/* Told in one message; without memory for it there is none. */
static bool send_summary(int fd, const struct image *before, int image_fd)
{
	struct image *now = image_attach(image_fd);
	struct diff *d = now ? diff_new(before, now) : NULL;
	char text[LOADER_SUMMARY_MAX] = "what has changed cannot be told, for want of memory";

	if (d)
		diff_summary(d, text, sizeof(text));
	diff_free(d);
	image_free(now);
	return send_text(fd, SUMMARY, text, strlen(text));
}

/* Nothing of the master's but stderr (for a sanitizer's last words) and the channel. */
static int settle(int fd, pid_t master)
{
	sigset_t none;

	if (dup2(fd, STDERR_FILENO + 1) < 0)
		return -1;
	if (close_range(STDERR_FILENO + 2, ~0U, 0) != 0)
		return -1;
	(void)sigemptyset(&none); /* cannot fail */
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != master)
		return -1;
	(void)signal(SIGHUP, SIG_IGN); /* meant for the master: cannot fail */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)setpriority(PRIO_PROCESS, 0, LOADER_NICE); /* else it takes its time from the workers */
	proctitle_set("sipward: loader");
	return STDERR_FILENO + 1;
}

NORETURN static void load_and_tell(int fd, const char *path, uint64_t generation, const struct load_secrets *secrets,
    const struct image *before)
{
	struct complaints *c = complaints_new();
	struct load_result result = { -1, -1 };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool good;

	if (!c || !out)
		_exit(1);
	if (confine(CONFINE_LOADER) != 0)
		_exit(1);
	good = load_configuration(path, generation, secrets, before, c, &result) == 0;
	complaints_print(c, out);
	if (fclose(out) != 0 || !send_text(fd, TEXT, text, len))
		_exit(1);
	if (good && before && !send_summary(fd, before, result.image_fd))
		_exit(1);
	if (good && !send_result(fd, &result))
		_exit(1);
	_exit(0); /* the kernel frees faster than we do */
}

/* ---- the master ---- */

int loader_start(struct loader *l, const char *path, uint64_t generation, const struct load_secrets *secrets,
    const struct image *before)
{
	pid_t master = getpid();
	int pair[2], rc;

	*l = (struct loader){ .fd = -1, .result = { -1, -1 } };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	l->pid = fork();
	if (l->pid == 0) {
		int fd = settle(pair[1], master);

		if (fd < 0)
			_exit(1);
		load_and_tell(fd, path, generation, secrets, before);
	}
	rc = l->pid < 0 ? -errno : 0;
	(void)close(pair[1]); /* the child's */
	if (rc == 0) {
		l->fd = pair[0];
		return 0;
	}
	(void)close(pair[0]); /* the first error is the one that counts */
	l->pid = 0;
	return rc;
}

static void add_text(struct loader *l, const char *text, size_t len)
{
	char *p;

	if (l->text_len + len > TEXT_MAX)
		return;
	p = realloc(l->text, l->text_len + len + 1);
	if (!p)
		return; /* fewer words; whether it is good does not depend on them */
	memcpy(p + l->text_len, text, len);
	l->text = p;
	l->text_len += len;
	p[l->text_len] = '\0';
}

static void take_result(struct loader *l, struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fds[2];

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fds)))
		return;
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	l->result = (struct load_result){ fds[0], fds[1] };
	l->ok = true;
}

/* The channel has ended: so has the child, or it is about to. */
static int finish(struct loader *l)
{
	char words[128];
	int status = 0;

	(void)close(l->fd); /* read to its end */
	l->fd = -1;
	while (waitpid(l->pid, &status, 0) < 0 && errno == EINTR)
		;
	l->pid = 0;
	if (!l->ok && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
		int n = WIFSIGNALED(status) ? snprintf(words, sizeof(words), "the loader was ended by signal %d (%s)\n",
						  WTERMSIG(status), strsignal(WTERMSIG(status)))
					    : snprintf(words, sizeof(words), "the loader failed: out of memory or descriptors\n");
		add_text(l, words, (size_t)n);
	}
	return 1;
}

int loader_read(struct loader *l)
{
	char buf[CHUNK];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control;

	for (;;) {
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			.msg_controllen = sizeof(control.buf) };
		ssize_t n = recvmsg(l->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (n <= 0)
			return finish(l);
		if (buf[0] == TEXT)
			add_text(l, buf + 1, (size_t)n - 1);
		else if (buf[0] == SUMMARY)
			(void)snprintf(l->summary, sizeof(l->summary), "%.*s", (int)n - 1, buf + 1); /* cut */
		else if (buf[0] == DONE)
			take_result(l, &msg);
	}
}

void loader_done(struct loader *l)
{
	if (l->pid > 0) {
		(void)kill(l->pid, SIGKILL); /* not reaped yet: the pid is ours */
		while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (l->fd >= 0)
		(void)close(l->fd); /* nothing can be done about a failure */
	if (l->result.image_fd >= 0)
		(void)close(l->result.image_fd); /* as above */
	if (l->result.keys_fd >= 0)
		(void)close(l->result.keys_fd); /* as above */
	free(l->text);
	*l = (struct loader){ .fd = -1, .result = { -1, -1 } };
}
