#include "common/image.h"

#include "common/dn.h"
#include "common/dn_near.h"

static bool holds(const struct image_key *k, const void *bytes, size_t len)
{
	return k->len == len && memcmp(k->bytes, bytes, len) == 0;
}

static struct image_domains find_key(const struct image *img, struct image_section table, const void *bytes, size_t len)
{
	const struct image_bucket *b = image_at(img, table);
	uint32_t hash = image_hash(&img->h->hash_key, bytes, len);

	if (len == 0)
		return (struct image_domains){ 0 };
	for (uint64_t i = image_slot(hash, table.count); b[i].ref != IMAGE_NONE; i = image_slot_next(i, table.count))
		if (b[i].hash == hash && holds(image_key_at(img, b[i].ref), bytes, len))
			return image_key_domains(img, image_key_at(img, b[i].ref));
	return (struct image_domains){ 0 };
}

struct image_domains image_key_domains(const struct image *img, const struct image_key *k)
{
	return (struct image_domains){ .index = k->domains == 1 ? &k->first : image_unit(img, k->first), .count = k->domains };
}

struct image_domains image_find_dn(const struct image *img, const uint8_t *canonical, size_t len)
{
	return find_key(img, img->h->dn_table, canonical, len);
}

struct image_domains image_find_san(const struct image *img, struct span host)
{
	return find_key(img, img->h->san_table, host.p, host.len);
}

struct span image_domain_dn(const struct image *img, const struct image_domain *d, uint32_t i)
{
	const uint32_t *several = image_unit(img, d->dns.at);
	const struct image_key *k = image_key_at(img, d->dns.count == 1 ? d->dns.at : several[i]);

	return span_of(k->bytes, k->len);
}

const struct image_domain_file *image_file_of(const struct image *img, uint32_t domain)
{
	const struct image_domain_file *s = image_at(img, img->h->sources);

	for (uint64_t i = 0; i < img->h->sources.count; i++)
		if (domain >= s[i].first && domain - s[i].first < s[i].count)
			return &s[i];
	return NULL;
}

/* `name` begins with a dot for a wildcard's suffix. */
static uint32_t find_name(const struct image *img, struct span name, bool wildcard)
{
	const struct image_bucket *b = image_at(img, img->h->name_table);
	uint64_t count = img->h->name_table.count;
	uint32_t hash = image_hash(&img->h->hash_key, name.p, name.len);

	for (uint64_t i = image_slot(hash, count); b[i].ref != IMAGE_NONE; i = image_slot_next(i, count)) {
		const struct image_domain *d = &img->domain[b[i].ref];

		if (b[i].hash == hash && !!(d->flags & DOMAIN_WILDCARD) == wildcard &&
		    span_eq(image_ref_text(img, d->name), span_from(name, wildcard)))
			return b[i].ref;
	}
	return IMAGE_NONE;
}

uint32_t image_find_entry(const struct image *img, struct span name)
{
	bool wildcard = span_istarts(name, SPAN("*."));

	return find_name(img, span_from(name, wildcard), wildcard);
}

static unsigned labels(struct span name)
{
	unsigned n = 1;

	for (size_t i = 0; i < name.len; i++)
		n += name.p[i] == '.';
	return MIN(n, 63u);
}

uint32_t image_find_domain(const struct image *img, struct span host)
{
	uint32_t found = find_name(img, host, false);

	/* Longest suffix first; lengths that no wildcard has are not looked up. */
	for (size_t at = span_find(host, '.'); found == IMAGE_NONE && at < host.len;
	     at += 1 + span_find(span_from(host, at + 1), '.'))
		if (img->h->suffix_lengths >> labels(span_from(host, at + 1)) & 1)
			found = find_name(img, span_from(host, at), true);
	return found;
}

bool image_domain_covers(const struct image *img, uint32_t domain, struct span host)
{
	const struct image_domain *d = &img->domain[domain];
	struct span name = image_ref_text(img, d->name);

	if (!(d->flags & DOMAIN_WILDCARD))
		return span_eq(name, host);
	return host.len > name.len + 1 && host.p[host.len - name.len - 1] == '.' &&
	       span_eq(span_from(host, host.len - name.len), name);
}

uint32_t image_host_flags(const struct image *img, struct span host)
{
	const struct image_host *table = image_at(img, img->h->hosts);
	uint64_t mask = img->h->hosts.count - 1;

	if (!(img->h->host_lengths >> (host.len & 63) & 1))
		return 0;
	for (uint64_t i = siphash_13(&img->h->hash_key, host.p, host.len) & mask; table[i].name.len; i = (i + 1) & mask)
		if (span_eq(image_text(img, table[i].name), host))
			return table[i].flags;
	return 0;
}

bool image_host_is_local(const struct image *img, struct span host)
{
	for (;;) {
		size_t dot;

		if (image_host_flags(img, host) & HOST_LOCAL_DOMAIN)
			return true;
		dot = span_find(host, '.');
		if (dot == host.len)
			return false;
		host = span_from(host, dot + 1);
	}
}

bool image_cidr_covers(const struct image_cidr *prefix, const uint8_t addr[16])
{
	uint32_t whole = prefix->bits / 8, rest = prefix->bits % 8;

	return memcmp(prefix->addr, addr, whole) == 0 && (rest == 0 || (prefix->addr[whole] ^ addr[whole]) >> (8 - rest) == 0);
}

bool image_cidr_has(const struct image *img, struct image_section cidrs, const uint8_t addr[16])
{
	const struct image_cidr *c = image_at(img, cidrs);

	for (uint64_t i = 0; i < cidrs.count; i++)
		if (image_cidr_covers(&c[i], addr))
			return true;
	return false;
}

