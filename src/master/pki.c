#include "master/pki.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/x509/facts.h"
#include "master/pki_crl.h"
#include "master/pki_ocsp.h"
#include "master/pki_pem.h"

#define SECURITY_BITS 112 /* OpenSSL's security level 2 */

/* What is read of one profile, before it becomes plain bytes. */
struct work {
	const struct pki_input *in;
	struct complaints *c;
	struct pki_profile *out;
	STACK_OF(X509) *trust;	/* anchors */
	STACK_OF(X509) *chains; /* what stands above our certificates */
	int *key_type;		/* of each identity */
};

static bool der_of(const struct pki_file *file, struct complaints *c, int len, unsigned char *der, struct pki_der *out)
{
	uint8_t *p = len > 0 && der ? malloc((size_t)len) : NULL;

	if (p)
		memcpy(p, der, (size_t)len);
	else
		pki_complain(c, file, "cannot be encoded: %s", pki_reason());
	OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
	if (p)
		*out = (struct pki_der){ .p = p, .len = (size_t)len };
	return p;
}

static bool cert_der(const struct pki_file *file, struct complaints *c, X509 *cert, struct pki_der *out)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	return der_of(file, c, len, der, out);
}

static bool key_der(const struct pki_file *file, struct complaints *c, EVP_PKEY *key, struct pki_der *out)
{
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int len = p8 ? i2d_PKCS8_PRIV_KEY_INFO(p8, &der) : 0;

	PKCS8_PRIV_KEY_INFO_free(p8);
	return der_of(file, c, len, der, out);
}

static bool same_cert(STACK_OF(X509) *certs, const X509 *cert)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (X509_cmp(sk_X509_value(certs, i), cert) == 0)
			return true;
	return false;
}

/* Only a warning: the clock may be wrong, and the file may be meant for tomorrow. */
static void check_dates(const struct pki_file *file, struct complaints *c, const X509 *cert)
{
	int64_t from = 0, to = INT64_MAX, now = clock_wall_s();
	char name[256];

	if (!facts_time(X509_get0_notBefore(cert), &from) || !facts_time(X509_get0_notAfter(cert), &to))
		pki_warn(c, file, "certificate \"%s\" has a date that cannot be read", pki_subject(cert, name));
	else if (from > now)
		pki_warn(c, file, "certificate \"%s\" is not yet valid", pki_subject(cert, name));
	else if (to <= now)
		pki_warn(c, file, "certificate \"%s\" has expired", pki_subject(cert, name));
}

/* What the TLS library would refuse at security level 2; NULL: nothing. */
static const char *weakness(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int bits;

	if (!key)
		return "has a key that the library cannot use";
	if (EVP_PKEY_get_security_bits(key) < SECURITY_BITS)
		return "has a key that is too short; RSA needs 2048 bits, an elliptic curve 224";
	if (X509_get_extension_flags(cert) & EXFLAG_SS)
		return NULL;
	if (X509_get_signature_info(cert, NULL, NULL, &bits, NULL) && bits < SECURITY_BITS)
		return "is signed with a digest that is too weak; SHA-256 or better is needed";
	return NULL;
}

static bool usable_type(const EVP_PKEY *key)
{
	int type = EVP_PKEY_get_base_id(key);

	return type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS || type == EVP_PKEY_EC || type == EVP_PKEY_ED25519 ||
	    type == EVP_PKEY_ED448;
}

/* certs: leaf first.  Each must be signed by the next one. */
static bool check_chain(const struct pki_file *file, struct complaints *c, STACK_OF(X509) *certs)
{
	char name[256], above[256];
	const char *weak;
	bool ok = true;

	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i), *next = sk_X509_value(certs, i + 1);

		weak = weakness(cert);
		if (weak) {
			pki_complain(c, file, "certificate \"%s\" %s", pki_subject(cert, name), weak);
			ok = false;
		}
		check_dates(file, c, cert);
		if (!next || (X509_check_issued(next, cert) == X509_V_OK && X509_verify(cert, X509_get0_pubkey(next)) == 1))
			continue;
		pki_complain(c, file,
		    "certificate %d, \"%s\", is not signed by the next one in the file, \"%s\"; the order is our "
		    "certificate, then the CA that signed it, and so on",
		    i + 1, pki_subject(cert, name), pki_subject(next, above));
		ok = false;
	}
	ERR_clear_error();
	return ok;
}

