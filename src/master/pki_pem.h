/*
 * pki_pem - the PEM files of the configuration: blocks to certificates, keys
 * and CRLs, or a complaint.
 *
 * Process: master's loader.  May include: common/base.h, complaint, pki, OpenSSL.
 * Owns nothing: what is returned belongs to the caller.
 *
 * A file may hold blocks of other kinds too (key and certificate in one file
 * is common); they are passed over.
 */
#ifndef MASTER_PKI_PEM_H
#define MASTER_PKI_PEM_H

#include <openssl/x509.h>

#include "common/base.h"
#include "master/pki.h"

#define PKI_FILE_MAX (1u << 20) /* bytes of a file of certificates or a key */
#define PKI_CRL_FILE_MAX (1u << 28)

/* A complaint about a file, "PATH: what is wrong", at the place where it is configured. */
#define pki_complain(c, file, fmt, ...)                                                                                \
	complain((c), (file)->config_file, (file)->line, (file)->pointer, "%s: " fmt, (file)->path, ##__VA_ARGS__)
#define pki_warn(c, file, fmt, ...)                                                                                    \
	complain_warning((c), (file)->config_file, (file)->line, (file)->pointer, "%s: " fmt, (file)->path,            \
	    ##__VA_ARGS__)

/* OpenSSL's reason for the last failure, in its words; clears the queue. */
const char *pki_reason(void);

/* A certificate's subject for a complaint; cut to the buffer. */
const char *pki_subject(const X509 *cert, char out[static 256]);

/* All certificates of the file, in its order, at least one; NULL after a complaint. */
MUST_USE STACK_OF(X509) *pki_pem_certificates(const struct pki_file *file, struct complaints *c);

/* The one private key of the file; NULL after a complaint. */
MUST_USE EVP_PKEY *pki_pem_key(const struct pki_file *file, struct complaints *c);

/* All CRLs of the file, at least one; NULL after a complaint. */
MUST_USE STACK_OF(X509_CRL) *pki_pem_crls(const struct pki_file *file, struct complaints *c);

#endif
