/*
 * reload_report - tell the log, `status` and whoever asked how a reload ended,
 * and where the log goes from now on.
 *
 * Process: master.  May include: common/base.h, ctl, log, supervise, master.h.  Owns nothing.
 */
#ifndef MASTER_RELOAD_REPORT_H
#define MASTER_RELOAD_REPORT_H

#include "common/base.h"
#include "master/master.h"

/* One log line for each complaint and warning of a load. */
void reload_complaints(const char *path, const struct loader *l);

/* It has ended; `text` may have several lines. */
void reload_report(struct master *m, bool ok, const char *text);

/* One log line for each listener that is new. */
void reload_listeners(const struct listeners *l);

/* CTL_RESULT for one ticket. */
void reload_result(struct child *asker, uint64_t ticket, bool ok, const char *text);

/* Set up the log by the generation in use; fd >= 0: it goes there from now on, and is the master's. */
void reload_log_to(struct master *m, int fd);

#endif
