/*
 * digest - the response of RFC 7616 3.4.1 with the algorithms of RFC 8760.
 *
 * Process: any.  May include: common/base.h, span, openssl/evp.h.  Owns nothing.
 */
#ifndef COMMON_AUTH_DIGEST_H
#define COMMON_AUTH_DIGEST_H

#include "common/base.h"
#include "common/span.h"

/* Best first: the order of challenges. */
enum auth_algorithm { AUTH_SHA512_256, AUTH_SHA256, AUTH_MD5, AUTH_ALGORITHMS };

#define AUTH_HEX_MAX 64

/* "SHA-512-256" */
struct span auth_algorithm_name(enum auth_algorithm a);

/* Without case; AUTH_ALGORITHMS: none of ours.  No text at all is MD5 (RFC 7616 3.4). */
enum auth_algorithm auth_algorithm_find(struct span name);

/* Bytes of a digest, half of those of its text. */
size_t auth_digest_size(enum auth_algorithm a);

/* Hash of user:realm:password, in lower-case hex; returns the length, 0: no memory, or the library refuses the algorithm. */
MUST_USE size_t auth_digest_ha1(enum auth_algorithm a, struct span user, struct span realm, struct span password,
    char out[static AUTH_HEX_MAX]);

/* All that goes into a response, with qop=auth. */
struct auth_digest {
	enum auth_algorithm algorithm;
	struct span ha1; /* hex */
	struct span nonce, nc, cnonce, method, uri;
};

/* The response in lower-case hex; returns the length, 0 as above. */
MUST_USE size_t auth_digest_response(const struct auth_digest *d, char out[static AUTH_HEX_MAX]);

/* Are two texts the same?  Takes the same time wherever they differ; lengths are no secret. */
MUST_USE bool auth_digest_same(struct span a, struct span b);

#endif
