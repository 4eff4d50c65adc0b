#include <openssl/evp.h>
#include <stdlib.h>

#include "master/config.h"

#define DEFAULT_RESUMPTION_LIFETIME 7200.0

/* File names of one key, with all that complaints about them need. */
struct files {
	struct pki_file *file;
	struct config_node *node; /* owns the pointers' text */
	size_t count;
};

static struct files files_of(struct image_builder *b, const struct config_node *n, const char *key)
{
	struct config_node list = config_get(n, key, TYPE_STRING | TYPE_STRINGS);
	struct files f = { .count = config_list_count(&list) };

	f.file = calloc(f.count ? f.count : 1, sizeof(*f.file));
	f.node = calloc(f.count ? f.count : 1, sizeof(*f.node));
	for (size_t i = 0; i < f.count && f.file && f.node; i++) {
		f.node[i] = config_list_at(&list, i);
		f.file[i] = config_file(&f.node[i]);
		if (!f.file[i].path)
			image_builder_fail(b);
	}
	if (!f.file || !f.node) {
		image_builder_fail(b);
		f.count = 0;
	}
	return f;
}

static void files_done(struct files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free((void *)(uintptr_t)f->file[i].path);
	free(f->file);
	free(f->node);
}

/* ---- the digest over everything that an SSL_CTX is built from ---- */

struct digest {
	EVP_MD_CTX *ctx;
	bool ok;
};

/* Each part stands with its kind and length, lest a certificate that moves from one list to another go unseen. */
static void digest_add(struct digest *d, unsigned char kind, const void *p, size_t len)
{
	uint64_t n = len;

	d->ok = d->ok && EVP_DigestUpdate(d->ctx, &kind, 1) == 1 && EVP_DigestUpdate(d->ctx, &n, sizeof(n)) == 1 &&
		EVP_DigestUpdate(d->ctx, p, len) == 1;
}

static void digest_identity(struct digest *d, const struct pki_identity *id)
{
	digest_add(d, KEYS_CERTIFICATE, id->leaf.p, id->leaf.len);
	digest_add(d, KEYS_PRIVATE_KEY, id->key.p, id->key.len);
	for (size_t i = 0; i < id->chain_count; i++)
		digest_add(d, KEYS_CHAIN, id->chain[i].p, id->chain[i].len);
}

static void digest_material(const struct config *c, const struct pki_profile *p, struct image_tls *row)
{
	struct digest d = { .ctx = EVP_MD_CTX_new() };
	uint8_t flags[] = { row->client_certificate, row->min_version_13, row->resumption, row->peer_usage };
	const struct image_str texts[] = { row->name, row->ciphers, row->ciphersuites, row->groups };

	d.ok = d.ctx && EVP_DigestInit_ex(d.ctx, EVP_sha256(), NULL) == 1;
	digest_add(&d, 0, flags, sizeof(flags));
	digest_add(&d, 0, &row->resumption_lifetime, sizeof(row->resumption_lifetime));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct span s = image_heap_text(c->b, texts[i]);

		digest_add(&d, 0, s.p, s.len);
	}
	for (size_t i = 0; i < p->identity_count; i++)
		digest_identity(&d, &p->identity[i]);
	for (size_t i = 0; i < p->trust_count; i++)
		digest_add(&d, 0, p->trust[i].p, p->trust[i].len);
	if (!d.ok || EVP_DigestFinal_ex(d.ctx, row->material, NULL) != 1)
		image_builder_fail(c->b);
	EVP_MD_CTX_free(d.ctx);
}

/* ---- one profile ---- */

static void store_keys(struct config *c, uint32_t profile, const struct pki_profile *p)
{
	for (size_t i = 0; i < p->identity_count; i++) {
		const struct pki_identity *id = &p->identity[i];

		keys_add(c->keys, KEYS_CERTIFICATE, profile, id->leaf.p, id->leaf.len);
		for (size_t j = 0; j < id->chain_count; j++)
			keys_add(c->keys, KEYS_CHAIN, profile, id->chain[j].p, id->chain[j].len);
		keys_add(c->keys, KEYS_PRIVATE_KEY, profile, id->key.p, id->key.len);
	}
}

