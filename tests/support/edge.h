/*
 * edge - an image with TLS profiles, a domain or two and a container, keys to go with it, and
 * the worker's contexts built from both; and a TLS client to talk to them.
 *
 * The image is laid out by hand, so that a test of tls needs no configuration
 * file.  Include after criterion.
 */
#ifndef TESTS_SUPPORT_EDGE_H
#define TESTS_SUPPORT_EDGE_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/image.h"
#include "common/keys_layout.h"
#include "common/session_store.h"
#include "common/settings.h"
#include "common/x509/facts.h"
#include "support/key_rows.h"
#include "support/issue.h"
#include "worker/tls.h"
#include "worker/tls_context.h"
#include "worker/tls_session.h"

#define EDGE_PROFILES 2
#define EDGE_IMAGE_SIZE 65536
#define EDGE_KEYS_SIZE 65536

/* A profile as wanted; name NULL: no more. */
struct edge_profile {
	const char *name;
	enum image_client_certificate client_certificate;
	bool only_13, no_resumption;
	uint64_t lifetime;	       /* 0: an hour */
	uint8_t material;	       /* what stands for the digest */
	const struct issued *own[2];   /* our certificates */
	const struct issued *above;    /* an intermediate to send with each */
	const struct issued *trust[2]; /* CAs */
	const char *ciphers, *groups;
	const struct issued *revoked;  /* by the first CA */
};

struct edge_want {
	struct edge_profile profile[EDGE_PROFILES];
	const struct issued *known; /* whose subject is configured for the one domain; NULL: nobody's */
	bool disabled;		    /* ... but the domain is off */
	bool wildcards;		    /* its allow_wildcard */
	const struct issued *domain_trust; /* its own CA */
	const struct issued *other; /* whose subject is configured for a second domain */
	const struct issued *container; /* whose subject is that of the one container */
};

/* What keeps the sessions. */
#define EDGE_SESSIONS (256 << 10)
UNUSED static _Alignas(64) uint8_t edge_sessions[EDGE_SESSIONS];

UNUSED static void edge_share_sessions(void)
{
	static const uint8_t secret[16] = "of all workers";
	static _Atomic uint64_t found;

	MUST(tls_session_share(edge_sessions, sizeof(edge_sessions), secret, 1, &found) == 0);
}

UNUSED static void edge_forget_sessions(void)
{
	memset(edge_sessions, 0, sizeof(edge_sessions));
}

/* Its index stands at the beginning, 16 bytes for an entry. */
UNUSED static size_t edge_session_count(void)
{
	size_t n = 0;

	for (size_t at = 64; at < 64 + EDGE_SESSIONS / 1024 * 16; at += 16)
		n += memcmp(edge_sessions + at, "\0\0\0\0\0\0\0", 8) != 0;
	return n;
}

/* One generation. */
struct edge {
	struct image img;
	struct tls_contexts *set;
	uint8_t *block;
	size_t used;
	uint8_t *keys;
	char why[256];
};

UNUSED static size_t edge_put(struct edge *e, const void *data, size_t len)
{
	size_t at = (e->used + 63) & ~(size_t)63;

	MUST(at + len <= EDGE_IMAGE_SIZE);
	if (data)
		memcpy(e->block + at, data, len);
	e->used = at + len;
	return at;
}

UNUSED static struct image_str edge_text(struct edge *e, const char *text)
{
	if (!text)
		return (struct image_str){ 0 };
	return (struct image_str){ .off = edge_put(e, text, strlen(text)), .len = (uint32_t)strlen(text) };
}

UNUSED static struct image_ref edge_ref(struct edge *e, const char *text)
{
	return (struct image_ref){ .at = (uint32_t)(edge_put(e, text, strlen(text)) / IMAGE_UNIT), .count = (uint32_t)strlen(text) };
}

