#include "common/x509/facts.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/dn_internal.h"
#include "common/sip/uri.h"

#define TEXT_KEPT 1024 /* of a printed name in the facts: for logs only */

/* One RDN: a SET of SEQUENCE { type, value }. */
static int take_rdn(struct span set, unsigned number, struct dn_ava *avas, int count)
{
	struct span pair, whole, oid, value;
	unsigned tag;

	while (set.len) {
		if (count == DN_AVA_MAX || !dn_der_next(&set, &tag, &pair, &whole) || tag != 0x30 ||
		    !dn_der_next(&pair, &tag, &oid, &whole) || tag != 0x06 || !dn_der_next(&pair, &tag, &value, &whole))
			return -1;
		avas[count++] = (struct dn_ava){ .oid = oid, .tag = tag, .value = value, .der = whole, .set = number };
	}
	return count;
}

int facts_name_avas(const X509_NAME *name, struct dn_ava avas[static DN_AVA_MAX])
{
	const unsigned char *der;
	struct span all, set, whole;
	size_t len;
	unsigned tag;
	int count = 0;

	if (X509_NAME_get0_der(name, &der, &len) != 1)
		return -1;
	whole = span_of(der, len);
	if (!dn_der_next(&whole, &tag, &all, &set) || tag != 0x30)
		return -1;
	for (unsigned number = 0; all.len && count >= 0; number++) {
		if (!dn_der_next(&all, &tag, &set, &whole) || tag != 0x31)
			return -1;
		count = take_rdn(set, number, avas, count);
	}
	return count;
}

enum dn_status facts_name_dn(const X509_NAME *name, struct dn *out)
{
	struct dn_ava avas[DN_AVA_MAX];
	int count = facts_name_avas(name, avas);

	return count < 0 ? DN_TOO_LONG : dn_from_avas(avas, (size_t)count, out);
}

size_t facts_name_print(const X509_NAME *name, char *out, size_t cap)
{
	static const char too_long[] = "(a name too long to print)";
	struct dn_ava avas[DN_AVA_MAX];
	int count = facts_name_avas(name, avas);
	size_t n;

	if (count == 0)
		return 0;
	n = count < 0 ? 0 : dn_print_avas(avas, (size_t)count, out, cap);
	if (n == 0) {
		n = MIN(sizeof(too_long) - 1, cap);
		memcpy(out, too_long, n);
	}
	return n;
}

bool facts_spki(const X509 *cert, uint8_t sha256[static 32])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	bool ok = len > 0 && EVP_Digest(der, (size_t)len, sha256, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return ok;
}

bool facts_serial(const ASN1_INTEGER *serial, struct image_serial *out)
{
	const unsigned char *p = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);

	for (; len > 0 && *p == 0; p++)
		len--;
	if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || len > 20)
		return false;
	*out = (struct image_serial){ .len = (uint8_t)len };
	memcpy(out->bytes, p, (size_t)len);
	return true;
}

bool facts_time(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = (int64_t)timegm(&tm);
	return true;
}

/* ---- SIP domain identities ---- */

struct names {
	uint8_t *out;
	size_t len;
	bool too_many;
};

static void names_add(struct names *n, struct span host, bool wildcard)
{
	size_t len = host.len + (wildcard ? 2 : 0);

	if (host.len == 0 || len > UINT8_MAX) /* none, or longer than any name may be (RFC 1035 2.3.4) */
		return;
	if (1 + len > PEER_NAMES_MAX - n->len) {
		n->too_many = true;
		return;
	}
	n->out[n->len++] = (uint8_t)len;
	if (wildcard) {
		memcpy(n->out + n->len, "*.", 2);
		n->len += 2;
	}
	memcpy(n->out + n->len, host.p, host.len);
	n->len += host.len;
}

/* A user makes it the name of a person, not of a domain; sips and other schemes name no domain either. */
static void add_uri(struct names *n, struct span text)
{
	char host[HOST_MAX];
	struct sip_uri uri;

	if (uri_parse(text, &uri) && uri.scheme == URI_SIP && !uri.user.p)
		names_add(n, span_of(host, host_canon(uri.host, host)), false);
}

static void add_dns(struct names *n, struct span text)
{
	bool wildcard = span_istarts(text, SPAN("*."));
	enum host_kind kind;
	char host[HOST_MAX];

	text = span_from(text, wildcard ? 2 : 0);
	/* An address is not a DNS name, whatever stands there. */
	if (host_parse(text, &kind) && kind == HOST_NAME)
		names_add(n, span_of(host, host_canon(text, host)), wildcard);
}

static struct span san_text(const ASN1_IA5STRING *s)
{
	return span_of(ASN1_STRING_get0_data(s), (size_t)MAX(ASN1_STRING_length(s), 0));
}

static bool is_sip_uri(const GENERAL_NAME *name)
{
	return name->type == GEN_URI && span_istarts(san_text(name->d.uniformResourceIdentifier), SPAN("sip:"));
}

size_t facts_names(const X509 *cert, uint8_t out[static PEER_NAMES_MAX])
{
	GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct names n = { .out = out };
	bool by_uri = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++)
		by_uri = by_uri || is_sip_uri(sk_GENERAL_NAME_value(all, i));
	for (int i = 0; i < sk_GENERAL_NAME_num(all) && !n.too_many; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

		if (by_uri && is_sip_uri(name))
			add_uri(&n, san_text(name->d.uniformResourceIdentifier));
		else if (!by_uri && name->type == GEN_DNS)
			add_dns(&n, san_text(name->d.dNSName));
	}
	GENERAL_NAMES_free(all);
	return n.too_many ? 0 : n.len;
}

