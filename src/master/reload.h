/*
 * reload - a new generation: load, bind, prepare all children, then commit all
 * or cancel all.
 *
 *   IDLE -> LOADING (child) -> PREPARING (all build) -> COMMITTING -> IDLE
 *
 * Process: master.  May include: common/base.h, ctl, log, image, listen, loader, supervise, master.h.
 * Owns struct reload in the master.
 *
 * Until the last child is ready anything wrong (a complaint, a port that is
 * taken, a refusal, a death, a timeout) cancels it and nothing has changed.
 * From the first COMMIT on there is no way back: a child that dies or does not
 * answer is replaced, and the replacement gets the new generation.  Asked for
 * again while under way, one more reload follows.
 */
#ifndef MASTER_RELOAD_H
#define MASTER_RELOAD_H

#include "common/base.h"
#include "common/ctl.h"
#include "master/master.h"

/* HUP (asker NULL), or an operator by way of the admin: `asker` gets CTL_RESULT with the ticket. */
void reload_ask(struct master *m, struct child *asker, uint64_t ticket);

/* READY, REFUSED or COMMITTED of a child that is RUNNING or STARTING. */
void reload_answer(struct master *m, struct child *c, const struct ctl_msg *msg);

/* The child has ended: before supervise_death forgets why. */
void reload_death(struct master *m, struct child *c);

/* The loader's fd is readable. */
void reload_loaded(struct master *m);

/* Begin what was asked for, tell children that have come since, end what takes too long. Returns when to be called again. */
uint64_t reload_tick(struct master *m, uint64_t now);

/* We are leaving: drop what is under way. */
void reload_abandon(struct master *m);

/* USR1: open the log anew and give it to those who write it. */
void reload_reopen_log(struct master *m);

#endif
