#include "worker/tls_rest.h"

#define KINDS 16 /* versions and ciphers in use together: three of TLS 1.3, six of TLS 1.2 by default */

/* One for each version and cipher that was seen. */
static struct kind {
	const SSL_METHOD *method;
	const SSL_CIPHER *cipher;
	SSL_CTX *ctx;
	SSL_SESSION *session;
} kinds[KINDS];

/* False: no memory. */
static bool make(struct kind *k, const SSL *ssl)
{
	/* The connection's own method is of one version; with another one SSL_set_session would begin it anew. */
	*k = (struct kind){ .method = SSL_get_ssl_method(ssl), .cipher = SSL_get_current_cipher(ssl) };
	k->ctx = SSL_CTX_new(k->method);
	k->session = SSL_SESSION_new();
	if (k->ctx && k->session && SSL_SESSION_set_protocol_version(k->session, SSL_version(ssl)) == 1 &&
	    SSL_SESSION_set_cipher(k->session, k->cipher) == 1)
		return true;
	SSL_CTX_free(k->ctx);
	SSL_SESSION_free(k->session);
	*k = (struct kind){ 0 };
	return false;
}

static struct kind *kind_of(const SSL *ssl)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (!kinds[i].ctx)
			return make(&kinds[i], ssl) ? &kinds[i] : NULL;
		if (kinds[i].method == SSL_get_ssl_method(ssl) && kinds[i].cipher == SSL_get_current_cipher(ssl))
			return &kinds[i];
	}
	return NULL;
}

void tls_rest(SSL *ssl)
{
	struct kind *k = kind_of(ssl);
	int shutdown = SSL_get_shutdown(ssl);

	if (!k || SSL_set_SSL_CTX(ssl, k->ctx) != k->ctx)
		return;
	/* The session of a connection that has not been shut would be taken for a bad one. */
	SSL_set_shutdown(ssl, shutdown | SSL_SENT_SHUTDOWN);
	(void)SSL_set_session(ssl, k->session); /* cannot fail: the methods are the same */
	SSL_set_shutdown(ssl, shutdown);
}
