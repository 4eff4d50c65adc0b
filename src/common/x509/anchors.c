#include "common/x509/anchors.h"

#include <openssl/x509v3.h>

#include "common/x509/judge.h"

static bool add_name(const X509 *cert, STACK_OF(X509_NAME) *names)
{
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(cert));

	if (name && sk_X509_NAME_push(names, name))
		return true;
	X509_NAME_free(name);
	return false;
}

static const char *add(struct span der, X509_STORE *store, STACK_OF(X509_NAME) *names)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *cert = d2i_X509(NULL, &p, (long)der.len);
	const char *why = NULL;

	if (!cert)
		return "a certificate of trust cannot be read";
	if (!X509_STORE_add_cert(store, cert) || (names && !add_name(cert, names)))
		why = "a certificate of trust is refused";
	if (!(X509_get_extension_flags(cert) & EXFLAG_SS))
		X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	X509_free(cert);
	return why;
}

const char *anchors_add(const struct image *img, const struct image_tls *profile, X509_STORE *store, STACK_OF(X509_NAME) *names)
{
	const struct image_str *der = image_at(img, profile->anchors);
	const char *why = NULL;

	for (uint64_t i = 0; i < profile->anchors.count && !why; i++)
		why = add(image_text(img, der[i]), store, names);
	if (!why)
		judge_store(store);
	return why;
}
