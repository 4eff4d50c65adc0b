/*
 * tls_names - certificates of ours that are chosen by the name that a client
 * asks for (SNI, RFC 6066 3); the certificate alone, never whom we trust.
 *
 * Process: worker.  May include: common/base.h, span, sip/uri, OpenSSL.  Owns the certificates given to it.
 */
#ifndef WORKER_TLS_NAMES_H
#define WORKER_TLS_NAMES_H

#include <openssl/ssl.h>

#include "common/base.h"
#include "common/span.h"

struct tls_names; /* one set of names, and the sets after it */

/* A set more; `names`: each with '\n' behind it, a wildcard for one label as "*.suffix".  False: no memory. */
MUST_USE bool tls_names_open(struct tls_names **all, struct span names);

/* A certificate of the set opened last; takes references of its own.  False: no memory, or too many. */
MUST_USE bool tls_names_add(struct tls_names *all, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) *chain);

/* Have the context choose; `all` must outlive its connections. */
void tls_names_install(SSL_CTX *ctx, struct tls_names *all);

void tls_names_free(struct tls_names *all);

#endif
