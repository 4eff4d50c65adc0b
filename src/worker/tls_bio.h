/*
 * tls_bio - what stands between the ring's buffers and OpenSSL: reads come
 * from the bytes that were fed, writes are appended to an output buffer.
 *
 * Process: worker.  May include: common/base.h, worker/buf, OpenSSL.
 * Owns nothing but OpenSSL's BIO_METHOD.
 */
#ifndef WORKER_TLS_BIO_H
#define WORKER_TLS_BIO_H

#include <openssl/bio.h>

#include "common/base.h"
#include "worker/buf.h"

/* The two ends of one connection; lives as long as its BIO. */
struct tls_bio {
	const uint8_t *in; /* fed and not yet read */
	size_t in_len;
	struct buf *out;
};

/* Once per process; 0 or -errno. */
MUST_USE int tls_bio_init(void);

/* A BIO over *ends; freed by its SSL object. NULL: no memory. */
MUST_USE BIO *tls_bio_new(struct tls_bio *ends);

#endif
