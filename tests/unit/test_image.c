/* image: what the builder wrote is found again, nothing else is; a broken image is refused or at least harmless. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/dn.h"
#include "common/image.h"
#include "common/shm.h"
#include "common/sip/uri.h"
#include "master/image_build.h"
#include "support/image_rows.h"
#include "support/leaks.h"

TestSuite(image, .fini = leaks_check);

static int build(void)
{
	struct image_builder *b = image_builder_new(7);
	int fd;

	put_rows(b);
	for (size_t i = 0; i < ARRAY_LEN(domains); i++)
		cr_assert_eq(image_claim_name(b, put_domain(b, domains[i].name, domains[i].dn)), IMAGE_NONE);
	fd = image_builder_finish(b);
	image_builder_free(b);
	cr_assert_geq(fd, 0);
	return fd;
}

static struct image *built(void)
{
	int fd = build();
	struct image *img = image_attach(fd);

	close(fd);
	cr_assert_not_null(img);
	return img;
}

/* ---- look-ups ---- */

Test(image, header)
{
	struct image *img = built();

	cr_assert_eq(img->h->generation, 7);
	cr_assert_eq(img->settings->header_bytes, 65536);
	cr_assert_eq(img->h->listeners.count, 2);
	cr_assert_eq(img->h->near.count, 3);
	cr_assert_eq(img->strip.count, 2, "a doubled name stands once");
	cr_assert(img->strip.filter >> 15 & 1 && img->strip.filter >> 19 & 1);
	for (const struct image_section *s = &img->h->listeners; s <= &img->h->strip; s++)
		cr_assert_eq(s->off % 64, 0, "section %zu is aligned", (size_t)(s - &img->h->listeners));
	image_free(img);
}

static const struct {
	const char *why, *dn;
	uint32_t count, first;
} dns[] = {
	{ "of two domains, in their order", "CN=sip.partner.example,O=Partner,C=DE", 2, 0 },
	{ "folded", "cn=SIP.partner.example, o=partner , c=de", 2, 0 },
	{ "of one", "CN=other", 1, 3 },
	{ "longer than another", "CN=other,O=x", 1, 4 },
	{ "the other way round", "O=x,CN=other", 0, 0 },
	{ "not configured", "CN=stranger", 0, 0 },
	{ "a part of one", "O=Partner,C=DE", 0, 0 },
};

Test(image, find_dn)
{
	struct image *img = built();

	for (size_t i = 0; i < ARRAY_LEN(dns); i++) {
		struct dn dn = dn_of(dns[i].dn);
		struct image_domains got = image_find_dn(img, dn.bytes, dn.len);

		cr_assert_eq(got.count, dns[i].count, "%s", dns[i].why);
		for (uint32_t j = 0; j < got.count; j++)
			cr_assert_eq(got.index[j], dns[i].first + j, "%s: domain %u", dns[i].why, j);
		cr_assert_eq(image_find_dn(img, dn.bytes, dn.len - 1).count, 0, "%s: cut by one byte", dns[i].why);
	}
	cr_assert_eq(image_find_dn(img, (const uint8_t *)"", 0).count, 0, "an empty subject matches no DN");
	image_free(img);
}

static const struct {
	const char *host;
	uint32_t want;
} hosts[] = {
	{ "partner.example", 0 },	       { "a.partner.example", 1 },   { "a.b.partner.example", 1 },
	{ "a.deep.partner.example", 2 },       { "deep.partner.example", 1 }, { "a.example", 3 },
	{ "other.example", 4 },		       { "x.other.example", 3 },     { "example", IMAGE_NONE },
	{ "partner.exampl", IMAGE_NONE },      { "xpartner.example", 3 },    { "198.51.100.7", 5 },
	{ "1.198.51.100.7", IMAGE_NONE },      { "", IMAGE_NONE },
	{ "partner.example.com", IMAGE_NONE },
};

