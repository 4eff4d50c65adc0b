#include "worker/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "worker/tls_bio.h"
#include "worker/tls_peer.h"
#include "worker/tls_session.h"

struct tls {
	SSL *ssl;
	struct tls_context *ctx;
	struct tls_bio ends;
	struct tls_peer peer;
	const char *error; /* static text; NULL: none yet */
	bool failed, closed;
};

struct tls *tls_accept_new(struct tls_context *ctx, struct buf *out)
{
	struct tls *t = calloc(1, sizeof(*t));
	BIO *bio;

	if (!t)
		return NULL;
	t->ctx = tls_context_ref(ctx);
	t->ends.out = out;
	t->ssl = tls_context_connection(ctx, &t->peer);
	bio = t->ssl ? tls_bio_new(&t->ends) : NULL;
	if (!bio) {
		tls_free(t);
		return NULL;
	}
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_accept_state(t->ssl);
	return t;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->ssl) {
		/* A connection that ends without close_notify would take its session along. */
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(t->ssl);
	}
	tls_peer_done(&t->peer);
	tls_context_unref(t->ctx);
	free(t);
}

void tls_feed(struct tls *t, const uint8_t *data, size_t len)
{
	t->ends.in = data;
	t->ends.in_len = len;
}

/* The first complaint of libssl itself; what stood in the queue before it is its cause, mostly in ASN.1 terms. */
static const char *reason(unsigned long *code)
{
	const char *text = NULL;
	unsigned long e;

	*code = 0;
	while ((e = ERR_get_error()))
		if (!*code || (ERR_GET_LIB(*code) != ERR_LIB_SSL && ERR_GET_LIB(e) == ERR_LIB_SSL))
			*code = e;
	if (*code)
		text = ERR_reason_error_string(*code);
	return text ? text : "no memory or an internal error";
}

static enum tls_status fail(struct tls *t, const char *why)
{
	t->failed = true;
	t->error = why;
	return TLS_FAILED;
}

/* After a call that gave nothing; *code is the library's when it failed. */
static enum tls_status outcome(struct tls *t, int ret, unsigned long *code)
{
	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		return fail(t, reason(code));
	}
}

/* The handshake is finished: who is it? */
static enum tls_status identify(struct tls *t)
{
	struct peer_facts *facts;
	int64_t handshake;

	if (!SSL_session_reused(t->ssl)) {
		if (!t->peer.presented)
			tls_peer_anonymous(&t->peer);
		return TLS_OK;
	}
	/* The look-up judged already; but an image may have been committed in between. */
	if (tls_session_origin(SSL_get0_session(t->ssl), &facts, &handshake) &&
	    tls_peer_resume(&t->peer, facts, handshake))
		return TLS_OK;
	return fail(t, "the resumed session is no longer good");
}

enum tls_status tls_handshake(struct tls *t)
{
	unsigned long code;
	enum tls_status st;
	int ret;

	if (t->failed)
		return TLS_FAILED;
	ERR_clear_error();
	ret = SSL_do_handshake(t->ssl);
	if (ret == 1)
		return identify(t);
	st = outcome(t, ret, &code);
	if (st == TLS_CLOSED)
		return fail(t, "closed by the peer");
	if (st != TLS_FAILED)
		return st;
	if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		tls_peer_anonymous(&t->peer);
	else if (t->peer.judgement.verdict == PEER_TRUSTED)
		t->peer.judgement.domain_count = 0; /* another cause: the peer proved nothing */
	return TLS_FAILED;
}

enum tls_status tls_read(struct tls *t, void *data, size_t cap, size_t *n)
{
	unsigned long code;

	if (t->failed)
		return TLS_FAILED;
	ERR_clear_error();
	return SSL_read_ex(t->ssl, data, cap, n) == 1 ? TLS_OK : outcome(t, 0, &code);
}

bool tls_write(struct tls *t, const void *data, size_t len)
{
	unsigned long code;
	size_t n;

	if (t->failed)
		return false;
	if (len == 0)
		return true;
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, data, len, &n) == 1)
		return true;
	/* The output buffer takes everything: there is no "later" here. */
	(void)fail(t, reason(&code));
	return false;
}

void tls_close(struct tls *t)
{
	if (t->failed || t->closed || !SSL_is_init_finished(t->ssl))
		return;
	t->closed = true;
	ERR_clear_error();
	(void)SSL_shutdown(t->ssl); /* 0: the peer's own is not here yet, and we do not wait for it */
}

struct peer_facts *tls_facts(const struct tls *t)
{
	return t->peer.facts;
}

const struct peer_judgement *tls_judgement(const struct tls *t)
{
	return &t->peer.judgement;
}

const char *tls_error(const struct tls *t)
{
	return t->error ? t->error : "none";
}

bool tls_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl);
}

const char *tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *tls_cipher(const struct tls *t)
{
	const char *name = SSL_get_cipher_name(t->ssl);

	return name ? name : "(NONE)";
}

struct tls_context *tls_get_context(const struct tls *t)
{
	return t->ctx;
}
