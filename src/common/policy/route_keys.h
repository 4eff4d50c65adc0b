/*
 * route_keys - the keys of tokens and branches among the records of the keys
 * memfd: the loader makes ids with them, the workers read ids, so both derive them here.
 *
 * Process: any.  May include: common/base.h, keys_layout, policy/route.  Owns nothing.  Pure.
 */
#ifndef COMMON_POLICY_ROUTE_KEYS_H
#define COMMON_POLICY_ROUTE_KEYS_H

#include "common/base.h"
#include "common/policy/route.h"

/* `records`: what stands behind struct keys_header.  False: not well formed, or one of the keys is missing. */
MUST_USE bool route_keys_read(const uint8_t *records, size_t len, struct route_keys *out);

#endif
