#include "admin/certificates.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/x509/facts.h"

#define DAY 86400

static json_t *text(struct span s)
{
	return json_stringn(s.p, s.len);
}

/* Days that are left; below zero: it has ended. */
static json_int_t days_left(int64_t end)
{
	int64_t left = end - clock_wall_s();

	return left >= 0 ? left / DAY : -((-left + DAY - 1) / DAY);
}

static json_t *row(const struct image *img, uint32_t tls, const char *kind, struct span subject, int64_t end)
{
	return json_pack("{s:o, s:s, s:o, s:I, s:I}", "profile", text(image_text(img, img->tls[tls].name)), "kind", kind, "subject",
	    text(subject), "not_after", (json_int_t)end, "days_left", days_left(end));
}

static void add_serial(json_t *out, const struct image_serial *serial)
{
	char hex[2 * sizeof(serial->bytes) + 1] = "";

	for (unsigned i = 0; i < serial->len && i < sizeof(serial->bytes); i++)
		snprintf(hex + 2 * i, 3, "%02x", serial->bytes[i]);
	json_object_set_new(out, "serial", json_string(hex));
}

/* A certificate's row; NULL: it cannot be read, which the loader would have refused. */
static json_t *certificate(const struct image *img, uint32_t tls, const char *kind, struct image_str der)
{
	struct span bytes = image_text(img, der);
	const unsigned char *p = (const unsigned char *)bytes.p;
	X509 *cert = d2i_X509(NULL, &p, (long)bytes.len);
	struct image_serial serial;
	char subject[1024];
	json_t *out = NULL;
	int64_t end;
	size_t n;

	if (cert && facts_time(X509_get0_notAfter(cert), &end)) {
		n = facts_name_print(X509_get_subject_name(cert), subject, sizeof(subject));
		out = row(img, tls, kind, span_of(subject, n), end);
		if (out && facts_serial(X509_get0_serialNumber(cert), &serial))
			add_serial(out, &serial);
	}
	X509_free(cert);
	ERR_clear_error();
	return out;
}

/* The CA that signed it, by key, among those of the profile. */
static json_t *crl(const struct image *img, uint32_t tls, const struct image_crl *c)
{
	const struct image_spki *key = image_at(img, img->tls[tls].trust);
	const struct image_str *der = image_at(img, img->tls[tls].anchors);
	json_t *out, *issuer = NULL;

	for (uint64_t i = 0; i < img->tls[tls].trust.count && i < img->tls[tls].anchors.count && !issuer; i++)
		if (memcmp(key[i].sha256, c->issuer.sha256, 32) == 0)
			issuer = certificate(img, tls, "trust", der[i]);
	out = row(img, tls, "crl", issuer ? span_str(json_string_value(json_object_get(issuer, "subject"))) : SPAN("an intermediate CA"),
	    c->next_update);
	if (out)
		json_object_set_new(out, "revoked", json_integer((json_int_t)c->revoked.count));
	if (out && c->next_update == INT64_MAX) {
		json_object_set_new(out, "not_after", json_null());
		json_object_set_new(out, "days_left", json_null());
	}
	json_decref(issuer);
	return out;
}

static json_t *names_of(struct span text_of_names)
{
	json_t *names = json_array();
	struct span one;

	while (text_of_names.len && span_cut(&text_of_names, '\n', &one))
		json_array_append_new(names, text(one));
	return names;
}

static void add_profile(const struct image *img, uint32_t tls, json_t *rows)
{
	const struct image_own *own = image_at(img, img->tls[tls].own);
	const struct image_str *anchor = image_at(img, img->tls[tls].anchors);
	const struct image_crl *crls = image_at(img, img->tls[tls].crls);

	for (uint64_t i = 0; i < img->tls[tls].own.count; i++) {
		json_t *r = certificate(img, tls, "own", own[i].certificate);

		if (r && own[i].names.len)
			json_object_set_new(r, "names", names_of(image_text(img, own[i].names)));
		json_array_append_new(rows, r);
		if (own[i].ocsp_until && own[i].ocsp_until != INT64_MAX)
			json_array_append_new(rows, row(img, tls, "ocsp", span_str(json_string_value(json_object_get(r, "subject"))), own[i].ocsp_until));
	}
	for (uint64_t i = 0; i < img->tls[tls].anchors.count; i++)
		json_array_append_new(rows, certificate(img, tls, "trust", anchor[i]));
	for (uint64_t i = 0; i < img->tls[tls].crls.count; i++)
		json_array_append_new(rows, crl(img, tls, &crls[i]));
}

static json_t *all_rows(const struct admin *a)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; rows && i < a->img->h->tls.count; i++)
		add_profile(a->img, i, rows);
	return rows;
}

json_t *certificates_report(const struct admin *a)
{
	return json_pack("{s:b, s:o}", "ok", 1, "certificates", all_rows(a));
}

json_t *certificates_next(const struct admin *a)
{
	json_t *rows = all_rows(a), *next = NULL, *r;
	size_t i;

	json_array_foreach(rows, i, r)
		if (json_is_integer(json_object_get(r, "not_after")) &&
		    (!next || json_integer_value(json_object_get(r, "not_after")) < json_integer_value(json_object_get(next, "not_after"))))
			next = r;
	next = next ? json_incref(next) : json_null();
	json_decref(rows);
	return next;
}
