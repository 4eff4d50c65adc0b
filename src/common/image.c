#include "common/image.h"

#include <errno.h>
#include <stdlib.h>

#include "common/dn.h"
#include "common/shm.h"

/* ---- attaching ---- */

static bool inside(size_t size, uint64_t off, uint64_t len)
{
	return off <= size && len <= size - off;
}

static bool section_ok(const struct image *img, struct image_section s, size_t element)
{
	uint64_t bytes;

	return !MUL_OVERFLOWS(s.count, (uint64_t)element, &bytes) && inside(img->size, s.off, bytes) && s.off % 8 == 0;
}

static bool str_ok(const struct image *img, struct image_str s)
{
	return inside(img->size, s.off, s.len);
}

/* Sections inside rows are looked at only once they are known to lie inside. */
static bool strings_ok(const struct image *img, struct image_section s)
{
	const struct image_str *str;

	if (!section_ok(img, s, sizeof(*str)))
		return false;
	str = image_at(img, s);
	for (uint64_t i = 0; i < s.count; i++)
		if (!str_ok(img, str[i]))
			return false;
	return true;
}

static bool cidrs_ok(const struct image *img, struct image_section s)
{
	const struct image_cidr *c;

	if (!section_ok(img, s, sizeof(*c)))
		return false;
	c = image_at(img, s);
	for (uint64_t i = 0; i < s.count; i++)
		if (c[i].bits > 128)
			return false;
	return true;
}

/* An index, or none. */
static bool index_ok(uint32_t index, struct image_section rows)
{
	return index == IMAGE_NONE || index < rows.count;
}

static bool auths_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->auths.count; i++)
		if (!str_ok(img, img->auth[i].realm))
			return false;
	return true;
}

static bool listeners_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->listeners.count; i++) {
		const struct image_listener *l = &img->listener[i];

		if (!str_ok(img, l->host) || !str_ok(img, l->advertise_host) || !cidrs_ok(img, l->allow) ||
		    l->side > SIDE_INTERNAL || l->protocol > PROTO_UDP ||
		    !index_ok(l->tls, img->h->tls) || !index_ok(l->auth, img->h->auths))
			return false;
	}
	return true;
}

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

static bool tls_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->tls.count; i++) {
		const struct image_tls *t = &img->tls[i];

		if (!str_ok(img, t->name) || !str_ok(img, t->ciphers) || !str_ok(img, t->ciphersuites) || !str_ok(img, t->groups) ||
		    !section_ok(img, t->trust, sizeof(struct image_spki)) || !crls_ok(img, t->crls))
			return false;
		if (t->client_certificate > CLIENT_CERT_OFF || t->peer_usage > PEER_USAGE_ANY_TLS || t->crl_check > CRL_CHECK_ALL ||
		    t->crl_expired > CRL_EXPIRED_WARN || t->expired_connections > EXPIRED_KEEP_UNTIL_IDLE)
			return false;
	}
	return true;
}

static bool servers_ok(const struct image *img, struct image_section servers)
{
	const struct image_server *s;

	if (!section_ok(img, servers, sizeof(*s)))
		return false;
	s = image_at(img, servers);
	for (uint64_t i = 0; i < servers.count; i++)
		if (!str_ok(img, s[i].host) || !str_ok(img, s[i].id) || !str_ok(img, s[i].source_address) || s[i].protocol > PROTO_UDP ||
		    !strings_ok(img, s[i].dns))
			return false;
	return true;
}

static bool clusters_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->clusters.count; i++)
		if (!str_ok(img, img->cluster[i].name) || !servers_ok(img, img->cluster[i].servers))
			return false;
	return img->h->default_cluster < img->h->clusters.count;
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
	return img->h->identity < img->h->identities.count;
}

static bool targets_ok(const struct image *img, struct image_section s)
{
	const struct image_target *t;

	if (!section_ok(img, s, sizeof(*t)))
		return false;
	t = image_at(img, s);
	for (uint64_t i = 0; i < s.count; i++)
		if (!str_ok(img, t[i].host))
			return false;
	return true;
}

