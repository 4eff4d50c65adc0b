/*
 * confine: what a confined process still can do, what fails, and what ends it.
 * Each row runs in a process of its own, confined for good.
 */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/confine.h"
#include "common/ctl.h"
#include "common/log.h"
#include "support/leaks.h"
#include "worker/ring.h"

/* Prepared before the process is confined, as at its start. */
static struct {
	int ctl[2];
	int unix_listener, tcp_listener, tcp_client;
	int memfd;
	struct sockaddr_in tcp_at;
	struct ring *ring;
} ready;

/* The actions: true when all went well, else errno says why not. */

static bool act_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool act_create(void)
{
	return creat("/dev/null", 0600) >= 0;
}

static bool act_exec(void)
{
	char *argv[] = { (char[]){ "true" }, NULL };

	return execv("/bin/true", argv) == 0;
}

static bool act_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool act_read_other_memory(void)
{
	char byte;
	struct iovec iov = { &byte, 1 };

	return process_vm_readv(getppid(), &iov, 1, &iov, 1, 0) == 1;
}

static bool act_second_ring(void)
{
	struct io_uring_params params = { 0 };

	return syscall(__NR_io_uring_setup, 4, &params) >= 0;
}

static bool act_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool act_kill_parent(void)
{
	return kill(getppid(), 0) == 0;
}

static bool act_signal_thread_of_parent(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0) == 0;
}

static bool act_abort(void)
{
	abort();
}

static bool act_map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool act_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool act_unlink(void)
{
	return unlink("/nonexistent") == 0 || errno == ENOENT;
}

static bool act_stat_path(void)
{
	struct stat st;

	return stat("/etc/passwd", &st) == 0;
}

static bool act_setuid(void)
{
	return syscall(SYS_setuid, getuid()) == 0;
}

static bool act_set_owner(void)
{
	return fcntl(ready.ctl[0], F_SETOWN, getppid()) == 0;
}

static bool act_raise_limit(void)
{
	struct rlimit limit = { 1, 1 };

	return setrlimit(RLIMIT_CORE, &limit) == 0;
}

static bool act_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool act_netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool act_inet_sockets(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	return fd >= 0 && setsockopt(fd, IPPROTO_TCP, 1, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 &&
	    connect(fd, (struct sockaddr *)&ready.tcp_at, sizeof(ready.tcp_at)) == 0 && shutdown(fd, SHUT_WR) == 0 &&
	    close(fd) == 0 && socket(AF_INET6, SOCK_DGRAM, 0) >= 0;
}

/* Bound by the kernel alone. */
static bool act_client_sockets(void)
{
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);

	return tcp >= 0 && udp >= 0 && fcntl(udp, F_SETFL, O_NONBLOCK) == 0 && fcntl(udp, F_SETFD, FD_CLOEXEC) == 0 &&
	    connect(tcp, (struct sockaddr *)&ready.tcp_at, sizeof(ready.tcp_at)) == 0 &&
	    connect(udp, (struct sockaddr *)&ready.tcp_at, sizeof(ready.tcp_at)) == 0 && close(tcp) == 0 && close(udp) == 0;
}

static bool act_accept(void)
{
	struct pollfd p = { ready.tcp_listener, POLLIN, 0 };

	return poll(&p, 1, 5000) == 1 && accept4(ready.tcp_listener, NULL, NULL, SOCK_CLOEXEC) >= 0;
}

static bool act_accept_unix(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN };
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd;

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, ready.unix_listener, &ev) != 0 || epoll_wait(ep, &ev, 1, 5000) != 1)
		return false;
	fd = accept(ready.unix_listener, NULL, NULL);
	return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && send(fd, "x", 1, 0) == 1;
}

static bool act_memory(void)
{
	char *p = malloc(64 << 20), *q;

	if (!p)
		return false;
	memset(p, 1, 64 << 20);
	q = realloc(p, 128 << 20);
	free(q ? q : p);
	return q != NULL;
}

static bool act_ring(void)
{
	struct ring_wait wait = { .timeout_ns = 5 * NSEC_PER_SEC, .batch = 1 };
	struct ring_event ev = { 0 };

	ring_accept(ready.ring, 1, 1, ready.tcp_listener);
	errno = -ring_turn(ready.ring, &wait);
	return errno == 0 && ring_next(ready.ring, &ev) && ev.res >= 0;
}

