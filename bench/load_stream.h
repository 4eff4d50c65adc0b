/*
 * load_stream - a non-blocking connection of sipward-load, with TLS or without.
 *
 * May include: common/base.h, bench/load_options, OpenSSL.  Owns its socket and SSL.
 *
 * One receive per wake-up takes what the kernel has; each load_stream_put
 * makes one TLS record; one send per wake-up hands all of them over.
 */
#ifndef BENCH_LOAD_STREAM_H
#define BENCH_LOAD_STREAM_H

#include <openssl/ssl.h>

#include "bench/load_options.h"
#include "common/base.h"

#define LOAD_RECEIVE_MAX 262144

/* What the connections of one thread share. */
struct load_tls {
	SSL_CTX *ctx; /* NULL: --plain */
	BIO_METHOD *method;
	uint8_t *received; /* LOAD_RECEIVE_MAX bytes: the wake-up being worked on */
};

struct load_stream {
	int fd; /* -1: closed */
	SSL *ssl;
	const uint8_t *in; /* received, not yet taken by OpenSSL or load_stream_read */
	size_t in_len;
	bool ended; /* the other side closed */
	uint8_t *out;
	size_t out_len, out_cap, out_sent;
};

enum load_io {
	LOAD_IO_OK,
	LOAD_IO_WANT, /* nothing more for now */
	LOAD_IO_END,  /* closed or failed; why: load_stream_reason */
};

/* False after a complaint. */
MUST_USE bool load_tls_init(const struct load_options *o, struct load_tls *out);
void load_tls_done(struct load_tls *tls);

/* Begin to connect; `session` (may be NULL) is to be resumed.  False: errno says why. */
MUST_USE bool load_stream_open(
    struct load_stream *s, const struct load_tls *tls, const struct load_options *o, SSL_SESSION *session);
void load_stream_close(struct load_stream *s);

/* The socket is writable for the first time: did it connect? */
MUST_USE bool load_stream_connected(const struct load_stream *s);

/* One recv; what it brought is for load_stream_handshake and load_stream_read. */
MUST_USE enum load_io load_stream_receive(struct load_stream *s, const struct load_tls *tls);
MUST_USE enum load_io load_stream_handshake(struct load_stream *s);
MUST_USE enum load_io load_stream_read(struct load_stream *s, char *out, size_t cap, size_t *len);

/* Queue bytes as one record.  False: out of memory, or TLS refuses. */
MUST_USE bool load_stream_put(struct load_stream *s, const char *bytes, size_t len);
/* One send of what is queued. */
MUST_USE enum load_io load_stream_flush(struct load_stream *s);

static inline bool load_stream_pending(const struct load_stream *s)
{
	return s->out_sent < s->out_len;
}

/* Why the last call failed, in a few words. */
void load_stream_reason(char *out, size_t cap);

#endif
