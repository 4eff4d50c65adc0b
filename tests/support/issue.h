/*
 * issue - make keys, certificates and CRLs for a test, in memory or as PEM files.
 *
 * Everything aborts on failure: a test cannot go on without.  EC keys are made
 * anew each time; an RSA key is slow, so one of each length serves all.
 */
#ifndef TESTS_SUPPORT_ISSUE_H
#define TESTS_SUPPORT_ISSUE_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base.h"

enum issue_key { ISSUE_EC, ISSUE_RSA, ISSUE_RSA_1024, ISSUE_ED25519 };

struct issued {
	X509 *cert;
	EVP_PKEY *key;
};

/* What is wanted; zero means the usual. */
struct issue {
	const char *subject;	 /* "/C=DE/O=Partner/CN=sip.partner.example" */
	const struct issued *by; /* NULL: itself */
	bool ca;
	enum issue_key key;
	const struct issued *same_key; /* take this one's key */
	long from, to;		 /* s from now; to 0: a day */
	unsigned long serial;	 /* 0: 1 */
	const char *usage;	 /* extendedKeyUsage: "clientAuth" */
	const char *key_usage;	 /* "keyCertSign,cRLSign" */
	const char *names;	 /* subjectAltName: "URI:sip:partner.example,DNS:sip.partner.example" */
	const EVP_MD *digest;	 /* SHA-256 */
};

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                                     \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

UNUSED static EVP_PKEY *issue_key(enum issue_key kind)
{
	static EVP_PKEY *rsa[2];
	EVP_PKEY **kept = &rsa[kind == ISSUE_RSA_1024];
	EVP_PKEY *key = NULL;

	switch (kind) {
	case ISSUE_EC:
		key = EVP_EC_gen("P-256");
		break;
	case ISSUE_ED25519:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	case ISSUE_RSA:
	case ISSUE_RSA_1024:
		if (!*kept)
			*kept = EVP_RSA_gen(kind == ISSUE_RSA ? 2048u : 1024u);
		key = *kept;
		MUST(key && EVP_PKEY_up_ref(key));
		break;
	}
	MUST(key);
	return key;
}

UNUSED static X509_NAME *issue_name(const char *slashed)
{
	X509_NAME *name = X509_NAME_new();
	char text[512], *rest = text, *part, *eq;

	MUST(name && strlen(slashed) < sizeof(text));
	memcpy(text, slashed, strlen(slashed) + 1);
	while ((part = strsep(&rest, "/"))) {
		if (!*part)
			continue;
		eq = strchr(part, '=');
		MUST(eq);
		*eq = '\0';
		MUST(X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8, (unsigned char *)eq + 1, -1, -1, 0));
	}
	return name;
}

UNUSED static void issue_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	MUST(ext && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

UNUSED static struct issued issue(const struct issue *want)
{
	struct issued out = { .cert = X509_new() };
	const struct issued *by = want->by ? want->by : &out;
	X509_NAME *name = issue_name(want->subject);

	if (want->same_key) {
		out.key = want->same_key->key;
		MUST(EVP_PKEY_up_ref(out.key));
	} else {
		out.key = issue_key(want->key);
	}
	MUST(X509_set_version(out.cert, X509_VERSION_3) && X509_set_subject_name(out.cert, name) &&
	    X509_set_issuer_name(out.cert, want->by ? X509_get_subject_name(by->cert) : name) &&
	    X509_set_pubkey(out.cert, out.key) &&
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(out.cert), want->serial ? want->serial : 1) &&
	    X509_gmtime_adj(X509_getm_notBefore(out.cert), want->from ? want->from : -3600) &&
	    X509_gmtime_adj(X509_getm_notAfter(out.cert), want->to ? want->to : 86400));
	issue_extension(out.cert, by->cert, NID_basic_constraints, want->ca ? "critical,CA:TRUE" : "CA:FALSE");
	issue_extension(out.cert, by->cert, NID_subject_key_identifier, "hash");
	if (want->usage)
		issue_extension(out.cert, by->cert, NID_ext_key_usage, want->usage);
	if (want->key_usage)
		issue_extension(out.cert, by->cert, NID_key_usage, want->key_usage);
	if (want->names)
		issue_extension(out.cert, by->cert, NID_subject_alt_name, want->names);
	MUST(X509_sign(out.cert, by->key,
	    EVP_PKEY_get_base_id(by->key) == EVP_PKEY_ED25519 ? NULL :
	    want->digest					? want->digest :
								  EVP_sha256()));
	X509_NAME_free(name);
	return out;
}

UNUSED static void issued_free(struct issued *i)
{
	X509_free(i->cert);
	EVP_PKEY_free(i->key);
	*i = (struct issued){ 0 };
}

/* A CRL of `by`; serials end with 0. */
UNUSED static X509_CRL *issue_crl(const struct issued *by, const struct issued *named, long from, long to,
    const unsigned long *serials)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_new();

	MUST(crl && t && X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
	    X509_CRL_set_issuer_name(crl, X509_get_subject_name(named->cert)) && X509_gmtime_adj(t, from) &&
	    X509_CRL_set1_lastUpdate(crl, t));
	if (to)
		MUST(X509_gmtime_adj(t, to) && X509_CRL_set1_nextUpdate(crl, t));
	for (; *serials; serials++) {
		X509_REVOKED *entry = X509_REVOKED_new();
		ASN1_INTEGER *serial = ASN1_INTEGER_new();

		MUST(entry && serial && ASN1_INTEGER_set_uint64(serial, *serials) &&
		    X509_REVOKED_set_serialNumber(entry, serial) && X509_gmtime_adj(t, -60) &&
		    X509_REVOKED_set_revocationDate(entry, t) && X509_CRL_add0_revoked(crl, entry));
		ASN1_INTEGER_free(serial);
	}
	MUST(X509_CRL_sign(crl, by->key, EVP_sha256()));
	ASN1_TIME_free(t);
	return crl;
}

/* Add an extension to a CRL, and sign it again. */
UNUSED static void issue_crl_extension(X509_CRL *crl, const struct issued *by, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	MUST(ext && X509_CRL_add_ext(crl, ext, -1) && X509_CRL_sign(crl, by->key, EVP_sha256()));
	X509_EXTENSION_free(ext);
}

#endif
