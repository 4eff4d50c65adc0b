#include "common/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A sanitizer's run-time opens files, starts a tracer and maps what it likes: with it there is no filter. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* A system call, and what one of its arguments must be. */
struct rule {
	int call;
	bool narrowed;
	struct scmp_arg_cmp arg;
};

#define ANY(name) { SCMP_SYS(name), false, { 0, SCMP_CMP_EQ, 0, 0 } }
/* The kernel looks at the low half of an int only, and so do we. */
#define ONLY(name, index, value) { SCMP_SYS(name), true, { (index), SCMP_CMP_MASKED_EQ, 0xffffffffU, (value) } }
#define NOT_BITS(name, index, bits) { SCMP_SYS(name), true, { (index), SCMP_CMP_MASKED_EQ, (bits), 0 } }

/*
 * The profiles.  What is in no table of a profile fails with EPERM; what is in
 * `deadly` ends the process, for nothing of ours ever tries it.
 */

/* Memory, time, signals to oneself, descriptors that are open: any process. */
static const struct rule everyone[] = {
	ANY(brk), ANY(munmap), ANY(mremap), ANY(madvise), ANY(mlock), ANY(mlock2), ANY(munlock), ANY(futex),
	NOT_BITS(mmap, 2, PROT_EXEC), NOT_BITS(mprotect, 2, PROT_EXEC), ANY(getrandom), ANY(sysinfo), ANY(uname),
	ANY(clock_gettime), ANY(clock_getres), ANY(gettimeofday), ANY(time), ANY(times), ANY(nanosleep),
	ANY(clock_nanosleep), ANY(getrusage), ANY(sched_yield), ANY(sched_getaffinity), ANY(getcpu), ANY(membarrier),
	ANY(rseq), ANY(set_robust_list), ANY(getpid), ANY(getppid), ANY(gettid), ANY(getuid), ANY(geteuid),
	ANY(getgid), ANY(getegid), ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigpending), ANY(rt_sigreturn),
	ANY(rt_sigtimedwait), ANY(sigaltstack), ANY(restart_syscall), ANY(exit), ANY(exit_group),
	ANY(read), ANY(readv), ANY(pread64), ANY(write), ANY(writev), ANY(lseek), ANY(close), ANY(close_range),
	ANY(dup), ANY(dup2), ANY(dup3), ANY(fstat), ANY(poll), ANY(ppoll), ANY(eventfd2), ANY(shutdown),
	ANY(recvmsg), ANY(sendmsg), ANY(recvfrom), ANY(sendto), ANY(getsockopt), ANY(setsockopt), ANY(getsockname),
	ANY(getpeername), ANY(accept4),
	/* glibc's fstat.  A path may stand there as well: its owner and size can be seen, its content not. */
	ONLY(newfstatat, 3, AT_EMPTY_PATH),
	ONLY(fcntl, 1, F_GETFD), ONLY(fcntl, 1, F_SETFD), ONLY(fcntl, 1, F_GETFL), ONLY(fcntl, 1, F_SETFL),
	ONLY(fcntl, 1, F_DUPFD_CLOEXEC), ONLY(fcntl, 1, F_GET_SEALS),
	ONLY(prctl, 0, PR_SET_NAME),
	/* Limits may be read, not set. */
	ONLY(prlimit64, 2, 0), ANY(getrlimit),
};

/* Its ring is made before; what goes through it is limited by the ring itself. */
static const struct rule worker_only[] = {
	ANY(io_uring_enter), ONLY(socket, 0, AF_INET), ONLY(socket, 0, AF_INET6), ANY(bind), ANY(connect),
};

static const struct rule admin_only[] = {
	ANY(accept), ANY(epoll_create1), ANY(epoll_ctl), ANY(epoll_wait), ANY(epoll_pwait), ANY(select), ANY(pselect6),
	ANY(timerfd_create), ANY(timerfd_settime), ANY(signalfd4), ANY(fsync), ANY(fdatasync),
};

/* c-ares asks over UDP and TCP; it accepts nothing and binds to no port of its choice. */
static const struct rule resolver_only[] = {
	ONLY(socket, 0, AF_INET), ONLY(socket, 0, AF_INET6), ANY(connect),
};

/* No process has a use for these after its start. */
static const struct rule deadly[] = {
	ANY(execve), ANY(execveat), ANY(ptrace), ANY(process_vm_readv), ANY(process_vm_writev), ANY(pidfd_getfd),
	ANY(mount), ANY(umount2), ANY(pivot_root), ANY(chroot), ANY(unshare), ANY(setns), ANY(init_module),
	ANY(finit_module), ANY(delete_module), ANY(kexec_load), ANY(kexec_file_load), ANY(bpf), ANY(perf_event_open),
	ANY(userfaultfd), ANY(keyctl), ANY(add_key), ANY(request_key), ANY(open_by_handle_at),
};

