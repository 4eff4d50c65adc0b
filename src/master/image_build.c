#include "master/image_build.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/shm.h"
#include "master/image_rows.h"

/* Room for n more elements of `size`; NULL: no memory, and the builder has failed. */
void *image_extend(struct image_builder *b, struct rows *r, size_t n, size_t size)
{
	size_t cap = r->cap ? r->cap : 64;
	char *p;

	if (b->failed)
		return NULL;
	while (cap < r->count + n)
		cap *= 2;
	if (cap != r->cap) {
		p = realloc(r->p, cap * size);
		if (!p) {
			b->failed = true;
			return NULL;
		}
		r->p = p;
		r->cap = cap;
	}
	p = r->p + r->count * size;
	r->count += n;
	return p;
}

struct image_builder *image_builder_new(uint64_t generation)
{
	struct image_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->h.magic = IMAGE_MAGIC;
	b->h.version = IMAGE_VERSION;
	b->h.header_size = sizeof(b->h);
	b->h.generation = generation;
	b->h.built = clock_wall_s();
	b->h.default_cluster = IMAGE_NONE;
	settings_defaults(&b->h.settings);
	if (getrandom(&b->h.hash_key, sizeof(b->h.hash_key), 0) == sizeof(b->h.hash_key))
		return b;
	free(b);
	return NULL;
}

void image_builder_free(struct image_builder *b)
{
	if (!b)
		return;
	free(b->heap.p);
	free(b->listeners.p);
	free(b->tls.p);
	free(b->clusters.p);
	free(b->identities.p);
	free(b->domains.p);
	free(b->dns.p);
	free(b->hosts.p);
	free(b->strip.p);
	free(b->rules.p);
	free(b->names.p);
	free(b->limits.p);
	free(b->auths.p);
	free(b->addresses.p);
	free(b->ids.p);
	free(b);
}

void image_builder_fail(struct image_builder *b)
{
	b->failed = true;
}

struct image_header *image_builder_header(struct image_builder *b)
{
	return &b->h;
}

/* ---- the heap ---- */

uint64_t image_put(struct image_builder *b, const void *data, size_t len, size_t align)
{
	size_t pad = (align - b->heap.count % align) % align;
	char *p = image_extend(b, &b->heap, pad + len, 1);

	if (!p)
		return HEAP_START;
	memset(p, 0, pad);
	if (len)
		memcpy(p + pad, data, len);
	return HEAP_START + b->heap.count - len;
}

struct image_str image_put_text(struct image_builder *b, struct span text)
{
	return (struct image_str){ .off = image_put(b, text.p, text.len, 1), .len = (uint32_t)text.len };
}

struct image_section image_put_array(struct image_builder *b, const void *rows, size_t count, size_t size)
{
	return (struct image_section){ .off = image_put(b, rows, count * size, 8), .count = count };
}

struct image_cidr image_heap_cidr(const struct image_builder *b, struct image_section s, uint64_t index)
{
	struct image_cidr c;

	memcpy(&c, b->heap.p + (s.off - HEAP_START) + index * sizeof(c), sizeof(c));
	return c;
}

struct span image_heap_text(const struct image_builder *b, struct image_str s)
{
	return s.len ? span_of(b->heap.p + (s.off - HEAP_START), s.len) : span_of("", 0);
}

/* ---- rows ---- */

static uint32_t add(struct image_builder *b, struct rows *r, const void *row, size_t size)
{
	void *p = image_extend(b, r, 1, size);

	if (!p)
		return 0;
	memcpy(p, row, size);
	return (uint32_t)(r->count - 1);
}

uint32_t image_add_listener(struct image_builder *b, const struct image_listener *row)
{
	return add(b, &b->listeners, row, sizeof(*row));
}

uint32_t image_add_tls(struct image_builder *b, const struct image_tls *row)
{
	return add(b, &b->tls, row, sizeof(*row));
}

uint32_t image_add_cluster(struct image_builder *b, const struct image_cluster *row)
{
	return add(b, &b->clusters, row, sizeof(*row));
}

uint32_t image_add_identity(struct image_builder *b, const struct image_identity *row)
{
	return add(b, &b->identities, row, sizeof(*row));
}

uint32_t image_add_rule(struct image_builder *b, const struct image_rule *row)
{
	return add(b, &b->rules, row, sizeof(*row));
}

uint32_t image_add_domain(struct image_builder *b, const struct image_domain *row)
{
	return add(b, &b->domains, row, sizeof(*row));
}

uint32_t image_domain_count(const struct image_builder *b)
{
	return (uint32_t)b->domains.count;
}

