#include "worker/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sip/uri.h"
#include "common/x509/facts.h"
#include "worker/tls_bio.h"
#include "worker/tls_peer.h"
#include "worker/tls_rest.h"
#include "worker/tls_session.h"

struct tls {
	SSL *ssl;
	struct tls_context *ctx;
	struct tls_bio ends;
	struct tls_peer peer;
	const char *error; /* static text; NULL: none yet */
	bool failed, closed;
	uint8_t session_id_len; /* of the handshake's session */
	uint8_t session_id[SSL_MAX_SSL_SESSION_ID_LENGTH];
	char name[]; /* what peer.expect.name is a span of */
};

/* A connection, to be set to one side. */
static struct tls *begin(struct tls_context *ctx, enum tls_peer_kind kind, struct span name, struct buf *out)
{
	struct tls *t = calloc(1, sizeof(*t) + name.len);
	BIO *bio;

	if (!t)
		return NULL;
	if (name.len)
		memcpy(t->name, name.p, name.len);
	t->peer.kind = kind;
	t->ctx = tls_context_ref(ctx);
	t->ends.out = out;
	t->ssl = tls_context_connection(ctx, &t->peer);
	bio = t->ssl ? tls_bio_new(&t->ends) : NULL;
	if (!bio) {
		tls_free(t);
		return NULL;
	}
	SSL_set_bio(t->ssl, bio, bio);
	return t;
}

struct tls *tls_accept_new(struct tls_context *ctx, const struct tls_entrance *by, struct buf *out)
{
	struct tls *t = begin(ctx, by->side == SIDE_EXTERNAL ? PEER_FROM_OUTSIDE : PEER_FROM_INSIDE, SPAN_NONE, out);

	if (!t)
		return NULL;
	t->peer.listener = by->listener;
	if (!by->enforce)
		tls_peer_observe(&t->peer, t->ssl);
	SSL_set_accept_state(t->ssl);
	return t;
}

/* RFC 6066 3: a host name without trailing dot, never an address.  False: no memory. */
static bool ask_for(SSL *ssl, struct span sni)
{
	char name[HOST_MAX + 1];
	enum host_kind kind;
	size_t len;

	if (!host_parse(sni, &kind) || kind != HOST_NAME)
		return true;
	len = host_canon(sni, name);
	name[len] = '\0';
	return len == 0 || len > TLSEXT_MAXLEN_host_name || SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls *tls_connect_new(struct tls_context *ctx, const struct tls_expect *expect, struct span sni, struct buf *out)
{
	struct tls *t = begin(ctx, PEER_EXPECTED, expect->name, out);

	if (!t)
		return NULL;
	t->peer.expect = *expect;
	t->peer.expect.name = span_of(t->name, expect->name.len);
	if (!ask_for(t->ssl, sni)) {
		tls_free(t);
		return NULL;
	}
	SSL_set_connect_state(t->ssl);
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

/* The library's errors are told by its queue, so that must be empty before a call; it nearly always is, and clearing is dear. */
static void no_errors(void)
{
	if (unlikely(ERR_peek_error()))
		ERR_clear_error();
}

static enum tls_status fail(struct tls *t, const char *why)
{
	t->failed = true;
	t->error = why;
	/* RFC 5246 7.2.2: a connection that ended so is not resumed. */
	if (t->session_id_len)
		tls_session_forget(t->session_id, t->session_id_len);
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
		/* The library has seen to this already; nobody gets here who should not. */
		if (t->peer.required && t->peer.judgement.verdict != PEER_TRUSTED && !t->peer.judgement.observed)
			return fail(t, "the peer has proved nothing");
		return TLS_OK;
	}
	/* The look-up judged already; but an image may have been committed in between. */
	if (tls_session_origin(SSL_get0_session(t->ssl), &facts, &handshake) &&
	    tls_peer_resume(&t->peer, facts, handshake))
		return TLS_OK;
	return fail(t, "the resumed session is no longer good");
}

/* Judged: what the handshake needed is of no use any more, but for the session's id. */
static enum tls_status settle(struct tls *t, enum tls_status st)
{
	const unsigned char *id;
	unsigned len;

	if (st != TLS_OK || !SSL_is_server(t->ssl))
		return st;
	id = SSL_SESSION_get_id(SSL_get0_session(t->ssl), &len);
	memcpy(t->session_id, id, len);
	t->session_id_len = (uint8_t)len;
	tls_rest(t->ssl);
	return st;
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
		return settle(t, identify(t));
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
	no_errors();
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
	no_errors();
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

/* What is wrong with the certificate, to be followed by whose it should be where that matters; NULL: not the certificate. */
static const char *complaint(enum peer_verdict v, bool *of)
{
	*of = false;
	switch (v) {
	case PEER_DN_UNUSABLE:
	case PEER_DN_UNKNOWN:
	case PEER_NAME_MISMATCH:
		*of = true;
		return "is not that of ";
	case PEER_MATCH_INCOMPLETE:
		*of = true;
		return "has only one of the two names that it must have to be that of ";
	case PEER_PIN_MISMATCH:
		*of = true;
		return "has a key that is none of those pinned for ";
	case PEER_CA_MISMATCH:
		*of = true;
		return "is by a CA that is not that of ";
	case PEER_CHAIN_INVALID:
		return "is by no trusted CA";
	case PEER_NOT_YET_VALID:
		return "is not valid yet";
	case PEER_EXPIRED:
		return "has expired";
	case PEER_REVOKED:
		return "is revoked";
	case PEER_CRL_EXPIRED:
	case PEER_CRL_MISSING:
		return "cannot be checked for revocation";
	case PEER_WRONG_USAGE:
		return "is not for TLS servers";
	case PEER_WEAK:
		return "is too weak";
	case PEER_TRUSTED:
	case PEER_NO_CERTIFICATE:
	case PEER_OBSERVED:
	case PEER_DOMAIN_DISABLED:
	case PEER_DOMAIN_BLOCKED:
	case PEER_PLAIN:
	case PEER_VERDICT_COUNT:
		break;
	}
	return NULL;
}

#define WARNING_DN_MAX 160 /* of the DN in a Warning */

size_t tls_warning(const struct tls *t, char *out, size_t cap)
{
	enum peer_verdict v = t->peer.judgement.verdict;
	struct span name = t->peer.expect.name.len ? t->peer.expect.name : SPAN("the server");
	struct span dn = t->peer.facts ? span_head(peer_facts_dn_text(t->peer.facts), WARNING_DN_MAX) : SPAN_NONE;
	char text[WARNING_DN_MAX + HOST_MAX + 128];
	bool of;
	const char *what = complaint(v, &of);
	int len;

	if (what)
		len = snprintf(text, sizeof(text), "certificate %.*s%s%s%.*s", SPAN_FMT(dn), dn.len ? " " : "", what,
		    of ? (int)name.len : 0, name.p);
	else
		len = snprintf(text, sizeof(text), "TLS handshake with %.*s failed: %s", SPAN_FMT(name),
		    v == PEER_TRUSTED ? tls_error(t) : peer_verdict_name(v));
	cap = MIN(cap - 1, MIN((size_t)MAX(len, 0), sizeof(text) - 1));
	for (size_t i = 0; i < cap; i++)
		out[i] = text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\' ? '?' : text[i];
	out[cap] = '\0';
	return cap;
}

const struct tls_expect *tls_expected(const struct tls *t)
{
	return t->peer.kind == PEER_EXPECTED ? &t->peer.expect : NULL;
}

struct judge_want tls_want(const struct tls *t)
{
	return tls_peer_want(&t->peer);
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
