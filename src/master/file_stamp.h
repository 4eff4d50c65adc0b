/*
 * file_stamp - is a file still the one that was read?
 *
 * Process: master's loader.  May include: common/base.h, image_layout.  Owns nothing.
 */
#ifndef MASTER_FILE_STAMP_H
#define MASTER_FILE_STAMP_H

#include <sys/stat.h>

#include "common/base.h"
#include "common/image_layout.h"

struct image_stamp file_stamp_of(const struct stat *st);

/* False: there is no such file now. */
MUST_USE bool file_stamp_read(const char *path, struct image_stamp *out);

bool file_stamp_same(const struct image_stamp *a, const struct image_stamp *b);

/*
 * Had it been left alone for a while at `read_at` (s since 1970), when it was read?  Two changes within a
 * tick of the file system's clock leave the same times; so of a file that was
 * changed in the second before, nobody can tell later whether it is the same.
 */
bool file_stamp_settled(const struct image_stamp *s, int64_t read_at);

#endif
