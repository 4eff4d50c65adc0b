/*
 * anchors - the CAs that a profile trusts, from the image into OpenSSL's store.
 *
 * Process: any.  May include: common/base.h, image, x509/judge, OpenSSL.  Owns nothing.
 *
 * They are public, so they stand in the image and not among the keys: who
 * explains a refusal has the same store as who refuses.
 */
#ifndef COMMON_X509_ANCHORS_H
#define COMMON_X509_ANCHORS_H

#include <openssl/x509.h>

#include "common/base.h"
#include "common/image.h"

/*
 * Add the profile's anchors, and prepare the store for judge_chain.  An anchor
 * that is not self-signed was named on purpose: then a chain may end there, and
 * the issuer above need not be known.  Their names are added to `names`, if it
 * is not NULL, for a server's list of CAs.  NULL: done; else why not.
 */
MUST_USE const char *anchors_add(const struct image *img, const struct image_tls *profile, X509_STORE *store,
    STACK_OF(X509_NAME) *names);

#endif
