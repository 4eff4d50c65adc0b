#include "worker/tls_session.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/session_store.h"
#include "common/siphash.h"
#include "common/x509/facts.h"
#include "worker/session_record.h"
#include "worker/tls_peer.h"

#define BUCKETS 32768		  /* power of two, above TLS_SESSIONS_MAX */
#define LIFETIME_TOLD_MAX 604800L /* RFC 8446 4.6.1: no more than seven days */

/* What stands beside a session and all its renewals; counted. */
struct origin {
	uint32_t references;
	int64_t handshake;
	uint64_t listener;	  /* where it was made: good there alone */
	struct peer_facts *facts; /* NULL: no certificate */
};

/* A kept session: in a bucket's chain, and in the row from newest to oldest. */
struct kept {
	struct kept *chain;
	struct kept *newer, *older;
	SSL_SESSION *session;
	uint32_t bucket;
};

static struct {
	struct siphash_key key;
	struct kept *bucket[BUCKETS];
	struct kept *newest, *oldest;
	size_t count;
} store;

/* What all workers share. */
static struct {
	void *region; /* NULL: nothing */
	size_t size;
	uint8_t key[SESSION_KEY_BYTES];
	struct siphash_key tag_key;
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
	if (RAND_bytes(store.key.k, sizeof(store.key.k)) != 1)
		return -EIO;
	session_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, origin_dup, origin_free);
	return session_index == -1 ? -ENOMEM : 0;
}

static uint32_t bucket_of(const uint8_t *id, size_t len)
{
	return (uint32_t)siphash(&store.key, id, len) & (BUCKETS - 1);
}

static struct kept **find(const uint8_t *id, size_t len)
{
	struct kept **at = &store.bucket[bucket_of(id, len)];
	const uint8_t *have;
	unsigned have_len;

	for (; *at; at = &(*at)->chain) {
		have = SSL_SESSION_get_id((*at)->session, &have_len);
		if (have_len == len && memcmp(have, id, len) == 0)
			break;
	}
	return at;
}

static void drop(struct kept **at)
{
	struct kept *k = *at;

	*at = k->chain;
	*(k->newer ? &k->newer->older : &store.newest) = k->older;
	*(k->older ? &k->older->newer : &store.oldest) = k->newer;
	store.count--;
	SSL_SESSION_free(k->session);
	free(k);
}

static void drop_kept(struct kept *k)
{
	struct kept **at = &store.bucket[k->bucket];

	while (*at != k)
		at = &(*at)->chain;
	drop(at);
}

/* Takes over one reference to the session; false: not taken. */
static bool keep(SSL_SESSION *session)
{
	unsigned len;
	const uint8_t *id = SSL_SESSION_get_id(session, &len);
	struct kept **at = find(id, len), *k;

	if (*at)
		drop(at);
	if (store.count == TLS_SESSIONS_MAX)
		drop_kept(store.oldest);
	k = malloc(sizeof(*k));
	if (!k)
		return false;
	k->session = session;
	k->bucket = bucket_of(id, len);
	k->chain = store.bucket[k->bucket];
	store.bucket[k->bucket] = k;
	k->newer = NULL;
	k->older = store.newest;
	*(store.newest ? &store.newest->newer : &store.oldest) = k;
	store.newest = k;
	store.count++;
	return true;
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

int tls_session_share(void *region, size_t size, const uint8_t secret[static 16], _Atomic uint64_t *found)
{
	static const char purpose[] = "sipward sessions";
	uint8_t text[sizeof(purpose) + 16], digest[EVP_MAX_MD_SIZE];
	bool ok;

	memcpy(text, purpose, sizeof(purpose));
	memcpy(text + sizeof(purpose), secret, 16);
	ok = EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha512(), NULL) == 1;
	memcpy(shared.key, digest, sizeof(shared.key));
	memcpy(shared.tag_key.k, digest + sizeof(shared.key), sizeof(shared.tag_key.k));
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(digest, sizeof(digest));
	shared.region = ok ? region : NULL;
	shared.size = size;
	shared.found = found;
	return ok ? 0 : -EIO;
}

static uint64_t tag_of(const uint8_t *id, size_t len)
{
	return siphash(&shared.tag_key, id, len) | 1;
}

static void share(SSL_SESSION *session)
{
	const struct origin *o = SSL_SESSION_get_ex_data(session, session_index);
	struct session_record r = { .session = session, .facts = o->facts, .handshake = o->handshake, .listener = o->listener };
	uint8_t record[SESSION_RECORD_MAX];
	const uint8_t *id;
	unsigned id_len;
	size_t len;

	if (!shared.region)
		return;
	id = SSL_SESSION_get_id(session, &id_len);
	len = session_record_seal(shared.key, &r, record);
	if (len)
		(void)session_store_put(shared.region, shared.size, tag_of(id, id_len), (uint32_t)clock_wall_s(), record, len);
}

/* The session with its origin, the caller's reference; NULL: nothing there that opens. */
static SSL_SESSION *find_shared(const struct tls_peer *p, const uint8_t *id, size_t len)
{
	uint8_t record[SESSION_RECORD_MAX];
	struct session_record r;
	struct origin *o;
	size_t n = shared.region ? session_store_get(shared.region, shared.size, tag_of(id, len), record) : 0;

	if (n == 0 || !session_record_open(shared.key, span_of(id, len), span_of(p->binding, 32), record, n, &r))
		return NULL;
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

/* The library made a session; 1: we keep the reference that it counted for us. */
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
	share(session);
	return keep(session);
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
	struct kept *k = *find(id, (size_t)len);
	SSL_SESSION *session;

	if (!p)
		return NULL;
	if (k) {
		*copy = 1; /* the library counts a reference of its own */
		return is_good(p, k->session) ? k->session : NULL;
	}
	session = find_shared(p, id, (size_t)len);
	if (session && is_good(p, session)) {
		*copy = 0; /* the library takes ours */
		atomic_fetch_add_explicit(shared.found, 1, memory_order_relaxed);
		return session;
	}
	SSL_SESSION_free(session);
	return NULL;
}

/* The library found the session to be bad: a fatal alert, or too old. */
static void on_remove(SSL_CTX *ctx, SSL_SESSION *session)
{
	unsigned len;
	const uint8_t *id = SSL_SESSION_get_id(session, &len);
	struct kept **at = find(id, len);

	if (*at && (*at)->session == session)
		drop(at);
	if (shared.region)
		session_store_drop(shared.region, shared.size, tag_of(id, len));
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

size_t tls_session_count(void)
{
	return store.count;
}

void tls_session_flush(void)
{
	while (store.oldest)
		drop_kept(store.oldest);
}