Test(image, find_domain)
{
	struct image *img = built();

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		uint32_t got = image_find_domain(img, span_str(hosts[i].host));

		cr_assert_eq(got, hosts[i].want, "%s: %u", hosts[i].host, got);
		if (got != IMAGE_NONE)
			cr_assert(image_domain_covers(img, got, span_str(hosts[i].host)), "%s", hosts[i].host);
	}
	cr_assert(image_domain_covers(img, 3, SPAN("a.partner.example")), "a shorter suffix covers too");
	cr_assert_not(image_domain_covers(img, 1, SPAN("partner.example")), "a wildcard is not the suffix itself");
	cr_assert_not(image_domain_covers(img, 0, SPAN("a.partner.example")));
	image_free(img);
}

Test(image, hosts)
{
	struct image *img = built();

	cr_assert_eq(image_host_flags(img, SPAN("core.example")), HOST_LOCAL_DOMAIN);
	cr_assert_eq(image_host_flags(img, SPAN("192.0.2.1")), HOST_OURS | HOST_CONTAINER, "flags add up");
	cr_assert_eq(image_host_flags(img, SPAN("192.0.2.2")), 0);
	cr_assert_eq(image_host_flags(img, SPAN("")), 0);
	cr_assert(image_host_is_local(img, SPAN("core.example")));
	cr_assert(image_host_is_local(img, SPAN("a.b.core.example")));
	cr_assert_not(image_host_is_local(img, SPAN("xcore.example")));
	cr_assert_not(image_host_is_local(img, SPAN("192.0.2.1")));
	image_free(img);
}

Test(image, cidr)
{
	static const struct image_cidr prefixes[] = {
		{ { [10] = 0xff, [11] = 0xff, 192, 0, 2, 128 }, 96 + 25 },
		{ { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 }, 128 },
		{ { 0x20, 1, 0x0d, 0xb8 }, 32 },
	};
	static const struct {
		uint8_t addr[16];
		bool want;
	} rows[] = {
		{ { [10] = 0xff, [11] = 0xff, 192, 0, 2, 200 }, true },	 { { [10] = 0xff, [11] = 0xff, 192, 0, 2, 127 }, false },
		{ { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 }, true },	 { { [10] = 0xff, [11] = 0xff, 10, 0, 0, 2 }, false },
		{ { 0x20, 1, 0x0d, 0xb8, 9 }, true },			 { { 0x20, 1, 0x0d, 0xb9 }, false },
		{ { 192, 0, 2, 200 }, false },
	};
	struct image_builder *b = image_builder_new(1);
	struct image_section s = image_put_array(b, prefixes, ARRAY_LEN(prefixes), sizeof(*prefixes)), none = { 0 };
	struct image *img;
	int fd;

	put_rows(b);
	fd = image_builder_finish(b);
	img = image_attach(fd);
	close(fd);
	image_builder_free(b);
	cr_assert_not_null(img);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_assert_eq(image_cidr_has(img, s, rows[i].addr), rows[i].want, "row %zu", i);
		cr_assert_not(image_cidr_has(img, none, rows[i].addr), "row %zu: no prefixes", i);
	}
	image_free(img);
}

Test(image, nearest_dn)
{
	struct image *img = built();
	struct dn near = dn_of("CN=sip.partner.example,O=Partner,C=AT"), far = dn_of("OU=nobody"), same = dn_of("CN=other,O=x"),
		  alike = dn_of("CN=s1p-partner\\D0\\B5.example");
	const struct image_key *got = image_nearest_dn(img, near.bytes, near.len);

	cr_assert_not_null(got);
	cr_assert_eq(got->domains, 2);
	cr_assert_null(image_nearest_dn(img, far.bytes, far.len));
	got = image_nearest_dn(img, same.bytes, same.len);
	cr_assert_not_null(got);
	cr_assert_eq(got->len, same.len);
	cr_assert_eq(got->domains, 1);
	got = image_nearest_dn(img, alike.bytes, alike.len);
	cr_assert(got && got->domains == 2, "one with another letter, 1 for i and a hyphen for a dot");
	image_free(img);
}