UNUSED static void edge_key(struct edge *e, enum keys_kind kind, uint32_t profile, unsigned char *der, int len)
{
	struct keys_header *h = (void *)e->keys;
	struct keys_record *r = (void *)(e->keys + h->size);

	MUST(len > 0 && h->size + keys_record_size((uint32_t)len) <= EDGE_KEYS_SIZE);
	*r = (struct keys_record){ .kind = kind, .profile = profile, .len = (uint32_t)len };
	memcpy(r + 1, der, (size_t)len);
	h->size += keys_record_size((uint32_t)len);
	OPENSSL_free(der);
}

UNUSED static void edge_key_cert(struct edge *e, enum keys_kind kind, uint32_t profile, X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	edge_key(e, kind, profile, der, len);
}

/* A CRL of the profile's first CA with one entry. */
UNUSED static struct image_section edge_put_crl(struct edge *e, const struct edge_profile *p)
{
	struct image_crl crl = { .next_update = INT64_MAX };
	struct image_serial serial;

	if (!p->revoked)
		return (struct image_section){ 0 };
	MUST(facts_spki(p->trust[0]->cert, crl.issuer.sha256));
	MUST(facts_serial(X509_get0_serialNumber(p->revoked->cert), &serial));
	crl.revoked = (struct image_section){ .off = edge_put(e, &serial, sizeof(serial)), .count = 1 };
	return (struct image_section){ .off = edge_put(e, &crl, sizeof(crl)), .count = 1 };
}

UNUSED static struct image_str edge_der(struct edge *e, X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	struct image_str out = { .off = edge_put(e, der, (size_t)len), .len = (uint32_t)len };

	OPENSSL_free(der);
	return out;
}

UNUSED static void edge_put_profile(struct edge *e, const struct edge_profile *p, uint32_t index, struct image_tls *out)
{
	struct image_spki trust[2];
	struct image_str anchors[2];
	unsigned char *der;
	int len;

	*out = (struct image_tls){ .name = edge_text(e, p->name),
		.client_certificate = p->client_certificate,
		.min_version_13 = p->only_13,
		.resumption = !p->no_resumption,
		.resumption_lifetime = p->lifetime ? p->lifetime : 3600,
		.any_trusted_ca = 1,
		.ciphers = edge_text(e, p->ciphers),
		.groups = edge_text(e, p->groups) };
	memset(out->material, p->material, sizeof(out->material));
	for (size_t i = 0; i < 2 && p->own[i]; i++) {
		edge_key_cert(e, KEYS_CERTIFICATE, index, p->own[i]->cert);
		if (p->above)
			edge_key_cert(e, KEYS_CHAIN, index, p->above->cert);
		der = NULL;
		len = i2d_PrivateKey(p->own[i]->key, &der);
		edge_key(e, KEYS_PRIVATE_KEY, index, der, len);
	}
	for (size_t i = 0; i < 2 && p->trust[i]; i++) {
		anchors[i] = edge_der(e, p->trust[i]->cert);
		MUST(facts_spki(p->trust[i]->cert, trust[i].sha256));
		out->trust.count = i + 1;
	}
	out->crls = edge_put_crl(e, p);
	out->anchors = (struct image_section){ .off = edge_put(e, anchors, out->trust.count * sizeof(anchors[0])), .count = out->trust.count };
	out->trust.off = edge_put(e, trust, out->trust.count * sizeof(trust[0]));
}

/* The subject of a certificate leads to a domain. */
UNUSED static void edge_put_dn(struct edge *e, struct image_bucket table[static 4], const struct issued *of, uint32_t domain)
{
	struct image_header *h = (void *)e->block;
	uint8_t key[KEY_ROW_MAX];
	static struct dn dn;
	size_t len;

	if (!of)
		return;
	MUST(facts_name_dn(X509_get_subject_name(of->cert), &dn) == DN_OK);
	len = key_rows_make(key, dn.bytes, dn.len, 1, domain);
	key_rows_place(table, 4, image_hash(&h->hash_key, dn.bytes, dn.len), (uint32_t)(edge_put(e, key, len) / IMAGE_UNIT));
}

