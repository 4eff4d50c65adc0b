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
	free(b->policies.p);
	free(b->domains.p);
	free(b->hosts.p);
	free(b->strip.p);
	free(b->rules.p);
	free(b->limits.p);
	free(b->auths.p);
	free(b->sources.p);
	free(b->addresses.p);
	free(b->ids.p);
	free(b->shares.p);
	free(b->onces.p);
	free(b->near.p);
	free(b->names.p);
	free(b->dns.p);
	free(b->sans.p);
	free(b->same_policies.p);
	free(b->same_bytes.p);
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
	if (data && len)
		memcpy(p + pad, data, len);
	return HEAP_START + b->heap.count - len;
}

struct image_str image_put_text(struct image_builder *b, struct span text)
{
	return (struct image_str){ .off = image_put(b, text.p, text.len, 1), .len = (uint32_t)text.len };
}

struct image_ref image_put_ref(struct image_builder *b, const void *rows, size_t count, size_t size)
{
	uint64_t off = count ? image_put(b, rows, count * size, IMAGE_UNIT) : 0;

	if (off / IMAGE_UNIT >= UINT32_MAX || count > UINT32_MAX)
		b->failed = true;
	return (struct image_ref){ .at = (uint32_t)(off / IMAGE_UNIT), .count = (uint32_t)count };
}

/* Offset of bytes of which one copy is enough; 0 of none. */
static uint64_t put_once(struct image_builder *b, const void *bytes, size_t len)
{
	uint32_t hash = image_hash(&b->h.hash_key, bytes, len);
	struct buckets *t = &b->same_bytes;
	struct once *new;

	if (len == 0 || !buckets_room(b, t))
		return 0;
	for (uint64_t at = image_slot(hash, t->size); t->p[at].ref != IMAGE_NONE; at = image_slot_next(at, t->size)) {
		const struct once *o = (const struct once *)(const void *)b->onces.p + t->p[at].ref;

		if (t->p[at].hash == hash && o->len == len && memcmp(b->heap.p + (o->off - HEAP_START), bytes, len) == 0)
			return o->off;
	}
	new = image_extend(b, &b->onces, 1, sizeof(*new));
	if (!new)
		return 0;
	*new = (struct once){ .off = image_put(b, bytes, len, IMAGE_UNIT), .len = len };
	buckets_put(t, hash, (uint32_t)(b->onces.count - 1));
	return new->off;
}

struct image_str image_put_text_once(struct image_builder *b, struct span text)
{
	return (struct image_str){ .off = put_once(b, text.p, text.len), .len = (uint32_t)text.len };
}

struct image_section image_put_array_once(struct image_builder *b, const void *rows, size_t count, size_t size)
{
	return (struct image_section){ .off = put_once(b, rows, count * size), .count = count };
}

void *image_heap_unit(const struct image_builder *b, uint32_t at)
{
	return b->heap.p + ((size_t)at * IMAGE_UNIT - HEAP_START);
}

struct span image_heap_ref(const struct image_builder *b, struct image_ref r)
{
	return r.count ? span_of(image_heap_unit(b, r.at), r.count) : span_of("", 0);
}

struct image_section image_put_array(struct image_builder *b, const void *rows, size_t count, size_t size)
{
	return (struct image_section){ .off = count ? image_put(b, rows, count * size, IMAGE_UNIT) : 0, .count = count };
}

struct image_cidr image_heap_cidr(const struct image_builder *b, struct image_section s, uint64_t index)
{
	struct image_cidr c;

	memcpy(&c, b->heap.p + (s.off - HEAP_START) + index * sizeof(c), sizeof(c));
	return c;
}

struct image_str image_heap_str(const struct image_builder *b, struct image_section s, uint64_t index)
{
	struct image_str text;

