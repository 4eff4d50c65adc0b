/*
 * certificates - which certificates and CRLs the image in use lives by, and
 * until when: seen before they end, not after.
 *
 * Process: admin.  May include: all of common, admin.h, jansson, OpenSSL.  Owns nothing.
 */
#ifndef ADMIN_CERTIFICATES_H
#define ADMIN_CERTIFICATES_H

#include <jansson.h>

#include "admin/admin.h"

/* All of them, a new object with "certificates": rows of profile, kind ("own", "trust", "crl"), subject and end. NULL: no memory. */
MUST_USE json_t *certificates_report(const struct admin *a);

/* The one that ends first, likewise a row; JSON null: there is none.  For `status`. */
MUST_USE json_t *certificates_next(const struct admin *a);

#endif
