#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sip/uri.h"
#include "master/config.h"

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

/* ---- certificates chosen by name ---- */

#define NAMES_MAX 64	  /* names of one certificate */
#define NAMES_BYTES 16384 /* of all of them */

/* One of `server_names`. */
struct name_set {
	char text[NAMES_BYTES]; /* each name with '\n' behind it */
	size_t len;
	struct pki_profile p; /* its certificates */
};

struct names {
	struct name_set *set;
	size_t count;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		pki_profile_done(&names->set[i].p);
	free(names->set);
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
	digest_add(d, KEYS_OCSP, id->ocsp.p, id->ocsp.len);
	digest_add(d, KEYS_CERTIFICATE, id->leaf.p, id->leaf.len);
	digest_add(d, KEYS_PRIVATE_KEY, id->key.p, id->key.len);
	for (size_t i = 0; i < id->chain_count; i++)
		digest_add(d, KEYS_CHAIN, id->chain[i].p, id->chain[i].len);
}

static void digest_material(const struct config *c, const struct pki_profile *p, const struct names *names, struct image_tls *row)
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
	for (size_t i = 0; i < names->count; i++) {
		digest_add(&d, KEYS_SERVER_NAMES, names->set[i].text, names->set[i].len);
		for (size_t k = 0; k < names->set[i].p.identity_count; k++)
			digest_identity(&d, &names->set[i].p.identity[k]);
	}
	for (size_t i = 0; i < p->trust_count; i++)
		digest_add(&d, 0, p->trust[i].p, p->trust[i].len);
	if (!d.ok || EVP_DigestFinal_ex(d.ctx, row->material, NULL) != 1)
		image_builder_fail(c->b);
	EVP_MD_CTX_free(d.ctx);
}

static void store_identities(struct config *c, uint32_t profile, const struct pki_profile *p)
{
	for (size_t i = 0; i < p->identity_count; i++) {
		const struct pki_identity *id = &p->identity[i];

		keys_add(c->keys, KEYS_CERTIFICATE, profile, id->leaf.p, id->leaf.len);
		for (size_t j = 0; j < id->chain_count; j++)
			keys_add(c->keys, KEYS_CHAIN, profile, id->chain[j].p, id->chain[j].len);
		keys_add(c->keys, KEYS_PRIVATE_KEY, profile, id->key.p, id->key.len);
		if (id->ocsp.len) {
			keys_add(c->keys, KEYS_OCSP_UNTIL, profile, &id->ocsp_next_update, sizeof(id->ocsp_next_update));
			keys_add(c->keys, KEYS_OCSP, profile, id->ocsp.p, id->ocsp.len);
		}
	}
}

static void store_keys(struct config *c, uint32_t profile, const struct pki_profile *p, const struct names *names)
{
	store_identities(c, profile, p);
	for (size_t i = 0; i < names->count; i++) {
		keys_add(c->keys, KEYS_SERVER_NAMES, profile, names->set[i].text, names->set[i].len);
		store_identities(c, profile, &names->set[i].p);
	}
}

/* Our certificates are public: in the image they can be shown. */
static size_t put_identities(struct config *c, const struct pki_profile *p, struct span names, struct image_own *rows)
{
	for (size_t i = 0; rows && i < p->identity_count; i++)
		rows[i] = (struct image_own){ .ocsp_until = p->identity[i].ocsp.len ? p->identity[i].ocsp_next_update : 0, .certificate = image_put_text(c->b, span_of(p->identity[i].leaf.p, p->identity[i].leaf.len)),
			.names = image_put_text_once(c->b, names) };
	return p->identity_count;
}

static struct image_section put_own(struct config *c, const struct pki_profile *p, const struct names *names)
{
	size_t count = p->identity_count, n;
	struct image_section s = { 0 };
	struct image_own *rows;