static bool act_crypto(void)
{
	unsigned char random[64];
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	bool ok = ssl && RAND_bytes(random, sizeof(random)) == 1;

	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return ok;
}

/* What a reload brings: a descriptor through the control channel, looked at and mapped. */
static bool act_take_image(void)
{
	static struct ctl_msg msg;
	struct stat st;
	void *p;

	if (ctl_recv(ready.ctl[1], CTL_TO, &msg) != 1 || msg.fd_count != 1 || fstat(msg.fds[0], &st) != 0 ||
	    fcntl(msg.fds[0], F_GET_SEALS) != F_SEAL_GROW)
		return false;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, msg.fds[0], 0);
	return p != MAP_FAILED && munmap(p, (size_t)st.st_size) == 0 && close(msg.fds[0]) == 0;
}

static bool act_everyday(void)
{
	struct rusage usage;
	struct sigaction act = { .sa_handler = SIG_IGN };
	struct log_line l;

	log_setup(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "test", false, LOG_DEBUG);
	log_begin(&l, EVENT_NOTE);
	log_end(&l);
	return clock_mono_ns() > 0 && clock_wall_s() > 0 && getrusage(RUSAGE_SELF, &usage) == 0 &&
	    sigaction(SIGUSR2, &act, NULL) == 0 && getpid() > 0 && sched_yield() == 0 && usleep(1) == 0 &&
	    prctl(PR_SET_NAME, "sipward: test") == 0 && fcntl(ready.ctl[0], F_GETFL) >= 0;
}

#define DONE 0
#define FAILED 1	/* with EPERM */
#define KILLED SIGSYS

struct row {
	const char *why;
	bool (*act)(void);
	int worker, admin, resolver, loader; /* DONE, FAILED, or the signal that ends the process */
};

static const struct row rows[] = {
	{ "open a file", act_open, KILLED, KILLED, KILLED, DONE },
	{ "create a file", act_create, KILLED, KILLED, KILLED, DONE },
	{ "run a program", act_exec, KILLED, KILLED, KILLED, KILLED },
	{ "trace", act_ptrace, KILLED, KILLED, KILLED, KILLED },
	{ "read another process", act_read_other_memory, KILLED, KILLED, KILLED, KILLED },
	{ "make a second ring, without restrictions", act_second_ring, KILLED, KILLED, KILLED, DONE },
	{ "fork", act_fork, FAILED, FAILED, FAILED, DONE },
	{ "signal the parent", act_kill_parent, FAILED, FAILED, FAILED, DONE },
	{ "signal a thread of the parent", act_signal_thread_of_parent, FAILED, FAILED, FAILED, DONE },
	{ "abort", act_abort, SIGABRT, SIGABRT, SIGABRT, SIGABRT },
	{ "map code", act_map_code, FAILED, FAILED, FAILED, DONE },
	{ "turn data into code", act_make_code, FAILED, FAILED, FAILED, DONE },
	{ "unlink", act_unlink, FAILED, FAILED, FAILED, DONE },
	{ "look at a path", act_stat_path, FAILED, FAILED, FAILED, DONE },
	{ "setuid", act_setuid, FAILED, FAILED, FAILED, DONE },
	{ "have the kernel signal others", act_set_owner, FAILED, FAILED, FAILED, DONE },
	{ "raise a limit", act_raise_limit, FAILED, FAILED, FAILED, DONE },
	{ "Unix socket", act_unix_socket, FAILED, FAILED, FAILED, DONE },
	{ "netlink socket", act_netlink_socket, FAILED, FAILED, FAILED, DONE },
	{ "sockets", act_inet_sockets, DONE, FAILED, FAILED, DONE },
	{ "sockets that connect", act_client_sockets, DONE, FAILED, DONE, DONE },
	{ "accept", act_accept, DONE, DONE, DONE, DONE },
	{ "accept on a Unix socket", act_accept_unix, FAILED, DONE, FAILED, DONE },
	{ "memory", act_memory, DONE, DONE, DONE, DONE },
	{ "the ring made before", act_ring, DONE, FAILED, FAILED, DONE },
	{ "TLS context and random numbers", act_crypto, DONE, DONE, DONE, DONE },
	{ "take a new image", act_take_image, DONE, DONE, DONE, DONE },
	{ "clock, log, signals, usage", act_everyday, DONE, DONE, DONE, DONE },
};

