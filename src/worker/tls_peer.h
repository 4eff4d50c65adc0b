/*
 * tls_peer - who stands at the other end of a TLS connection, as far as the
 * library's callbacks know it: the facts, the judgement, and by which image
 * and profile they are judged.
 *
 *   accept -> tls -> [identify] -> frame -> msg -> inspect -> route -> rewrite -> send
 *
 * Process: worker.  May include: common/base.h, clock, image, peer.h, x509/facts, x509/judge, OpenSSL.
 * Owns a reference to the facts; borrows the committed image.
 *
 * The whole-chain callback and the session store both need this and neither
 * may know `struct tls`: so it hangs on the SSL object by itself.
 */
#ifndef WORKER_TLS_PEER_H
#define WORKER_TLS_PEER_H

#include <openssl/ssl.h>

#include "common/base.h"
#include "common/image.h"
#include "common/peer.h"
#include "common/x509/judge.h"

/* Who must stand at the other end of a connection that we open. */
enum tls_expect_kind {
	EXPECT_DOMAIN,	  /* an external domain's server */
	EXPECT_CONTAINER, /* a container */
};

struct tls_expect {
	enum tls_expect_kind kind;
	uint64_t id; /* EXPECT_DOMAIN: of the entry, its route_back_id, which outlives reloads */
	/* ... and the canonical domain that was asked for (RFC 5922 4: what the certificate must name when no DN is configured). */
	struct span name;
	/* EXPECT_CONTAINER: its row in the committed image, NULL once it is gone; the owner keeps it true. */
	const struct image_server *const *server;
};

/* Which connection it is: who may stand at the other end. */
enum tls_peer_kind {
	PEER_FROM_OUTSIDE, /* accepted on an external listener */
	PEER_FROM_INSIDE,  /* accepted on an internal one: a container */
	PEER_EXPECTED,	   /* the server of a connection that we opened */
};

struct tls_peer {
	const uint32_t *profile; /* index of the context's profile in the committed image, or IMAGE_NONE */
	enum tls_peer_kind kind;
	struct tls_expect expect; /* PEER_EXPECTED */
	bool required;		 /* without trust there is no connection */
	const uint8_t *binding;	 /* 32 bytes: what sessions of its context are bound to; the context's */
	uint64_t listener;	 /* which one it came to: sessions are good there alone */
	bool observe;		 /* the listener's `enforce` is false: nobody is required to be anybody, nobody is trusted */
	bool presented;		 /* this handshake brought a certificate, which was judged */
	struct peer_facts *facts; /* counted; NULL: no certificate, or nothing to be known of it */
	int64_t handshake;	 /* s since 1970: the original full handshake */
	struct peer_judgement judgement;
};

/* Once per process; 0 or -errno. */
MUST_USE int tls_peer_init(void);

/* From now on judge by this image; it must outlive the next call. */
void tls_peer_judge_by(const struct image *img);

/* Hang the record on a connection, and find it. */
MUST_USE bool tls_peer_attach(struct tls_peer *p, SSL *ssl);
struct tls_peer *tls_peer_of(const SSL *ssl);
void tls_peer_done(struct tls_peer *p);

/* What the peer must prove to be, as of now. */
struct judge_want tls_peer_want(const struct tls_peer *p);

/*
 * For SSL_CTX_set_cert_verify_callback: judge the presented chain.  1: go on,
 * trusted or, when no certificate is required, untrusted; 0: end the handshake.
 */
int tls_peer_verify(X509_STORE_CTX *store, void *arg);

/* Its listener has `enforce: false`: before the handshake. */
void tls_peer_observe(struct tls_peer *p, SSL *ssl);

/*
 * Would this peer be taken as it was then, now?  `facts` NULL: it showed no
 * certificate.  False: a full handshake has to find out.
 */
MUST_USE bool tls_peer_acceptable(const struct tls_peer *p, struct peer_facts *facts, int64_t handshake,
    struct peer_judgement *out);

/* There is no certificate, and there need not be one. */
void tls_peer_anonymous(struct tls_peer *p);

/* The peer of a resumed session: false when it is not acceptable any more. */
MUST_USE bool tls_peer_resume(struct tls_peer *p, struct peer_facts *facts, int64_t handshake);

#endif
