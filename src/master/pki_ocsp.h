/*
 * pki_ocsp - an OCSP answer that is to be stapled to our certificate (RFC 6066
 * 8, RFC 6960): read from a file and held against the certificate.
 *
 * Process: master's loader.  May include: common/base.h, complaint, pki, pki_pem, x509/facts, OpenSSL.  Owns nothing.
 */
#ifndef MASTER_PKI_OCSP_H
#define MASTER_PKI_OCSP_H

#include <openssl/x509.h>

#include "common/base.h"
#include "master/pki.h"

/*
 * Read the DER file: it must say that `certs` (ours and its chain) is good, be
 * signed by its issuer or by whom that has charged with it, and be valid now.
 * The issuer is the next of the chain, or one of `trust`.  False after a complaint.
 */
MUST_USE bool pki_ocsp_load(const struct pki_file *file, STACK_OF(X509) *certs, STACK_OF(X509) *trust, struct complaints *c,
    struct pki_der *out, int64_t *next_update);

#endif