struct image_domain *image_domain_row(struct image_builder *b, uint32_t index)
{
	return (struct image_domain *)(void *)b->domains.p + index;
}

uint32_t image_add_auth(struct image_builder *b, const struct image_auth *row)
{
	return add(b, &b->auths, row, sizeof(*row));
}

uint32_t image_add_limits(struct image_builder *b, const struct image_limits *row)
{
	return add(b, &b->limits, row, sizeof(*row));
}

void image_add_address(struct image_builder *b, struct image_cidr prefix, uint32_t domain)
{
	struct address_entry e = { .prefix = prefix, .domain = domain, .next = IMAGE_NONE };

	image_prefix_mask(&e.prefix);
	b->h.address_bits[prefix.bits / 64] |= UINT64_C(1) << prefix.bits % 64;
	(void)add(b, &b->addresses, &e, sizeof(e)); /* a failure is kept in the builder */
}

void image_add_dn(struct image_builder *b, const struct dn *dn, uint32_t domain)
{
	struct dn_entry e = {
		.hash = siphash(&b->h.hash_key, dn->bytes, dn->len),
		.key = image_put(b, dn->bytes, dn->len, 1),
		.key_len = (uint32_t)dn->len,
		.domain = domain,
		.next = IMAGE_NONE,
	};

	(void)add(b, &b->dns, &e, sizeof(e)); /* a failure is kept in the builder */
}

void image_add_host(struct image_builder *b, struct span host, uint32_t flags)
{
	struct image_host *have = (struct image_host *)(void *)b->hosts.p, row;

	if (host.len == 0)
		return;
	for (size_t i = 0; i < b->hosts.count; i++)
		if (span_eq(image_heap_text(b, have[i].name), host)) {
			have[i].flags |= flags;
			return;
		}
	row = (struct image_host){ .name = image_put_text(b, host), .flags = flags };
	(void)add(b, &b->hosts, &row, sizeof(row)); /* a failure is kept in the builder */
}

bool image_strips(const struct image_builder *b, struct span name)
{
	const struct image_str *have = (const struct image_str *)(const void *)b->strip.p;

	for (size_t i = 0; i < b->strip.count; i++)
		if (span_eq(image_heap_text(b, have[i]), name))
			return true;
	return false;
}

void image_add_strip(struct image_builder *b, struct span name)
{
	struct image_str row;

	if (image_strips(b, name))
		return;
	row = image_put_text(b, name);
	(void)add(b, &b->strip, &row, sizeof(row)); /* a failure is kept in the builder */
}

/* ---- names of domains ---- */

static uint64_t name_hash(const struct image_builder *b, const struct image_domain *d)
{
	struct span name = image_heap_text(b, d->name);
	char dotted[260];

	if (!(d->flags & DOMAIN_WILDCARD))
		return siphash(&b->h.hash_key, name.p, name.len);
	dotted[0] = '.';
	memcpy(dotted + 1, name.p, MIN(name.len, sizeof(dotted) - 1));
	return siphash(&b->h.hash_key, dotted, 1 + MIN(name.len, sizeof(dotted) - 1));
}

/* Twice the buckets; every name is placed anew. */
static bool grow_names(struct image_builder *b)
{
	size_t cap = b->names.cap ? b->names.cap * 2 : 64;
	struct image_name_bucket *old = (struct image_name_bucket *)(void *)b->names.p, *p = malloc(cap * sizeof(*p));

	if (!p) {
		b->failed = true;
		return false;
	}
	for (size_t i = 0; i < cap; i++)
		p[i] = (struct image_name_bucket){ .domain = IMAGE_NONE };
	for (size_t i = 0; i < b->names.cap; i++) {
		size_t at = old[i].hash & (cap - 1);

		if (old[i].domain == IMAGE_NONE)
			continue;
		while (p[at].domain != IMAGE_NONE)
			at = (at + 1) & (cap - 1);
		p[at] = old[i];
	}
	free(old);
	b->names.p = (char *)p;
	b->names.cap = b->names.count = cap;
	return true;
}

static unsigned labels(struct span name)
{
	unsigned n = 1;

	for (size_t i = 0; i < name.len; i++)
		n += name.p[i] == '.';
	return MIN(n, 63u);
}

