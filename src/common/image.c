#include "common/image.h"

#include <errno.h>
#include <stdlib.h>

#include "common/image_bounds.h"
#include "common/shm.h"

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

static bool owns_ok(const struct image *img, struct image_section s)
{
	const struct image_own *o;

	if (!section_ok(img, s, sizeof(*o)))
		return false;
	o = image_at(img, s);
	for (uint64_t i = 0; i < s.count; i++)
		if (!str_ok(img, o[i].certificate) || !str_ok(img, o[i].names))
			return false;
	return true;
}

static bool tls_ok(const struct image *img)
{
	for (uint64_t i = 0; i < img->h->tls.count; i++) {
		const struct image_tls *t = &img->tls[i];

		if (!strings_ok(img, t->anchors) || !owns_ok(img, t->own) || !str_ok(img, t->name) || !str_ok(img, t->ciphers) || !str_ok(img, t->ciphersuites) || !str_ok(img, t->groups) ||
		    !section_ok(img, t->trust, sizeof(struct image_spki)) ||
		    !section_ok(img, t->crls, sizeof(struct image_crl)))
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
static bool table_ok(const struct image *img, struct image_section s, size_t element)
{
	return section_ok(img, s, element) && s.count > 0 && s.count < UINT32_MAX;
}

static bool is_power(struct image_section s)
{
	return s.count && (s.count & (s.count - 1)) == 0;
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
	       section_ok(img, h->policies, sizeof(struct image_policy)) && table_ok(img, h->dn_table, sizeof(struct image_bucket)) &&
	       table_ok(img, h->san_table, sizeof(struct image_bucket)) && table_ok(img, h->name_table, sizeof(struct image_bucket)) &&
	       section_ok(img, h->sources, sizeof(struct image_domain_file)) && section_ok(img, h->near, sizeof(struct image_near)) && table_ok(img, h->ids, sizeof(struct image_id_bucket)) &&
	       section_ok(img, h->hosts, sizeof(struct image_host)) && is_power(h->hosts) && is_power(h->addresses) &&
	       section_ok(img, h->addresses, sizeof(struct image_address_bucket)) &&
	       section_ok(img, h->limits, sizeof(struct image_limits)) && section_ok(img, h->auths, sizeof(struct image_auth)) &&
	       strings_ok(img, h->strip) && h->identity < h->identities.count &&
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
		img->policy = image_at(img, img->h->policies);
		img->auth = image_at(img, img->h->auths);
		if (process_ok(img) && listeners_ok(img) && tls_ok(img) && clusters_ok(img) && rules_ok(img) && names_ok(img) &&
		    auths_ok(img) && index_strip(img))
			return img;
	}
	image_free(img);
	return NULL;
}

#define FREE_SLICE ((size_t)2 << 20)

bool image_free_some(struct image *img)
{
	struct span bytes = span_of(img->h, img->size);
	bool gone = shm_unmap_some(&bytes, FREE_SLICE);

	img->size = bytes.len;
	if (gone)
		image_free(img);
	return gone;
}

void image_free(struct image *img)
{
	if (!img)
		return;
	shm_unmap(span_of(img->h, img->size));
	free((void *)(uintptr_t)img->strip.name);
	free(img);
}