/* ---- all of it ---- */

static bool take_cert(const X509 *cert, struct cert_facts *out)
{
	return facts_spki(cert, out->key) && facts_serial(X509_get0_serialNumber(cert), &out->serial) &&
	       facts_time(X509_get0_notBefore(cert), &out->not_before) && facts_time(X509_get0_notAfter(cert), &out->not_after);
}

static struct peer_facts *allocate(const X509 *leaf, size_t chain)
{
	struct dn dn;
	enum dn_status st = facts_name_dn(X509_get_subject_name(leaf), &dn);
	char subject[TEXT_KEPT], issuer[TEXT_KEPT];
	size_t subject_len = facts_name_print(X509_get_subject_name(leaf), subject, sizeof(subject));
	size_t issuer_len = facts_name_print(X509_get_issuer_name(leaf), issuer, sizeof(issuer));
	size_t dn_len = st == DN_OK ? dn.len : 0;
	uint8_t names[PEER_NAMES_MAX];
	size_t names_len = facts_names(leaf, names);
	struct peer_facts *f = calloc(1, sizeof(*f) + chain * sizeof(f->chain[0]) + dn_len + subject_len + issuer_len + names_len);
	uint8_t *at;

	if (!f)
		return NULL;
	f->references = 1;
	f->chain_count = (uint32_t)chain;
	f->dn_status = st;
	f->dn_len = (uint32_t)dn_len;
	f->text_len = (uint32_t)subject_len;
	f->issuer_len = (uint32_t)issuer_len;
	f->names_len = (uint32_t)names_len;
	at = (uint8_t *)(f->chain + chain);
	memcpy(at, dn.bytes, dn_len);
	memcpy(at + dn_len, subject, subject_len);
	memcpy(at + dn_len + subject_len, issuer, issuer_len);
	memcpy(at + dn_len + subject_len + issuer_len, names, names_len);
	return f;
}

struct peer_facts *facts_of_chain(STACK_OF(X509) *chain)
{
	int count = sk_X509_num(chain);
	struct peer_facts *f;
	bool ok;

	if (count < 1 || count > PEER_CHAIN_MAX + 1 || !(f = allocate(sk_X509_value(chain, 0), (size_t)count)))
		return NULL;
	ok = X509_digest(sk_X509_value(chain, 0), EVP_sha256(), f->leaf, NULL) == 1;
	for (int i = 0; i < count && ok; i++)
		ok = take_cert(sk_X509_value(chain, i), &f->chain[i]);
	for (int i = 0; i < count; i++)
		memcpy(f->chain[i].issuer_key, f->chain[MIN(i + 1, count - 1)].key, 32);
	if (ok)
		return f;
	peer_facts_put(f);
	return NULL;
}

struct peer_facts *peer_facts_get(struct peer_facts *facts)
{
	facts->references++;
	return facts;
}

void peer_facts_put(struct peer_facts *facts)
{
	if (facts && --facts->references == 0)
		free(facts);
}

/* What stands behind the chain. */
static const uint8_t *texts(const struct peer_facts *facts)
{
	return (const uint8_t *)(facts->chain + facts->chain_count);
}

size_t peer_facts_size(const struct peer_facts *facts)
{
	return sizeof(*facts) + facts->chain_count * sizeof(facts->chain[0]) + (size_t)facts->dn_len + facts->text_len +
	       facts->issuer_len + facts->names_len;
}

bool facts_are_sound(const struct peer_facts *facts)
{
	const uint8_t *names = texts(facts) + facts->dn_len + facts->text_len + facts->issuer_len;

	for (size_t at = 0; at < facts->names_len; at += 1 + (size_t)names[at])
		if (1 + (size_t)names[at] > facts->names_len - at)
			return false;
	for (uint32_t i = 0; i < facts->chain_count; i++)
		if (facts->chain[i].serial.len > 20)
			return false;
	return true;
}

int64_t peer_facts_end(const struct peer_facts *facts)
{
	int64_t end = facts->chain[0].not_after;

	for (uint32_t i = 1; i < facts->chain_count; i++)
		end = MIN(end, facts->chain[i].not_after);
	return end;
}

struct span peer_facts_dn(const struct peer_facts *facts)
{
	return span_of(texts(facts), facts->dn_len);
}

struct span peer_facts_dn_text(const struct peer_facts *facts)
{
	return span_of(texts(facts) + facts->dn_len, facts->text_len);
}

struct span peer_facts_issuer_text(const struct peer_facts *facts)
{
	return span_of(texts(facts) + facts->dn_len + facts->text_len, facts->issuer_len);
}

bool peer_facts_next_name(const struct peer_facts *facts, size_t *at, struct span *name)
{
	const uint8_t *names = texts(facts) + facts->dn_len + facts->text_len + facts->issuer_len;

	if (*at >= facts->names_len)
		return false;
	*name = span_of(names + *at + 1, names[*at]);
	*at += 1 + name->len;
	return true;
}

bool peer_facts_named(const struct peer_facts *facts, struct span host, bool wildcards)
{
	struct span above = span_from(host, span_find(host, '.')), name;
	size_t at = 0;

	while (peer_facts_next_name(facts, &at, &name)) {
		bool wildcard = span_istarts(name, SPAN("*."));

		/* RFC 6125 6.4.3: the '*' is exactly the first label. */
		if (wildcard ? wildcards && above.len && above.p > host.p && span_eq(span_from(name, 1), above)
			     : span_eq(name, host))
			return true;
	}
	return false;
}
