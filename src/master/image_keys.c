#include <stdlib.h>

#include "common/dn_near.h"
#include "master/image_rows.h"

/* ---- buckets ---- */

void buckets_put(struct buckets *t, uint32_t hash, uint32_t ref)
{
	uint64_t at = image_slot(hash, t->size);

	while (t->p[at].ref != IMAGE_NONE)
		at = image_slot_next(at, t->size);
	t->p[at] = (struct image_bucket){ hash, ref };
	t->used++;
}

bool buckets_room(struct image_builder *b, struct buckets *t)
{
	struct buckets wider = { .size = t->size ? t->size * 2 : 8 };

	if (b->failed || (t->used + 1) * 3 <= t->size * 2)
		return !b->failed;
	wider.p = malloc(wider.size * sizeof(*wider.p));
	if (!wider.p) {
		b->failed = true;
		return false;
	}
	for (size_t i = 0; i < wider.size; i++)
		wider.p[i].ref = IMAGE_NONE;
	for (size_t i = 0; i < t->size; i++)
		if (t->p[i].ref != IMAGE_NONE)
			buckets_put(&wider, t->p[i].hash, t->p[i].ref);
	free(t->p);
	*t = wider;
	return true;
}

/* ---- names of domains ---- */

static uint32_t name_hash(const struct image_builder *b, const struct image_domain *d)
{
	struct span name = image_heap_ref(b, d->name);
	char dotted[260];

	if (!(d->flags & DOMAIN_WILDCARD))
		return image_hash(&b->h.hash_key, name.p, name.len);
	dotted[0] = '.';
	memcpy(dotted + 1, name.p, MIN(name.len, sizeof(dotted) - 1));
	return image_hash(&b->h.hash_key, dotted, 1 + MIN(name.len, sizeof(dotted) - 1));
}

static unsigned labels(struct span name)
{
	unsigned n = 1;

	for (size_t i = 0; i < name.len; i++)
		n += name.p[i] == '.';
	return MIN(n, 63u);
}

static bool same_name(const struct image_builder *b, const struct image_domain *x, const struct image_domain *y)
{
	return !((x->flags ^ y->flags) & DOMAIN_WILDCARD) && span_eq(image_heap_ref(b, x->name), image_heap_ref(b, y->name));
}

uint32_t image_claim_name(struct image_builder *b, uint32_t domain)
{
	const struct image_domain *d = image_domain_row(b, domain);
	struct buckets *t = &b->names;
	uint32_t hash;

	if (!buckets_room(b, t))
		return IMAGE_NONE;
	hash = name_hash(b, d);
	for (uint64_t at = image_slot(hash, t->size); t->p[at].ref != IMAGE_NONE; at = image_slot_next(at, t->size))
		if (t->p[at].hash == hash && same_name(b, d, image_domain_row(b, t->p[at].ref)))
			return t->p[at].ref;
	buckets_put(t, hash, domain);
	if (d->flags & DOMAIN_WILDCARD)
		b->h.suffix_lengths |= 1ULL << labels(image_heap_ref(b, d->name));
	return IMAGE_NONE;
}

/* ---- what certificates show ---- */

/* Until the lists are written, `first` of a key with several domains is its share added last. */
static void add_domain(struct image_builder *b, uint32_t at, uint32_t domain)
{
	struct image_key *k = image_heap_unit(b, at);
	uint32_t before = k->first;
	struct share *s;

	if (k->domains == 1) {
		s = image_extend(b, &b->shares, 1, sizeof(*s));
		if (!s)
			return;
		*s = (struct share){ .domain = before, .next = IMAGE_NONE };
		before = (uint32_t)(b->shares.count - 1);
	}
	s = image_extend(b, &b->shares, 1, sizeof(*s));
	if (!s)
		return;
	*s = (struct share){ .domain = domain, .next = before };
	k->first = (uint32_t)(b->shares.count - 1);
	k->domains++;
}

