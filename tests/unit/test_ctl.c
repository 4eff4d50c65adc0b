/* ctl: what one side sends the other one gets, and nothing else is taken. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/ctl.h"
#include "support/leaks.h"

TestSuite(ctl, .fini = leaks_check);

static int fds[2];
static struct ctl_msg out, in;

static void open_pair(void)
{
	cr_assert_eq(ctl_pair(fds), 0);
	cr_assert(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
}

static int open_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

Test(ctl, a_message_arrives_as_it_was_sent)
{
	open_pair();
	out.id = CTL_RESULT;
	out.ok = 1;
	out.generation = UINT64_MAX - 1;
	out.arg = 0x123456789abcdefULL;
	out.text_len = CTL_TEXT_MAX - 1;
	memset(out.text, 't', out.text_len);
	cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), 0, "nothing there yet");
	cr_assert_eq(ctl_send(fds[0], &out), 0);
	memset(in.text, 'x', sizeof(in.text));
	cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), 1);
	cr_assert_eq(in.id, CTL_RESULT);
	cr_assert_eq(in.ok, 1);
	cr_assert_eq(in.generation, out.generation);
	cr_assert_eq(in.arg, out.arg);
	cr_assert_eq(in.fd_count, 0);
	cr_assert_eq(in.text_len, out.text_len);
	cr_assert_eq(strlen(in.text), out.text_len, "terminated");
	cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), 0);
}

Test(ctl, descriptors_are_duplicated_and_close_on_exec)
{
	open_pair();
	out.id = CTL_PREPARE;
	out.fd_count = CTL_FDS_MAX;
	for (int i = 0; i < CTL_FDS_MAX; i++) {
		int p[2];

		cr_assert_eq(pipe(p), 0);
		close(p[1]);
		out.fds[i] = p[0];
	}
	cr_assert_eq(ctl_send(fds[0], &out), 0);
	cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), 1);
	cr_assert_eq(in.fd_count, CTL_FDS_MAX);
	for (int i = 0; i < CTL_FDS_MAX; i++) {
		cr_assert_neq(in.fds[i], out.fds[i]);
		cr_assert(same_file(in.fds[i], out.fds[i]), "fd %d", i);
		cr_assert(fcntl(in.fds[i], F_GETFD) & FD_CLOEXEC, "fd %d", i);
	}
}

Test(ctl, refuses_to_send_what_it_would_not_take)
{
	open_pair();
	out.id = CTL_COUNT;
	cr_assert_eq(ctl_send(fds[0], &out), -EINVAL, "id");
	out.id = CTL_STOP;
	out.text_len = CTL_TEXT_MAX;
	cr_assert_eq(ctl_send(fds[0], &out), -EINVAL, "text");
	out.text_len = 0;
	out.fd_count = CTL_FDS_MAX + 1;
	cr_assert_eq(ctl_send(fds[0], &out), -EINVAL, "fds");
	cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), 0, "nothing was sent");
}

/* The wire form of a good message, to be spoilt byte by byte. */
static size_t wire(char *buf, size_t size, uint32_t id)
{
	ssize_t n;

	memset(&out, 0, sizeof(out));
	out.id = id;
	out.text_len = 3;
	memcpy(out.text, "abc", 3);
	cr_assert_eq(ctl_send(fds[0], &out), 0);
	n = recv(fds[1], buf, size, 0);
	cr_assert_gt(n, 0);
	return (size_t)n;
}

static int resend(const char *buf, size_t len)
{
	cr_assert_eq(send(fds[0], buf, len, 0), (ssize_t)len);
	in.id = 77;
	return ctl_recv(fds[1], CTL_TO, &in);
}

Test(ctl, refuses_what_is_no_message)
{
	char good[256], bad[CTL_TEXT_MAX + 1000] = { 0 };
	size_t len;

	open_pair();
	len = wire(good, sizeof(good), CTL_STOP);
	cr_assert_eq(resend(good, len), 1, "as it was");
	for (size_t n = 1; n < len; n++)
		cr_assert_eq(resend(good, n), -EPROTO, "cut to %zu", n);
	memcpy(bad, good, len);
	cr_assert_eq(resend(bad, len + 1), -EPROTO, "one byte too many");
	cr_assert_eq(resend(bad, sizeof(bad)), -EPROTO, "longer than any");
	/* Magic, id, text_len and fd_count: 32 bits each, at 0, 4, 12 and 16. */
	for (size_t at = 0; at < 20; at += at == 4 ? 8 : 4) {
		memcpy(bad, good, len);
		memset(bad + at, 0xff, 4);
		cr_assert_eq(resend(bad, len), -EPROTO, "word at %zu", at);
	}
	cr_assert_eq(in.id, 77, "untouched on failure");
	cr_assert_eq(resend(good, len), 1, "the next good one is taken");
}

Test(ctl, refuses_the_wrong_direction)
{
	open_pair();
	out.id = CTL_STOP;
	cr_assert_eq(ctl_send(fds[0], &out), 0);
	cr_assert_eq(ctl_recv(fds[1], CTL_FROM, &in), -EPROTO, "a child orders its master to stop");
	out.id = CTL_READY;
	cr_assert_eq(ctl_send(fds[0], &out), 0);
	cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), -EPROTO);
	cr_assert_eq(ctl_send(fds[0], &out), 0);
	cr_assert_eq(ctl_recv(fds[1], CTL_FROM, &in), 1);
}

Test(ctl, refused_descriptors_are_closed)
{
	char bytes[8] = { 0 };
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(252 * sizeof(int))];
	} c = { 0 };
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof(c.buf) };
	int before;

	open_pair();
	before = open_count();
	out.id = CTL_READY;
	out.fd_count = 2;
	out.fds[0] = out.fds[1] = STDERR_FILENO;
	cr_assert_eq(ctl_send(fds[0], &out), 0);
	cr_assert_eq(ctl_recv(fds[1], CTL_FROM, &in), -EPROTO, "children send no descriptors");
	cr_assert_eq(open_count(), before);

	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(252 * sizeof(int));
	for (int i = 0; i < 252; i++)
		memcpy(CMSG_DATA(&c.h) + (size_t)i * sizeof(int), &(int){ STDERR_FILENO }, sizeof(int));
	cr_assert_eq(sendmsg(fds[0], &mh, 0), (ssize_t)sizeof(bytes));
	cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), -EPROTO, "more descriptors than we have room for");
	cr_assert_eq(open_count(), before);
}

Test(ctl, full_and_closed_channels)
{
	int rc = 0, sent = 0;

	open_pair();
	out.id = CTL_RESULT;
	out.text_len = CTL_TEXT_MAX - 1;
	memset(out.text, 't', out.text_len);
	for (; sent < 10000 && rc == 0; sent++)
		rc = ctl_send(fds[0], &out);
	cr_assert_eq(rc, -EAGAIN, "the other side is behind");
	close(fds[0]);
	for (int i = 1; i < sent; i++)
		cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), 1, "what was sent before still comes");
	cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), -EPIPE);
	cr_assert_eq(ctl_send(fds[1], &out), -EPIPE);
}

Test(ctl, names)
{
	cr_assert_str_eq(ctl_name(CTL_PREPARE), "prepare");
	cr_assert_str_eq(ctl_name(CTL_RESULT), "result");
	cr_assert_str_eq(ctl_name(CTL_COUNT), "unknown");
}
