#include "master/pki_describe.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/x509/facts.h"

static void moment(struct fields *f, const char *key, int64_t at)
{
	char text[CLOCK_TEXT_MAX];

	fields_text(f, key, at == INT64_MAX ? SPAN("never") : span_str(clock_print(at, text)));
}

static void serial(struct fields *f, const struct image_serial *s)
{
	char hex[2 * sizeof(s->bytes) + 1] = "";

	for (unsigned i = 0; i < s->len && i < sizeof(s->bytes); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", s->bytes[i]); /* fits */
	fields_text(f, "serial", span_str(hex));
}

void pki_describe_certificate(struct span der, struct fields *f)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *cert = d2i_X509(NULL, &p, (long)der.len);
	struct image_serial number = { 0 };
	int64_t end = INT64_MAX;
	char subject[1024];
	size_t n = 0;

	if (cert) {
		n = facts_name_print(X509_get_subject_name(cert), subject, sizeof(subject));
		if (!facts_serial(X509_get0_serialNumber(cert), &number) || !facts_time(X509_get0_notAfter(cert), &end))
			number.len = 0;
	}
	fields_text(f, "subject", span_of(subject, n));
	serial(f, &number);
	moment(f, "ends", end);
	fields_begin(f, "certificate");
	fields_add_hidden(f, der.p, der.len);
	X509_free(cert);
	ERR_clear_error();
}

void pki_describe_crl(const struct image *img, const struct image_crl *crl, struct fields *f)
{
	fields_number(f, "revoked certificates", crl->revoked.count);
	fields_add_hidden(f, image_at(img, crl->revoked), crl->revoked.count * sizeof(struct image_serial));
	moment(f, "next update", crl->next_update);
}
