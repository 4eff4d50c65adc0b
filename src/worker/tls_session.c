#include "worker/tls_session.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/session_store.h"
#include "common/siphash.h"
#include "common/x509/facts.h"
#include "worker/session_record.h"
#include "worker/tls_peer.h"

#define LIFETIME_TOLD_MAX 604800L /* RFC 8446 4.6.1: no more than seven days */

/* What stands beside a session and all its renewals; counted. */
struct origin {
	uint32_t references;
	int64_t handshake;
	uint64_t listener;	  /* where it was made: good there alone */
	struct peer_facts *facts; /* NULL: no certificate */
};

/* What all workers share. */
static struct {
	void *region; /* NULL: nothing */
	size_t size;
	EVP_CIPHER_CTX *seal;
	struct siphash_key tag_key;
	uint64_t maker; /* this process */
	_Atomic uint64_t *found;
} shared;

static int session_index = -1;

static void origin_put(struct origin *o)
{
	if (!o || --o->references)
		return;
	peer_facts_put(o->facts);
	free(o);
}

static int origin_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **data, int index, long argl, void *argp)
{
	struct origin *o = *data;

	if (o)
		o->references++;
	return 1;
}

static void origin_free(void *parent, void *data, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	origin_put(data);
}

int tls_session_init(void)
{
	if (session_index != -1)
		return 0;
	session_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, origin_dup, origin_free);
	return session_index == -1 ? -ENOMEM : 0;
}

static bool attach_origin(SSL_SESSION *session, const struct tls_peer *p)
{
	struct origin *o = malloc(sizeof(*o));

	if (!o)
		return false;
	*o = (struct origin){ .references = 1,
		.handshake = p->presented ? p->handshake : clock_wall_s(),
		.listener = p->listener,
		.facts = p->facts ? peer_facts_get(p->facts) : NULL };
	if (!SSL_SESSION_set_ex_data(session, session_index, o)) {
		origin_put(o);
		return false;
	}
	return true;
}

/* ---- the shared store ---- */

int tls_session_share(void *region, size_t size, const uint8_t secret[static 16], uint64_t maker, _Atomic uint64_t *found)
{
	static const char purpose[] = "sipward sessions";
	uint8_t text[sizeof(purpose) + 16], digest[EVP_MAX_MD_SIZE];
	EVP_CIPHER_CTX *seal = NULL;

	memcpy(text, purpose, sizeof(purpose));
	memcpy(text + sizeof(purpose), secret, 16);
	if (EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha512(), NULL) == 1)
		seal = session_seal_new(digest);
	memcpy(shared.tag_key.k, digest + SESSION_KEY_BYTES, sizeof(shared.tag_key.k));
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(digest, sizeof(digest));
	EVP_CIPHER_CTX_free(shared.seal);
	shared.seal = seal;
	shared.region = seal ? region : NULL;
	shared.size = size;
	shared.maker = maker;
	shared.found = found;
	return seal ? 0 : -EIO;
}

static uint64_t tag_of(const uint8_t *id, size_t len)
{
	return siphash(&shared.tag_key, id, len) | 1;
}

static void keep(SSL_SESSION *session)
{
	const struct origin *o = SSL_SESSION_get_ex_data(session, session_index);
	struct session_record r = { .session = session, .facts = o->facts, .handshake = o->handshake, .listener = o->listener, .maker = shared.maker };
	uint8_t record[SESSION_RECORD_MAX];
	const uint8_t *id;
	unsigned id_len;
	size_t len;

	if (!shared.region)
		return;
	id = SSL_SESSION_get_id(session, &id_len);
	len = session_record_seal(shared.seal, &r, record);
	if (len)
		(void)session_store_put(shared.region, shared.size, tag_of(id, id_len), record, len);
}

/* The session with its origin, the caller's reference; NULL: nothing there that opens. */
static SSL_SESSION *find(const struct tls_peer *p, const uint8_t *id, size_t len, uint64_t *maker)
{
	uint8_t record[SESSION_RECORD_MAX];
	struct session_record r;
	struct origin *o;
	size_t n = shared.region ? session_store_get(shared.region, shared.size, tag_of(id, len), record) : 0;

	if (n == 0 || !session_record_open(shared.seal, span_of(id, len), span_of(p->binding, 32), record, n, &r))
		return NULL;
	*maker = r.maker;
	o = malloc(sizeof(*o));
	if (o)
		*o = (struct origin){ .references = 1, .handshake = r.handshake, .listener = r.listener, .facts = r.facts };
	if (o && SSL_SESSION_set_ex_data(r.session, session_index, o))
		return r.session;
	free(o);
	peer_facts_put(r.facts);
	SSL_SESSION_free(r.session);
	return NULL;
}

