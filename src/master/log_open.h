/*
 * log_open - open what `log.to` names: stderr, the journal or a file.
 *
 * Process: master.  May include: common/base.h.  The fd belongs to the caller.
 */
#ifndef MASTER_LOG_OPEN_H
#define MASTER_LOG_OPEN_H

#include "common/base.h"

/* A descriptor of its own, close-on-exec, also for stderr; or -errno. */
MUST_USE int log_open(const char *to);

#endif
