/*
 * peer - the record of who stands at the other end of a connection: the facts
 * that trust is judged by, and the judgement.
 *
 * Process: any.  May include: common/base.h, image_layout.  Owns nothing.
 *
 * Facts never change after the handshake and outlive it (sessions keep them);
 * the judgement belongs to one generation of the image and is made again
 * whenever that changes (contract section 4).
 */
#ifndef COMMON_PEER_H
#define COMMON_PEER_H

#include "common/base.h"
#include "common/image_layout.h"

#define PEER_CHAIN_MAX 10   /* certificates above the leaf, the anchor included */
#define PEER_DOMAINS_MAX 16 /* domains that one connection can stand for */
#define PEER_NAMES_MAX 4096 /* bytes of the names in facts; a certificate with more has none that count */

/* What remains of one certificate of the verified chain. */
struct cert_facts {
	uint8_t key[32];	/* SHA-256 of its SubjectPublicKeyInfo */
	uint8_t issuer_key[32]; /* ... of the certificate above it; of itself for the anchor */
	struct image_serial serial;
	int64_t not_before, not_after; /* s since 1970 */
};

/* Counted; made by x509/facts, shared by connection and session. */
struct peer_facts {
	uint32_t references;
	uint32_t chain_count;		/* the leaf is chain[0] */
	uint8_t leaf[32];		/* SHA-256 of the leaf's DER */
	uint32_t dn_status;		/* enum dn_status; only DN_OK can match */
	uint32_t dn_len;		/* canonical DN behind the chain */
	uint32_t text_len;		/* printed DN behind it */
	uint32_t issuer_len;		/* printed issuer behind that */
	uint32_t names_len;		/* behind that: its SIP domain identities, each a length byte and a canonical host */
	struct cert_facts chain[];	/* at most PEER_CHAIN_MAX + 1 */
};

/* Why a peer is not trusted, or PEER_TRUSTED.  One closed list: logs and counters use it. */
enum peer_verdict {
	PEER_TRUSTED,
	PEER_NO_CERTIFICATE,
	PEER_CHAIN_INVALID,	/* X509_verify_cert failed: no known CA, bad signature, path length, name constraints ... */
	PEER_NOT_YET_VALID,
	PEER_EXPIRED,
	PEER_REVOKED,
	PEER_CRL_EXPIRED,
	PEER_CRL_MISSING,	/* crl_check "all" and a CA without a CRL */
	PEER_WRONG_USAGE,	/* key usage or extended key usage */
	PEER_WEAK,		/* security level 2 */
	PEER_DN_UNUSABLE,	/* empty, NUL inside, undecodable or too long */
	/* How far it got with the domain that it got furthest with, in this order: */
	PEER_DN_UNKNOWN,	/* neither DN nor subject alternative name is configured */
	PEER_MATCH_INCOMPLETE,	/* `match: all`, and only one of DN and subject alternative name is right */
	PEER_CA_MISMATCH,	/* configured, but for another CA */
	PEER_PIN_MISMATCH,	/* its key is none of the pinned ones */
	PEER_DOMAIN_DISABLED,	/* all domains that it could stand for are disabled */
	PEER_DOMAIN_BLOCKED,	/* ... or blocked at run time, at least one of them */
	PEER_OBSERVED,		/* it would be trusted, but `enforce` is false */
	PEER_NAME_MISMATCH,	/* no subject alternative name is that of the domain asked for */
	PEER_PLAIN,		/* no TLS, address not in trusted_addresses */
	PEER_VERDICT_COUNT
};

const char *peer_verdict_name(enum peer_verdict v); /* "dn_unknown" */

/* The judgement: valid for `generation` only, and while the same domains are blocked. */
struct peer_judgement {
	uint64_t generation;
	uint32_t blocks; /* struct image's, when it was made */
	enum peer_verdict verdict;
	bool observed;	       /* `enforce` is false: it passes untrusted, whatever the verdict is */
	uint32_t domain_count; /* > 0 exactly when PEER_TRUSTED, but for containers */
	uint32_t domain[PEER_DOMAINS_MAX]; /* indexes of image_domain, configuration order */
	const uint32_t *all;   /* more than fit: all that its DN leads to, in the image; see judgement_has */
	uint32_t all_count;
	int64_t valid_until;   /* s since 1970: when to judge again at the latest */
};

#endif
