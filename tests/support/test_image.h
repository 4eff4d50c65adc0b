/*
 * test_image - a small image in memory, laid out as the loader does it, for
 * tests of what reads one.
 *
 * The entries are chosen so that each setting of `identity` has a domain of
 * its own, named for it; see the tables at the end.
 */
#ifndef TESTS_SUPPORT_TEST_IMAGE_H
#define TESTS_SUPPORT_TEST_IMAGE_H

#include <stdlib.h>

#include "common/image.h"
#include "common/sip/msg.h"
#include "common/sip/uri.h"
#include "support/key_rows.h"

#define TEST_IMAGE_MAX 65536
#define TEST_IMAGE_TABLE 64 /* buckets; more than twice the names */

/* Which entry is which. */
enum test_domain {
	D_PARTNER,	/* partner.example, all defaults */
	D_WILD,		/* *.partner.example */
	D_WILDER,	/* *.deep.partner.example */
	D_OTHER,	/* other.example */
	D_TWIN,		/* partner.example again, for another certificate */
	D_LISTED,	/* vouches_for: listed.example, .more.example */
	D_OWN,		/* *.own.example; vouches_for: own */
	D_ASSERTED,	/* source: asserted */
	D_FIXED,	/* source: sip:trunk@fixed.example */
	D_STRIP,	/* on_violation: strip, header X-Caller, keep of several */
	D_NUMBERS,	/* vouches_for_numbers: 49, 4430 */
	D_RFC5876,
	D_RFC3325,
	D_PAID,		/* source: asserted, header P-Asserted-Identity */
	D_COUNT,
};

struct test_image {
	_Alignas(64) uint8_t bytes[TEST_IMAGE_MAX];
	size_t used;
	struct image img;
	struct span strip[32];
};

static inline size_t test_image_room(struct test_image *t, size_t len)
{
	size_t at = (t->used + 63) & ~(size_t)63;

	if (at + len > TEST_IMAGE_MAX)
		abort();
	t->used = at + len;
	return at;
}

static inline struct image_str test_image_str(struct test_image *t, const char *text)
{
	size_t len = strlen(text), at = test_image_room(t, len);

	if (len)
		memcpy(t->bytes + at, text, len);
	return (struct image_str){ at, (uint32_t)len, 0 };
}

static inline struct image_ref test_image_ref(struct test_image *t, const char *text)
{
	struct image_str s = test_image_str(t, text);

	return (struct image_ref){ (uint32_t)(s.off / IMAGE_UNIT), s.len };
}

/* Up to four texts, ended by NULL. */
static inline struct image_section test_image_texts(struct test_image *t, const char *const *text)
{
	struct image_str one[4];
	size_t n = 0, at;

	for (; n < 4 && text[n]; n++)
		one[n] = test_image_str(t, text[n]);
	at = test_image_room(t, sizeof(one));
	memcpy(t->bytes + at, one, n * sizeof(one[0]));
	return (struct image_section){ at, n };
}

static inline void test_image_hosts(struct test_image *t, struct image_header *h)
{
	static const struct {
		const char *name;
		uint32_t flags;
	} hosts[] = {
		{ "core.example", HOST_LOCAL_DOMAIN }, { "127.0.0.1", HOST_OURS }, { "edge.example", HOST_OURS },
		{ "2001:db8::1", HOST_OURS },	       { "10.0.0.5", HOST_CONTAINER },
	};
	struct image_host *table;

	h->hosts = (struct image_section){ test_image_room(t, TEST_IMAGE_TABLE * sizeof(*table)), TEST_IMAGE_TABLE };
	table = (struct image_host *)(void *)(t->bytes + h->hosts.off);
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		size_t len = strlen(hosts[i].name);
		size_t at = siphash_13(&h->hash_key, hosts[i].name, len) % TEST_IMAGE_TABLE;

		h->host_lengths |= UINT64_C(1) << (len & 63);
		while (table[at].name.len)
			at = (at + 1) % TEST_IMAGE_TABLE;
		table[at] = (struct image_host){ test_image_str(t, hosts[i].name), hosts[i].flags, 0 };
	}
}

