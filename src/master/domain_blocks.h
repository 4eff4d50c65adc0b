/*
 * domain_blocks - block domains at run time: what operators ask for, what runs
 * out, and the file that keeps both over a restart.
 *
 * Process: master.  May include: common/base.h, blocks, ctl, log, blocks_file, reload_report, supervise, master.h.
 * Owns the content of the shared table (common/blocks).
 *
 * First the table, which the workers are told of, so that it holds at once;
 * then the file; then the answer.  When the file cannot be written the block
 * holds nevertheless, the answer and `status` say what is missing, and it is tried again.
 */
#ifndef MASTER_DOMAIN_BLOCKS_H
#define MASTER_DOMAIN_BLOCKS_H

#include "common/base.h"
#include "common/ctl.h"
#include "master/master.h"

/* At the start, before any child: 0, or -1 with the reason; sipward must then not start, lest it lets in who is blocked. */
MUST_USE int domain_blocks_load(struct master *m, char why[static 512]);

/* CTL_ASK_BLOCK of the admin. */
void domain_blocks_ask(struct master *m, struct child *admin, const struct ctl_msg *msg);

/* A reload is committed: `state_dir` may be another one. */
void domain_blocks_reloaded(struct master *m);

/* Lift what has run out, save what could not be saved.  Returns when to be called again. */
uint64_t domain_blocks_tick(struct master *m, uint64_t now);

#endif
