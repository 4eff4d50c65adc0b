#include "common/image.h"

#include "common/image_bounds.h"

/* ---- rows ---- */

static bool crls_ok(const struct image *img, struct image_section crls)
{
	const struct image_crl *crl;

	if (!section_ok(img, crls, sizeof(*crl)))
		return false;
	crl = image_at(img, crls);
	for (uint64_t i = 0; i < crls.count; i++) {
		const struct image_serial *serial;

		if (!section_ok(img, crl[i].revoked, sizeof(*serial)))
			return false;
		serial = image_at(img, crl[i].revoked);
		for (uint64_t j = 0; j < crl[i].revoked.count; j++)
			if (serial[j].len > sizeof(serial->bytes))
				return false;
	}
	return true;
}

static bool all_crls_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->tls.count; i++)
		if (!crls_ok(img, img->tls[i].crls))
			return false;
	return true;
}

static bool identities_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->identities.count; i++) {
		const struct image_identity *id = &img->identity[i];

		if (!str_ok(img, id->header) || !str_ok(img, id->fixed) || !strings_ok(img, id->vouches) ||
		    !strings_ok(img, id->numbers) || !strings_ok(img, id->keep) || id->assert_on > ASSERT_RFC3325 ||
		    id->source > SOURCE_FIXED || id->on_violation > VIOLATION_STRIP)
			return false;
	}
	return true;
}

static bool policies_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->policies.count; i++) {
		const struct image_policy *p = &img->policy[i];

		if (p->identity >= img->h->identities.count || !index_ok(p->tls, img->h->tls) || !index_ok(p->limits, img->h->limits) ||
		    !index_ok(p->auth, img->h->auths) || p->protocol > PROTO_UDP || p->reuse > REUSE_NEVER ||
		    !section_ok(img, p->trust, sizeof(struct image_spki)) || !section_ok(img, p->pins, sizeof(struct image_spki)) ||
		    !cidrs_ok(img, p->trusted_addresses) || !strings_ok(img, p->sans) || !str_ok(img, p->sni))
			return false;
	}
	return true;
}

static bool targets_ok(const struct image *img, struct image_ref hosts)
{
	const struct image_target *t = image_unit(img, hosts.at);

	if (!ref_ok(img, hosts, sizeof(*t)))
		return false;
	for (uint32_t i = 0; i < hosts.count; i++)
		if (!ref_ok(img, t[i].host, 1))
			return false;
	return true;
}

/* A key and the list of its domains. */
static bool key_ok(const struct image *img, uint32_t at)
{
	const struct image_key *k = image_key_at(img, at);
	struct image_domains d;

	if (!ref_ok(img, (struct image_ref){ at, 1 }, sizeof(*k)) || !ref_ok(img, (struct image_ref){ at, 1 }, sizeof(*k) + k->len) ||
	    k->domains == 0 || (k->domains > 1 && !ref_ok(img, (struct image_ref){ k->first, k->domains }, sizeof(uint32_t))))
		return false;
	d = image_key_domains(img, k);
	for (uint32_t i = 0; i < d.count; i++)
		if (d.index[i] >= img->h->domains.count)
			return false;
	return true;
}

static bool dns_ok(const struct image *img, struct image_ref dns)
{
	const uint32_t *several = image_unit(img, dns.at);

	if (dns.count == 1)
		return key_ok(img, dns.at);
	if (!ref_ok(img, dns, sizeof(*several)))
		return false;
	for (uint32_t i = 0; i < dns.count; i++)
		if (!key_ok(img, several[i]))
			return false;
	return true;
}

static bool domains_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->domains.count; i++) {
		const struct image_domain *d = &img->domain[i];

		if (!ref_ok(img, d->name, 1) || !targets_ok(img, d->hosts) || !dns_ok(img, d->dns) || d->policy >= img->h->policies.count)
			return false;
	}
	return true;
}

static bool sources_ok(const struct image *img)
{
	const struct image_domain_file *s = image_at(img, img->h->sources);

	for (uint64_t i = 0; i < img->h->sources.count; i++) {
		const struct image_file *f;

		if (!str_ok(img, s[i].path) || !section_ok(img, s[i].files, sizeof(*f)) || s[i].first > img->h->domains.count ||
		    s[i].count > img->h->domains.count - s[i].first)
			return false;
		f = image_at(img, s[i].files);
		for (uint64_t j = 0; j < s[i].files.count; j++)
			if (!str_ok(img, f[j].path))
				return false;
	}
	return true;
}

/* ---- tables: each has a free bucket, at which a look-up ends ---- */

static bool keys_ok(const struct image *img, struct image_section table)
{
	const struct image_bucket *b = image_at(img, table);
	uint64_t used = 0;

	for (uint64_t i = 0; i < table.count; i++) {
		if (b[i].ref != IMAGE_NONE && !key_ok(img, b[i].ref))
			return false;
		used += b[i].ref != IMAGE_NONE;
	}
	return used < table.count;
}

static bool name_table_ok(const struct image *img)
{
	const struct image_bucket *b = image_at(img, img->h->name_table);
	uint64_t used = 0;

	for (uint64_t i = 0; i < img->h->name_table.count; i++) {
		if (b[i].ref != IMAGE_NONE && b[i].ref >= img->h->domains.count)
			return false;
		used += b[i].ref != IMAGE_NONE;
	}
	return used < img->h->name_table.count;
}

static bool near_ok(const struct image *img)
{
	const struct image_near *n = image_at(img, img->h->near);

	for (uint64_t i = 0; i < img->h->near.count; i++)
		if (!key_ok(img, n[i].key))
			return false;
	return true;
}

static bool host_table_ok(const struct image *img)
{
	const struct image_host *host = image_at(img, img->h->hosts);
	uint64_t used = 0;

	for (uint64_t i = 0; i < img->h->hosts.count; i++) {
		if (!str_ok(img, host[i].name))
			return false;
		used += host[i].name.len > 0;
	}
	return used < img->h->hosts.count;
}

static bool id_table_ok(const struct image *img)
{
	const struct image_id_bucket *id = image_at(img, img->h->ids);
	uint64_t used = 0;

	for (uint64_t i = 0; i < img->h->ids.count; i++) {
		if (id[i].domain != IMAGE_NONE && id[i].domain >= img->h->domains.count)
			return false;
		used += id[i].domain != IMAGE_NONE;
	}
	return used < img->h->ids.count;
}

static bool address_table_ok(const struct image *img)
{
	const struct image_address_bucket *b = image_at(img, img->h->addresses);
	uint64_t used = 0;

	for (uint64_t i = 0; i < img->h->addresses.count; i++) {
		const uint32_t *domain;

		if (b[i].domains == 0)
			continue;
		used++;
		if (b[i].first % sizeof(*domain) || !inside(img->size, b[i].first, (uint64_t)b[i].domains * sizeof(*domain)))
			return false;
		domain = (const uint32_t *)(const void *)((const char *)img->h + b[i].first);
		for (uint32_t j = 0; j < b[i].domains; j++)
			if (domain[j] >= img->h->domains.count)
				return false;
	}
	return used < img->h->addresses.count;
}

bool image_verify(const struct image *img)
{
	return all_crls_ok(img) && identities_ok(img) && policies_ok(img) && domains_ok(img) && sources_ok(img) && keys_ok(img, img->h->dn_table) &&
	       keys_ok(img, img->h->san_table) && name_table_ok(img) && near_ok(img) && host_table_ok(img) && id_table_ok(img) &&
	       address_table_ok(img);
}
