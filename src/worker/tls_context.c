#include "worker/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/x509/anchors.h"
#include "worker/tls_bio.h"
#include "worker/tls_names.h"
#include "worker/tls_peer.h"
#include "worker/tls_session.h"
#include "worker/tls_staple.h"

#define SECURITY_LEVEL 2
#define CERTIFICATES_MAX 32768 /* bytes of one peer's certificates */

/* Forward secrecy and AEAD only; AES-128 first, for it costs least. */
#define CIPHERS "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERSUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

struct tls_context {
	struct tls_context *next, **link; /* all living contexts */
	uint32_t references;
	SSL_CTX *ssl;
	struct tls_names *names; /* NULL: one certificate for all */
	struct tls_staple *staples; /* NULL: none */
	uint32_t profile; /* in the committed image */
	bool required;	  /* a client certificate is */
	uint8_t binding[32]; /* of its sessions */
	uint8_t material[32], peer_usage, client_certificate, resumption;
	uint32_t name_len;
	char name[];
};

struct tls_contexts {
	const struct image *img;
	const struct keys_header *keys;
	const struct tls_contexts *old;
	size_t count, built;
	struct tls_context *context[];
};

static struct tls_context *living;

int tls_init(void)
{
	int st;

	/* Without openssl.cnf: what we offer is decided by our configuration alone, and a worker needs no files. */
	if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS, NULL))
		return -ENOMEM;
	st = tls_bio_init();
	if (st == 0)
		st = tls_peer_init();
	return st ? st : tls_session_init();
}

/* One record of the keys; NULL at the end.  *why is set when the bytes are damaged. */
static const struct keys_record *next_record(const struct keys_header *keys, size_t *off, const char **why)
{
	const struct keys_record *r;
	size_t left = keys->size - *off;

	if (left == 0)
		return NULL;
	r = (const void *)((const char *)keys + *off);
	if (left < sizeof(*r) || left < keys_record_size(r->len)) {
		*why = "the keys are damaged";
		return NULL;
	}
	*off += keys_record_size(r->len);
	return r;
}

static X509 *record_certificate(const struct keys_record *r)
{
	const unsigned char *p = (const void *)(r + 1);

	return d2i_X509(NULL, &p, (long)r->len);
}

/* A certificate of ours, its chain and its key, while they are gathered. */
struct set {
	X509 *leaf;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
	int64_t ocsp_until; /* of the answer that comes next */
};

static void set_done(struct set *s)
{
	X509_free(s->leaf);
	sk_X509_pop_free(s->chain, X509_free);
	EVP_PKEY_free(s->key);
	*s = (struct set){ 0 };
}

/* NULL: taken in (or there was none).  Behind names it is for these. */
static const char *set_use(struct set *s, const struct tls_context *ctx)
{
	if (!s->leaf)
		return NULL;
	if (!s->key)
		return "a certificate without a key";
	if (ctx->names)
		return tls_names_add(ctx->names, s->leaf, s->key, s->chain) ? NULL : "too many certificates for one name";
	return SSL_CTX_use_cert_and_key(ctx->ssl, s->leaf, s->key, s->chain, 1) == 1 ? NULL : "certificate or key is refused";
}

static const char *set_add(struct set *s, const struct keys_record *r)
{
	const unsigned char *p = (const void *)(r + 1);
	X509 *cert;

	if (r->kind == KEYS_PRIVATE_KEY) {
		EVP_PKEY_free(s->key);
		s->key = d2i_AutoPrivateKey(NULL, &p, (long)r->len);
		return s->key ? NULL : "the private key cannot be read";
	}
	cert = record_certificate(r);
	if (!cert)
		return "a certificate cannot be read";
	if (r->kind == KEYS_CERTIFICATE) {
		s->leaf = cert;
		return NULL;
	}
	if (!s->chain)
		s->chain = sk_X509_new_null();
	if (s->chain && sk_X509_push(s->chain, cert))
		return NULL;
	X509_free(cert);
	return "no memory";
}

static const char *load_anchors(SSL_CTX *ssl, const struct image *img, const struct image_tls *tls)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	const char *why = names ? anchors_add(img, tls, SSL_CTX_get_cert_store(ssl), names) : "no memory";

	if (why)
		sk_X509_NAME_pop_free(names, X509_NAME_free);
	else
		SSL_CTX_set_client_CA_list(ssl, names);
	return why;
}

