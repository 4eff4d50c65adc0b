#include "master/file_stamp.h"

#include "common/clock.h"

#define SETTLED_AFTER 2 /* s */

static int64_t ns_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * (int64_t)NSEC_PER_SEC + t->tv_nsec;
}

struct image_stamp file_stamp_of(const struct stat *st)
{
	return (struct image_stamp){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.modified = ns_of(&st->st_mtim),
		.changed = ns_of(&st->st_ctim),
	};
}

bool file_stamp_read(const char *path, struct image_stamp *out)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	*out = file_stamp_of(&st);
	return true;
}

bool file_stamp_same(const struct image_stamp *a, const struct image_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified == b->modified &&
	       a->changed == b->changed;
}

bool file_stamp_settled(const struct image_stamp *s, int64_t read_at)
{
	return MAX(s->modified, s->changed) < (read_at - SETTLED_AFTER) * (int64_t)NSEC_PER_SEC;
}
