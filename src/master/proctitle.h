/*
 * proctitle - the name that ps, top and /proc show for this process.
 *
 * Process: master, and its children right after the fork.  May include: common/base.h.
 * Owns the memory of argv and environ, which it writes over.
 */
#ifndef MASTER_PROCTITLE_H
#define MASTER_PROCTITLE_H

#include "common/base.h"

/* First thing in main: moves the environment away, so that its room can be used.  0 or -errno. */
MUST_USE int proctitle_init(int argc, char **argv);

void proctitle_set(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
