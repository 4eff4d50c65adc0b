/*
 * startup - the steps between the command line and the loop, one function each.
 *
 * Process: master.  May include: all of common and the master's modules.
 * What they make belongs to struct master and is given back by startup_undo.
 *
 * Each step prints its own reason on stderr and returns an exit code, 0: go on.
 */
#ifndef MASTER_STARTUP_H
#define MASTER_STARTUP_H

#include "common/base.h"
#include "master/master.h"

struct arguments;

/* --check: complaints and warnings on stderr; with --diff what a reload would change on stdout; the exit code. */
int startup_check(const struct arguments *a);

/* Load the first generation, the same way as any reload does. */
MUST_USE int startup_load(struct master *m);

/* Whose rights the children get; pid file; log; sockets; regions: all that can fail before there is a child. */
MUST_USE int startup_user(struct master *m);
MUST_USE int startup_pid_file(struct master *m, int *pid_fd);
MUST_USE int startup_log(struct master *m);
MUST_USE int startup_regions(struct master *m, size_t open_files);
/* What is blocked at run time, from the file. */
MUST_USE int startup_blocks(struct master *m);
MUST_USE int startup_listeners(struct master *m);
MUST_USE int startup_control_socket(struct master *m);
/* The admin process's HTTP server, where one is configured. */
MUST_USE int startup_admin_socket(struct master *m);
/* The channels between workers and resolver. */
MUST_USE int startup_questions(struct master *m);
/* The rows of the process table become children that are due at once. */
MUST_USE int startup_children(struct master *m, const struct process *table, size_t count);

/* After the loop, or after a step that failed. */
void startup_undo(struct master *m, int pid_fd);

#endif
