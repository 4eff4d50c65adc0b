/*
 * tls_staple - OCSP answers stapled to our certificates (RFC 6066 8) for clients that ask.
 *
 * Process: worker.  May include: common/base.h, clock, span, OpenSSL.  Owns the answers.
 */
#ifndef WORKER_TLS_STAPLE_H
#define WORKER_TLS_STAPLE_H

#include <openssl/ssl.h>

#include "common/base.h"
#include "common/span.h"

struct tls_staple; /* an answer, and those after it */

/* An answer for the certificate, good until `until` (s since 1970).  False: no memory. */
MUST_USE bool tls_staple_add(struct tls_staple **all, X509 *leaf, int64_t until, struct span der);

/* Have the context staple the one that fits the certificate it shows, while it is good; `all` must outlive its connections. */
void tls_staple_install(SSL_CTX *ctx, struct tls_staple *all);

void tls_staple_free(struct tls_staple *all);

#endif