static const char *load_keys(struct tls_context *ctx, const struct keys_header *keys, uint32_t profile)
{
	const struct keys_record *r;
	struct set set = { 0 };
	const char *why = NULL;
	size_t off = sizeof(*keys);

	while (!why && (r = next_record(keys, &off, &why))) {
		if (r->profile != profile)
			continue;
		switch ((enum keys_kind)r->kind) {
		case KEYS_OCSP_UNTIL:
			if (r->len == sizeof(set.ocsp_until))
				memcpy(&set.ocsp_until, r + 1, sizeof(set.ocsp_until));
			break;
		case KEYS_OCSP:
			if (set.leaf && !tls_staple_add(&ctx->staples, set.leaf, set.ocsp_until, span_of(r + 1, r->len)))
				why = "no memory";
			break;
		case KEYS_SERVER_NAMES:
			why = set_use(&set, ctx);
			set_done(&set);
			if (!why && !tls_names_open(&ctx->names, span_of(r + 1, r->len)))
				why = "no memory";
			break;
		case KEYS_CERTIFICATE:
			why = set_use(&set, ctx);
			set_done(&set);
			if (why)
				break;
			/* fall through */
		case KEYS_CHAIN:
		case KEYS_PRIVATE_KEY:
			why = set_add(&set, r);
			break;
		case KEYS_TOKEN_SECRET:
		case KEYS_BRANCH_KEY:
		case KEYS_AUTH_USER:
			break;
		}
	}
	if (!why)
		why = set_use(&set, ctx);
	set_done(&set);
	if (ctx->names)
		tls_names_install(ctx->ssl, ctx->names);
	if (ctx->staples)
		tls_staple_install(ctx->ssl, ctx->staples);
	return why;
}

/* The text of the image, or our own default; SSL_CTX wants it terminated. */
static const char *list_text(const struct image *img, struct image_str s, const char *otherwise, char out[static 4096])
{
	struct span text = image_text(img, s);

	if (text.len == 0)
		return otherwise;
	if (text.len >= 4096)
		return "";
	memcpy(out, text.p, text.len);
	out[text.len] = '\0';
	return out;
}

static const char *set_lists(SSL_CTX *ssl, const struct image *img, const struct image_tls *tls)
{
	const char *groups;
	char text[4096];

	if (!SSL_CTX_set_cipher_list(ssl, list_text(img, tls->ciphers, CIPHERS, text)))
		return "ciphers: none that the library takes";
	if (!SSL_CTX_set_ciphersuites(ssl, list_text(img, tls->ciphersuites, CIPHERSUITES, text)))
		return "ciphersuites: not what the library takes";
	groups = list_text(img, tls->groups, GROUPS, text);
	if (!SSL_CTX_set1_groups_list(ssl, (void *)(uintptr_t)groups)) /* only read there */
		return "groups: not what the library takes";
	return NULL;
}

static const char *set_rules(SSL_CTX *ssl, const struct image *img, const struct image_tls *tls)
{
	int mode = SSL_VERIFY_NONE;

	SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
	if (!SSL_CTX_set_min_proto_version(ssl, tls->min_version_13 ? TLS1_3_VERSION : TLS1_2_VERSION))
		return "min_version: not in the library";
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Our chains come complete from the loader: do not search the peers' trust for the rest of them. */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_clear_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_max_cert_list(ssl, CERTIFICATES_MAX);
	SSL_CTX_set_max_early_data(ssl, 0);
	if (tls->client_certificate == CLIENT_CERT_REQUIRE)
		mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	else if (tls->client_certificate == CLIENT_CERT_REQUEST)
		mode = SSL_VERIFY_PEER;
	SSL_CTX_set_verify(ssl, mode, NULL);
	SSL_CTX_set_cert_verify_callback(ssl, tls_peer_verify, NULL);
	return set_lists(ssl, img, tls);
}

static struct tls_context *context_new(const struct image *img, const struct image_tls *tls)
{
	struct span name = image_text(img, tls->name);
	struct tls_context *ctx = malloc(sizeof(*ctx) + name.len);

	if (!ctx)
		return NULL;
	*ctx = (struct tls_context){ .references = 1,
		.ssl = SSL_CTX_new(TLS_method()),
		.profile = IMAGE_NONE,
		.required = tls->client_certificate == CLIENT_CERT_REQUIRE,
		.peer_usage = tls->peer_usage,
		.client_certificate = tls->client_certificate,
		.resumption = tls->resumption,
		.name_len = (uint32_t)name.len };
	memcpy(ctx->material, tls->material, sizeof(ctx->material));
	memcpy(ctx->name, name.p, name.len);
	ctx->next = living;
	ctx->link = &living;
	if (living)
		living->link = &ctx->next;
	living = ctx;
	return ctx;
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
	ctx->references++;
	return ctx;
}