static struct image_section put_anchors(struct config *c, const struct pki_profile *p)
{
	struct image_str *rows = calloc(p->trust_count + 1, sizeof(*rows));
	struct image_section s = { 0 };

	for (size_t i = 0; rows && i < p->trust_count; i++)
		rows[i] = image_put_text(c->b, span_of(p->trust[i].p, p->trust[i].len));
	if (rows)
		s = image_put_array(c->b, rows, p->trust_count, sizeof(*rows));
	else
		image_builder_fail(c->b);
	free(rows);
	return s;
}

static struct image_section put_crls(struct config *c, const struct pki_profile *p)
{
	struct image_crl *rows = calloc(p->crl_count ? p->crl_count : 1, sizeof(*rows));
	struct image_section s = { 0 };

	for (size_t i = 0; rows && i < p->crl_count; i++)
		rows[i] = (struct image_crl){
			.issuer = p->crl[i].issuer,
			.next_update = p->crl[i].next_update,
			.revoked = image_put_array(c->b, p->crl[i].revoked, p->crl[i].revoked_count, sizeof(struct image_serial)),
		};
	if (rows)
		s = image_put_array(c->b, rows, p->crl_count, sizeof(*rows));
	else
		image_builder_fail(c->b);
	free(rows);
	return s;
}

/* A list that the library cannot read would stop every worker: say so here. */
static void check_lists(struct config *c, const struct config_node *n)
{
	static const struct {
		const char *key;
		enum pki_list kind;
	} lists[] = { { "ciphers", PKI_CIPHERS }, { "ciphersuites", PKI_CIPHERSUITES }, { "groups", PKI_GROUPS } };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct config_node m = config_get(n, lists[i].key, TYPE_STRING);
		struct pki_file where = { .config_file = n->source->path, .pointer = m.pointer };

		if (!m.value)
			continue;
		where.line = config_line(&m);
		if (!pki_check_list(lists[i].kind, json_string_value(m.value), &where, c->complaints))
			continue; /* it complained */
	}
}

static struct image_tls read_settings(struct config *c, const struct config_node *n, const char *name)
{
	struct config_node lifetime = config_get(n, "resumption_lifetime", TYPE_NUMBER);
	double seconds = lifetime.value ? json_number_value(lifetime.value) : DEFAULT_RESUMPTION_LIFETIME;

	return (struct image_tls){
		.name = image_put_text(c->b, span_str(name)),
		.any_trusted_ca = config_flag(n, "any_trusted_ca", false),
		.client_certificate = (uint8_t)config_choice(n, "client_certificate", config_client_certificate, CLIENT_CERT_REQUIRE),
		.min_version_13 = (uint8_t)config_choice(n, "min_version", config_min_version, 0),
		.resumption = config_flag(n, "resumption", true),
		.peer_usage = (uint8_t)config_choice(n, "peer_usage", config_peer_usage, PEER_USAGE_STRICT),
		.crl_check = (uint8_t)config_choice(n, "crl_check", config_crl_check, CRL_CHECK_LEAF),
		.crl_expired = (uint8_t)config_choice(n, "crl_expired", config_crl_expired, CRL_EXPIRED_REJECT),
		.expired_connections = (uint8_t)config_choice(n, "expired_connections", config_expired_connections, EXPIRED_CLOSE),
		.resumption_lifetime = (uint64_t)MIN(MAX(seconds, 1.0), 604800.0),
		.ciphers = image_put_text(c->b, config_text(n, "ciphers", "")),
		.ciphersuites = image_put_text(c->b, config_text(n, "ciphersuites", "")),
		.groups = image_put_text(c->b, config_text(n, "groups", "")),
	};
}

