/*
 * restart_only - what a running master can't change, and what an image must
 * fit into.
 *
 * Process: master.  May include: common/base.h, image, master.h.  Pure but for the text; owns nothing.
 */
#ifndef MASTER_RESTART_ONLY_H
#define MASTER_RESTART_ONLY_H

#include "common/base.h"
#include "master/master.h"

#define RESTART_ONLY_MAX 5

/* JSON pointers of the process-level settings that differ; returns how many. */
size_t restart_only_differs(const struct image *a, const struct image *b, const char *out[static RESTART_ONLY_MAX]);

/* Does limits.connections fit into what the workers can hold?  False: why not. */
MUST_USE bool connections_fit(const struct image *img, size_t rows_per_worker, uint32_t workers, char why[static 512]);

#endif
