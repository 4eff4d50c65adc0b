/*
 * keys_build - the write side of the keys memfd (common/keys_layout).
 *
 * Process: master's loader.  May include: common/base.h, keys_layout, shm.
 * Owns the records until keys_builder_free, which wipes them.
 */
#ifndef MASTER_KEYS_BUILD_H
#define MASTER_KEYS_BUILD_H

#include "common/base.h"
#include "common/keys_layout.h"

struct keys_builder;

/* NULL: no memory. */
MUST_USE struct keys_builder *keys_builder_new(void);
void keys_builder_free(struct keys_builder *k);

/* Append a record.  Once memory has run out nothing is added, and keys_builder_finish fails. */
void keys_add(struct keys_builder *k, enum keys_kind kind, uint32_t profile, const void *data, size_t len);

/* The records as they are so far; borrowed. */
const uint8_t *keys_builder_records(const struct keys_builder *k, size_t *len);

/* Write and seal.  The memfd, or -errno. */
MUST_USE int keys_builder_finish(struct keys_builder *k, uint64_t generation);

#endif
