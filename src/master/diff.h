/*
 * diff - what changes from one image to another: told by name and by key, for
 * people; after a reload, and before one (--check --diff).
 *
 * Process: master (its loader and --check).  May include: common/base.h, image, diff_describe, restart_only, jansson.
 * Owns its texts.
 *
 * Rows are found again by name, so that their order says nothing.  A million
 * domains that stay as they are take a second or so, and no memory.
 */
#ifndef MASTER_DIFF_H
#define MASTER_DIFF_H

#include <jansson.h>
#include <stdio.h>

#include "common/base.h"
#include "common/image.h"

#define DIFF_KEPT 100 /* changes of one kind in one group that are told, the others are counted */

struct diff;

/* NULL: no memory. */
MUST_USE struct diff *diff_new(const struct image *before, const struct image *now);
void diff_free(struct diff *d);

/* How many changes, those that need a restart included. */
uint64_t diff_count(const struct diff *d);

/* Every change that is kept, one a line; counts of the others; what needs a restart. */
void diff_print(const struct diff *d, FILE *out);
MUST_USE json_t *diff_json(const struct diff *d);

/* One line of counts: "domains: 1 added, 2 changed; listeners: 1 removed". */
void diff_summary(const struct diff *d, char *out, size_t cap);

#endif