static bool domains_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->domains.count; i++) {
		const struct image_domain *d = &img->domain[i];

		if (!str_ok(img, d->name) || !targets_ok(img, d->hosts) || d->identity >= img->h->identities.count ||
		    !index_ok(d->tls, img->h->tls) || !index_ok(d->limits, img->h->limits) || !index_ok(d->auth, img->h->auths) || !str_ok(img, d->sni) ||
		    d->protocol > PROTO_UDP || !section_ok(img, d->trust, sizeof(struct image_spki)) ||
		    !cidrs_ok(img, d->trusted_addresses) || !strings_ok(img, d->dns))
			return false;
	}
	return true;
}

static bool places_ok(const struct image *img, struct image_section s)
{
	const struct image_place *p;

	if (!section_ok(img, s, sizeof(*p)))
		return false;
	p = image_at(img, s);
	for (uint64_t i = 0; i < s.count; i++)
		if (p[i].net.bits > 128)
			return false;
	return true;
}

static bool conditions_ok(const struct image *img, struct image_section conditions)
{
	const struct image_condition *c;

	if (!section_ok(img, conditions, sizeof(*c)))
		return false;
	c = image_at(img, conditions);
	for (uint64_t i = 0; i < conditions.count; i++) {
		bool places = c[i].field == RULE_SOURCE || c[i].field == RULE_DESTINATION;

		if (c[i].field >= RULE_FIELD_COUNT || !str_ok(img, c[i].name) ||
		    !(places ? places_ok(img, c[i].values) : strings_ok(img, c[i].values)))
			return false;
	}
	return true;
}

static bool rules_ok(const struct image *img)
{
	const struct image_rule *r;

	if (!section_ok(img, img->h->rules, sizeof(*r)))
		return false;
	r = image_at(img, img->h->rules);
	for (uint64_t i = 0; i < img->h->rules.count; i++) {
		bool refuses = r[i].cluster == IMAGE_NONE && r[i].status >= 400 && r[i].status <= 699;

		if ((!refuses && r[i].cluster >= img->h->clusters.count) || !conditions_ok(img, r[i].conditions))
			return false;
	}
	return true;
}

/* A look-up ends at a free bucket, so every table has one. */
static bool is_table(struct image_section s)
{
	return s.count && (s.count & (s.count - 1)) == 0;
}

static bool dn_table_ok(const struct image *img)
{
	const struct image_header *h = img->h;
	const struct image_dn_bucket *dn = image_at(img, h->dn_table);
	uint64_t used = 0;

	for (uint64_t i = 0; i < h->dn_table.count; i++) {
		const uint32_t *domain;

		if (dn[i].key_len == 0)
			continue;
		used++;
		if (!inside(img->size, dn[i].key, dn[i].key_len) || dn[i].first % sizeof(*domain) ||
		    !inside(img->size, dn[i].first, (uint64_t)dn[i].domains * sizeof(*domain)))
			return false;
		domain = (const uint32_t *)(const void *)((const char *)h + dn[i].first);
		for (uint32_t j = 0; j < dn[i].domains; j++)
			if (domain[j] >= h->domains.count)
				return false;
	}
	return used < h->dn_table.count;
}

static bool name_table_ok(const struct image *img)
{
	const struct image_name_bucket *name = image_at(img, img->h->name_table);
	uint64_t used = 0;

	for (uint64_t i = 0; i < img->h->name_table.count; i++) {
		if (name[i].domain != IMAGE_NONE && name[i].domain >= img->h->domains.count)
			return false;
		used += name[i].domain != IMAGE_NONE;
	}
	return used < img->h->name_table.count;
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
		const uint32_t *domain = (const uint32_t *)(const void *)((const char *)img->h + b[i].first);

		if (b[i].domains == 0)
			continue;
		used++;
		if (b[i].first % sizeof(*domain) || !inside(img->size, b[i].first, (uint64_t)b[i].domains * sizeof(*domain)))
			return false;
		for (uint32_t j = 0; j < b[i].domains; j++)
			if (domain[j] >= img->h->domains.count)
				return false;
	}
	return used < img->h->addresses.count;
}

static bool tables_ok(const struct image *img)
{
	return is_table(img->h->ids) && is_table(img->h->addresses) && id_table_ok(img) && address_table_ok(img) &&
	       is_table(img->h->dn_table) && is_table(img->h->name_table) && is_table(img->h->hosts) && dn_table_ok(img) &&
	       name_table_ok(img) && host_table_ok(img);
}

