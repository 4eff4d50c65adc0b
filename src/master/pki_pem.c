#include "master/pki_pem.h"

#include "master/file_stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/x509/facts.h"

/* One block of a PEM file. */
struct block {
	char *name, *header;
	unsigned char *data;
	long len;
};

const char *pki_reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return text ? text : "the library gives no reason";
}

const char *pki_subject(const X509 *cert, char out[static 256])
{
	char text[DN_TEXT_MAX];
	size_t len = MIN(facts_name_print(X509_get_subject_name(cert), text, sizeof(text)), (size_t)255);

	memcpy(out, text, len);
	out[len] = '\0';
	return len ? out : "no subject";
}

/* Open a regular file of at most `max` bytes; -1 after a complaint. */
static int open_file(const struct pki_file *file, size_t max, struct complaints *c, struct stat *st)
{
	/* O_NONBLOCK: a FIFO must not hold up the loader. */
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1 || fstat(fd, st) == -1)
		pki_complain(c, file, "cannot be read: %s", strerror(errno));
	else if (!S_ISREG(st->st_mode))
		pki_complain(c, file, "is not a regular file");
	else if ((uint64_t)st->st_size > max)
		pki_complain(c, file, "is longer than %zu bytes", max);
	else
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}

/* Up to `cap` bytes; -1 with errno. */
static ssize_t read_all(int fd, uint8_t *p, size_t cap)
{
	size_t len = 0;
	ssize_t n;

	while (len < cap) {
		n = read(fd, p + len, cap - len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

bool pki_read_file(const struct pki_file *file, size_t max, struct complaints *c, struct pki_der *out)
{
	struct stat st;
	int fd = open_file(file, max, c, &st);
	struct image_stamp before, after;
	size_t cap;
	uint8_t *p;
	ssize_t n;

	if (fd == -1)
		return false;
	before = after = file_stamp_of(&st);
	cap = (size_t)st.st_size + 1; /* one more: it may be growing */
	p = malloc(cap);
	n = p ? read_all(fd, p, cap) : -1;
	if (fstat(fd, &st) == 0)
		after = file_stamp_of(&st);
	close(fd);
	if (n < 0)
		pki_complain(c, file, "cannot be read: %s", p ? strerror(errno) : "no memory");
	else if (!file_stamp_same(&before, &after))
		pki_complain(c, file, "changed while it was read");
	if (n < 0 || !file_stamp_same(&before, &after)) {
		free(p);
		return false;
	}
	*out = (struct pki_der){ .p = p, .len = (size_t)n };
	return true;
}

void pki_der_done(struct pki_der *der)
{
	if (der->p)
		OPENSSL_cleanse(der->p, der->len);
	free(der->p);
	*der = (struct pki_der){ 0 };
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

static void block_done(struct block *b)
{
	OPENSSL_free(b->name);
	OPENSSL_free(b->header);
	OPENSSL_clear_free(b->data, b->data ? (size_t)b->len : 0);
	*b = (struct block){ 0 };
}

/*
 * Hand each block of one of `names` to `take`, which returns NULL or what is
 * wrong with it.  False after a complaint; a file without such a block is one.
 */
static bool each_block(const struct pki_file *file, size_t max, const char *const *names, const char *what,
    const char *(*take)(const struct block *b, void *arg), void *arg, struct complaints *c)
{
	struct pki_der text;
	struct block b = { 0 };
	const char *wrong = NULL;
	unsigned count = 0;
	BIO *bio;

	if (!pki_read_file(file, max, c, &text))
		return false;
	ERR_clear_error();
	bio = BIO_new_mem_buf(text.p, (int)text.len);
	while (bio && !wrong && PEM_read_bio(bio, &b.name, &b.header, &b.data, &b.len)) {
		if (is_one_of(b.name, names)) {
			count++;
			ERR_clear_error();
			wrong = take(&b, arg);
		}
		block_done(&b);
	}
	BIO_free(bio);
	pki_der_done(&text);
	if (wrong && ERR_peek_error()) {
		pki_complain(c, file, "%s %u %s: %s", what, count, wrong, pki_reason());
	} else if (wrong) {
		pki_complain(c, file, "%s %u %s", what, count, wrong);
	} else if (!bio || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		pki_complain(c, file, "damaged PEM behind %s %u: %s", what, count, pki_reason());
		return false;
	} else if (count == 0) {
		pki_complain(c, file, "holds no %s in PEM form", what);
	}
	ERR_clear_error();
	return !wrong && count;
}

static const char *take_certificate(const struct block *b, void *arg)
{
	const unsigned char *p = b->data;
	X509 *cert = d2i_X509(NULL, &p, b->len);

	if (cert && sk_X509_push(arg, cert))
		return NULL;
	X509_free(cert);
	return "cannot be decoded";
}

STACK_OF(X509) *pki_pem_certificates(const struct pki_file *file, struct complaints *c)
{
	static const char *const names[] = { PEM_STRING_X509, PEM_STRING_X509_OLD, NULL };
	STACK_OF(X509) *certs = sk_X509_new_null();

	if (certs && each_block(file, PKI_FILE_MAX, names, "certificate", take_certificate, certs, c))
		return certs;
	sk_X509_pop_free(certs, X509_free);
	return NULL;
}

static const char *take_key(const struct block *b, void *arg)
{
	const unsigned char *p = b->data;
	EVP_PKEY **key = arg;

	if (*key)
		return "is one too many: one file, one key";
	if (strcmp(b->name, PEM_STRING_PKCS8) == 0 || strstr(b->header, "ENCRYPTED"))
		return "is encrypted; sipward asks for no passphrase, so give it the key in the clear (openssl pkey) and "
		       "guard it by file permissions";
	*key = d2i_AutoPrivateKey(NULL, &p, b->len);
	return *key ? NULL : "cannot be decoded";
}

EVP_PKEY *pki_pem_key(const struct pki_file *file, struct complaints *c)
{
	static const char *const names[] = { PEM_STRING_PKCS8, PEM_STRING_PKCS8INF, PEM_STRING_RSA,
					     PEM_STRING_ECPRIVATEKEY, PEM_STRING_DSA, NULL };
	EVP_PKEY *key = NULL;
	struct stat st;

	if (!each_block(file, PKI_FILE_MAX, names, "private key", take_key, &key, c)) {
		EVP_PKEY_free(key);
		return NULL;
	}
	if (stat(file->path, &st) == 0 && (st.st_mode & S_IROTH))
		pki_warn(c, file, "everybody on this machine can read this private key (mode %04o)",
		    (unsigned)(st.st_mode & 07777));
	return key;
}

static const char *take_crl(const struct block *b, void *arg)
{
	const unsigned char *p = b->data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, b->len);

	if (crl && sk_X509_CRL_push(arg, crl))
		return NULL;
	X509_CRL_free(crl);
	return "cannot be decoded";
}

STACK_OF(X509_CRL) *pki_pem_crls(const struct pki_file *file, struct complaints *c)
{
	static const char *const names[] = { PEM_STRING_X509_CRL, NULL };
	STACK_OF(X509_CRL) *crls = sk_X509_CRL_new_null();

	if (crls && each_block(file, PKI_CRL_FILE_MAX, names, "CRL", take_crl, crls, c))
		return crls;
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	return NULL;
}
