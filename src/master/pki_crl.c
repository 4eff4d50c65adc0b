#include "master/pki_crl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/x509/facts.h"
#include "master/pki_pem.h"

/* One list of a file, for complaints. */
struct list {
	const struct pki_file *file;
	struct complaints *c;
	X509_CRL *crl;
	unsigned number; /* in its file, from 1 */
	char issuer[256];
};

#define list_complain(l, fmt, ...)                                                                                     \
	pki_complain((l)->c, (l)->file, "CRL %u of \"%s\" " fmt, (l)->number, (l)->issuer, ##__VA_ARGS__)

/* What the list's extensions would make of it, other than a plain full list; NULL: nothing. */
static const char *not_plain(const X509_CRL *crl)
{
	ISSUING_DIST_POINT *idp;
	const char *why = NULL;
	int critical, nid;

	if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) != -1)
		return "is a delta list; a full one is needed";
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
		X509_EXTENSION *ext = X509_CRL_get_ext(crl, i);

		nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));
		if (X509_EXTENSION_get_critical(ext) && nid != NID_issuing_distribution_point &&
		    nid != NID_authority_key_identifier && nid != NID_crl_number)
			return "has a critical extension that is not understood";
	}
	idp = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
	if (!idp)
		return critical == -1 ? NULL : "has an issuing distribution point that cannot be decoded";
	if (idp->indirectCRL)
		why = "is an indirect list; one of the CA's own is needed";
	else if (idp->onlysomereasons)
		why = "holds revocations for some reasons only; a full list is needed";
	else if (idp->onlyattr)
		why = "is a list of attribute certificates";
	ISSUING_DIST_POINT_free(idp);
	return why;
}

/* RFC 5280 6.3.3 (f): a CA whose key usage does not say cRLSign signs no lists. */
static bool may_sign(const X509_CRL *crl, X509 *ca)
{
	return X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca)) == 0 &&
	    (X509_get_key_usage(ca) & KU_CRL_SIGN) != 0;
}

static X509 *signer_of(X509_CRL *crl, STACK_OF(X509) *signers, bool *named)
{
	X509 *found = NULL;

	*named = false;
	for (int i = 0; !found && i < sk_X509_num(signers); i++) {
		X509 *ca = sk_X509_value(signers, i);

		if (!may_sign(crl, ca))
			continue;
		*named = true;
		if (X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1)
			found = ca;
	}
	ERR_clear_error();
	return found;
}

static int serial_cmp(const void *a, const void *b)
{
	const struct image_serial *x = a, *y = b;

	return memcmp(x, y, offsetof(struct image_serial, bytes) + sizeof(x->bytes));
}

/* RFC 5280 5.3: an entry's critical extension may change its meaning. */
static bool entry_is_plain(const X509_REVOKED *entry)
{
	return X509_REVOKED_get_ext_by_critical(entry, 1, -1) == -1 &&
	    X509_REVOKED_get_ext_by_NID(entry, NID_certificate_issuer, -1) == -1;
}

static bool take_serials(const struct list *l, struct pki_crl *out)
{
	STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(l->crl);
	int count = MAX(sk_X509_REVOKED_num(revoked), 0);

	out->revoked = calloc((size_t)count + 1, sizeof(out->revoked[0]));
	if (!out->revoked) {
		list_complain(l, "does not fit into memory");
		return false;
	}
	for (int i = 0; i < count; i++) {
		const X509_REVOKED *entry = sk_X509_REVOKED_value(revoked, i);

		if (!entry_is_plain(entry)) {
			list_complain(l, "has an entry (%d) with an extension that is not understood", i + 1);
			return false;
		}
		if (!facts_serial(X509_REVOKED_get0_serialNumber(entry), &out->revoked[out->revoked_count])) {
			list_complain(l, "has an entry (%d) whose serial number is negative or longer than 20 bytes",
			    i + 1);
			return false;
		}
		out->revoked_count++;
	}
	qsort(out->revoked, out->revoked_count, sizeof(out->revoked[0]), serial_cmp);
	return true;
}

static bool take_dates(const struct list *l, struct pki_crl *out)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(l->crl);
	int64_t now = clock_wall_s(), from;

	out->next_update = INT64_MAX;
	if (!facts_time(X509_CRL_get0_lastUpdate(l->crl), &from) || (next && !facts_time(next, &out->next_update))) {
		list_complain(l, "has a date that cannot be read");
		return false;
	}
	if (from > now) {
		list_complain(l, "is not yet valid");
		return false;
	}
	if (out->next_update <= now)
		pki_warn(l->c, l->file, "CRL %u of \"%s\" has expired: a newer one was due", l->number, l->issuer);
	return true;
}

static bool take_list(const struct list *l, STACK_OF(X509) *signers, struct pki_crl *out)
{
	const char *why = not_plain(l->crl);
	bool named;
	X509 *ca;

	if (why) {
		list_complain(l, "%s", why);
		return false;
	}
	ca = signer_of(l->crl, signers, &named);
	if (!ca) {
		list_complain(l, "%s", named ? "has a signature that no CA of that name made" :
					       "was signed by none of the CAs in trust, nor by one that these signed "
					       "and that stands in a trust or certificate file");
		return false;
	}
	if (!facts_spki(ca, out->issuer.sha256)) {
		list_complain(l, "was signed by a CA whose key cannot be encoded");
		return false;
	}
	return take_dates(l, out) && take_serials(l, out);
}

static void issuer_text(const X509_CRL *crl, char out[static 256])
{
	char text[DN_TEXT_MAX];
	size_t len = MIN(facts_name_print(X509_CRL_get_issuer(crl), text, sizeof(text)), (size_t)255);

	memcpy(out, text, len);
	out[len] = '\0';
}

bool pki_crl_load(const struct pki_file *file, STACK_OF(X509) *signers, struct complaints *c, struct pki_profile *out)
{
	STACK_OF(X509_CRL) *crls = pki_pem_crls(file, c);
	struct pki_crl *more;
	bool ok = crls;

	if (!crls)
		return false;
	more = realloc(out->crl, (out->crl_count + (size_t)sk_X509_CRL_num(crls)) * sizeof(out->crl[0]));
	if (!more) {
		pki_complain(c, file, "does not fit into memory");
		ok = false;
		goto out;
	}
	out->crl = more;
	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		struct list l = { .file = file, .c = c, .crl = sk_X509_CRL_value(crls, i), .number = (unsigned)i + 1 };
		struct pki_crl one = { 0 };

		issuer_text(l.crl, l.issuer);
		if (take_list(&l, signers, &one)) {
			out->crl[out->crl_count++] = one;
		} else {
			pki_crl_done(&one);
			ok = false;
		}
	}
out:
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	return ok;
}

void pki_crl_done(struct pki_crl *crl)
{
	free(crl->revoked);
	*crl = (struct pki_crl){ 0 };
}
