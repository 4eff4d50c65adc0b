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

static void fill(struct image_blocked *out, const struct image *img, const struct blocks_copy *c, int64_t now)
{
	out->until = INT64_MAX;
	out->count = 0;
	memset(out->slot, 0, sizeof(out->slot));
	for (uint32_t i = 0; i < MIN(c->count, BLOCKS_MAX); i++) {
		uint32_t domain;

		if (!block_counts(&c->row[i], now))
			continue;
		out->until = MIN(out->until, c->row[i].until);
		domain = image_find_entry(img, block_name(&c->row[i]));
		if (domain != IMAGE_NONE)
			add(out, domain);
	}
}

void image_blocked_make(struct image_blocked *out, const struct image *img, const struct blocks *b, int64_t now)
{
	do {
		out->version = blocks_version(b);
		fill(out, img, blocks_copy(b, out->version), now);
	} while (blocks_version(b) != out->version);
}

bool image_is_blocked(const struct image *img, uint32_t domain)
{
	return image_blocked_has(img->blocked, domain);
}
