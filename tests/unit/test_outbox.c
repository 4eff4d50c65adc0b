/* outbox: what a child can't take now it gets later, in order, and not without end. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/outbox.h"
#include "support/leaks.h"

TestSuite(outbox, .fini = leaks_check);

static int fds[2];
static struct ctl_msg out, in;
static struct outbox box;

/* Number i, with a large text, so that few fill the channel. */
static int send_number(uint64_t i)
{
	out.id = CTL_ADOPT;
	out.arg = i;
	out.text_len = CTL_TEXT_MAX - 1;
	return outbox_send(&box, fds[0], &out);
}

static size_t fd_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

Test(outbox, keeps_the_order)
{
	uint64_t sent = 0, got = 0;

	cr_assert_eq(ctl_pair(fds), 0);
	while (box.count < 20)
		cr_assert_eq(send_number(sent++), 0);
	cr_assert_gt(sent, 20, "some went at once");
	while (got < sent) {
		while (ctl_recv(fds[1], CTL_TO, &in) == 1)
			cr_assert_eq(in.arg, got++);
		cr_assert_eq(outbox_flush(&box, fds[0]), 0);
	}
	cr_assert_eq(box.count, 0);
	cr_assert_null(box.first);
}

Test(outbox, what_waits_goes_first)
{
	uint64_t sent = 0;

	cr_assert_eq(ctl_pair(fds), 0);
	while (box.count == 0)
		cr_assert_eq(send_number(sent++), 0);
	while (ctl_recv(fds[1], CTL_TO, &in) == 1)
		;
	cr_assert_eq(send_number(sent++), 0, "there is room again, but the other one was first");
	cr_assert_eq(box.count, 2);
	cr_assert_eq(outbox_flush(&box, fds[0]), 0);
	cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), 1);
	cr_assert_eq(in.arg, sent - 2);
	outbox_clear(&box);
}

Test(outbox, has_an_end)
{
	uint64_t sent = 0;
	int rc = 0;

	cr_assert_eq(ctl_pair(fds), 0);
	while (rc == 0 && sent < 100000)
		rc = send_number(sent++);
	cr_assert_eq(rc, -ENOBUFS);
	cr_assert_eq(box.count, OUTBOX_MAX);
	outbox_clear(&box);
}

Test(outbox, keeps_descriptors_that_the_sender_closes)
{
	size_t before;
	struct stat st;
	int fd;

	cr_assert_eq(ctl_pair(fds), 0);
	before = fd_count();
	while (box.count == 0)
		cr_assert_eq(send_number(0), 0);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	out.fds[0] = fd;
	out.fd_count = 1;
	cr_assert_eq(send_number(77), 0);
	close(fd);
	do {
		cr_assert_eq(outbox_flush(&box, fds[0]), 0);
		cr_assert_eq(ctl_recv(fds[1], CTL_TO, &in), 1);
	} while (in.arg != 77);
	cr_assert_eq(in.fd_count, 1);
	cr_assert_eq(fstat(in.fds[0], &st), 0);
	close(in.fds[0]);
	cr_assert_eq(fd_count(), before);
}

Test(outbox, clearing_closes)
{
	size_t before;

	cr_assert_eq(ctl_pair(fds), 0);
	before = fd_count();
	out.fds[0] = fds[0];
	out.fd_count = 1;
	while (box.count < 5)
		cr_assert_eq(send_number(0), 0);
	cr_assert_gt(fd_count(), before);
	outbox_clear(&box);
	cr_assert_eq(fd_count(), before);
}

Test(outbox, tells_when_the_child_is_gone)
{
	cr_assert_eq(ctl_pair(fds), 0);
	close(fds[1]);
	cr_assert_lt(send_number(1), 0);
	cr_assert_eq(box.count, 0);
}
