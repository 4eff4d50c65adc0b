/*
 * surroundings - what the master needs from the system besides its listening
 * sockets: open files, locked memory, the pid file, the control socket, the user for its children.
 *
 * Process: master.  May include: common/base.h.  Owns nothing; fds belong to the caller.
 */
#ifndef MASTER_SURROUNDINGS_H
#define MASTER_SURROUNDINGS_H

#include <sys/types.h>

#include "common/base.h"

/* 0, 1 and 2 are open afterwards, so that no socket ever gets such a number. 0 or -errno. */
MUST_USE int surroundings_std_fds(void);

/* Raise the soft limit of open files to the hard one; returns what holds now. */
size_t surroundings_open_files(void);

/* The same for locked memory, or none at all if we may: the kernel charges the rings of all workers to one limit. */
void surroundings_locked_memory(void);

/*
 * Take and write the pid file; it stays locked while the fd is open.  -1 with the
 * reason when it can't be written, or another living process holds it.
 */
MUST_USE int pid_file_take(const char *path, char why[static 512]);

/* At the end: remove the file, if it is still ours. */
void pid_file_remove(const char *path, int fd);

/*
 * A listening Unix socket, mode 0600; its folder is made if it is missing, a
 * left-over socket that nobody answers at is replaced.  -1 with the reason.
 */
MUST_USE int control_socket_open(const char *path, char why[static 512]);

/* A listening TCP socket for the admin process's HTTP server; `host` is an address or a name.  -1 with the reason. */
MUST_USE int admin_socket_open(const char *host, uint16_t port, char why[static 512]);

struct run_as {
	uid_t uid;
	gid_t gid;
	bool drop;	      /* we are root and the children are not to be */
	char warning[256];    /* "" : none */
};

/* Whose rights children get; `user` "" : not configured.  False: no such user (why). */
MUST_USE bool run_as_find(const char *user, struct run_as *out, char why[static 512]);

#endif
