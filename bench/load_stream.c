/* load_stream - a non-blocking connection of sipward-load, with TLS or without. */
#include "bench/load_stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool append(struct load_stream *s, const void *bytes, size_t len)
{
	if (s->out_cap - s->out_len < len) {
		size_t cap = MAX(s->out_cap * 2, s->out_len + len + 4096);
		uint8_t *p = realloc(s->out, cap);

		if (!p)
			return false;
		s->out = p;
		s->out_cap = cap;
	}
	memcpy(s->out + s->out_len, bytes, len);
	s->out_len += len;
	return true;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
	BIO_clear_retry_flags(bio);
	return append(BIO_get_data(bio), bytes, (size_t)len) ? len : -1;
}

static int bio_read(BIO *bio, char *out, int cap)
{
	struct load_stream *s = BIO_get_data(bio);
	size_t len = MIN(s->in_len, (size_t)cap);

	BIO_clear_retry_flags(bio);
	if (!len) {
		if (!s->ended)
			BIO_set_retry_read(bio);
		return s->ended ? 0 : -1;
	}
	memcpy(out, s->in, len);
	s->in += len;
	s->in_len -= len;
	return (int)len;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio, (void)num, (void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

static bool complain(const char *what, const char *name)
{
	char reason[160];

	load_stream_reason(reason, sizeof(reason));
	fprintf(stderr, "sipward-load: %s: %s: %s\n", name, what, reason);
	return false;
}

static bool set_up(SSL_CTX *ctx, const struct load_options *o)
{
	int version = o->tls_version ? o->tls_version : TLS1_2_VERSION;

	if (!SSL_CTX_set_min_proto_version(ctx, version) || !SSL_CTX_set_max_proto_version(ctx, o->tls_version))
		return complain("cannot be set", "TLS version");
	if (o->cert && SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1)
		return complain("no certificate", o->cert);
	if (o->key && (SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1))
		return complain("no key of this certificate", o->key);
	if (o->ca && SSL_CTX_load_verify_locations(ctx, o->ca, NULL) != 1)
		return complain("no CA certificate", o->ca);
	SSL_CTX_set_verify(ctx, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (o->sni && !o->insecure)
		X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(ctx), o->sni, 0);
	return true;
}

bool load_tls_init(const struct load_options *o, struct load_tls *out)
{
	struct load_tls tls = { .received = malloc(LOAD_RECEIVE_MAX) };
	bool ok = tls.received != NULL;

	if (ok && !o->plain) {
		tls.ctx = SSL_CTX_new(TLS_client_method());
		tls.method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "load");
		ok = tls.ctx && tls.method && BIO_meth_set_write(tls.method, bio_write) &&
		    BIO_meth_set_read(tls.method, bio_read) && BIO_meth_set_ctrl(tls.method, bio_ctrl) && set_up(tls.ctx, o);
	}
	if (ok)
		*out = tls;
	else
		load_tls_done(&tls);
	return ok;
}

void load_tls_done(struct load_tls *tls)
{
	SSL_CTX_free(tls->ctx);
	BIO_meth_free(tls->method);
	free(tls->received);
	*tls = (struct load_tls){ 0 };
}

static bool start_tls(
    struct load_stream *s, const struct load_tls *tls, const struct load_options *o, SSL_SESSION *session)
{
	BIO *bio = BIO_new(tls->method);
	char sni[256];

	s->ssl = SSL_new(tls->ctx);
	if (!bio || !s->ssl) {
		BIO_free(bio);
		return false;
	}
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_connect_state(s->ssl);
	/* OpenSSL wants a name that it could write to. */
	if (o->sni && (snprintf(sni, sizeof(sni), "%s", o->sni) >= (int)sizeof(sni) || SSL_set_tlsext_host_name(s->ssl, sni) != 1))
		return false;
	return !session || SSL_set_session(s->ssl, session) == 1;
}

bool load_stream_open(
    struct load_stream *s, const struct load_tls *tls, const struct load_options *o, SSL_SESSION *session)
{
	int one = 1;

	*s = (struct load_stream){ .fd = socket(o->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
	if (s->fd < 0)
		return false;
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* without it it only waits longer */
	if (connect(s->fd, (const struct sockaddr *)&o->address, o->address_len) == 0 || errno == EINPROGRESS) {
		if (!tls->ctx || start_tls(s, tls, o, session))
			return true;
		errno = ENOMEM;
	}
	load_stream_close(s);
	return false;
}

void load_stream_close(struct load_stream *s)
{
	int saved = errno;
	enum load_io io;

	if (s->ssl && SSL_is_init_finished(s->ssl) && !s->ended) {
		(void)SSL_shutdown(s->ssl); /* queues close_notify; the answer is not waited for */
		io = load_stream_flush(s);
		(void)io; /* we close, whatever came of it */
	}
	SSL_free(s->ssl);
	if (s->fd >= 0)
		close(s->fd);
	free(s->out);
	*s = (struct load_stream){ .fd = -1 };
	errno = saved;
}

bool load_stream_connected(const struct load_stream *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return false;
	errno = error;
	return error == 0;
}

enum load_io load_stream_receive(struct load_stream *s, const struct load_tls *tls)
{
	ssize_t n = recv(s->fd, tls->received, LOAD_RECEIVE_MAX, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return LOAD_IO_WANT;
	s->in = tls->received;
	s->in_len = n > 0 ? (size_t)n : 0;
	s->ended = n <= 0;
	return n > 0 ? LOAD_IO_OK : LOAD_IO_END;
}

static enum load_io tls_outcome(struct load_stream *s, int rc)
{
	int error = SSL_get_error(s->ssl, rc);

	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? LOAD_IO_WANT : LOAD_IO_END;
}

enum load_io load_stream_handshake(struct load_stream *s)
{
	int rc;

	if (!s->ssl)
		return LOAD_IO_OK;
	ERR_clear_error();
	rc = SSL_do_handshake(s->ssl);
	return rc == 1 ? LOAD_IO_OK : tls_outcome(s, rc);
}

enum load_io load_stream_read(struct load_stream *s, char *out, size_t cap, size_t *len)
{
	int rc;

	if (!s->ssl) {
		if (!s->in_len)
			return s->ended ? LOAD_IO_END : LOAD_IO_WANT;
		*len = MIN(cap, s->in_len);
		memcpy(out, s->in, *len);
		s->in += *len;
		s->in_len -= *len;
		return LOAD_IO_OK;
	}
	ERR_clear_error();
	rc = SSL_read_ex(s->ssl, out, cap, len);
	return rc == 1 ? LOAD_IO_OK : tls_outcome(s, rc);
}

bool load_stream_put(struct load_stream *s, const char *bytes, size_t len)
{
	size_t written;

	if (!s->ssl)
		return append(s, bytes, len);
	ERR_clear_error();
	return SSL_write_ex(s->ssl, bytes, len, &written) == 1 && written == len;
}

enum load_io load_stream_flush(struct load_stream *s)
{
	ssize_t n;

	if (!load_stream_pending(s))
		return LOAD_IO_OK;
	n = send(s->fd, s->out + s->out_sent, s->out_len - s->out_sent, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? LOAD_IO_WANT : LOAD_IO_END;
	s->out_sent += (size_t)n;
	if (load_stream_pending(s))
		return LOAD_IO_WANT;
	s->out_len = s->out_sent = 0;
	return LOAD_IO_OK;
}

void load_stream_reason(char *out, size_t cap)
{
	unsigned long error = ERR_get_error();
	const char *text = error ? ERR_reason_error_string(error) : NULL;

	snprintf(out, cap, "%s", text ? text : errno ? strerror(errno) : "closed by the other side");
	ERR_clear_error();
}
