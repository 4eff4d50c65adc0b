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

/* SipHash-1-3: for tables only, where nobody gets to see a hash. */
uint64_t siphash_13(const struct siphash_key *key, const void *data, size_t len);

/* The same over bytes that stand in several places: begin, add ..., end. */
struct siphash_state {
	uint64_t v0, v1, v2, v3;
	uint64_t tail; /* bytes that do not fill a word yet */
	uint64_t len;  /* of everything added */
};

void siphash_begin(struct siphash_state *s, const struct siphash_key *key);
void siphash_add(struct siphash_state *s, const void *data, size_t len);

/* With its length in front, so that the border between two fields cannot be moved. */
void siphash_add_field(struct siphash_state *s, const void *data, size_t len);

uint64_t siphash_end(struct siphash_state *s);

/* The same and 64 bits more, drawn from the state as SipHash-2-4-128 does. */
void siphash_end_128(struct siphash_state *s, uint64_t out[static 2]);

#endif
