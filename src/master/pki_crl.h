/*
 * pki_crl - certificate revocation lists: who signed them, until when they
 * hold, and the serials in them, sorted.
 *
 * Process: master's loader.  May include: common/base.h, clock, x509/facts, complaint, pki, pki_pem, OpenSSL.
 * Owns nothing: the lists belong to the caller's profile.
 *
 * A worker only looks serials up (parsing 100,000 entries takes 40 ms), so
 * whatever could make a list say something else than "these serials of this
 * CA are revoked" is refused here: delta and indirect lists, lists for some
 * reasons only, unknown critical extensions.
 */
#ifndef MASTER_PKI_CRL_H
#define MASTER_PKI_CRL_H

#include <openssl/x509.h>

#include "common/base.h"
#include "master/pki.h"

/*
 * Read all lists of one file and append them to out->crl.  `signers`: the CAs
 * that may have signed them.  False after a complaint.
 */
MUST_USE bool pki_crl_load(const struct pki_file *file, STACK_OF(X509) *signers, struct complaints *c,
    struct pki_profile *out);

void pki_crl_done(struct pki_crl *crl);

#endif
