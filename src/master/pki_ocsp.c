#include "master/pki_ocsp.h"

#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/x509/facts.h"
#include "master/pki_pem.h"

#define OCSP_MAX 65536 /* bytes of an answer */
#define CLOCKS_APART 300L /* s that the responder's clock and ours may be */

static X509 *find_issuer(X509 *leaf, STACK_OF(X509) *certs, STACK_OF(X509) *trust)
{
	for (int i = 1; i < sk_X509_num(certs); i++)
		if (X509_check_issued(sk_X509_value(certs, i), leaf) == X509_V_OK)
			return sk_X509_value(certs, i);
	for (int i = 0; i < sk_X509_num(trust); i++)
		if (X509_check_issued(sk_X509_value(trust, i), leaf) == X509_V_OK)
			return sk_X509_value(trust, i);
	return NULL;
}

/* The issuer itself, or a responder that its certificate charges (RFC 6960 4.2.2.2). */
static bool is_signed(OCSP_BASICRESP *answer, X509 *issuer)
{
	STACK_OF(X509) *signers = sk_X509_new_null();
	X509_STORE *store = X509_STORE_new();
	bool ok = signers && store && sk_X509_push(signers, issuer) && X509_STORE_add_cert(store, issuer) &&
		  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) && OCSP_basic_verify(answer, signers, store, 0) == 1;

	sk_X509_free(signers);
	X509_STORE_free(store);
	return ok;
}

/* NULL: it says that the certificate is good; *next_update until when. */
static const char *check_status(OCSP_BASICRESP *answer, X509 *leaf, X509 *issuer, int64_t *next_update)
{
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, leaf, issuer);
	ASN1_GENERALIZEDTIME *produced, *this_update, *next;
	int status, reason, found = id ? OCSP_resp_find_status(answer, id, &status, &reason, &produced, &this_update, &next) : 0;

	OCSP_CERTID_free(id);
	if (found != 1)
		return "says nothing of the certificate";
	if (status != V_OCSP_CERTSTATUS_GOOD)
		return status == V_OCSP_CERTSTATUS_REVOKED ? "says that the certificate is revoked" : "does not know the certificate";
	if (OCSP_check_validity(this_update, next, CLOCKS_APART, -1) != 1)
		return "is out of date, or not yet valid";
	if (!next || !facts_time(next, next_update))
		*next_update = INT64_MAX;
	return NULL;
}

static const char *check(const struct pki_der *der, STACK_OF(X509) *certs, STACK_OF(X509) *trust, int64_t *next_update)
{
	const unsigned char *p = der->p;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)der->len);
	OCSP_BASICRESP *answer = response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
				     ? OCSP_response_get1_basic(response)
				     : NULL;
	X509 *leaf = sk_X509_value(certs, 0), *issuer = find_issuer(leaf, certs, trust);
	const char *why = NULL;

	if (!answer)
		why = "is no OCSP answer in DER form, or one that only tells an error";
	else if (!issuer)
		why = "cannot be checked: the certificate's issuer stands neither behind it in its file nor in trust";
	else if (!is_signed(answer, issuer))
		why = "is not signed by the certificate's issuer, nor by a responder of it";
	else
		why = check_status(answer, leaf, issuer, next_update);
	OCSP_BASICRESP_free(answer);
	OCSP_RESPONSE_free(response);
	return why;
}

bool pki_ocsp_load(const struct pki_file *file, STACK_OF(X509) *certs, STACK_OF(X509) *trust, struct complaints *c,
    struct pki_der *out, int64_t *next_update)
{
	struct pki_der der = { 0 };
	const char *why;

	if (!pki_read_file(file, OCSP_MAX, c, &der))
		return false;
	why = check(&der, certs, trust, next_update);
	if (!why) {
		*out = der;
		return true;
	}
	pki_complain(c, file, "%s", why);
	(void)pki_reason(); /* what the library has to say of it, too, is not for operators */
	pki_der_done(&der);
	return false;
}
