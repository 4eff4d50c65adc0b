/*
 * supervise - keep the children alive: messages to them, deaths,
 * replacements, and who accepts for a worker that is slow to come back.
 *
 * Process: master.  May include: common/base.h, ctl, log, spawn, outbox, backoff, master.h.
 * Owns nothing.
 */
#ifndef MASTER_SUPERVISE_H
#define MASTER_SUPERVISE_H

#include "common/base.h"
#include "common/ctl.h"
#include "master/master.h"

/* "worker 3", "admin": for logs and reasons; valid until the next call. */
const char *child_name(const struct child *c);

/*
 * Send; when the child is behind, keep it for later.  A child that is so far
 * behind that it must be stuck is killed, and then replaced as any dead one.
 */
void child_send(struct child *c, const struct ctl_msg *msg);

/* The same for a message without text or fds. */
void child_tell(struct child *c, enum ctl_id id, uint64_t generation, uint64_t arg);

/* End it by SIGKILL; what follows is done when it is reaped. */
void child_kill(struct child *c);

/* It has said RUNNING: its sockets are its own again. */
void supervise_running(struct master *m, struct child *c);

/*
 * The child has been reaped (`pid` was its number, `status` as of waitpid): make
 * everything ready for its replacement, which supervise_tick starts when it is time.
 */
void supervise_death(struct master *m, struct child *c, pid_t pid, int status);

/* Start those whose time has come, give away the sockets of slow ones.  Returns when to be called again. */
uint64_t supervise_tick(struct master *m, uint64_t now);

#endif
