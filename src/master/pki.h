/*
 * pki - read certificates, keys, CAs and CRLs of one TLS profile, and check
 * that they fit together.
 *
 * Process: master's loader.  May include: common/base.h, image_layout, clock, x509/facts, complaint,
 * pki_pem, pki_crl, OpenSSL.
 * Owns what it read until pki_profile_done.
 *
 * Checked: every file is there and holds PEM of the right kind; each private
 * key fits its certificate; a chain is in order and each link signed by the
 * next; our certificate is within its dates (warning), and fit for security
 * level 2; a CRL is signed by a CA of `trust` or by one that such a CA signed and that stands
 * in a `trust` or chain file; encrypted keys are refused with a clear word.
 */
#ifndef MASTER_PKI_H
#define MASTER_PKI_H

#include "common/base.h"
#include "common/image_layout.h"
#include "master/complaint.h"

/* A file name as configured: resolved path, and where it stands for complaints. */
struct pki_file {
	const char *path;	 /* absolute or relative to the working directory, ready to open */
	const char *config_file;
	unsigned line;
	const char *pointer;	 /* "/tls/edge/trust/0" */
};

struct pki_input {
	const struct pki_file *certificate; /* count of both: certificate_count */
	const struct pki_file *private_key;
	size_t certificate_count; /* 0: a profile for clients without a certificate */
	const struct pki_file *ocsp; /* answers to staple, for the first ocsp_count certificates */
	size_t ocsp_count;
	const struct pki_file *trust;
	size_t trust_count;
	const struct pki_file *crl;
	size_t crl_count;
};

struct pki_der {
	uint8_t *p;
	size_t len;
};

/* One certificate of ours with its chain and key. */
struct pki_identity {
	struct pki_der leaf, key; /* key: PKCS #8 */
	struct pki_der *chain;
	size_t chain_count;
	int64_t not_after;
	struct pki_der ocsp;	   /* OCSPResponse to staple; len 0: none */
	int64_t ocsp_next_update;  /* s since 1970: it is good until then; INT64_MAX: not said */
};

struct pki_crl {
	struct image_spki issuer;
	int64_t next_update; /* INT64_MAX: none */
	struct image_serial *revoked; /* sorted */
	size_t revoked_count;
};

struct pki_profile {
	struct pki_identity *identity;
	size_t identity_count;
	struct pki_der *trust; /* CA certificates, DER */
	struct image_spki *trust_spki; /* parallel to trust */
	size_t trust_count;
	struct pki_crl *crl;
	size_t crl_count;
};

/* Read everything; complaints go to c.  False: at least one complaint (the profile must still be given to _done). */
MUST_USE bool pki_load(const struct pki_input *in, struct complaints *c, struct pki_profile *out);
void pki_profile_done(struct pki_profile *p);

/* The CA keys of one file (a domain's `trust`); *spki is malloc'ed; false after a complaint. */
MUST_USE bool pki_load_cas(const struct pki_file *file, struct complaints *c, struct image_spki **spki, size_t *count);

/*
 * Read a whole file of at most `max` bytes with read(2) (never mmap: a
 * truncated file would be SIGBUS).  out->p is malloc'ed.
 */
MUST_USE bool pki_read_file(const struct pki_file *file, size_t max, struct complaints *c, struct pki_der *out);
/* Wipe and free. */
void pki_der_done(struct pki_der *der);

/* Lists of a profile that the library has to understand. */
enum pki_list { PKI_CIPHERS, PKI_CIPHERSUITES, PKI_GROUPS };

/* Does the library take this list?  `where`: its place in the configuration, path NULL.  False after a complaint. */
MUST_USE bool pki_check_list(enum pki_list kind, const char *list, const struct pki_file *where, struct complaints *c);

#endif
