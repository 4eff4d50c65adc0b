/*
 * key_rows - keys and their buckets in images that tests lay out by hand.
 */
#ifndef TESTS_SUPPORT_KEY_ROWS_H
#define TESTS_SUPPORT_KEY_ROWS_H

#include "common/dn.h"
#include "common/image_layout.h"

#define KEY_ROW_MAX (sizeof(struct image_key) + DN_MAX)

/* Buckets of a table that is empty. */
static inline void key_rows_clear(struct image_bucket *table, size_t size)
{
	for (size_t i = 0; i < size; i++)
		table[i] = (struct image_bucket){ 0, IMAGE_NONE };
}

static inline void key_rows_place(struct image_bucket *table, size_t size, uint32_t hash, uint32_t ref)
{
	uint64_t at = image_slot(hash, size);

	while (table[at].ref != IMAGE_NONE)
		at = image_slot_next(at, size);
	table[at] = (struct image_bucket){ hash, ref };
}

/* The record of a key; `first` as in struct image_key.  Returns its length. */
static inline size_t key_rows_make(uint8_t out[static KEY_ROW_MAX], const void *bytes, size_t len, uint32_t domains, uint32_t first)
{
	struct image_key k = { .len = (uint32_t)len, .domains = domains, .first = first };

	memcpy(out, &k, sizeof(k));
	memcpy(out + sizeof(k), bytes, len);
	return sizeof(k) + len;
}

#endif
