#include <openssl/evp.h>
#include <stdlib.h>

#include "master/config.h"
#include "master/pki.h"

#define DEFAULT_RESUMPTION_LIFETIME 7200.0

static const char *const client_certificate[] = { "require", "request", "off", NULL };
static const char *const crl_check[] = { "leaf", "all", NULL };
static const char *const crl_expired[] = { "reject", "warn", NULL };
static const char *const peer_usage[] = { "strict", "any_tls", NULL };
static const char *const expired_connections[] = { "close", "keep_until_idle", NULL };
static const char *const min_version[] = { "1.2", "1.3", NULL };

/* File names of one key, with all that complaints about them need. */
struct files {
	struct pki_file *file;
	struct config_node *node; /* owns the pointers' text */
	size_t count;
};

static struct files files_of(const struct config_node *n, const char *key)
{
	struct config_node list = config_get(n, key, TYPE_STRING | TYPE_STRINGS);
	struct files f = { .count = config_list_count(&list) };

	f.file = calloc(f.count ? f.count : 1, sizeof(*f.file));
	f.node = calloc(f.count ? f.count : 1, sizeof(*f.node));
	for (size_t i = 0; i < f.count && f.file && f.node; i++) {
		f.node[i] = config_list_at(&list, i);
		f.file[i] = (struct pki_file){
			.path = config_path(n->source, span_str(json_string_value(f.node[i].value))),
			.config_file = n->source->path,
			.line = config_line(&f.node[i]),
			.pointer = f.node[i].pointer,
		};
	}
	if (!f.file || !f.node)
		f.count = 0;
	return f;
}

static void files_done(struct files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free((void *)(uintptr_t)f->file[i].path);
	free(f->file);
	free(f->node);
}

/* Digest over everything that an SSL_CTX is built from, each part with its length. */
struct digest {
	EVP_MD_CTX *ctx;
	bool ok;
};

static void digest_add(struct digest *d, const void *p, size_t len)
{
	uint64_t n = len;

	d->ok = d->ok && EVP_DigestUpdate(d->ctx, &n, sizeof(n)) == 1 && EVP_DigestUpdate(d->ctx, p, len) == 1;
}

static void digest_material(const struct config *c, const struct pki_profile *p, struct image_tls *row)
{
	struct digest d = { .ctx = EVP_MD_CTX_new() };
	uint8_t flags[] = { row->client_certificate, row->min_version_13, row->resumption };
	const struct image_str texts[] = { row->name, row->ciphers, row->ciphersuites, row->groups };

	d.ok = d.ctx && EVP_DigestInit_ex(d.ctx, EVP_sha256(), NULL) == 1;
	digest_add(&d, flags, sizeof(flags));
	digest_add(&d, &row->resumption_lifetime, sizeof(row->resumption_lifetime));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct span s = image_heap_text(c->b, texts[i]);

		digest_add(&d, s.p, s.len);
	}
	for (size_t i = 0; i < p->identity_count; i++) {
		digest_add(&d, p->identity[i].leaf.p, p->identity[i].leaf.len);
		digest_add(&d, p->identity[i].key.p, p->identity[i].key.len);
		for (size_t j = 0; j < p->identity[i].chain_count; j++)
			digest_add(&d, p->identity[i].chain[j].p, p->identity[i].chain[j].len);
	}
	for (size_t i = 0; i < p->trust_count; i++)
		digest_add(&d, p->trust[i].p, p->trust[i].len);
	/* A digest that failed is never equal to another one: it holds the generation. */
	if (!d.ok || EVP_DigestFinal_ex(d.ctx, row->material, NULL) != 1)
		memcpy(row->material, &image_builder_header(c->b)->generation, sizeof(uint64_t));
	EVP_MD_CTX_free(d.ctx);
}

static void store_keys(struct config *c, uint32_t profile, const struct pki_profile *p)
{
	for (size_t i = 0; i < p->identity_count; i++) {
		const struct pki_identity *id = &p->identity[i];

		keys_add(&c->keys, KEYS_CERTIFICATE, profile, id->leaf.p, id->leaf.len);
		for (size_t j = 0; j < id->chain_count; j++)
			keys_add(&c->keys, KEYS_CHAIN, profile, id->chain[j].p, id->chain[j].len);
		keys_add(&c->keys, KEYS_PRIVATE_KEY, profile, id->key.p, id->key.len);
	}
	for (size_t i = 0; i < p->trust_count; i++)
		keys_add(&c->keys, KEYS_TRUST, profile, p->trust[i].p, p->trust[i].len);
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
	free(rows);
	return s;
}