static void prepare_sockets(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(ready.tcp_at);
	int client;

	ready.tcp_at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ready.tcp_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(ready.tcp_listener, (struct sockaddr *)&ready.tcp_at, len), 0);
	cr_assert_eq(listen(ready.tcp_listener, 8), 0);
	cr_assert_eq(getsockname(ready.tcp_listener, (struct sockaddr *)&ready.tcp_at, &len), 0);
	ready.tcp_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(ready.tcp_client, (struct sockaddr *)&ready.tcp_at, len), 0);

	/* Autobind: an abstract name of the kernel's choice. */
	ready.unix_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(ready.unix_listener, (struct sockaddr *)&un, sizeof(un.sun_family)), 0);
	cr_assert_eq(listen(ready.unix_listener, 8), 0);
	len = sizeof(un);
	cr_assert_eq(getsockname(ready.unix_listener, (struct sockaddr *)&un, &len), 0);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(client, (struct sockaddr *)&un, len), 0);
}

static void prepare(void)
{
	static const struct ring_config config = { .entries = 8, .buffers = 4, .buffer_size = 512 };
	static struct ctl_msg msg = { .id = CTL_PREPARE, .fd_count = 1 };
	const char *why;

	prepare_sockets();
	cr_assert_eq(ctl_pair(ready.ctl), 0);
	ready.memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_eq(ftruncate(ready.memfd, 8192), 0);
	cr_assert_eq(fcntl(ready.memfd, F_ADD_SEALS, F_SEAL_GROW), 0);
	msg.fds[0] = ready.memfd;
	cr_assert_eq(ctl_send(ready.ctl[0], &msg), 0);
	cr_assert_eq(OPENSSL_init_ssl(0, NULL), 1);
	ready.ring = ring_new(&config, &why);
}

#define EXIT_OTHER 2
#define EXIT_UNCONFINED 3
#define EXIT_SKIPPED 4

static int run(const struct row *row, enum confine_profile profile)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		prepare();
		if (row->act == act_ring && !ready.ring)
			_exit(EXIT_SKIPPED);
		if (confine(profile) != 0)
			_exit(EXIT_UNCONFINED);
		_exit(row->act() ? DONE : errno == EPERM ? FAILED : EXIT_OTHER);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void check(const char *name, enum confine_profile profile, size_t column)
{
#ifdef LEAKS_CHECKED
	cr_skip_test("no filter in a sanitizer build");
#endif
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		int want = column == 0 ? r->worker : column == 1 ? r->admin : column == 2 ? r->resolver : r->loader;
		int status = run(r, profile);

		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
			cr_log_warn("no io_uring here: '%s' is skipped", r->why);
		else if (want > FAILED)
			cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == want, "%s: %s: status %x", name, r->why,
			    status);
		else
			cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == want, "%s: %s: status %x", name,
			    r->why, status);
	}
}

Test(confine, worker)
{
	check("worker", CONFINE_WORKER, 0);
}

Test(confine, admin)
{
	check("admin", CONFINE_ADMIN, 1);
}

Test(confine, resolver)
{
	check("resolver", CONFINE_RESOLVER, 2);
}

Test(confine, loader)
{
	check("loader", CONFINE_LOADER, 3);
}

Test(confine, privileges_can_not_come_back)
{
	cr_assert_eq(confine_drop(false, 0, 0), 0);
	cr_assert_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
#ifndef LEAKS_CHECKED
	cr_assert_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
#endif
}

Test(confine, root_becomes_nobody)
{
	uid_t r, e, s;
	gid_t groups[64];

	if (getuid() != 0)
		cr_skip_test("only root can become somebody else");
	cr_assert_eq(confine_drop(true, 65534, 65533), 0);
	cr_assert_eq(getresuid(&r, &e, &s), 0);
	cr_assert(r == 65534 && e == 65534 && s == 65534);
	cr_assert(getgid() == 65533 && getegid() == 65533);
	cr_assert_eq(getgroups(64, groups), 0, "no supplementary group is left");
	cr_assert_eq(setuid(0), -1);
	cr_assert_eq(confine_drop(true, 65532, 65532), -EPERM, "nobody can't become somebody else");
}