/* What tells a domain over reloads. */
UNUSED static uint64_t edge_domain_id(uint32_t domain)
{
	return (domain + UINT64_C(1)) * UINT64_C(0x100000001);
}

UNUSED static void edge_put_ids(struct edge *e)
{
	struct image_header *h = (void *)e->block;
	struct image_id_bucket table[4] = { { .domain = IMAGE_NONE }, { .domain = IMAGE_NONE }, { .domain = IMAGE_NONE },
		{ .domain = IMAGE_NONE } };

	for (uint32_t i = 0; i < 2; i++) {
		uint64_t mark = image_id_mark(IMAGE_ID_BACK, edge_domain_id(i)), at = image_slot((uint32_t)mark, 4);

		while (table[at].domain != IMAGE_NONE)
			at = image_slot_next(at, 4);
		table[at] = (struct image_id_bucket){ { (uint32_t)mark, (uint32_t)(mark >> 32) }, i };
	}
	h->ids = (struct image_section){ .off = edge_put(e, table, sizeof(table)), .count = 4 };
}

/* The domain, perhaps a second one, and the table that leads to them. */
UNUSED static void edge_put_domain(struct edge *e, const struct edge_want *want)
{
	struct image_header *h = (void *)e->block;
	struct image_domain domain[2] = {
		{ .name = edge_ref(e, "partner.example"),
		    .flags = (want->known ? DOMAIN_HAS_DN : 0) | (want->disabled ? 0 : DOMAIN_ENABLED) |
			(want->wildcards ? DOMAIN_ALLOW_WILDCARD : 0) },
		{ .name = edge_ref(e, "other.example"), .flags = DOMAIN_HAS_DN | DOMAIN_ENABLED, .policy = 1 },
	};
	struct image_policy policy[2] = { 0 };
	struct image_bucket table[4];
	struct image_spki key;

	if (want->domain_trust) {
		MUST(facts_spki(want->domain_trust->cert, key.sha256));
		policy[0].trust = (struct image_section){ .off = edge_put(e, &key, sizeof(key)), .count = 1 };
	}
	key_rows_clear(table, 4);
	edge_put_dn(e, table, want->known, 0);
	edge_put_dn(e, table, want->other, 1);
	h->domains = (struct image_section){ .off = edge_put(e, domain, sizeof(domain)), .count = 2 };
	edge_put_ids(e);
	h->policies = (struct image_section){ .off = edge_put(e, policy, sizeof(policy)), .count = 2 };
	h->dn_table = (struct image_section){ .off = edge_put(e, table, sizeof(table)), .count = 4 };
}

/* A cluster of one container. */
UNUSED static void edge_put_container(struct edge *e, const struct issued *of)
{
	struct image_header *h = (void *)e->block;
	struct image_server server = { .protocol = PROTO_TLS };
	struct image_cluster cluster = { 0 };
	struct image_str text;
	static struct dn dn;

	if (of) {
		MUST(facts_name_dn(X509_get_subject_name(of->cert), &dn) == DN_OK);
		text = (struct image_str){ .off = edge_put(e, dn.bytes, dn.len), .len = (uint32_t)dn.len };
		server.dns = (struct image_section){ .off = edge_put(e, &text, sizeof(text)), .count = 1 };
	}
	cluster.servers = (struct image_section){ .off = edge_put(e, &server, sizeof(server)), .count = 1 };
	h->clusters = (struct image_section){ .off = edge_put(e, &cluster, sizeof(cluster)), .count = 1 };
}

/*
 * Build a generation as the loader and a worker would; `old` may be NULL.
 * False: a context cannot be built, e->why says why.  Not committed yet.
 */
