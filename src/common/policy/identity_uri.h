/*
 * identity_uri - the URI part of identity: how it is rebuilt, and whose it may be.
 *
 * Process: any.  Used by policy/identity.  May include: rank 0, the sip modules, image.  Owns nothing.  Pure.
 *
 * Contract section 5, "The assertion".
 */
#ifndef COMMON_POLICY_IDENTITY_URI_H
#define COMMON_POLICY_IDENTITY_URI_H

#include "common/base.h"
#include "common/image.h"
#include "common/put.h"
#include "common/sip/uri.h"

/*
 * Write "<uri>": scheme and host in lower case, user part as it is, port,
 * `user`, tel's `phone-context`; all else is dropped.  False: no URI to be
 * asserted, because of its scheme or because an escape in it hides a control byte.
 */
MUST_USE bool identity_uri_put(struct put *o, const struct sip_uri *uri);

/* May entry `domain` speak for this URI? */
MUST_USE bool identity_uri_vouched(const struct image *img, uint32_t domain, const struct sip_uri *uri);

#endif
