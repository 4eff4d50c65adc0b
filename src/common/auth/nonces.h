/*
 * nonces - nonces that no one needs to remember, and which of their counts have been used.
 *
 * Process: any makes and reads them; workers share the window (SHARED_NONCES).
 * May include: common/base.h, span, siphash, put.  Owns nothing.
 *
 * A nonce carries its time and a MAC over that, realm, listener and source
 * address, so every worker of a master knows it, also after a reload or its own restart.
 *
 * The window holds one word for each (nonce, count) that was taken, in sets of
 * one cache line; the oldest gives way, and the set then knows that everything
 * as old as that one is stale.  Each is so taken once, whoever asks, and what
 * is forgotten is refused.  A window that is overwritten refuses what it should
 * take, or takes twice; nobody gets in by it, since the digest is checked first.
 */
#ifndef COMMON_AUTH_NONCES_H
#define COMMON_AUTH_NONCES_H

#include <stdatomic.h>

#include "common/base.h"
#include "common/siphash.h"
#include "common/span.h"

#define NONCE_LEN 64 /* characters, lower-case hex */

/* What a nonce is good for. */
struct nonce_bond {
	struct span realm;
	uint64_t listener;
	uint8_t addr[16];
};

enum nonce_status {
	NONCE_VALID,
	NONCE_FOREIGN, /* not ours, or not for this realm, listener and address */
	NONCE_OLD,
};

/* The nonces' own key, of one that lives as long as the master. */
struct siphash_key nonce_key(const struct siphash_key *branch);

/* `now`: s of a clock that all workers share and that never goes back, from 1; `unique`: no two calls have the same. */
void nonce_write(const struct siphash_key *key, const struct nonce_bond *bond, uint32_t now, uint64_t unique,
    char out[static NONCE_LEN]);
MUST_USE enum nonce_status nonce_read(const struct siphash_key *key, const struct nonce_bond *bond, uint32_t now,
    uint32_t lifetime, struct span text, uint32_t *made);

#define NONCES_WAYS 7

struct nonces_set {
	_Atomic uint64_t floor;		    /* nonces made then, and before, are stale */
	_Atomic uint64_t used[NONCES_WAYS]; /* time << 32 | hash; 0: free */
};

/* One use of a nonce that is valid. */
struct nonces_use {
	struct span nonce;
	uint32_t made, count;
	struct span message; /* whole, where it may come again byte for byte (RFC 3261 17.1: over UDP); else empty */
};

/* False: the count is used, or nobody knows any more.  `bytes`: of the region. */
MUST_USE bool nonces_take(void *region, size_t bytes, const struct siphash_key *key, const struct nonces_use *use);

#endif