/* Enough for the tables to grow many times; every name is found, and its neighbours are not. */
Test(image, many)
{
	enum { MANY = 20000 };
	struct image_builder *b = image_builder_new(1);
	struct image *img;
	char name[64], dn[80];
	int fd;

	put_rows(b);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%sd%u.example", i % 3 ? "" : "*.", i);
		snprintf(dn, sizeof(dn), "CN=sip%u,O=x", i / 2);
		cr_assert_eq(image_claim_name(b, put_domain(b, name, dn)), IMAGE_NONE);
	}
	cr_assert_eq(image_claim_name(b, put_domain(b, "d1.example", NULL)), 1u, "a second one is told");
	cr_assert_eq(image_claim_name(b, put_domain(b, "d0.example", NULL)), IMAGE_NONE, "a name beside its wildcard is another");
	fd = image_builder_finish(b);
	image_builder_free(b);
	img = image_attach(fd);
	close(fd);
	cr_assert_not_null(img);
	cr_assert_eq(img->h->near.count, MANY / 2);
	for (unsigned i = 0; i < MANY; i++) {
		struct dn key;

		snprintf(name, sizeof(name), "%sd%u.example", i % 3 ? "" : "x.", i);
		cr_assert_eq(image_find_domain(img, span_str(name)), i, "%s", name);
		snprintf(name, sizeof(name), "e%u.example", i);
		cr_assert_eq(image_find_domain(img, span_str(name)), IMAGE_NONE, "%s", name);
		snprintf(dn, sizeof(dn), "CN=sip%u,O=x", i / 2);
		key = dn_of(dn);
		cr_assert_eq(image_find_dn(img, key.bytes, key.len).count, 2u, "%s", dn);
	}
	image_free(img);
}

/* ---- what is no image ---- */

static struct image *attach_bytes(const void *p, size_t len, bool seal)
{
	int fd = shm_create("test");
	struct image *img;

	cr_assert(fd >= 0 && shm_write(fd, p, len) == 0 && (!seal || shm_seal(fd) == 0));
	img = image_attach(fd);
	close(fd);
	if (!img || image_verify(img))
		return img;
	image_free(img);
	errno = EBADMSG;
	return NULL;
}

static uint8_t *copy_of(int fd, size_t *len)
{
	struct span all;
	uint8_t *p;

	cr_assert_eq(shm_map(fd, &all), 0);
	p = malloc(all.len);
	memcpy(p, all.p, all.len);
	*len = all.len;
	shm_unmap(all);
	close(fd);
	return p;
}

Test(image, not_sealed)
{
	size_t len;
	uint8_t *p = copy_of(build(), &len);

	cr_assert_null(attach_bytes(p, len, false));
	cr_assert_eq(errno, EBADMSG);
	free(p);
}

Test(image, truncated)
{
	size_t len;
	uint8_t *p = copy_of(build(), &len);

	for (size_t n = 1; n < len; n += 37) {
		cr_assert_null(attach_bytes(p, n, true), "%zu of %zu bytes", n, len);
		cr_assert_eq(errno, EBADMSG);
		if (n < sizeof(struct image_header))
			continue;
		((struct image_header *)(void *)p)->size = n; /* even if it says so */
		cr_assert_null(attach_bytes(p, n, true), "%zu of %zu bytes", n, len);
		((struct image_header *)(void *)p)->size = len;
	}
	cr_assert_null(attach_bytes("", 0, true), "empty");
	free(p);
}

/* Offsets in a section's rows. */
#define IN_HEADER(field) offsetof(struct image_header, field)

enum base { OF_HEADER, OF_LISTENERS, OF_TLS, OF_CLUSTERS, OF_IDENTITIES, OF_DOMAINS, OF_RULES, OF_POLICIES };

