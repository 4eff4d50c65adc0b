/*
 * dn_near - a number that names have in common which a person, or an attacker,
 * could take for each other: to find the configured name that was probably meant.
 *
 * Process: any.  May include: common/base.h, siphash, dn.  Owns nothing.  Pure.
 */
#ifndef COMMON_DN_NEAR_H
#define COMMON_DN_NEAR_H

#include "common/base.h"
#include "common/siphash.h"

/*
 * Of a canonical DN: keyed hash of its commonName (its last attribute when it
 * has none) reduced to ASCII consonants and digits, so that blanks, punctuation,
 * vowels, 0 for o, 1 for l and letters of other alphabets make no difference.
 */
uint32_t dn_likeness(const struct siphash_key *key, const uint8_t *canonical, size_t len);

#endif
