/*
 * loop - the master's only place to wait: signals, the children's channels,
 * the loader.  It sees no byte that a peer sent.
 *
 * Process: master.  May include: common/base.h, ctl, log, supervise, reload, leave, master.h.
 * Owns the poll set while it runs.
 */
#ifndef MASTER_LOOP_H
#define MASTER_LOOP_H

#include "common/base.h"
#include "master/master.h"

/* A signalfd for everything that the master acts on; these signals are blocked from now on.  -errno on failure. */
MUST_USE int loop_signals(void);

/* Start the children and go on until all have left; returns the exit code. */
MUST_USE int loop_run(struct master *m);

#endif