static bool header_ok(const struct image *img)
{
	const struct image_header *h = img->h;

	return img->size >= sizeof(*h) && h->magic == IMAGE_MAGIC && h->version == IMAGE_VERSION &&
	       h->header_size == sizeof(*h) && h->size == img->size &&
	       section_ok(img, h->listeners, sizeof(struct image_listener)) && section_ok(img, h->tls, sizeof(struct image_tls)) &&
	       section_ok(img, h->clusters, sizeof(struct image_cluster)) &&
	       section_ok(img, h->identities, sizeof(struct image_identity)) &&
	       section_ok(img, h->domains, sizeof(struct image_domain)) &&
	       section_ok(img, h->dn_table, sizeof(struct image_dn_bucket)) &&
	       section_ok(img, h->name_table, sizeof(struct image_name_bucket)) &&
	       section_ok(img, h->hosts, sizeof(struct image_host)) && section_ok(img, h->ids, sizeof(struct image_id_bucket)) &&
	       section_ok(img, h->addresses, sizeof(struct image_address_bucket)) &&
	       section_ok(img, h->limits, sizeof(struct image_limits)) && section_ok(img, h->auths, sizeof(struct image_auth)) &&
	       strings_ok(img, h->strip) &&
	       h->foreign_request_uri <= FOREIGN_FORWARD;
}

static bool process_ok(const struct image *img)
{
	const struct image_process *p = &img->h->process;

	return str_ok(img, p->user) && str_ok(img, p->control_socket) && str_ok(img, p->state_dir) && str_ok(img, p->pid_file) &&
	       str_ok(img, p->admin_host) && str_ok(img, img->h->overload_reason) && str_ok(img, img->h->log.to) && str_ok(img, img->h->log.access);
}

static bool names_ok(const struct image *img)
{
	const struct image_alias *a;

	if (!section_ok(img, img->h->resolvers, sizeof(struct image_resolver)) || img->h->resolvers.count > RESOLVERS_MAX ||
	    !section_ok(img, img->h->aliases, sizeof(*a)))
		return false;
	a = image_at(img, img->h->aliases);
	for (uint64_t i = 0; i < img->h->aliases.count; i++)
		if (!str_ok(img, a[i].name))
			return false;
	return true;
}

static bool index_strip(struct image *img)
{
	const struct image_str *s = image_at(img, img->h->strip);
	size_t n = img->h->strip.count;
	struct span *names = calloc(n ? n : 1, sizeof(*names));

	if (!names)
		return false;
	for (size_t i = 0; i < n; i++) {
		names[i] = image_text(img, s[i]);
		img->strip.filter |= 1ULL << (names[i].len & 63);
	}
	img->strip.name = names;
	img->strip.count = n;
	return true;
}

struct image *image_attach(int fd)
{
	struct image *img = calloc(1, sizeof(*img));
	struct span bytes;
	int rc;

	if (!img)
		return NULL;
	rc = shm_map(fd, &bytes);
	if (rc < 0) {
		free(img);
		errno = rc == -ENOMEM ? ENOMEM : EBADMSG;
		return NULL;
	}
	img->h = (const struct image_header *)(const void *)bytes.p;
	img->size = bytes.len;
	errno = EBADMSG;
	if (header_ok(img)) {
		img->settings = &img->h->settings;
		img->listener = image_at(img, img->h->listeners);
		img->tls = image_at(img, img->h->tls);
		img->cluster = image_at(img, img->h->clusters);
		img->identity = image_at(img, img->h->identities);
		img->domain = image_at(img, img->h->domains);
		img->auth = image_at(img, img->h->auths);
		if (process_ok(img) && listeners_ok(img) && tls_ok(img) && clusters_ok(img) && identities_ok(img) &&
		    domains_ok(img) && rules_ok(img) && tables_ok(img) && names_ok(img) && auths_ok(img) && index_strip(img))
			return img;
	}
	image_free(img);
	return NULL;
}

void image_free(struct image *img)
{
	if (!img)
		return;
	shm_unmap(span_of(img->h, img->size));
	free((void *)(uintptr_t)img->strip.name);
	free(img);
}