void tls_context_unref(struct tls_context *ctx)
{
	if (!ctx || --ctx->references)
		return;
	*ctx->link = ctx->next;
	if (ctx->next)
		ctx->next->link = ctx->link;
	SSL_CTX_free(ctx->ssl);
	tls_names_free(ctx->names);
	tls_staple_free(ctx->staples);
	free(ctx);
}

static bool same_name(const struct tls_context *ctx, const struct image *img, const struct image_tls *tls)
{
	return span_eq(span_of(ctx->name, ctx->name_len), image_text(img, tls->name));
}

/* The context of the set in use, when nothing that it was built from has changed. */
static struct tls_context *unchanged(const struct tls_contexts *old, const struct image *img,
    const struct image_tls *tls)
{
	for (size_t i = 0; old && i < old->built; i++) {
		struct tls_context *ctx = old->context[i];

		if (same_name(ctx, img, tls) && memcmp(ctx->material, tls->material, sizeof(ctx->material)) == 0 &&
		    ctx->peer_usage == tls->peer_usage && ctx->client_certificate == tls->client_certificate &&
		    ctx->resumption == tls->resumption)
			return ctx;
	}
	return NULL;
}

struct tls_contexts *tls_contexts_new(const struct image *img, const struct keys_header *keys,
    const struct tls_contexts *old)
{
	size_t count = img->h->tls.count;
	struct tls_contexts *set = calloc(1, sizeof(*set) + count * sizeof(set->context[0]));

	if (set)
		*set = (struct tls_contexts){ .img = img, .keys = keys, .old = old, .count = count };
	return set;
}

/* Say why, with the library's reason if it gave one. */
static int cannot(const struct image *img, const struct image_tls *tls, const char *what, char why[static 256])
{
	struct span name = image_text(img, tls->name);
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	(void)snprintf(why, 256, "tls profile \"%.*s\": %s%s%s", (int)MIN(name.len, 100), name.p, what,
	    reason ? ": " : "", reason ? reason : ""); /* cut is fine */
	return -1;
}

static int build(struct tls_contexts *set, const struct image_tls *tls, char why[static 256])
{
	struct tls_context *ctx = context_new(set->img, tls);
	const char *what;

	ERR_clear_error();
	if (!ctx)
		return cannot(set->img, tls, "no memory", why);
	set->context[set->built++] = ctx;
	if (!ctx->ssl)
		return cannot(set->img, tls, "no memory", why);
	what = set_rules(ctx->ssl, set->img, tls);
	if (!what)
		what = load_keys(ctx, set->keys, (uint32_t)(tls - set->img->tls));
	if (!what)
		what = load_anchors(ctx->ssl, set->img, tls);
	if (!what && tls_session_install(ctx->ssl, set->img, tls, ctx->binding) != 0)
		what = "no memory";
	return what ? cannot(set->img, tls, what, why) : 0;
}

int tls_contexts_step(struct tls_contexts *set, char why[static 256])
{
	bool built = false;

	while (set->built < set->count) {
		const struct image_tls *tls = &set->img->tls[set->built];
		struct tls_context *kept = unchanged(set->old, set->img, tls);

		if (kept) {
			set->context[set->built++] = tls_context_ref(kept);
			continue;
		}
		if (built)
			return 1;
		if (build(set, tls, why) != 0)
			return -1;
		built = true;
	}
	/* Borrowed until here. */
	set->img = NULL;
	set->keys = NULL;
	set->old = NULL;
	return 0;
}

void tls_contexts_commit(struct tls_contexts *set, const struct image *img)
{
	for (struct tls_context *ctx = living; ctx; ctx = ctx->next) {
		ctx->profile = IMAGE_NONE;
		for (uint32_t i = 0; i < img->h->tls.count; i++)
			if (same_name(ctx, img, &img->tls[i]))
				ctx->profile = i;
	}
	tls_peer_judge_by(img);
}

void tls_contexts_free(struct tls_contexts *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->built; i++)
		tls_context_unref(set->context[i]);
	free(set);
}

struct tls_context *tls_contexts_get(const struct tls_contexts *set, uint32_t tls)
{
	return set->context[tls];
}

SSL *tls_context_connection(const struct tls_context *ctx, struct tls_peer *p)
{
	SSL *ssl = SSL_new(ctx->ssl);

	p->profile = &ctx->profile;
	p->binding = ctx->binding;
	p->required = ctx->required || p->kind != PEER_FROM_OUTSIDE;
	/* What the profile says of client certificates is said of those who connect from outside. */
	if (ssl && p->kind != PEER_FROM_OUTSIDE)
		SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (ssl && !tls_peer_attach(p, ssl)) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

uint32_t tls_context_profile(const struct tls_context *ctx)
{
	return ctx->profile;
}
