/*
 * siphash - SipHash-2-4 with 64-bit output: a short keyed hash for tables that
 * hostile text is looked up in, and for the MAC of tokens.
 *
 * Process: any.  May include: common/base.h.  Owns nothing.  Pure.
 */
#ifndef COMMON_SIPHASH_H
#define COMMON_SIPHASH_H

#include "common/base.h"

struct siphash_key {
	uint8_t k[16];
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);

#endif
