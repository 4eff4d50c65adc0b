/*
 * session_record - a TLS session and the facts beside it as sealed bytes, for
 * the store that all workers share.
 *
 * Process: worker.  May include: common/base.h, peer.h, session_store, x509/facts, OpenSSL.  Owns nothing.
 *
 * Sealed by AES-256-GCM: whoever cannot seal cannot make a record, and what is
 * torn does not open.  The session's id and its binding (session id context)
 * are sealed with it.  The peer's certificate is left out: it is never asked
 * for again, and would cost a hundred microseconds to decode.
 */
#ifndef WORKER_SESSION_RECORD_H
#define WORKER_SESSION_RECORD_H

#include <openssl/ssl.h>

#include "common/base.h"
#include "common/peer.h"
#include "common/session_store.h"

#define SESSION_KEY_BYTES 32

struct session_record {
	SSL_SESSION *session;	  /* the caller's reference */
	struct peer_facts *facts; /* likewise; NULL: it showed no certificate */
	int64_t handshake;	  /* s since 1970: the original full handshake */
	uint64_t listener;	  /* see tls_session */
	uint64_t maker;		  /* which worker's process */
};

/* What records are sealed and opened with, for EVP_CIPHER_CTX_free; NULL: no memory. */
MUST_USE EVP_CIPHER_CTX *session_seal_new(const uint8_t key[static SESSION_KEY_BYTES]);

/* The length of out[]; 0: it does not fit, or cannot be sealed. */
MUST_USE size_t session_record_seal(EVP_CIPHER_CTX *seal, const struct session_record *r, uint8_t out[static SESSION_RECORD_MAX]);

/* `binding`: what the connection's own session id context is.  False: not a record of this id, binding and key. */
MUST_USE bool session_record_open(EVP_CIPHER_CTX *seal, struct span id, struct span binding, const uint8_t *record, size_t len,
    struct session_record *out);

#endif
