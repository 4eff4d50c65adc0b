/*
 * leave - the ways out: stop at once, or drain first.
 *
 * Process: master.  May include: common/base.h, ctl, log, listen, reload, supervise, master.h.
 * Owns nothing.
 *
 * TERM, INT: CTL_STOP to all, SIGKILL for who is still there after 800 ms.
 * QUIT: readiness fails first, then CTL_DRAIN to the workers; the admin stays
 * until they have gone.  After drain_timeout: as TERM.
 */
#ifndef MASTER_LEAVE_H
#define MASTER_LEAVE_H

#include "common/base.h"
#include "master/master.h"

void leave_stop(struct master *m, int exit_code);
void leave_drain(struct master *m);

/* A child has gone, or time has passed.  Returns when to be called again; sets m->done when nobody is left. */
uint64_t leave_tick(struct master *m, uint64_t now);

#endif
