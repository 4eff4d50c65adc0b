#include "worker/tls_bio.h"

#include <errno.h>
#include <string.h>

static BIO_METHOD *method;

static int bio_read(BIO *bio, char *data, int cap)
{
	struct tls_bio *ends = BIO_get_data(bio);
	size_t n = MIN((size_t)cap, ends->in_len);

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(data, ends->in, n);
	ends->in += n;
	ends->in_len -= n;
	return (int)n;
}

static int bio_write(BIO *bio, const char *data, int len)
{
	struct tls_bio *ends = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	return buf_append(ends->out, data, (size_t)len) ? len : -1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	return cmd == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

int tls_bio_init(void)
{
	int type;

	if (method)
		return 0;
	type = BIO_get_new_index();
	if (type == -1)
		return -ENOMEM;
	method = BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "sipward");
	if (!method)
		return -ENOMEM;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	BIO_meth_set_create(method, bio_create);
	return 0;
}

BIO *tls_bio_new(struct tls_bio *ends)
{
	BIO *bio = BIO_new(method);

	if (bio)
		BIO_set_data(bio, ends);
	return bio;
}
