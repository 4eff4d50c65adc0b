/*
 * judge - is this peer trusted, and for which domains?  The one place where it
 * is decided: in a handshake, on resumption, after a reload, in `explain`.
 *
 * Process: any.  May include: common/base.h, peer.h, image, x509/facts, OpenSSL.
 * Owns nothing.
 *
 * Contract section 4.  X509_verify_cert comes first (judge_chain); only after
 * it returned 1 with X509_V_OK are DN and CA looked up (judge_facts).
 */
#ifndef COMMON_X509_JUDGE_H
#define COMMON_X509_JUDGE_H

#include <openssl/x509.h>

#include "common/base.h"
#include "common/image.h"
#include "common/peer.h"

/* Which end we are: decides the extended key usage asked for. */
enum judge_role {
	JUDGE_CLIENT, /* the peer is a TLS client: clientAuth */
	JUDGE_SERVER, /* the peer is a TLS server: serverAuth */
};

/* What the peer must prove to be. */
enum judge_as {
	JUDGE_PEER,	     /* somebody from outside who connected: any domain's (judge_facts) */
	JUDGE_DOMAIN,	     /* one domain's server (judge_server) */
	JUDGE_CONTAINER,     /* one container (judge_container) */
	JUDGE_ANY_CONTAINER, /* a container that connected: any of the configured ones */
};

struct judge_want {
	enum judge_role role;
	enum judge_as as;
	uint32_t domain;		   /* JUDGE_DOMAIN: its index, or IMAGE_NONE once it is gone */
	struct span name;		   /* JUDGE_DOMAIN: the canonical host that was asked for */
	const struct image_server *server; /* JUDGE_CONTAINER: its row, NULL once it is gone */
};

/* Why nobody is taken for the entry, whatever he shows: PEER_DOMAIN_DISABLED or PEER_DOMAIN_BLOCKED; PEER_TRUSTED: it is in use. */
enum peer_verdict judge_use(const struct image *img, uint32_t domain);

/* Was it judged by this image, and has nothing been blocked or unblocked since? */
static inline bool judge_is_current(const struct image *img, const struct peer_judgement *j)
{
	return j->generation == img->h->generation && j->blocks == img->blocks;
}

/*
 * Judge by facts alone, as of `now`: dates of every chain certificate, the
 * profile's trust (one of its CA keys must be in the chain above the leaf),
 * CRLs, DN, the domain's `trust`.  `tls` is the listener's profile in `img`,
 * or IMAGE_NONE when a reload has removed it (then the profile's own trust and
 * CRLs are not asked).  Fills the whole judgement.
 */
void judge_facts(const struct image *img, uint32_t tls, const struct peer_facts *facts, int64_t now,
    struct peer_judgement *out);

/*
 * The server of a connection that we opened to `domain`, by facts, as of `now`;
 * `tls` is the profile that the domain has now.  Chain, dates and CRLs first; then
 * it must carry a DN configured for this very domain, or, when none is, `name`
 * must be one of its SIP domain identities (RFC 5922 7.2).  By DN it stands for
 * all domains of the DN, by name for this one alone.
 */
void judge_server(const struct image *img, uint32_t tls, const struct peer_facts *facts, uint32_t domain,
    struct span name, int64_t now, struct peer_judgement *out);

/*
 * A container, by facts: chain, dates, CRLs, and a DN of this server (NULL: it
 * is gone, and nobody is it).  False: *why says why.
 */
MUST_USE bool judge_container(const struct image *img, uint32_t tls, const struct peer_facts *facts,
    const struct image_server *server, int64_t now, enum peer_verdict *why);

/*
 * By facts, whatever is wanted.  A container that is right has the verdict
 * PEER_TRUSTED and no domain.
 */
void judge_wanted(const struct image *img, uint32_t tls, const struct judge_want *want, const struct peer_facts *facts,
    int64_t now, struct peer_judgement *out);

/* Does the certificate claim a name of an entry with `enforce: false`, whoever issued it? */
bool judge_claims_observed(const struct image *img, const struct peer_facts *facts);

/*
 * Prepare the store that chains will be verified by, once it holds all its
 * anchors.  Of two with one name (a CA that changed its key) the library takes
 * either and gives up when the signature is the other's, unless the peer's
 * certificate tells the key (RFC 5280 4.2.1.1); now the signature decides.
 */
void judge_store(X509_STORE *store);

/*
 * Run X509_verify_cert on a store context that the TLS library has prepared
 * (SSL_CTX_set_cert_verify_callback), with security level 2 and the purpose
 * that fits role and peer_usage, as of `now`, then judge_wanted.  *facts is made
 * even when the verdict is against the peer, if there is a chain to make them
 * of (NULL else): the log wants the DN.  Sets the context's error so that the
 * alert fits (X509_V_ERR_APPLICATION_VERIFICATION for an unknown DN ...).
 */
void judge_chain(const struct image *img, uint32_t tls, const struct judge_want *want, X509_STORE_CTX *ctx, int64_t now,
    struct peer_facts **facts, struct peer_judgement *out);

/*
 * A connection without TLS, or a datagram: trusted for the domains whose
 * trusted_addresses hold the address; for a datagram those with trust_udp only.
 */
void judge_address(const struct image *img, const uint8_t addr[16], bool datagram, struct peer_judgement *out);

#endif