UNUSED static bool edge_build(struct edge *e, const struct edge_want *want, const struct edge *old)
{
	static uint64_t generation;
	struct image_tls tls[EDGE_PROFILES];
	struct image_header *h;
	int st;

	*e = (struct edge){ .block = calloc(1, EDGE_IMAGE_SIZE), .keys = calloc(1, EDGE_KEYS_SIZE) };
	MUST(e->block && e->keys && tls_init() == 0);
	h = (void *)e->block;
	(void)edge_put(e, NULL, sizeof(*h));
	*(struct keys_header *)(void *)e->keys = (struct keys_header){ KEYS_MAGIC, sizeof(struct keys_header), 0 };
	h->magic = IMAGE_MAGIC;
	h->generation = ++generation;
	settings_defaults(&h->settings);
	for (uint32_t i = 0; i < EDGE_PROFILES && want->profile[i].name; i++, h->tls.count++)
		edge_put_profile(e, &want->profile[i], i, &tls[i]);
	h->tls.off = edge_put(e, tls, h->tls.count * sizeof(tls[0]));
	edge_put_domain(e, want);
	edge_put_container(e, want->container);
	h->size = e->used;
	e->img = (struct image){ .h = h,
		.size = e->used,
		.settings = &h->settings,
		.tls = (const void *)(e->block + h->tls.off),
		.cluster = (const void *)(e->block + h->clusters.off),
		.domain = (const void *)(e->block + h->domains.off),
		.policy = (const void *)(e->block + h->policies.off) };
	e->set = tls_contexts_new(&e->img, (const void *)e->keys, old ? old->set : NULL);
	MUST(e->set);
	for (st = 1; st == 1;)
		st = tls_contexts_step(e->set, e->why);
	return st == 0;
}

UNUSED static void edge_free(struct edge *e)
{
	tls_contexts_free(e->set);
	free(e->block);
	free(e->keys);
	*e = (struct edge){ 0 };
}

/* Build, commit, and drop what was there before. */
UNUSED static void edge_load(struct edge *e, const struct edge_want *want)
{
	struct edge next;

	if (!e->set)
		edge_share_sessions();
	MUST(edge_build(&next, want, e->set ? e : NULL));
	edge_free(e);
	*e = next;
	tls_contexts_commit(e->set, &e->img);
}

/* Change resumption_lifetime of the first profile in the committed image: as if time had passed. */
UNUSED static void edge_set_lifetime(struct edge *e, uint64_t lifetime)
{
	struct image_tls *tls = (void *)(e->block + e->img.h->tls.off);

	tls->resumption_lifetime = lifetime;
}

/* A client, and the connection that it has. */
struct client {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* belong to ssl */
};

struct client_want {
	int version;		   /* TLS1_2_VERSION; 0: any */
	const struct issued *cert; /* NULL: none */
	const struct issued *above; /* an intermediate to send with it */
	const char *ciphers;	   /* TLS 1.2 */
	const char *sigalgs;
	SSL_SESSION *session;	   /* to resume */
	bool weak;		   /* security level 0 */
};

UNUSED static struct client client_new(const struct client_want *want)
{
	struct client c = { .ctx = SSL_CTX_new(TLS_client_method()) };

	MUST(c.ctx && SSL_CTX_set_min_proto_version(c.ctx, want->version) &&
	    SSL_CTX_set_max_proto_version(c.ctx, want->version));
	if (want->weak)
		SSL_CTX_set_security_level(c.ctx, 0);
	if (want->cert)
		MUST(SSL_CTX_use_certificate(c.ctx, want->cert->cert) && SSL_CTX_use_PrivateKey(c.ctx, want->cert->key));
	if (want->above)
		MUST(SSL_CTX_add1_chain_cert(c.ctx, want->above->cert));
	if (want->ciphers)
		MUST(SSL_CTX_set_cipher_list(c.ctx, want->ciphers));
	if (want->sigalgs)
		MUST(SSL_CTX_set1_sigalgs_list(c.ctx, (void *)(uintptr_t)want->sigalgs));
	c.ssl = SSL_new(c.ctx);
	c.in = BIO_new(BIO_s_mem());
	c.out = BIO_new(BIO_s_mem());
	MUST(c.ssl && c.in && c.out);
	BIO_set_mem_eof_return(c.in, -1);
	SSL_set_bio(c.ssl, c.in, c.out);
	SSL_set_connect_state(c.ssl);
	if (want->session)
		MUST(SSL_set_session(c.ssl, want->session));
	return c;
}