static const struct {
	const char *why;
	enum base base;
	size_t at, size;
	uint64_t value;
} wrong[] = {
	{ "magic", OF_HEADER, IN_HEADER(magic), 8, 1 },
	{ "version", OF_HEADER, IN_HEADER(version), 4, 99 },
	{ "header size", OF_HEADER, IN_HEADER(header_size), 4, 8 },
	{ "a section behind the end", OF_HEADER, IN_HEADER(domains.off), 8, 1u << 30 },
	{ "a section that wraps around", OF_HEADER, IN_HEADER(domains.off), 8, UINT64_MAX - 7 },
	{ "a section not aligned", OF_HEADER, IN_HEADER(domains.off), 8, 1001 },
	{ "too many rows", OF_HEADER, IN_HEADER(identities.count), 8, 1u << 20 },
	{ "rows that overflow", OF_HEADER, IN_HEADER(listeners.count), 8, UINT64_MAX / 2 },
	{ "a table of no power of two", OF_HEADER, IN_HEADER(hosts.count), 8, 3 },
	{ "an empty table of names", OF_HEADER, IN_HEADER(name_table.count), 8, 0 },
	{ "an empty table of DNs", OF_HEADER, IN_HEADER(dn_table.count), 8, 0 },
	{ "an empty table of hosts", OF_HEADER, IN_HEADER(hosts.count), 8, 0 },
	{ "no default cluster", OF_HEADER, IN_HEADER(default_cluster), 4, IMAGE_NONE },
	{ "an identity that is none", OF_HEADER, IN_HEADER(identity), 4, 7 },
	{ "a user behind the end", OF_HEADER, IN_HEADER(process.user.off), 8, UINT64_MAX },
	{ "a log that is too long", OF_HEADER, IN_HEADER(log.to.len), 4, UINT32_MAX },
	{ "names to strip behind the end", OF_HEADER, IN_HEADER(strip.off), 8, UINT64_MAX - 63 },
	{ "fewer domains than the tables know", OF_HEADER, IN_HEADER(domains.count), 8, 1 },
	{ "a listener's host", OF_LISTENERS, offsetof(struct image_listener, host.len), 4, UINT32_MAX },
	{ "a listener's profile", OF_LISTENERS, offsetof(struct image_listener, tls), 4, 5 },
	{ "a listener's side", OF_LISTENERS, offsetof(struct image_listener, side), 1, 2 },
	{ "a listener's prefixes", OF_LISTENERS, offsetof(struct image_listener, allow.count), 8, UINT64_MAX },
	{ "a profile's CRLs", OF_TLS, offsetof(struct image_tls, crls.off), 8, UINT64_MAX - 7 },
	{ "a profile's CAs", OF_TLS, offsetof(struct image_tls, trust.count), 8, 1u << 20 },
	{ "a profile's choice", OF_TLS, offsetof(struct image_tls, client_certificate), 1, 3 },
	{ "a cluster's servers", OF_CLUSTERS, offsetof(struct image_cluster, servers.off), 8, UINT64_MAX - 7 },
	{ "an identity's hosts", OF_IDENTITIES, offsetof(struct image_identity, vouches.off), 8, UINT64_MAX - 7 },
	{ "an identity's source", OF_IDENTITIES, offsetof(struct image_identity, source), 1, 9 },
	{ "a domain's name", OF_DOMAINS, offsetof(struct image_domain, name.at), 4, UINT32_MAX },
	{ "a domain's policy", OF_DOMAINS, offsetof(struct image_domain, policy), 4, 50 },
	{ "a domain's DNs", OF_DOMAINS, offsetof(struct image_domain, dns.at), 4, UINT32_MAX },
	{ "a policy's identity", OF_POLICIES, offsetof(struct image_policy, identity), 4, 1 },
	{ "a rule's conditions", OF_RULES, offsetof(struct image_rule, conditions.off), 8, UINT64_MAX - 7 },
	{ "a rule's cluster", OF_RULES, offsetof(struct image_rule, cluster), 4, 1 },
	{ "a rule that refuses without a status", OF_RULES, offsetof(struct image_rule, cluster), 4, IMAGE_NONE },
	{ "an empty table of ids", OF_HEADER, IN_HEADER(ids.count), 8, 0 },
	{ "an empty table of addresses", OF_HEADER, IN_HEADER(addresses.count), 8, 0 },
	{ "a domain's hosts", OF_DOMAINS, offsetof(struct image_domain, hosts.at), 4, UINT32_MAX },
	{ "a policy's profile", OF_POLICIES, offsetof(struct image_policy, tls), 4, 5 },
	{ "a policy's limits", OF_POLICIES, offsetof(struct image_policy, limits), 4, 5 },
	{ "a policy's addresses", OF_POLICIES, offsetof(struct image_policy, trusted_addresses.off), 8, 3 },
	{ "a policy's pins", OF_POLICIES, offsetof(struct image_policy, pins.count), 8, 1u << 20 },
	{ "the likenesses", OF_HEADER, IN_HEADER(near.count), 8, 1u << 20 },
};