/* Each certificate needs its key, in the same order. */
static void check_pairs(const struct config_node *n, size_t certificates, size_t keys)
{
	struct config_node m = config_get(n, certificates > keys ? "private_key" : "certificate", TYPE_STRING | TYPE_STRINGS);

	if (certificates != keys)
		config_bad(&m, "%zu certificate and %zu private_key files; expected one key for each certificate", certificates, keys);
}

/* Does the key say something, be it of a wrong type?  Of that has been complained. */
static bool is_named(const struct config_node *n, const char *key)
{
	struct config_node list = config_get(n, key, TYPE_STRING | TYPE_STRINGS);

	return config_has(n, key) && (!list.value || config_list_count(&list) > 0);
}

static void read_files(struct config *c, const struct config_node *n, struct image_tls *row, struct config_profile *profile)
{
	struct files certificate = files_of(c->b, n, "certificate"), key = files_of(c->b, n, "private_key"),
		     trust = files_of(c->b, n, "trust"), crl = files_of(c->b, n, "crl");
	struct pki_input in = {
		.certificate = certificate.file,
		.private_key = key.file,
		.certificate_count = MIN(certificate.count, key.count),
		.trust = trust.file,
		.trust_count = trust.count,
		.crl = crl.file,
		.crl_count = crl.count,
	};
	struct pki_profile p = { 0 };

	check_pairs(n, certificate.count, key.count);
	profile->has_certificate = is_named(n, "certificate") || is_named(n, "private_key");
	profile->trust_named = is_named(n, "trust");
	if (pki_load(&in, c->complaints, &p)) {
		profile->trust_count = p.trust_count;
		row->trust = image_put_array(c->b, p.trust_spki, p.trust_count, sizeof(struct image_spki));
		row->crls = put_crls(c, &p);
		row->anchors = put_anchors(c, &p);
		digest_material(c, &p, row);
		store_keys(c, (uint32_t)c->profile_count, &p);
	}
	pki_profile_done(&p);
	files_done(&certificate);
	files_done(&key);
	files_done(&trust);
	files_done(&crl);
}

static void read_profile(struct config *c, const struct config_node *n, const char *name)
{
	struct image_tls row = read_settings(c, n, name);
	struct config_profile profile = {
		.name = name,
		.any_trusted_ca = row.any_trusted_ca,
		.takes_peers = row.client_certificate != CLIENT_CERT_OFF,
		.requires_peers = row.client_certificate == CLIENT_CERT_REQUIRE,
	};

	check_lists(c, n);
	read_files(c, n, &row, &profile);
	(void)image_add_tls(c->b, &row); /* its index is that of the profile */
	c->profile[c->profile_count++] = profile;
}

void config_read_tls(struct config *c, const struct config_node *root)
{
	struct config_node all = config_get(root, "tls", TYPE_MAP);
	const char *name;
	json_t *value;

	c->profile = calloc(json_object_size(all.value) + 1, sizeof(*c->profile));
	if (!c->profile) {
		image_builder_fail(c->b);
		return;
	}
	json_object_foreach(all.value, name, value) {
		struct config_node n = config_get(&all, name, TYPE_OBJECT);

		if (n.value)
			read_profile(c, &n, name);
	}
}

void config_check_outbound(const struct config *c, const struct config_node *n, uint32_t profile)
{
	const struct config_profile *p = profile == IMAGE_NONE ? NULL : &c->profile[profile];

	if (p && !p->has_certificate)
		config_bad(n, "profile \"%s\" has no \"certificate\" and \"private_key\", and we must show them where we connect to", p->name);
	if (p && !p->trust_named)
		config_bad(n, "profile \"%s\" has no \"trust\", so no server's certificate can be checked; name the CA files", p->name);
}

uint32_t config_profile_index(const struct config *c, const struct config_node *name)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (strcmp(c->profile[i].name, json_string_value(name->value)) == 0)
			return (uint32_t)i;
	config_bad(name, "there is no \"%s\" under /tls", json_string_value(name->value));
	return IMAGE_NONE;
}