	memcpy(&text, b->heap.p + (s.off - HEAP_START) + index * sizeof(text), sizeof(text));
	return text;
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

/* Padding and all: rows are made by initialisers, so equal settings are equal bytes. */
static uint32_t add_policy(struct image_builder *b, const struct image_policy *row)
{
	uint32_t hash = image_hash(&b->h.hash_key, row, sizeof(*row)), new;
	struct buckets *t = &b->same_policies;

	if (!buckets_room(b, t))
		return 0;
	for (uint64_t at = image_slot(hash, t->size); t->p[at].ref != IMAGE_NONE; at = image_slot_next(at, t->size))
		if (t->p[at].hash == hash && memcmp(b->policies.p + t->p[at].ref * sizeof(*row), row, sizeof(*row)) == 0)
			return t->p[at].ref;
	new = add(b, &b->policies, row, sizeof(*row));
	buckets_put(t, hash, new);
	return new;
}

uint32_t image_add_domain(struct image_builder *b, const struct image_domain *row, const struct image_policy *policy)
{
	struct image_domain d = *row;

	d.policy = add_policy(b, policy);
	return add(b, &b->domains, &d, sizeof(d));
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

void image_add_source(struct image_builder *b, const struct image_domain_file *row)
{
	(void)add(b, &b->sources, row, sizeof(*row)); /* a failure is kept in the builder */
}

void image_add_address(struct image_builder *b, struct image_cidr prefix, uint32_t domain)
{
	struct address_entry e = { .prefix = prefix, .domain = domain, .next = IMAGE_NONE };

	image_prefix_mask(&e.prefix);
	b->h.address_bits[prefix.bits / 64] |= UINT64_C(1) << prefix.bits % 64;
	(void)add(b, &b->addresses, &e, sizeof(e)); /* a failure is kept in the builder */
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

/* ---- writing ---- */

struct piece {
	struct image_section *section;
	struct rows *rows;
	size_t size;
};

/* Where each goes; what is written first tells all the rest. */
static void lay_out(struct image_builder *b, const struct piece *pieces, size_t count)
{
	uint64_t at = HEAP_START + b->heap.count;

	for (size_t i = 0; i < count; i++) {
		at = (at + 63) & ~(uint64_t)63;
		*pieces[i].section = (struct image_section){ .off = at, .count = pieces[i].rows->count };
		at += pieces[i].rows->count * pieces[i].size;
	}
	b->h.size = at;
}

/* What is written is let go, so that a large image is in memory but once. */
static int write_pieces(struct image_builder *b, int fd, const struct piece *pieces, size_t count)
{
	static const char zeros[64];
	uint64_t at = HEAP_START + b->heap.count;
	int rc = shm_write(fd, &b->h, sizeof(b->h));

	if (rc == 0)
		rc = shm_write(fd, zeros, HEAP_START - sizeof(b->h));
	if (rc == 0)
		rc = shm_move(fd, b->heap.p, b->heap.count);
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = shm_write(fd, zeros, pieces[i].section->off - at);
		if (rc == 0)
			rc = shm_move(fd, pieces[i].rows->p, pieces[i].rows->count * pieces[i].size);
		at = pieces[i].section->off + pieces[i].rows->count * pieces[i].size;
	}
	return rc == 0 ? shm_seal(fd) : rc;
}

static struct rows rows_of(const struct buckets *t)
{
	return (struct rows){ .p = (char *)t->p, .count = t->size };
}

static int publish(struct image_builder *b, struct rows *hosts, struct rows *addresses)
{
	struct rows names = rows_of(&b->names), dns = rows_of(&b->dns), sans = rows_of(&b->sans);
	const struct piece pieces[] = {
		{ &b->h.listeners, &b->listeners, sizeof(struct image_listener) },
		{ &b->h.tls, &b->tls, sizeof(struct image_tls) },
		{ &b->h.clusters, &b->clusters, sizeof(struct image_cluster) },
		{ &b->h.identities, &b->identities, sizeof(struct image_identity) },
		{ &b->h.policies, &b->policies, sizeof(struct image_policy) },
		{ &b->h.domains, &b->domains, sizeof(struct image_domain) },
		{ &b->h.limits, &b->limits, sizeof(struct image_limits) },
		{ &b->h.auths, &b->auths, sizeof(struct image_auth) },
		{ &b->h.strip, &b->strip, sizeof(struct image_str) },
		{ &b->h.rules, &b->rules, sizeof(struct image_rule) },
		{ &b->h.sources, &b->sources, sizeof(struct image_domain_file) },
		{ &b->h.dn_table, &dns, sizeof(struct image_bucket) },
		{ &b->h.san_table, &sans, sizeof(struct image_bucket) },
		{ &b->h.name_table, &names, sizeof(struct image_bucket) },
		{ &b->h.near, &b->near, sizeof(struct image_near) },
		{ &b->h.hosts, hosts, sizeof(struct image_host) },
		{ &b->h.ids, &b->ids, sizeof(struct image_id_bucket) },
		{ &b->h.addresses, addresses, sizeof(struct image_address_bucket) },
	};
	int fd = shm_create("sipward-image"), rc;

	if (fd < 0)
		return fd;
	lay_out(b, pieces, ARRAY_LEN(pieces));
	rc = write_pieces(b, fd, pieces, ARRAY_LEN(pieces));
	if (rc == 0)
		return fd;
	(void)close(fd); /* of no use; the first error counts */
	return rc;
}

int image_builder_finish(struct image_builder *b)
{
	struct rows hosts = { 0 }, addresses = { 0 };
	int rc = -ENOMEM;

	if (b->ids.count == 0)
		image_builder_ids(b, &(struct route_keys){ 0 });
	image_finish_keys(b);
	hosts.p = (char *)image_host_table(b, &hosts.count);
	addresses.p = (char *)image_address_table(b, &addresses.count);
	if (!b->failed)
		rc = publish(b, &hosts, &addresses);
	free(hosts.p);
	free(addresses.p);
	b->failed = true; /* its rows are gone */
	return rc;
}
