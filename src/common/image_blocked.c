#include "common/image_blocked.h"

#include <string.h>

#define SLOTS ARRAY_LEN(((struct image_blocked *)0)->slot)

/* Neighbours in the configuration spread; nobody outside chooses what is blocked. */
static uint32_t place(uint32_t domain)
{
	return (uint32_t)((uint64_t)(domain * 0x9e3779b1u) * SLOTS >> 32);
}

static void add(struct image_blocked *set, uint32_t domain)
{
	uint32_t i = place(domain);

	while (set->slot[i] && set->slot[i] != domain + 1)
		i = (i + 1) % SLOTS;
	set->count += set->slot[i] == 0;
	set->slot[i] = domain + 1;
}

bool image_blocked_has(const struct image_blocked *set, uint32_t domain)
{
	for (uint32_t i = place(domain); set->slot[i]; i = (i + 1) % SLOTS)
		if (set->slot[i] == domain + 1)
			return true;
	return false;
}

void image_blocked_begin(struct image_blocked *out, const struct blocks *b)
{
	out->version = blocks_version(b);
	out->until = INT64_MAX;
	out->next = 0;
	out->count = 0;
	memset(out->slot, 0, sizeof(out->slot));
}

bool image_blocked_more(struct image_blocked *out, const struct image *img, const struct blocks *b, int64_t now,
    uint32_t rows)
{
	const struct blocks_copy *c = blocks_copy(b, out->version);
	uint32_t count = MIN(c->count, BLOCKS_MAX), end = out->next + MIN(rows, BLOCKS_MAX);

	for (; out->next < count && out->next < end; out->next++) {
		const struct block *row = &c->row[out->next];
		uint32_t domain;

		if (!block_counts(row, now))
			continue;
		out->until = MIN(out->until, row->until);
		domain = image_find_entry(img, block_name(row));
		if (domain != IMAGE_NONE)
			add(out, domain);
	}
	if (blocks_version(b) != out->version) {
		image_blocked_begin(out, b);
		return true;
	}
	return out->next < count;
}

void image_blocked_make(struct image_blocked *out, const struct image *img, const struct blocks *b, int64_t now)
{
	image_blocked_begin(out, b);
	while (image_blocked_more(out, img, b, now, BLOCKS_MAX))
		;
}

bool image_is_blocked(const struct image *img, uint32_t domain)
{
	return image_blocked_has(img->blocked, domain);
}