/* ---- the nearest DN ---- */

#define NEAR_MAX 32	    /* of one likeness that are compared */
#define NEAR_ALL_MAX 128    /* so few names are compared one by one when no likeness helps */

/* The first of this likeness or a higher one. */
static uint64_t first_near(const struct image_near *near, uint64_t count, uint32_t likeness)
{
	uint64_t lo = 0, hi = count;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		*(near[mid].likeness < likeness ? &lo : &hi) = near[mid].likeness < likeness ? mid + 1 : mid;
	}
	return lo;
}

/* Bytes that both begin and end with: of two with as many attributes in common the one that differs least is meant. */
static size_t same_ends(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	size_t n = 0, m = 0, most = MIN(a_len, b_len);

	while (n < most && a[n] == b[n])
		n++;
	while (m < most - n && a[a_len - 1 - m] == b[b_len - 1 - m])
		m++;
	return n + m;
}

/* `least`: attributes that it must have in common. */
static const struct image_key *most_common(const struct image *img, const struct image_near *near, uint64_t count,
    const uint8_t *canonical, size_t len, unsigned least)
{
	const struct image_key *best = NULL;
	size_t best_ends = 0;
	unsigned most = 0;

	for (uint64_t i = 0; i < count; i++) {
		const struct image_key *k = image_key_at(img, near[i].key);
		unsigned n = dn_common_attributes(canonical, len, k->bytes, k->len);
		size_t ends = same_ends(canonical, len, k->bytes, k->len);

		if (n < least || (best && (n < most || (n == most && ends <= best_ends))))
			continue;
		most = n;
		best_ends = ends;
		best = k;
	}
	return best;
}

const struct image_key *image_nearest_dn(const struct image *img, const uint8_t *canonical, size_t len)
{
	const struct image_near *near = image_at(img, img->h->near);
	uint64_t count = img->h->near.count, from, n = 0;
	uint32_t likeness;

	if (len == 0)
		return NULL;
	likeness = dn_likeness(&img->h->hash_key, canonical, len);
	from = first_near(near, count, likeness);
	while (n < NEAR_MAX && from + n < count && near[from + n].likeness == likeness)
		n++;
	if (n)
		return most_common(img, near + from, n, canonical, len, 0);
	return count <= NEAR_ALL_MAX ? most_common(img, near, count, canonical, len, 1) : NULL;
}

/* ---- keyed ids ---- */

uint32_t image_find_id(const struct image *img, uint32_t key, uint64_t id)
{
	const struct image_id_bucket *b = image_at(img, img->h->ids);
	uint64_t count = img->h->ids.count, mark = image_id_mark(key, id);
	uint32_t low = (uint32_t)mark, high = (uint32_t)(mark >> 32);

	for (uint64_t i = image_slot(low, count); b[i].domain != IMAGE_NONE; i = image_slot_next(i, count))
		if (b[i].id[0] == low && b[i].id[1] == high)
			return b[i].domain;
	return IMAGE_NONE;
}

/* ---- trusted addresses ---- */

uint64_t image_prefix_hash(const struct siphash_key *key, const struct image_cidr *prefix)
{
	return siphash(key, prefix, sizeof(*prefix));
}

void image_prefix_mask(struct image_cidr *prefix)
{
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t left = prefix->bits > i * 8 ? MIN(prefix->bits - i * 8, 8u) : 0;

		prefix->addr[i] &= (uint8_t)(0xff00u >> left);
	}
}

static const struct image_address_bucket *find_prefix(const struct image *img, const struct image_cidr *prefix)
{
	const struct image_address_bucket *table = image_at(img, img->h->addresses);
	uint64_t mask = img->h->addresses.count - 1;

	for (uint64_t i = image_prefix_hash(&img->h->hash_key, prefix) & mask; table[i].domains; i = (i + 1) & mask)
		if (memcmp(&table[i].prefix, prefix, sizeof(*prefix)) == 0)
			return &table[i];
	return NULL;
}

bool image_list_has(const uint32_t *list, uint32_t count, uint32_t domain)
{
	uint32_t lo = 0, hi = count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (list[mid] == domain)
			return true;
		*(list[mid] < domain ? &lo : &hi) = list[mid] < domain ? mid + 1 : mid;
	}
	return false;
}

uint32_t image_list_add(uint32_t *list, uint32_t count, uint32_t max, uint32_t domain)
{
	uint32_t at = count;

	while (at > 0 && list[at - 1] >= domain)
		if (list[--at] == domain)
			return count;
	if (at == max)
		return count;
	memmove(list + at + 1, list + at, (MIN(count, max - 1) - at) * sizeof(*list));
	list[at] = domain;
	return MIN(count + 1, max);
}

uint32_t image_find_address(const struct image *img, const uint8_t addr[16], uint32_t flags, uint32_t *domains, uint32_t max)
{
	uint32_t count = 0;

	for (uint32_t bits = 0; bits <= 128; bits++) {
		struct image_cidr prefix = { .bits = bits };
		const struct image_address_bucket *b;
		const uint32_t *hits;

		if (!(img->h->address_bits[bits / 64] & UINT64_C(1) << bits % 64))
			continue;
		memcpy(prefix.addr, addr, 16);
		image_prefix_mask(&prefix);
		b = find_prefix(img, &prefix);
		hits = b ? (const uint32_t *)(const void *)((const char *)img->h + b->first) : NULL;
		for (uint32_t i = 0; b && i < b->domains; i++)
			if ((img->domain[hits[i]].flags & flags) == flags && image_domain_usable(img, hits[i]))
				count = image_list_add(domains, count, max, hits[i]);
	}
	return count;
}
