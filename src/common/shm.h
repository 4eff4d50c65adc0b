/*
 * shm - bytes that one process builds and others can only read: a memfd,
 * filled by writing, sealed, passed on by its descriptor.
 *
 * Process: any.  May include: common/base.h, span.  Owns nothing: descriptors
 * and mappings are the caller's.
 *
 * Filled by write(2) and not through a mapping, for a file that is mapped for
 * writing cannot be sealed.
 */
#ifndef COMMON_SHM_H
#define COMMON_SHM_H

#include "common/base.h"
#include "common/span.h"

/* An empty memfd, close-on-exec; the name shows in /proc.  The fd, or -errno. */
MUST_USE int shm_create(const char *name);

/* Append; all or -errno. */
MUST_USE int shm_write(int fd, const void *data, size_t len);

/* The same, giving the memory of `data` back to the system as it goes: its content is lost.  For malloc'ed data. */
MUST_USE int shm_move(int fd, void *data, size_t len);

/* From now on nobody can change it, us included; 0 or -errno. */
MUST_USE int shm_seal(int fd);

/*
 * Map all of it for reading.  0, or -errno: -EPERM when it is not sealed (who
 * holds the other end could change it, or cut it under our feet), -ENODATA
 * when it is empty.
 */
MUST_USE int shm_map(int fd, struct span *out);
void shm_unmap(struct span bytes);

/* Unmap at most n bytes (rounded to pages) of the end; true: nothing is left.  A large mapping takes milliseconds at once. */
bool shm_unmap_some(struct span *bytes, size_t n);

#endif