UNUSED static void client_free(struct client *c)
{
	if (c->ssl)
		SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	*c = (struct client){ 0 };
}

/* Client and server in one room. */
struct talk {
	struct client client;
	struct tls *tls;
	struct buf out;
	enum tls_status status; /* the server's last one */
	int client_alert;	/* what the client was told, 0: nothing */
	bool done;		/* the server finished its handshake */
	uint8_t got[262144];	/* plain bytes that the server read */
	size_t got_len;
};

/* The server has been fed: let it do what it can. */
UNUSED static void talk_serve(struct talk *t)
{
	size_t n;

	if (!t->done) {
		t->status = tls_handshake(t->tls);
		t->done = t->status == TLS_OK;
	}
	while (t->done && (t->status == TLS_OK)) {
		t->status = tls_read(t->tls, t->got + t->got_len, sizeof(t->got) - t->got_len, &n);
		if (t->status == TLS_OK)
			t->got_len += n;
	}
	if (t->done && t->status == TLS_WANT)
		t->status = TLS_OK;
}

/* What the server has to say, to the client. */
UNUSED static void talk_deliver(struct talk *t)
{
	if (t->out.len)
		MUST(BIO_write(t->client.in, buf_bytes(&t->out), (int)t->out.len) == (int)t->out.len);
	buf_clear(&t->out);
}

/* What the client has to say, to the server, in pieces of at most `step` bytes. */
UNUSED static void talk_feed(struct talk *t, size_t step)
{
	static uint8_t bytes[65536];
	uint8_t *piece;
	size_t len;

	while (BIO_ctrl_pending(t->client.out)) {
		MUST(BIO_read_ex(t->client.out, bytes, MIN(step, sizeof(bytes)), &len));
		if (t->status == TLS_FAILED || t->status == TLS_CLOSED)
			continue;
		piece = malloc(len); /* as the ring's buffers are: gone after the call */
		MUST(piece);
		memcpy(piece, bytes, len);
		tls_feed(t->tls, piece, len);
		talk_serve(t);
		free(piece);
	}
}

/* Begin and go through a whole handshake; the client also reads what comes behind it (sessions, alerts). */
UNUSED static void talk_begin_on(struct talk *t, struct tls_context *ctx, enum image_side side,
    const struct client_want *want, size_t step)
{
	char c;

	*t = (struct talk){ .client = client_new(want), .status = TLS_WANT };
	t->tls = tls_accept_new(ctx, &(struct tls_entrance){ side, true, 1 }, &t->out);
	MUST(t->tls);
	for (int round = 0; round < 10; round++) {
		ERR_clear_error();
		if (SSL_is_init_finished(t->client.ssl))
			(void)SSL_read(t->client.ssl, &c, 1);
		else
			(void)SSL_do_handshake(t->client.ssl);
		if (ERR_GET_REASON(ERR_peek_error()) > SSL_AD_REASON_OFFSET)
			t->client_alert = ERR_GET_REASON(ERR_peek_error()) - SSL_AD_REASON_OFFSET;
		talk_feed(t, step);
		talk_deliver(t);
	}
}

UNUSED static void talk_begin(struct talk *t, struct tls_context *ctx, const struct client_want *want, size_t step)
{
	talk_begin_on(t, ctx, SIDE_EXTERNAL, want, step);
}

UNUSED static void talk_end(struct talk *t)
{
	tls_free(t->tls);
	client_free(&t->client);
	buf_clear(&t->out);
	ERR_clear_error();
}

#endif