/* A list that the library cannot read would stop every worker: say so here. */
static void check_list(struct config *c, const struct config_node *n, const char *key, enum pki_list kind)
{
	struct config_node m = config_get(n, key, TYPE_STRING);
	struct pki_file where = { NULL, n->source->path, config_line(&m), m.pointer };

	if (m.value && !pki_check_list(kind, json_string_value(m.value), &where, c->complaints))
		return; /* it has been complained about */
}

static struct image_tls read_settings(struct config *c, const struct config_node *n, const char *name)
{
	struct config_node lifetime = config_get(n, "resumption_lifetime", TYPE_NUMBER);
	double seconds = lifetime.value ? json_number_value(lifetime.value) : DEFAULT_RESUMPTION_LIFETIME;

	if (seconds < 1 || seconds > 604800) {
		config_bad(&lifetime, "found %g, expected 1 to 604800 seconds", seconds);
		seconds = DEFAULT_RESUMPTION_LIFETIME;
	}
	check_list(c, n, "ciphers", PKI_CIPHERS);
	check_list(c, n, "ciphersuites", PKI_CIPHERSUITES);
	check_list(c, n, "groups", PKI_GROUPS);
	return (struct image_tls){
		.name = image_put_text(c->b, span_str(name)),
		.any_trusted_ca = config_flag(n, "any_trusted_ca", false),
		.client_certificate = (uint8_t)config_choice(n, "client_certificate", client_certificate, CLIENT_CERT_REQUIRE),
		.min_version_13 = (uint8_t)config_choice(n, "min_version", min_version, 0),
		.resumption = config_flag(n, "resumption", true),
		.peer_usage = (uint8_t)config_choice(n, "peer_usage", peer_usage, PEER_USAGE_STRICT),
		.crl_check = (uint8_t)config_choice(n, "crl_check", crl_check, CRL_CHECK_LEAF),
		.crl_expired = (uint8_t)config_choice(n, "crl_expired", crl_expired, CRL_EXPIRED_REJECT),
		.expired_connections = (uint8_t)config_choice(n, "expired_connections", expired_connections, EXPIRED_CLOSE),
		.resumption_lifetime = (uint64_t)seconds,
		.ciphers = image_put_text(c->b, config_text(n, "ciphers", "")),
		.ciphersuites = image_put_text(c->b, config_text(n, "ciphersuites", "")),
		.groups = image_put_text(c->b, config_text(n, "groups", "")),
	};
}

static void read_profile(struct config *c, const struct config_node *n, const char *name)
{
	struct files certificate = files_of(n, "certificate"), key = files_of(n, "private_key"), trust = files_of(n, "trust"),
		     crl = files_of(n, "crl");
	struct pki_input in = { certificate.file, key.file, certificate.count, trust.file, trust.count, crl.file, crl.count };
	struct image_tls row = read_settings(c, n, name);
	struct pki_profile p = { 0 };

	if (certificate.count != key.count) {
		config_bad(n, "%zu certificate and %zu private_key files; expected one key for each certificate", certificate.count,
		    key.count);
		in.certificate_count = MIN(certificate.count, key.count);
	}
	if (pki_load(&in, c->complaints, &p)) {
		row.trust = image_put_array(c->b, p.trust_spki, p.trust_count, sizeof(struct image_spki));
		row.crls = put_crls(c, &p);
		digest_material(c, &p, &row);
		store_keys(c, (uint32_t)c->profile_count, &p);
	}
	(void)image_add_tls(c->b, &row); /* its index is that of the profile */
	c->profile[c->profile_count++] = (struct config_profile){
		.name = name,
		.trust_count = p.trust_count,
		.any_trusted_ca = row.any_trusted_ca,
		.has_certificate = certificate.count > 0,
		.takes_peers = row.client_certificate != CLIENT_CERT_OFF,
	};
	pki_profile_done(&p);
	files_done(&certificate);
	files_done(&key);
	files_done(&trust);
	files_done(&crl);
}

void config_read_tls(struct config *c, const struct config_node *root)
{
	struct config_node all = config_get(root, "tls", TYPE_OBJECT);
	const char *name;
	json_t *value;

	c->profile = calloc(json_object_size(all.value) + 1, sizeof(*c->profile));
	if (!c->profile)
		return;
	json_object_foreach(all.value, name, value) {
		struct config_node n = config_get(&all, name, TYPE_OBJECT);

		n.value = value;
		config_check(&n, &config_tls_keys);
		read_profile(c, &n, name);
	}
}

uint32_t config_profile_index(const struct config *c, const struct config_node *name)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (strcmp(c->profile[i].name, json_string_value(name->value)) == 0)
			return (uint32_t)i;
	config_bad(name, "there is no \"%s\" under /tls", json_string_value(name->value));
	return IMAGE_NONE;
}
