/*
 * judgement - what a judgement says, for those who only read it.
 *
 * Process: any.  May include: common/base.h, peer.h, image.  Owns nothing.  Pure; no OpenSSL.
 */
#ifndef COMMON_X509_JUDGEMENT_H
#define COMMON_X509_JUDGEMENT_H

#include "common/base.h"
#include "common/image.h"
#include "common/peer.h"

/*
 * Does the peer stand for the domain?  Also for those beyond the first
 * PEER_DOMAINS_MAX of its DN, as long as they ask the same of it as one of
 * those (they share its policy: CA, pins and all else).  False for a judgement
 * by another image.
 */
bool judgement_has(const struct image *img, const struct peer_judgement *j, uint32_t domain);

/* A judgement of `img` for no domain. */
void judgement_none(struct peer_judgement *out, const struct image *img, enum peer_verdict verdict);

/* The listener's `enforce` is false: whoever it is passes, untrusted; the verdict tells what would be. */
void judgement_observe(struct peer_judgement *j);

#endif