uint32_t image_claim_name(struct image_builder *b, uint32_t domain)
{
	const struct image_domain *d = image_domain_row(b, domain), *other;
	struct image_name_bucket *table;
	uint64_t hash, at;

	if (b->failed || ((b->names_used + 1) * 2 > b->names.cap && !grow_names(b)))
		return IMAGE_NONE;
	hash = name_hash(b, d);
	table = (struct image_name_bucket *)(void *)b->names.p;
	for (at = hash & (b->names.cap - 1); table[at].domain != IMAGE_NONE; at = (at + 1) & (b->names.cap - 1)) {
		other = image_domain_row(b, table[at].domain);
		if (table[at].hash == hash && !((other->flags ^ d->flags) & DOMAIN_WILDCARD) &&
		    span_eq(image_heap_text(b, other->name), image_heap_text(b, d->name)))
			return table[at].domain;
	}
	table[at] = (struct image_name_bucket){ .hash = hash, .domain = domain };
	b->names_used++;
	if (d->flags & DOMAIN_WILDCARD)
		b->h.suffix_lengths |= 1ULL << labels(image_heap_text(b, d->name));
	return IMAGE_NONE;
}

/* ---- writing ---- */

struct piece {
	struct image_section *section;
	const void *p;
	size_t count, size;
};

static int write_pieces(struct image_builder *b, int fd, const struct piece *pieces, size_t count)
{
	static const char zeros[64];
	uint64_t at = HEAP_START + b->heap.count;
	int rc;

	for (size_t i = 0; i < count; i++) {
		at = (at + 63) & ~(uint64_t)63;
		*pieces[i].section = (struct image_section){ .off = at, .count = pieces[i].count };
		at += pieces[i].count * pieces[i].size;
	}
	b->h.size = at;
	rc = shm_write(fd, &b->h, sizeof(b->h));
	if (rc == 0)
		rc = shm_write(fd, zeros, HEAP_START - sizeof(b->h));
	if (rc == 0)
		rc = shm_write(fd, b->heap.p, b->heap.count);
	at = HEAP_START + b->heap.count;
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = shm_write(fd, zeros, pieces[i].section->off - at);
		if (rc == 0)
			rc = shm_write(fd, pieces[i].p, pieces[i].count * pieces[i].size);
		at = pieces[i].section->off + pieces[i].count * pieces[i].size;
	}
	return rc == 0 ? shm_seal(fd) : rc;
}

int image_builder_finish(struct image_builder *b)
{
	size_t dn_size = 0, host_size = 0, address_size = 0;
	struct image_dn_bucket *dn_table = image_dn_table(b, &dn_size);
	struct image_host *host_table = image_host_table(b, &host_size);
	struct image_address_bucket *address_table = image_address_table(b, &address_size);
	int fd, rc = -ENOMEM;

	if (b->ids.count == 0)
		image_builder_ids(b, &(struct route_keys){ 0 });
	if (b->names.cap == 0)
		(void)grow_names(b); /* a failure is kept in the builder */
	const struct piece pieces[] = {
		{ &b->h.listeners, b->listeners.p, b->listeners.count, sizeof(struct image_listener) },
		{ &b->h.tls, b->tls.p, b->tls.count, sizeof(struct image_tls) },
		{ &b->h.clusters, b->clusters.p, b->clusters.count, sizeof(struct image_cluster) },
		{ &b->h.identities, b->identities.p, b->identities.count, sizeof(struct image_identity) },
		{ &b->h.domains, b->domains.p, b->domains.count, sizeof(struct image_domain) },
		{ &b->h.limits, b->limits.p, b->limits.count, sizeof(struct image_limits) },
		{ &b->h.auths, b->auths.p, b->auths.count, sizeof(struct image_auth) },
		{ &b->h.strip, b->strip.p, b->strip.count, sizeof(struct image_str) },
		{ &b->h.rules, b->rules.p, b->rules.count, sizeof(struct image_rule) },
		{ &b->h.dn_table, dn_table, dn_size, sizeof(struct image_dn_bucket) },
		{ &b->h.name_table, b->names.p, b->names.cap, sizeof(struct image_name_bucket) },
		{ &b->h.hosts, host_table, host_size, sizeof(struct image_host) },
		{ &b->h.ids, b->ids.p, b->ids.count, sizeof(struct image_id_bucket) },
		{ &b->h.addresses, address_table, address_size, sizeof(struct image_address_bucket) },
	};
	fd = b->failed ? -ENOMEM : shm_create("sipward-image");
	if (fd >= 0) {
		rc = write_pieces(b, fd, pieces, ARRAY_LEN(pieces));
		if (rc < 0)
			close(fd);
	} else {
		rc = fd;
	}
	free(dn_table);
	free(host_table);
	free(address_table);
	return rc < 0 ? rc : fd;
}
