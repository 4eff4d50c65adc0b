#include "master/image_rows.h"

#include <stdlib.h>

static size_t table_size(size_t entries)
{
	size_t n = 2;

	while (n < entries * 2)
		n *= 2;
	return n;
}

struct image_host *image_host_table(struct image_builder *b, size_t *size)
{
	const struct image_host *rows = (const struct image_host *)(const void *)b->hosts.p;
	struct image_host *table;

	*size = table_size(b->hosts.count);
	table = calloc(*size, sizeof(*table));
	if (!table)
		b->failed = true;
	for (size_t i = 0; table && i < b->hosts.count; i++) {
		struct span name = image_heap_text(b, rows[i].name);
		size_t at = siphash_13(&b->h.hash_key, name.p, name.len) & (*size - 1);

		while (table[at].name.len)
			at = (at + 1) & (*size - 1);
		table[at] = rows[i];
		b->h.host_lengths |= UINT64_C(1) << (name.len & 63);
	}
	return table;
}

/* ---- trusted addresses ---- */

static void place_addresses(struct image_builder *b, struct image_address_bucket *table, size_t mask, uint32_t *last)
{
	struct address_entry *e = (struct address_entry *)(void *)b->addresses.p;

	for (uint32_t i = 0; i < b->addresses.count; i++) {
		size_t at = image_prefix_hash(&b->h.hash_key, &e[i].prefix) & mask;

		while (table[at].domains && memcmp(&table[at].prefix, &e[i].prefix, sizeof(e[i].prefix)) != 0)
			at = (at + 1) & mask;
		if (table[at].domains)
			e[last[at]].next = i;
		else
			table[at] = (struct image_address_bucket){ .prefix = e[i].prefix, .first = i };
		last[at] = i;
		table[at].domains++;
	}
}

static void list_addresses(struct image_builder *b, struct image_address_bucket *table, size_t size)
{
	const struct address_entry *e = (const struct address_entry *)(const void *)b->addresses.p;

	for (size_t i = 0; i < size; i++) {
		uint32_t entry = (uint32_t)table[i].first;

		if (!table[i].domains)
			continue;
		table[i].first = image_put(b, NULL, 0, 4);
		for (; entry != IMAGE_NONE; entry = e[entry].next)
			(void)image_put(b, &e[entry].domain, sizeof(uint32_t), 4); /* they stand one behind the other */
	}
}

struct image_address_bucket *image_address_table(struct image_builder *b, size_t *size)
{
	struct image_address_bucket *table;
	uint32_t *last;

	*size = table_size(b->addresses.count);
	table = calloc(*size, sizeof(*table));
	last = calloc(*size, sizeof(*last));
	if (table && last) {
		place_addresses(b, table, *size - 1, last);
		list_addresses(b, table, *size);
	} else {
		b->failed = true;
	}
	free(last);
	return table;
}

/* ---- keyed ids ---- */

static void place_id(struct image_id_bucket *table, size_t size, uint64_t id, uint32_t key, uint32_t domain)
{
	uint64_t mark = image_id_mark(key, id), at = image_slot((uint32_t)mark, size);

	while (table[at].domain != IMAGE_NONE)
		at = image_slot_next(at, size);
	table[at] = (struct image_id_bucket){ .id = { (uint32_t)mark, (uint32_t)(mark >> 32) }, .domain = domain };
}

void image_builder_ids(struct image_builder *b, const struct route_keys *keys)
{
	size_t size = b->domains.count * (keys->tokens.count + 1) * 3 / 2 + 1;
	struct image_id_bucket *table = image_extend(b, &b->ids, size, sizeof(*table));
	char text[HOST_MAX + 2] = "*.";

	for (size_t i = 0; table && i < size; i++)
		table[i] = (struct image_id_bucket){ .domain = IMAGE_NONE };
	for (uint32_t i = 0; table && i < b->domains.count; i++) {
		const struct image_domain *d = image_domain_row(b, i);
		struct span name = span_head(image_heap_ref(b, d->name), HOST_MAX);

		if (d->flags & DOMAIN_WILDCARD) {
			memcpy(text + 2, name.p, name.len);
			name = span_of(text, name.len + 2);
		}
		for (uint32_t k = 0; k < keys->tokens.count; k++)
			place_id(table, size, token_name_id(&keys->tokens, k, name), k, i);
		place_id(table, size, route_back_name_id(keys, name), IMAGE_ID_BACK, i);
	}
}
