#include "worker/tls_staple.h"

#include <stdlib.h>

#include "common/clock.h"

struct tls_staple {
	struct tls_staple *next;
	X509 *leaf;
	int64_t until;
	size_t len;
	uint8_t der[];
};

bool tls_staple_add(struct tls_staple **all, X509 *leaf, int64_t until, struct span der)
{
	struct tls_staple *s = malloc(sizeof(*s) + der.len);

	if (!s)
		return false;
	(void)X509_up_ref(leaf); /* cannot fail */
	*s = (struct tls_staple){ .next = *all, .leaf = leaf, .until = until, .len = der.len };
	memcpy(s->der, der.p, der.len);
	*all = s;
	return true;
}

void tls_staple_free(struct tls_staple *all)
{
	while (all) {
		struct tls_staple *next = all->next;

		X509_free(all->leaf);
		free(all);
		all = next;
	}
}

/* The library asks once the certificate is chosen. */
static int staple(SSL *ssl, void *arg)
{
	X509 *shown = SSL_get_certificate(ssl);
	const struct tls_staple *s = arg;
	unsigned char *copy;

	while (s && (!shown || X509_cmp(s->leaf, shown) != 0))
		s = s->next;
	if (!s || s->until < clock_wall_s())
		return SSL_TLSEXT_ERR_NOACK; /* without is better than with an old one */
	copy = OPENSSL_memdup(s->der, s->len);
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	(void)SSL_set_tlsext_status_ocsp_resp(ssl, copy, (int)s->len); /* it takes the copy */
	return SSL_TLSEXT_ERR_OK;
}

void tls_staple_install(SSL_CTX *ctx, struct tls_staple *all)
{
	(void)SSL_CTX_set_tlsext_status_cb(ctx, staple); /* cannot fail */
	(void)SSL_CTX_set_tlsext_status_arg(ctx, all);   /* likewise */
}