	for (size_t i = 0; i < names->count; i++)
		count += names->set[i].p.identity_count;
	rows = calloc(count + 1, sizeof(*rows));
	if (!rows) {
		image_builder_fail(c->b);
		return s;
	}
	n = put_identities(c, p, SPAN_NONE, rows);
	for (size_t i = 0; i < names->count; i++)
		n += put_identities(c, &names->set[i].p, span_of(names->set[i].text, names->set[i].len), rows + n);
	s = image_put_array(c->b, rows, count, sizeof(*rows));
	free(rows);
	return s;
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

/* Does the key say something, be it of a wrong type?  Of that has been complained. */
static bool is_named(const struct config_node *n, const char *key)
{
	struct config_node list = config_get(n, key, TYPE_STRING | TYPE_STRINGS);

	return config_has(n, key) && (!list.value || config_list_count(&list) > 0);
}

/* Each certificate needs its key, in the same order. */
static void check_pairs(const struct config_node *n, size_t certificates, size_t keys, size_t answers)
{
	struct config_node ocsp = config_get(n, "ocsp_response", TYPE_STRING | TYPE_STRINGS);
	struct config_node m = config_get(n, certificates > keys ? "private_key" : "certificate", TYPE_STRING | TYPE_STRINGS);

	if (certificates != keys)
		config_bad(&m, "%zu certificate and %zu private_key files; expected one key for each certificate", certificates, keys);
	if (answers > certificates)
		config_bad(&ocsp, "found %zu files for %zu certificates, expected at most one for each, in their order", answers, certificates);
}

/* Canonical, a wildcard for one label as "*.suffix". */
static void add_name(struct name_set *set, const struct config_node *n)
{
	struct span text = config_span(n);
	bool wildcard = span_istarts(text, SPAN("*."));
	char canonical[HOST_MAX];
	enum host_kind kind;
	size_t len = 0;

	text = span_from(text, wildcard ? 2 : 0);
	if (host_parse(text, &kind) && kind == HOST_NAME)
		len = host_canon(text, canonical);
	if (len == 0 || set->len + len + 3 > sizeof(set->text)) {
		config_bad(n, "found \"%s\", expected a host name like sip.example.net or *.example.net", json_string_value(n->value));
		return;
	}
	set->len += (size_t)snprintf(set->text + set->len, sizeof(set->text) - set->len, "%s%.*s\n", wildcard ? "*." : "", (int)len, canonical);
}

static void read_name_set(struct config *c, const struct config_node *n, const struct config_node *profile, struct name_set *set)
{
	struct config_node list = config_get(n, "names", TYPE_STRING | TYPE_STRINGS);
	struct files certificate = files_of(c->b, n, "certificate"), key = files_of(c->b, n, "private_key"),
		     ocsp = files_of(c->b, n, "ocsp_response"), trust = files_of(c->b, profile, "trust");
	struct pki_input in = { .certificate = certificate.file,
		.private_key = key.file,
		.certificate_count = MIN(certificate.count, key.count),
		.ocsp = ocsp.file,
		.ocsp_count = ocsp.count,
		.trust = trust.file,
		.trust_count = trust.count };

	if (list.value && (config_list_count(&list) == 0 || config_list_count(&list) > NAMES_MAX))
		config_bad(&list, "found %zu names, expected 1 to %d", config_list_count(&list), NAMES_MAX);
	for (size_t i = 0; i < MIN(config_list_count(&list), (size_t)NAMES_MAX); i++) {
		struct config_node e = config_list_at(&list, i);

		add_name(set, &e);
	}
	check_pairs(n, certificate.count, key.count, ocsp.count);
	if (!pki_load(&in, c->complaints, &set->p))
		set->len = 0; /* it complained */
	files_done(&certificate);
	files_done(&key);
	files_done(&ocsp);
	files_done(&trust);
}

static struct names read_names(struct config *c, const struct config_node *n)
{
	struct config_node list = config_get(n, "server_names", TYPE_ARRAY);
	struct names names = { .count = json_array_size(list.value) };

	names.set = calloc(names.count + 1, sizeof(*names.set));
	if (!names.set) {
		image_builder_fail(c->b);
		names.count = 0;
	}
	for (size_t i = 0; i < names.count; i++) {
		struct config_node e = config_at(&list, i);

		if (json_is_object(e.value))
			read_name_set(c, &e, n, &names.set[i]);
	}
	return names;
}

void config_tls_files(struct config *c, const struct config_node *n, struct image_tls *row, struct config_profile *profile)
{
	struct files certificate = files_of(c->b, n, "certificate"), key = files_of(c->b, n, "private_key"),
		     trust = files_of(c->b, n, "trust"), crl = files_of(c->b, n, "crl"), ocsp = files_of(c->b, n, "ocsp_response");
	struct pki_input in = {
		.certificate = certificate.file,
		.private_key = key.file,
		.certificate_count = MIN(certificate.count, key.count),
		.ocsp = ocsp.file,
		.ocsp_count = ocsp.count,
		.trust = trust.file,
		.trust_count = trust.count,
		.crl = crl.file,
		.crl_count = crl.count,
	};
	struct names names = read_names(c, n);
	struct pki_profile p = { 0 };

	check_pairs(n, certificate.count, key.count, ocsp.count);
	profile->has_certificate = is_named(n, "certificate") || is_named(n, "private_key");
	profile->trust_named = is_named(n, "trust");
	if (pki_load(&in, c->complaints, &p)) {
		profile->trust_count = p.trust_count;
		row->trust = image_put_array(c->b, p.trust_spki, p.trust_count, sizeof(struct image_spki));
		row->crls = put_crls(c, &p);
		row->anchors = put_anchors(c, &p);
		row->own = put_own(c, &p, &names);
		digest_material(c, &p, &names, row);
		store_keys(c, (uint32_t)c->profile_count, &p, &names);
	}
	pki_profile_done(&p);
	names_done(&names);
	files_done(&certificate);
	files_done(&key);
	files_done(&trust);
	files_done(&crl);
	files_done(&ocsp);
}