/* What only the loader may do, who reads files. */
static const struct rule deadly_without_files[] = {
	ANY(open), ANY(openat), ANY(openat2), ANY(creat), ANY(io_uring_setup), ANY(io_uring_register),
};

struct table {
	const struct rule *rules;
	size_t count;
};

#define TABLE(t) { (t), ARRAY_LEN(t) }

static const struct {
	uint32_t otherwise; /* for calls in no table */
	bool files;
	struct table allowed[2], killed[2];
} profiles[] = {
	[CONFINE_LOADER] = { SCMP_ACT_ALLOW, true, { { 0 } }, { TABLE(deadly) } },
	[CONFINE_WORKER] = { SCMP_ACT_ERRNO(EPERM), false, { TABLE(everyone), TABLE(worker_only) },
			     { TABLE(deadly), TABLE(deadly_without_files) } },
	[CONFINE_RESOLVER] = { SCMP_ACT_ERRNO(EPERM), false, { TABLE(everyone), TABLE(resolver_only) },
			       { TABLE(deadly), TABLE(deadly_without_files) } },
	[CONFINE_ADMIN] = { SCMP_ACT_ERRNO(EPERM), false, { TABLE(everyone), TABLE(admin_only) },
			    { TABLE(deadly), TABLE(deadly_without_files) } },
};

/*
 * Uid and gid
 */

static int become(uid_t uid, gid_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
		return -errno;
	if (getresuid(&r, &e, &s) != 0 || getresgid(&rg, &eg, &sg) != 0)
		return -errno;
	if (r != uid || e != uid || s != uid || rg != gid || eg != gid || sg != gid)
		return -EPERM;
	/* There must be no way back. */
	return uid != 0 && setresuid(0, 0, 0) == 0 ? -EPERM : 0;
}

int confine_drop(bool drop, uid_t uid, gid_t gid)
{
	int rc = drop ? become(uid, gid) : 0;

	if (rc < 0)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	/* Keys are in our memory: no core file, no tracer of the same uid.  LeakSanitizer is such a tracer. */
	if (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	return 0;
}

/*
 * Landlock: a second lock on the file system, behind the filter.  By raw
 * system calls, for the C library has none; the newer bits are not in
 * Debian's headers.
 */

struct landlock_ruleset {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

#define LANDLOCK_VERSION 1U
#define LANDLOCK_SCOPE_ALL 3U /* abstract sockets and signals, from version 6 on */

/* Everything that the kernel's version can deny on files. */
static uint64_t landlock_fs(long version)
{
	static const uint8_t bits[] = { 13, 14, 15, 15, 16 };

	return (1ULL << bits[MIN((size_t)version, ARRAY_LEN(bits)) - 1]) - 1;
}

/* Best effort: kernels without it are guarded by the filter alone. */
static void landlock_deny_all(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
	struct landlock_ruleset ruleset = { 0 };
	long fd;

	if (version < 1)
		return;
	ruleset.handled_access_fs = landlock_fs(version);
	ruleset.scoped = version >= 6 ? LANDLOCK_SCOPE_ALL : 0;
	fd = syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0)
		return;
	(void)syscall(SYS_landlock_restrict_self, fd, 0);
	close((int)fd);
}

/*
 * The filter
 */

static int add_table(scmp_filter_ctx filter, uint32_t action, const struct table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct rule *r = &t->rules[i];
		int rc = seccomp_rule_add_array(filter, action, r->call, r->narrowed, r->narrowed ? &r->arg : NULL);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int fill(scmp_filter_ctx filter, enum confine_profile profile)
{
	struct scmp_arg_cmp own = { 0, SCMP_CMP_MASKED_EQ, 0xffffffffU, (scmp_datum_t)getpid() };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(profiles[profile].allowed) && rc == 0; i++)
		rc = add_table(filter, SCMP_ACT_ALLOW, &profiles[profile].allowed[i]);
	for (size_t i = 0; i < ARRAY_LEN(profiles[profile].killed) && rc == 0; i++)
		rc = add_table(filter, SCMP_ACT_KILL_PROCESS, &profiles[profile].killed[i]);
	/* abort(3) signals itself, and nobody else. */
	if (rc == 0 && profiles[profile].otherwise != SCMP_ACT_ALLOW)
		rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own);
	return rc;
}

static int filter_load(enum confine_profile profile)
{
	scmp_filter_ctx filter = seccomp_init(profiles[profile].otherwise);
	int rc;

	if (!filter)
		return -ENOMEM;
	rc = fill(filter, profile);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

int confine(enum confine_profile profile)
{
	tzset(); /* gmtime, which the TLS library calls, reads the time zone's file once: now */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	if (SANITIZED)
		return 0;
	if (!profiles[profile].files)
		landlock_deny_all();
	return filter_load(profile);
}
