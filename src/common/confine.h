/*
 * confine - the last start-up line of each process: give up what it does not need.
 *
 * Process: any child.  May include: common/base.h.  Owns nothing.
 *
 * Profiles stand side by side in confine.c: uid/gid, no_new_privs, dumpable
 * off, seccomp filter (libseccomp), landlock deny-all where the kernel has it.
 * Under a sanitizer only uid/gid and no_new_privs.
 *
 * A worker makes its ring before.  Afterwards nothing may open a file, and what
 * does so within a library (localtime, getaddrinfo, getpwuid) ends the process.
 */
#ifndef COMMON_CONFINE_H
#define COMMON_CONFINE_H

#include <sys/types.h>

#include "common/base.h"

enum confine_profile {
	CONFINE_LOADER, /* reads files, no network */
	CONFINE_WORKER, /* no file system, no exec, sockets and io_uring only */
	CONFINE_ADMIN,	/* no file system, no exec, Unix socket only */
	CONFINE_RESOLVER, /* no file system, no exec, sockets to name servers only */
};

/* Become uid/gid (when `drop`); before anything that hostile bytes can reach.  0 or -errno. */
MUST_USE int confine_drop(bool drop, uid_t uid, gid_t gid);

/* The profile; 0 or -errno. */
MUST_USE int confine(enum confine_profile profile);

#endif
