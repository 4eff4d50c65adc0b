/*
 * blocks_file - blocks.json in `state_dir`: what is blocked at run time, kept
 * over restarts.
 *
 * Process: master.  May include: common/base.h, blocks, jansson.  Owns nothing.
 *
 *	{"version": 1, "blocks": [
 *	  {"domain": "a.example", "since": 1700000000, "until": 1700003600, "uid": 0, "pid": 812, "reason": "fraud"}]}
 *
 * `until` null: until it is lifted.  Anything else in it is an error: who
 * cannot tell what is blocked must not guess that nothing is.
 */
#ifndef MASTER_BLOCKS_FILE_H
#define MASTER_BLOCKS_FILE_H

#include "common/base.h"
#include "common/blocks.h"

#define BLOCKS_WHY_MAX 512

/*
 * Into *out, which is empty.  0, also when there is no file: nothing is
 * blocked; -1: it cannot be read or is not understood, `why` names it, and
 * *out may hold a part.
 */
MUST_USE int blocks_file_read(const char *dir, struct blocks_copy *out, char why[static BLOCKS_WHY_MAX]);

/*
 * Write all of it, on the disk when it returns, in place of what was there or
 * not at all; the folder is made if only it is missing.  0, or -1 and `why`.
 */
MUST_USE int blocks_file_write(const char *dir, const struct blocks_copy *c, char why[static BLOCKS_WHY_MAX]);

#endif
