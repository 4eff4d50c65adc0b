/*
 * params - the value of a Proxy-Authorization header, strictly by grammar.
 *
 * Process: any.  May include: common/base.h, span, sip/chars.  Owns nothing.  Pure.
 *
 * RFC 3261 25.1 (credentials), RFC 7616 3.4.  All spans borrow from the input.
 */
#ifndef COMMON_AUTH_PARAMS_H
#define COMMON_AUTH_PARAMS_H

#include "common/base.h"
#include "common/span.h"

#define AUTH_PARAMS_MAX 24 /* of one header, unknown ones included */
#define AUTH_NAME_MAX 256  /* bytes of a realm or a user, without escapes */

enum auth_params_status {
	AUTH_PARAMS_READY,   /* a response to a digest challenge, whole */
	AUTH_PARAMS_FOREIGN, /* another scheme, or another realm */
	AUTH_PARAMS_BAD,     /* digest, but not by grammar: a parameter twice, one missing, one that may not be so */
};

struct auth_params {
	size_t username_len;
	char username[AUTH_NAME_MAX]; /* without escapes */
	struct span nonce, uri, cnonce;	  /* what stands between the quotes; none holds an escape */
	struct span response; /* likewise: lower-case hex */
	struct span nc_text;  /* eight hex digits as they came: they are hashed so */
	uint32_t nc;	      /* at least 1 */
	struct span algorithm; /* empty: none was given, which means MD5 */
};

/* *out is filled in for AUTH_PARAMS_READY alone. */
MUST_USE enum auth_params_status auth_params_parse(struct span value, struct span realm, struct auth_params *out);

#endif