static inline void test_image_names(struct test_image *t, struct image_header *h, const struct image_domain *domain)
{
	struct image_bucket *table;

	h->name_table = (struct image_section){ test_image_room(t, TEST_IMAGE_TABLE * sizeof(*table)), TEST_IMAGE_TABLE };
	table = (struct image_bucket *)(void *)(t->bytes + h->name_table.off);
	key_rows_clear(table, TEST_IMAGE_TABLE);
	for (uint32_t i = 0; i < D_COUNT; i++) {
		struct span name = image_ref_text(&t->img, domain[i].name);
		bool wild = domain[i].flags & DOMAIN_WILDCARD;
		unsigned labels = 1;
		char key[HOST_MAX + 2];

		if (i == D_TWIN)
			continue; /* the first of a name is found */
		for (size_t c = 0; c < name.len; c++)
			labels += name.p[c] == '.';
		if (wild)
			h->suffix_lengths |= UINT64_C(1) << MIN(labels, 63u);
		key[0] = '.';
		memcpy(key + wild, name.p, name.len);
		key_rows_place(table, TEST_IMAGE_TABLE, image_hash(&h->hash_key, key, wild + name.len), i);
	}
}

/* One domain and its identity. */
struct test_entry {
	const char *name;
	uint32_t flags;
	const char *header, *fixed;
	uint8_t assert_on, source, on_violation, vouches_default;
	const char *vouches[4], *numbers[4], *keep[4];
};

static inline void test_image_entries(struct test_image *t, struct image_header *h, const struct test_entry *entry)
{
	struct image_identity *id;
	struct image_domain *d;
	struct image_policy *p;

	h->identities = (struct image_section){ test_image_room(t, D_COUNT * sizeof(*id)), D_COUNT };
	h->domains = (struct image_section){ test_image_room(t, D_COUNT * sizeof(*d)), D_COUNT };
	id = (struct image_identity *)(void *)(t->bytes + h->identities.off);
	d = (struct image_domain *)(void *)(t->bytes + h->domains.off);
	h->policies = (struct image_section){ test_image_room(t, D_COUNT * sizeof(*p)), D_COUNT };
	p = (struct image_policy *)(void *)(t->bytes + h->policies.off);
	for (uint32_t i = 0; i < D_COUNT; i++) {
		const struct test_entry *e = &entry[i];

		id[i] = (struct image_identity){
			.header = test_image_str(t, e->header ? e->header : "P-Preferred-Identity"),
			.assert_on = e->assert_on,
			.source = e->source,
			.on_violation = e->on_violation,
			.vouches_default = e->vouches[0] == NULL && !(e->flags & DOMAIN_VOUCHES_OWN),
			.fixed = test_image_str(t, e->fixed ? e->fixed : ""),
			.vouches = test_image_texts(t, e->vouches),
			.numbers = test_image_texts(t, e->numbers),
			.keep = test_image_texts(t, e->keep),
		};
		d[i] = (struct image_domain){ .name = test_image_ref(t, e->name),
					      .flags = e->flags | DOMAIN_ENABLED | DOMAIN_HAS_DN,
					      .policy = i };
		p[i] = (struct image_policy){ .identity = i };
	}
	test_image_names(t, h, d);
	t->img.identity = id;
	t->img.domain = d;
	t->img.policy = p;
}

static inline void test_image_strip(struct test_image *t)
{
	static const char *const names[] = {
		"p-preferred-identity", "x-caller", "p-asserted-identity", "remote-party-id", "p-asserted-service",
		"p-preferred-service", "p-charging-vector", "p-charging-function-addresses", "p-served-user",
		"p-profile-key", "p-private-network-indication", "p-user-database", "p-access-network-info",
		"cellular-network-info", "p-associated-uri", "p-attestation-indicator", "p-origination-id",
		"attestation-info", "origination-id", "p-early-media",
	};
	struct hdr_set set = { t->strip, ARRAY_LEN(names), 0 };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		t->strip[i] = image_text(&t->img, test_image_str(t, names[i]));
		set.filter |= UINT64_C(1) << (t->strip[i].len & 63);
	}
	t->img.strip = set;
}

/* One cluster of four containers, the last one drained. */
static inline void test_image_cluster(struct test_image *t, struct image_header *h)
{
	static const char *const ids[] = { "10.0.0.5:5060;tcp", "10.0.0.6:5060;tcp", "10.0.0.7:5060;tcp", "10.0.0.8:5060;tcp" };
	static const uint32_t weights[] = { 1, 2, 3, 0 };
	struct image_cluster *c;
	struct image_server *s;

	h->clusters = (struct image_section){ test_image_room(t, sizeof(*c)), 1 };
	c = (struct image_cluster *)(void *)(t->bytes + h->clusters.off);
	c->name = test_image_str(t, "main");
	c->servers = (struct image_section){ test_image_room(t, ARRAY_LEN(ids) * sizeof(*s)), ARRAY_LEN(ids) };
	s = (struct image_server *)(void *)(t->bytes + c->servers.off);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		s[i] = (struct image_server){ .port = 5060, .protocol = PROTO_TCP, .weight = weights[i], .id = test_image_str(t, ids[i]) };
	t->img.cluster = c;
}

