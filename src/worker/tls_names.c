#include "worker/tls_names.h"

#include <stdlib.h>

#include "common/sip/uri.h"

#define CERTIFICATES_MAX 4 /* of one set: one for each kind of key */

struct certificate {
	X509 *leaf;
	EVP_PKEY *key;
	STACK_OF(X509) *chain;
};

struct tls_names {
	struct tls_names *next;
	struct certificate certificate[CERTIFICATES_MAX];
	size_t count, len;
	char text[];
};

bool tls_names_open(struct tls_names **all, struct span names)
{
	struct tls_names *n = calloc(1, sizeof(*n) + names.len);

	if (!n)
		return false;
	n->len = names.len;
	memcpy(n->text, names.p, names.len);
	n->next = *all;
	*all = n;
	return true;
}

bool tls_names_add(struct tls_names *all, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) *chain)
{
	STACK_OF(X509) *copy = chain ? X509_chain_up_ref(chain) : NULL;

	if (all->count == CERTIFICATES_MAX || (chain && !copy))
		return false;
	(void)X509_up_ref(leaf); /* cannot fail */
	(void)EVP_PKEY_up_ref(key); /* cannot fail */
	all->certificate[all->count++] = (struct certificate){ leaf, key, copy };
	return true;
}

void tls_names_free(struct tls_names *all)
{
	while (all) {
		struct tls_names *next = all->next;

		for (size_t i = 0; i < all->count; i++) {
			X509_free(all->certificate[i].leaf);
			EVP_PKEY_free(all->certificate[i].key);
			sk_X509_pop_free(all->certificate[i].chain, X509_free);
		}
		free(all);
		all = next;
	}
}

static bool has(const struct tls_names *n, struct span name)
{
	struct span rest = span_of(n->text, n->len), one;

	while (rest.len && span_cut(&rest, '\n', &one))
		if (span_eq(one, name))
			return true;
	return false;
}

/* The exact name before a wildcard of it. */
static const struct tls_names *find(const struct tls_names *all, struct span name)
{
	struct span above = span_from(name, span_find(name, '.'));
	char wildcard[HOST_MAX + 1] = "*";

	for (const struct tls_names *n = all; n; n = n->next)
		if (has(n, name))
			return n;
	if (above.len < 2 || above.len >= sizeof(wildcard))
		return NULL;
	memcpy(wildcard + 1, above.p, above.len);
	for (const struct tls_names *n = all; n; n = n->next)
		if (has(n, span_of(wildcard, above.len + 1)))
			return n;
	return NULL;
}

static bool use(SSL *ssl, const struct tls_names *n)
{
	bool ok = true;

	SSL_certs_clear(ssl);
	for (size_t i = 0; i < n->count; i++)
		ok = ok && SSL_use_cert_and_key(ssl, n->certificate[i].leaf, n->certificate[i].key, n->certificate[i].chain, 1) == 1;
	return ok;
}

static int choose(SSL *ssl, int *alert, void *arg)
{
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_names *n = NULL;
	char canonical[HOST_MAX];
	enum host_kind kind;

	if (asked && host_parse(span_str(asked), &kind) && kind == HOST_NAME)
		n = find(arg, span_of(canonical, host_canon(span_str(asked), canonical)));
	if (!n)
		return SSL_TLSEXT_ERR_NOACK;
	if (use(ssl, n))
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void tls_names_install(SSL_CTX *ctx, struct tls_names *all)
{
	SSL_CTX_set_tlsext_servername_callback(ctx, choose); /* cannot fail */
	SSL_CTX_set_tlsext_servername_arg(ctx, all);	       /* likewise */
}
