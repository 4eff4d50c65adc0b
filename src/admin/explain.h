/*
 * explain - what a connection with a given certificate would be told now, by
 * the code that tells it (x509/judge) and the image in use.
 *
 * Process: admin.  May include: all of common, admin.h, report, jansson, OpenSSL.  Owns nothing.
 */
#ifndef ADMIN_EXPLAIN_H
#define ADMIN_EXPLAIN_H

#include <jansson.h>

#include "admin/admin.h"

/* Once, before the process is confined: what OpenSSL looks for in files it must have looked for. */
MUST_USE bool explain_init(void);

/*
 * The question: "pem", the certificate and its chain; "profile", of an external
 * listener, or all; or "domain", as whose server it would answer us.  A new
 * object with "trusted" and a list "verdicts"; NULL when memory runs out.
 */
MUST_USE json_t *explain_certificate(const struct admin *a, const json_t *question);

#endif
