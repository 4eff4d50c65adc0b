/*
 * known - peers that were here before: their facts kept once, however many
 * connections and sessions they have, and which chains were found good.
 *
 *   accept -> tls -> [identify] -> frame -> msg -> inspect -> route -> rewrite -> send
 *
 * Process: worker.  May include: common/base.h, peer.h, x509/facts, x509/judge, OpenSSL.
 * Owns a reference to the facts in its table.
 *
 * A chain that was verified under this very image, profile and role need not be
 * verified again (two signatures, RFC 5280 6.1): what its facts say is still
 * judged each time, dates and CRLs among them.  A reload forgets all of it.
 */
#ifndef WORKER_KNOWN_H
#define WORKER_KNOWN_H

#include <openssl/x509.h>

#include "common/base.h"
#include "common/peer.h"
#include "common/x509/judge.h"

/* Under what a chain is verified. */
struct known_under {
	uint64_t generation;
	uint8_t binding[32]; /* what the TLS context was built from */
	uint32_t tls;	     /* index of the profile */
	enum judge_role role;
};

/* What was verified: the certificates that were presented, in their order, and under what. */
struct known_proof {
	uint8_t leaf[32];  /* SHA-256 of its DER */
	uint8_t whole[32]; /* of everything; all 0: nothing was */
};

/* False: no memory. */
MUST_USE bool known_proof_of(const struct known_under *under, X509_STORE_CTX *ctx, struct known_proof *out);

/* Facts of a chain that was verified so before, borrowed; NULL: none. */
struct peer_facts *known_find(const struct known_proof *proof);

/* The facts of a chain that has just been verified: an equal record that is kept already, or these.  Takes one reference, gives one. */
MUST_USE struct peer_facts *known_keep(const struct known_proof *proof, struct peer_facts *facts);

/* Likewise for facts that came with a session: proves nothing. */
MUST_USE struct peer_facts *known_share(struct peer_facts *facts);

#endif