static bool check_key(const struct work *w, size_t i, X509 *leaf, const EVP_PKEY *key)
{
	const struct pki_file *cert_file = &w->in->certificate[i], *key_file = &w->in->private_key[i];
	int type = EVP_PKEY_get_base_id(key);

	if (!usable_type(key)) {
		pki_complain(w->c, key_file, "has a key of a type that TLS cannot use; RSA, EC and Ed25519 it can");
		return false;
	}
	if (X509_check_private_key(leaf, key) != 1) {
		ERR_clear_error();
		pki_complain(w->c, key_file, "does not fit the certificate %s", cert_file->path);
		return false;
	}
	for (size_t k = 0; k < w->out->identity_count; k++) {
		if (w->key_type[k] != type)
			continue;
		pki_complain(w->c, cert_file, "is a second certificate of the same key type (%s): one of each can be used",
		    OBJ_nid2sn(type));
		return false;
	}
	return true;
}

static bool store_identity(struct work *w, size_t i, STACK_OF(X509) *certs, EVP_PKEY *key)
{
	struct pki_identity *id = &w->out->identity[w->out->identity_count];
	const struct pki_file *file = &w->in->certificate[i];
	int above = sk_X509_num(certs) - 1;

	w->key_type[w->out->identity_count++] = EVP_PKEY_get_base_id(key);
	id->chain = calloc((size_t)above + 1, sizeof(id->chain[0]));
	if (!id->chain) {
		pki_complain(w->c, file, "does not fit into memory");
		return false;
	}
	for (int k = 0; k < above; k++) {
		X509 *cert = sk_X509_value(certs, k + 1);

		if (!cert_der(file, w->c, cert, &id->chain[id->chain_count]))
			return false;
		id->chain_count++;
		if (X509_up_ref(cert) && !sk_X509_push(w->chains, cert))
			X509_free(cert);
	}
	if (!facts_time(X509_get0_notAfter(sk_X509_value(certs, 0)), &id->not_after))
		id->not_after = 0;
	return cert_der(file, w->c, sk_X509_value(certs, 0), &id->leaf) &&
	    key_der(&w->in->private_key[i], w->c, key, &id->key);
}

static bool load_identity(struct work *w, size_t i)
{
	STACK_OF(X509) *certs = pki_pem_certificates(&w->in->certificate[i], w->c);
	EVP_PKEY *key = pki_pem_key(&w->in->private_key[i], w->c);
	bool ok = certs && key;

	if (certs && !check_chain(&w->in->certificate[i], w->c, certs))
		ok = false;
	if (certs && key && !check_key(w, i, sk_X509_value(certs, 0), key))
		ok = false;
	ok = ok && store_identity(w, i, certs, key);
	if (ok && i < w->in->ocsp_count) {
		struct pki_identity *id = &w->out->identity[w->out->identity_count - 1];

		ok = pki_ocsp_load(&w->in->ocsp[i], certs, w->trust, w->c, &id->ocsp, &id->ocsp_next_update);
	}
	sk_X509_pop_free(certs, X509_free);
	EVP_PKEY_free(key);
	return ok;
}

/* Append the CAs of one file, each once. */
static bool load_trust(const struct pki_file *file, struct complaints *c, STACK_OF(X509) *trust)
{
	STACK_OF(X509) *certs = pki_pem_certificates(file, c);
	const char *weak;
	bool ok = certs;
	char name[256];

	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);

		if (X509_check_ca(cert) == 0) {
			pki_complain(c, file, "certificate \"%s\" is not a CA's", pki_subject(cert, name));
			ok = false;
			continue;
		}
		weak = weakness(cert);
		if (weak)
			pki_warn(c, file, "certificate \"%s\" %s", pki_subject(cert, name), weak);
		check_dates(file, c, cert);
		if (same_cert(trust, cert))
			continue;
		if (X509_up_ref(cert) && !sk_X509_push(trust, cert)) {
			X509_free(cert);
			pki_complain(c, file, "does not fit into memory");
			ok = false;
		}
	}
	sk_X509_pop_free(certs, X509_free);
	return ok;
}

static bool store_trust(struct work *w)
{
	size_t count = (size_t)sk_X509_num(w->trust);
	const struct pki_file *file = w->in->trust;

	w->out->trust = calloc(count + 1, sizeof(w->out->trust[0]));
	w->out->trust_spki = calloc(count + 1, sizeof(w->out->trust_spki[0]));
	for (size_t i = 0; i < count; i++) {
		X509 *cert = sk_X509_value(w->trust, (int)i);

		if (!w->out->trust || !w->out->trust_spki || !facts_spki(cert, w->out->trust_spki[i].sha256)) {
			pki_complain(w->c, file, "has a key that cannot be encoded");
			return false;
		}
		if (!cert_der(file, w->c, cert, &w->out->trust[i]))
			return false;
		w->out->trust_count++;
	}
	return true;
}

static bool signed_by_any(X509 *cert, STACK_OF(X509) *cas)
{
	bool found = false;

	for (int i = 0; !found && i < sk_X509_num(cas); i++)
		found = X509_check_issued(sk_X509_value(cas, i), cert) == X509_V_OK &&
		    X509_verify(cert, X509_get0_pubkey(sk_X509_value(cas, i))) == 1;
	ERR_clear_error();
	return found;
}

