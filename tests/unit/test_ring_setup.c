/* ring, its set-up: what it refuses to do later, and what it says when it can't be made. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/leaks.h"
#include "worker/ring.h"

TestSuite(ring_setup, .fini = leaks_check);

static const struct ring_config SMALL = { .entries = 8, .buffers = 4, .buffer_size = 512 };

/* The ring's own descriptor, which the module keeps to itself. */
static int ring_fd(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	char path[300], target[64];
	int fd = -1;

	cr_assert_not_null(dir);
	while ((e = readdir(dir)) != NULL) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[MAX(n, 0)] = '\0';
		if (strcmp(target, "anon_inode:[io_uring]") == 0)
			fd = (int)strtol(e->d_name, NULL, 10);
	}
	closedir(dir);
	return fd;
}

Test(ring_setup, refuses_what_a_worker_has_no_use_for)
{
	const char *why;
	struct ring *r = ring_new(&SMALL, &why);
	int fd, event = eventfd(0, EFD_CLOEXEC);

	if (!r)
		cr_skip_test("no ring here: %s", why);
	fd = ring_fd();
	cr_assert_geq(fd, 0);
	cr_assert_eq(syscall(__NR_io_uring_register, fd, IORING_REGISTER_EVENTFD, &event, 1), -1);
	cr_assert_eq(errno, EACCES, "register calls are restricted");
	ring_free(r);
}

Test(ring_setup, says_why_it_can_not_be_made)
{
	struct rlimit limit = { 0 }, before;
	const char *why;
	scmp_filter_ctx filter;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit.rlim_max = before.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_null(ring_new(&SMALL, &why));
	cr_assert_eq(errno, EMFILE);
	cr_assert_not_null(strstr(why, "RLIMIT_NOFILE"), "%s", why);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);

	filter = seccomp_init(SCMP_ACT_ALLOW);
	cr_assert_not_null(filter);
	cr_assert_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_uring_setup), 0), 0);
	cr_assert_eq(seccomp_load(filter), 0);
	seccomp_release(filter);
	cr_assert_null(ring_new(&SMALL, &why));
	cr_assert_eq(errno, EPERM);
	cr_assert_not_null(strstr(why, "io_uring_disabled"), "%s", why);
	ring_free(NULL);
}

/* Of a user of its own, with little to lock: where the kernel charges a ring for that, a smaller one is made. */
Test(ring_setup, does_with_less)
{
	static const struct ring_config large = { .entries = 4096, .buffers = 4, .buffer_size = 512 };
	struct rlimit limit = { .rlim_cur = 128 * 1024, .rlim_max = 128 * 1024 };
	const char *why;
	struct ring *r;

	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (getuid() == 0)
		cr_assert_eq(setuid(54321), 0);
	r = ring_new(&large, &why);
	if (!r && errno != ENOMEM)
		cr_skip_test("no ring here: %s", why);
	cr_assert_not_null(r, "%s", why);
	ring_free(r);
}