/* Nobody has trusted addresses; keyed ids are put in by tests that want them. */
static inline void test_image_tables(struct test_image *t, struct image_header *h)
{
	struct image_id_bucket *ids;

	h->ids = (struct image_section){ test_image_room(t, TEST_IMAGE_TABLE * sizeof(*ids)), TEST_IMAGE_TABLE };
	ids = (struct image_id_bucket *)(void *)(t->bytes + h->ids.off);
	for (size_t i = 0; i < TEST_IMAGE_TABLE; i++)
		ids[i].domain = IMAGE_NONE;
	h->addresses = (struct image_section){ test_image_room(t, sizeof(struct image_address_bucket)), 1 };
}

static inline void test_image_put_id(struct image *img, uint32_t key, uint64_t id, uint32_t domain)
{
	struct image_id_bucket *ids = (struct image_id_bucket *)(uintptr_t)image_at(img, img->h->ids);
	uint64_t mark = image_id_mark(key, id), at = image_slot((uint32_t)mark, TEST_IMAGE_TABLE);

	while (ids[at].domain != IMAGE_NONE)
		at = image_slot_next(at, TEST_IMAGE_TABLE);
	ids[at] = (struct image_id_bucket){ { (uint32_t)mark, (uint32_t)(mark >> 32) }, domain };
}

/* The image; built at the first call. */
static inline struct image *test_image(void)
{
	static const struct test_entry entries[D_COUNT] = {
		[D_PARTNER] = { .name = "partner.example" },
		[D_WILD] = { .name = "partner.example", .flags = DOMAIN_WILDCARD },
		[D_WILDER] = { .name = "deep.partner.example", .flags = DOMAIN_WILDCARD },
		[D_OTHER] = { .name = "other.example", .flags = DOMAIN_TRUST_DOMAIN },
		[D_TWIN] = { .name = "partner.example" },
		[D_LISTED] = { .name = "entry.example", .vouches = { "listed.example", ".more.example", "192.0.2.7" } },
		[D_OWN] = { .name = "own.example", .flags = DOMAIN_WILDCARD | DOMAIN_VOUCHES_OWN },
		[D_ASSERTED] = { .name = "asserted.example", .source = SOURCE_ASSERTED },
		[D_FIXED] = { .name = "fixed.example", .source = SOURCE_FIXED, .fixed = "sip:trunk@fixed.example" },
		[D_STRIP] = { .name = "strip.example", .on_violation = VIOLATION_STRIP, .header = "X-Caller",
			      .keep = { "p-charging-vector", "p-preferred-identity", "x-caller" } },
		[D_NUMBERS] = { .name = "numbers.example", .numbers = { "49", "4430" } },
		[D_RFC5876] = { .name = "rfc5876.example", .assert_on = ASSERT_RFC5876 },
		[D_RFC3325] = { .name = "rfc3325.example", .assert_on = ASSERT_RFC3325 },
		[D_PAID] = { .name = "paid.example", .source = SOURCE_ASSERTED, .header = "P-Asserted-Identity",
			     .keep = { "remote-party-id" } },
	};
	static struct test_image t;
	struct image_header *h = (struct image_header *)(void *)t.bytes;

	if (t.used)
		return &t.img;
	t.used = sizeof(*h);
	*h = (struct image_header){ .magic = IMAGE_MAGIC, .version = IMAGE_VERSION, .header_size = sizeof(*h) };
	h->size = sizeof(t.bytes);
	h->hash_key.k[0] = 7;
	settings_defaults(&h->settings);
	t.img = (struct image){ .h = h, .size = sizeof(t.bytes), .settings = &h->settings };
	test_image_hosts(&t, h);
	test_image_entries(&t, h, entries);
	test_image_strip(&t);
	test_image_cluster(&t, h);
	test_image_tables(&t, h);
	return &t.img;
}

/* A message of a test, parsed. */
struct test_msg {
	struct msg_header header[256];
	struct sip_msg msg;
	struct msg_fault fault;
};

/* The bytes must outlive the message.  What stands behind the head is the body. */
static inline enum fault test_msg_parse(struct test_msg *t, struct span bytes)
{
	const struct msg_rules rules = { .body_max = 1 << 20, .identity = &test_image()->strip, .stream = true };
	const char *end = memmem(bytes.p, bytes.len, "\r\n\r\n", 4);
	size_t head = end ? (size_t)(end - bytes.p) + 4 : bytes.len;
	enum fault f = msg_parse(span_head(bytes, head), &rules, t->header, ARRAY_LEN(t->header), &t->msg, &t->fault);

	t->msg.body = span_from(bytes, head);
	return f;
}

#endif