/* ---- what the library calls ---- */

/* The library made a session.  0: we keep no reference, our record will do. */
static int on_new(SSL *ssl, SSL_SESSION *session)
{
	const struct tls_peer *p = tls_peer_of(ssl);

	if (!p)
		return 0;
	if (!SSL_SESSION_get_ex_data(session, session_index)) { /* else it is renewed: its origin came along */
		if (SSL_session_reused(ssl))
			return 0;
		if (p->presented ? !p->facts || p->judgement.verdict != PEER_TRUSTED : p->required)
			return 0;
		if (!attach_origin(session, p))
			return 0;
	}
	keep(session);
	return 0;
}

/* Would whoever made it be taken now, and here? */
static bool is_good(const struct tls_peer *p, SSL_SESSION *session)
{
	const struct origin *o = SSL_SESSION_get_ex_data(session, session_index);
	struct peer_judgement judgement;

	return o->listener == p->listener && tls_peer_acceptable(p, o->facts, o->handshake, &judgement);
}

static SSL_SESSION *on_get(SSL *ssl, const unsigned char *id, int len, int *copy)
{
	const struct tls_peer *p = tls_peer_of(ssl);
	uint64_t maker;
	SSL_SESSION *session = p ? find(p, id, (size_t)len, &maker) : NULL;

	if (!session)
		return NULL;
	if (is_good(p, session)) {
		*copy = 0; /* the library takes our reference */
		if (maker != shared.maker)
			atomic_fetch_add_explicit(shared.found, 1, memory_order_relaxed);
		return session;
	}
	SSL_SESSION_free(session);
	return NULL;
}

void tls_session_forget(const uint8_t *id, size_t len)
{
	if (shared.region)
		session_store_drop(shared.region, shared.size, tag_of(id, len));
}

/* The library found the session to be bad: a fatal alert, or too old. */
static void on_remove(SSL_CTX *ctx, SSL_SESSION *session)
{
	unsigned len;
	const uint8_t *id = SSL_SESSION_get_id(session, &len);

	tls_session_forget(id, len);
}

/*
 * What is not judged again on resumption must not have changed since: what the
 * context was built from, and which usages it takes.
 */
static bool binding_of(const struct image *img, const struct image_tls *tls, uint8_t binding[static 32])
{
	struct span name = image_text(img, tls->name);
	uint8_t rest[sizeof(tls->material) + 2];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok;

	memcpy(rest, tls->material, sizeof(tls->material));
	rest[sizeof(tls->material)] = tls->peer_usage;
	rest[sizeof(tls->material) + 1] = tls->client_certificate;
	ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) && EVP_DigestUpdate(md, rest, sizeof(rest)) &&
	    EVP_DigestUpdate(md, name.p, name.len) && EVP_DigestFinal_ex(md, binding, NULL);
	EVP_MD_CTX_free(md);
	return ok;
}

int tls_session_install(SSL_CTX *ctx, const struct image *img, const struct image_tls *tls, uint8_t binding[static 32])
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (!binding_of(img, tls, binding) || !SSL_CTX_set_session_id_context(ctx, binding, 32))
		return -ENOMEM;
	(void)SSL_CTX_set_num_tickets(ctx, tls->resumption ? 1 : 0); /* cannot fail */
	if (!tls->resumption) {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		return 0;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_new);
	SSL_CTX_sess_set_get_cb(ctx, on_get);
	SSL_CTX_sess_set_remove_cb(ctx, on_remove);
	SSL_CTX_set_timeout(ctx, (long)MIN(tls->resumption_lifetime, (uint64_t)LIFETIME_TOLD_MAX));
	return 0;
}

bool tls_session_origin(const SSL_SESSION *session, struct peer_facts **facts, int64_t *handshake)
{
	const struct origin *o = session ? SSL_SESSION_get_ex_data(session, session_index) : NULL;

	if (!o)
		return false;
	*facts = o->facts;
	*handshake = o->handshake;
	return true;
}