static uint32_t add_key(struct image_builder *b, struct buckets *t, const void *bytes, size_t len, uint32_t domain)
{
	struct image_key k = { .len = (uint32_t)len, .domains = 1, .first = domain };
	uint32_t hash = image_hash(&b->h.hash_key, bytes, len), new;

	if (!buckets_room(b, t))
		return 0;
	for (uint64_t at = image_slot(hash, t->size); t->p[at].ref != IMAGE_NONE; at = image_slot_next(at, t->size)) {
		const struct image_key *other = image_heap_unit(b, t->p[at].ref);

		if (t->p[at].hash != hash || other->len != len || memcmp(other->bytes, bytes, len) != 0)
			continue;
		add_domain(b, t->p[at].ref, domain);
		return t->p[at].ref;
	}
	new = image_put_ref(b, &k, 1, sizeof(k)).at;
	(void)image_put(b, bytes, len, 1); /* right behind it */
	buckets_put(t, hash, new);
	return new;
}

uint32_t image_add_dn(struct image_builder *b, const uint8_t *canonical, size_t len, uint32_t domain)
{
	return add_key(b, &b->dns, canonical, len, domain);
}

void image_add_san(struct image_builder *b, struct span host, uint32_t domain)
{
	(void)add_key(b, &b->sans, host.p, host.len, domain); /* a failure is kept in the builder */
}

void image_set_dns(struct image_builder *b, uint32_t domain, const uint32_t *keys, uint32_t count)
{
	struct image_ref dns = { 0 };

	if (b->failed)
		return;
	if (count == 1)
		dns = (struct image_ref){ .at = keys[0], .count = 1 };
	else if (count > 1)
		dns = image_put_ref(b, keys, count, sizeof(*keys));
	image_domain_row(b, domain)->dns = dns;
}

/* ---- at the end ---- */

/* The shares stand last first; lists are in configuration order. */
static void write_lists(struct image_builder *b, const struct buckets *t)
{
	for (size_t i = 0; i < t->size && !b->failed; i++) {
		const struct share *share = (const struct share *)(const void *)b->shares.p;
		struct image_key *k = t->p[i].ref == IMAGE_NONE ? NULL : image_heap_unit(b, t->p[i].ref);
		uint32_t from = k ? k->first : 0, count = k ? k->domains : 0, *list;
		struct image_ref ref;

		if (count < 2)
			continue;
		ref = image_put_ref(b, NULL, count, sizeof(*list));
		if (b->failed)
			return;
		list = image_heap_unit(b, ref.at);
		for (uint32_t n = count; n > 0 && from != IMAGE_NONE; n--, from = share[from].next)
			list[n - 1] = share[from].domain;
		((struct image_key *)image_heap_unit(b, t->p[i].ref))->first = ref.at;
	}
}

static int by_likeness(const void *a, const void *b)
{
	const struct image_near *x = a, *y = b;

	return x->likeness == y->likeness ? (x->key > y->key) - (x->key < y->key) : x->likeness > y->likeness ? 1 : -1;
}

static void sort_near(struct image_builder *b)
{
	struct image_near *near = b->dns.used ? image_extend(b, &b->near, b->dns.used, sizeof(*near)) : NULL;
	size_t n = 0;

	for (size_t i = 0; near && i < b->dns.size; i++) {
		const struct image_key *k;

		if (b->dns.p[i].ref == IMAGE_NONE)
			continue;
		k = image_heap_unit(b, b->dns.p[i].ref);
		near[n++] = (struct image_near){ dn_likeness(&b->h.hash_key, k->bytes, k->len), b->dns.p[i].ref };
	}
	if (near)
		qsort(near, n, sizeof(*near), by_likeness);
}

void image_finish_keys(struct image_builder *b)
{
	write_lists(b, &b->dns);
	write_lists(b, &b->sans);
	sort_near(b);
	/* An empty table has a free bucket, too. */
	(void)(buckets_room(b, &b->names) && buckets_room(b, &b->dns) && buckets_room(b, &b->sans)); /* a failure is kept */
}