/* Who may sign a CRL: the anchors, and the CAs of our chains that lead to one of them (borrowed). */
static STACK_OF(X509) *crl_signers(const struct work *w)
{
	STACK_OF(X509) *signers = sk_X509_dup(w->trust);

	/* From the top down, so that each finds the one above it. */
	for (int i = sk_X509_num(w->chains) - 1; signers && i >= 0; i--) {
		X509 *ca = sk_X509_value(w->chains, i);

		if (X509_check_ca(ca) && signed_by_any(ca, signers) && !sk_X509_push(signers, ca))
			break;
	}
	return signers;
}

static bool load_crls(struct work *w)
{
	STACK_OF(X509) *signers = w->in->crl_count ? crl_signers(w) : NULL;
	bool ok = true;

	for (size_t i = 0; i < w->in->crl_count; i++)
		ok &= pki_crl_load(&w->in->crl[i], signers, w->c, w->out);
	sk_X509_free(signers);
	return ok;
}

bool pki_load(const struct pki_input *in, struct complaints *c, struct pki_profile *out)
{
	struct work w = { .in = in, .c = c, .out = out };
	bool ok = true;

	*out = (struct pki_profile){ 0 };
	w.trust = sk_X509_new_null();
	w.chains = sk_X509_new_null();
	w.key_type = calloc(in->certificate_count + 1, sizeof(w.key_type[0]));
	out->identity = calloc(in->certificate_count + 1, sizeof(out->identity[0]));
	if (!w.trust || !w.chains || !w.key_type || !out->identity) {
		complain(c, "sipward", 0, NULL, "no memory");
		ok = false;
		goto out;
	}
	for (size_t i = 0; i < in->trust_count; i++)
		ok &= load_trust(&in->trust[i], c, w.trust);
	for (size_t i = 0; i < in->certificate_count; i++)
		ok &= load_identity(&w, i);
	ok &= store_trust(&w);
	/* Without all CAs every list would seem to be signed by a stranger. */
	if (ok)
		ok = load_crls(&w);
out:
	sk_X509_pop_free(w.trust, X509_free);
	sk_X509_pop_free(w.chains, X509_free);
	free(w.key_type);
	return ok;
}

void pki_profile_done(struct pki_profile *p)
{
	for (size_t i = 0; i < p->identity_count; i++) {
		pki_der_done(&p->identity[i].leaf);
		pki_der_done(&p->identity[i].key);
		pki_der_done(&p->identity[i].ocsp);
		for (size_t k = 0; k < p->identity[i].chain_count; k++)
			pki_der_done(&p->identity[i].chain[k]);
		free(p->identity[i].chain);
	}
	for (size_t i = 0; i < p->trust_count; i++)
		pki_der_done(&p->trust[i]);
	for (size_t i = 0; i < p->crl_count; i++)
		pki_crl_done(&p->crl[i]);
	free(p->identity);
	free(p->trust);
	free(p->trust_spki);
	free(p->crl);
	*p = (struct pki_profile){ 0 };
}

bool pki_load_cas(const struct pki_file *file, struct complaints *c, struct image_spki **spki, size_t *count)
{
	STACK_OF(X509) *cas = sk_X509_new_null();
	struct image_spki *keys = NULL;
	bool ok = cas && load_trust(file, c, cas);
	size_t n = ok ? (size_t)sk_X509_num(cas) : 0;

	if (ok) {
		keys = calloc(n, sizeof(*keys));
		for (size_t i = 0; ok && i < n; i++)
			ok = keys && facts_spki(sk_X509_value(cas, (int)i), keys[i].sha256);
		if (!ok)
			pki_complain(c, file, "has a key that cannot be encoded");
	}
	sk_X509_pop_free(cas, X509_free);
	if (!ok) {
		free(keys);
		return false;
	}
	*spki = keys;
	*count = n;
	return true;
}

bool pki_check_list(enum pki_list kind, const char *list, const struct pki_file *where, struct complaints *c)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	bool ok = false;

	if (ssl && kind == PKI_CIPHERS)
		ok = SSL_CTX_set_cipher_list(ssl, list);
	else if (ssl && kind == PKI_CIPHERSUITES)
		ok = SSL_CTX_set_ciphersuites(ssl, list);
	else if (ssl)
		ok = SSL_CTX_set1_groups_list(ssl, (void *)(uintptr_t)list); /* only read there */
	SSL_CTX_free(ssl);
	if (!ok)
		complain(c, where->config_file, where->line, where->pointer, "\"%s\" is not what OpenSSL takes: %s", list,
		    pki_reason());
	ERR_clear_error();
	return ok;
}
