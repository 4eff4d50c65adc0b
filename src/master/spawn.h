/*
 * spawn - fork a child: give it its heritage, take everything else from it.
 *
 * Process: master.  May include: common/base.h, heritage, ctl, master.h, proctitle.
 * Owns nothing: pid and channel stand in struct child.
 */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include "common/base.h"
#include "master/master.h"

/* Start the child with the generation in use; it is CHILD_STARTING then. 0 or -errno. */
MUST_USE int spawn_child(struct master *m, struct child *c);

#endif