Test(image, wrong)
{
	size_t len;
	uint8_t *p = copy_of(build(), &len);
	const struct image_header *h = (const struct image_header *)(void *)p;
	const uint64_t base[] = { 0, h->listeners.off, h->tls.off, h->clusters.off, h->identities.off, h->domains.off, h->rules.off, h->policies.off };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		uint8_t saved[8], *at = p + base[wrong[i].base] + wrong[i].at;

		memcpy(saved, at, 8);
		memcpy(at, &wrong[i].value, wrong[i].size);
		cr_assert_null(attach_bytes(p, len, true), "%s", wrong[i].why);
		cr_assert_eq(errno, EBADMSG, "%s", wrong[i].why);
		memcpy(at, saved, 8);
	}
	free(p);
}

/* A table without a free bucket, in which a look-up would not end. */
Test(image, full_tables)
{
	size_t len;
	uint8_t *p = copy_of(build(), &len);
	const struct image_header *h = (const struct image_header *)(void *)p;
	struct image_bucket *name = (struct image_bucket *)(void *)(p + h->name_table.off);
	struct image_host *host = (struct image_host *)(void *)(p + h->hosts.off), some = { .name = { .off = 64, .len = 1 } };
	struct image_bucket names[16];

	cr_assert_eq(h->name_table.count, ARRAY_LEN(names));
	memcpy(names, name, sizeof(names));
	for (uint64_t i = 0; i < h->name_table.count; i++)
		name[i].ref = 0;
	cr_assert_null(attach_bytes(p, len, true), "names");
	memcpy(name, names, sizeof(names));
	for (uint64_t i = 0; i < h->hosts.count; i++)
		host[i] = some;
	cr_assert_null(attach_bytes(p, len, true), "hosts");
	free(p);
}

static void look_around(const struct image *img)
{
	struct dn dn = dn_of("CN=other,O=x");
	uint8_t addr[16] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		uint32_t domain = image_find_domain(img, span_str(hosts[i].host));

		if (domain != IMAGE_NONE)
			(void)image_cidr_has(img, image_policy_of(img, domain)->trusted_addresses, addr);
		(void)image_host_is_local(img, span_str(hosts[i].host));
	}
	ask_rules(img);
	(void)image_find_dn(img, dn.bytes, dn.len);
	(void)image_nearest_dn(img, dn.bytes, dn.len);
	for (size_t i = 0; i < img->strip.count; i++)
		cr_assert_leq(img->strip.name[i].len, img->size);
}

/* Any byte may be another: the image is refused, or looking things up in it does no harm. */
Test(image, corrupted)
{
	size_t len, taken = 0, refused = 0;
	uint8_t *p = copy_of(build(), &len);

	for (size_t i = 0; i < len; i++) {
		static const uint8_t flips[] = { 0xff, 0x01, 0x80 };
		uint8_t saved = p[i];
		struct image *img;

		p[i] ^= flips[i % ARRAY_LEN(flips)];
		img = attach_bytes(p, len, true);
		if (img)
			look_around(img);
		taken += img != NULL;
		refused += img == NULL;
		image_free(img);
		p[i] = saved;
	}
	cr_assert(taken && refused, "both happen: %zu, %zu", taken, refused);
	free(p);
}

/* What is lost on the way must not be published. */
Test(image, failed_builder)
{
	struct image_builder *b = image_builder_new(1);

	put_rows(b);
	image_builder_fail(b);
	cr_assert_eq(image_builder_finish(b), -ENOMEM);
	image_builder_free(b);
}
