/*
 * keys_layout - the second memfd: certificates, keys and token secrets, as a
 * row of records that belongs to one generation of the image.
 *
 * Process: master (writes), worker (reads, builds, unmaps).  May include: common/base.h.
 *
 * `struct keys_header`, then records, each 8-byte aligned, until size.  A
 * KEYS_CERTIFICATE opens a new set of its profile; the KEYS_CHAIN and the one
 * KEYS_PRIVATE_KEY that follow belong to it.
 */
#ifndef COMMON_KEYS_LAYOUT_H
#define COMMON_KEYS_LAYOUT_H

#include "common/base.h"

#define KEYS_MAGIC 0x3153594b50495331ULL

struct keys_header {
	uint64_t magic;
	uint64_t size; /* of everything */
	uint64_t generation;
};

enum keys_kind {
	KEYS_CERTIFICATE = 1, /* DER: our leaf */
	KEYS_CHAIN = 2,	      /* DER: an intermediate to send */
	KEYS_PRIVATE_KEY = 3, /* DER, PKCS #8 */
	KEYS_SERVER_NAMES = 4, /* names with '\n' behind each: the sets that follow are for these alone */
	KEYS_OCSP_UNTIL = 8,   /* int64_t, s since 1970: until when the KEYS_OCSP behind it is good */
	KEYS_OCSP = 9,	      /* DER: an OCSPResponse to staple to the set before it */
	KEYS_TOKEN_SECRET = 5, /* 32 bytes; the first signs; profile is 0 */
	KEYS_BRANCH_KEY = 6,   /* 16 bytes: never changes while the master lives */
	KEYS_AUTH_USER = 7,    /* struct keys_auth_user and its texts; profile: index of image_auth */
};

struct keys_record {
	uint32_t kind;	  /* enum keys_kind */
	uint32_t profile; /* index of image_tls */
	uint32_t len;	  /* bytes of data behind this struct */
	uint32_t pad;
};

/* Who may authenticate: never in the image, which the admin process reads. */
struct keys_auth_user {
	uint32_t algorithms; /* bit (1 << enum auth_algorithm) set: ha1 holds that one */
	uint32_t user_len, uri_len, from_len; /* texts behind this struct, in this order */
	char ha1[3][64];     /* by enum auth_algorithm: lower-case hex; MD5's has 32 digits */
	/* user: without escapes; uri: "<sip:...>" as identity_uri_put writes it; from: likewise, each with '\n' behind it */
};

static inline size_t keys_record_size(uint32_t len)
{
	return sizeof(struct keys_record) + (((size_t)len + 7) & ~(size_t)7);
}

#endif
