#include "common/x509/judge.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "common/dn.h"
#include "common/x509/facts.h"

static void untrusted(struct peer_judgement *out, const struct image *img, enum peer_verdict verdict)
{
	*out = (struct peer_judgement){ .generation = img->h->generation, .blocks = img->blocks, .verdict = verdict,
		.valid_until = INT64_MAX };
}

/* ---- by facts ---- */

static bool has_key(const struct image *img, struct image_section keys, const uint8_t key[32])
{
	const struct image_spki *k = image_at(img, keys);

	for (uint64_t i = 0; i < keys.count; i++)
		if (memcmp(k[i].sha256, key, 32) == 0)
			return true;
	return false;
}

/* Does one of the keys stand above the leaf?  By key: two CAs may have one name. */
static bool is_above(const struct image *img, struct image_section keys, const struct peer_facts *f)
{
	for (uint32_t i = 1; i < f->chain_count; i++)
		if (has_key(img, keys, f->chain[i].key))
			return true;
	return false;
}

static enum peer_verdict check_dates(const struct peer_facts *f, int64_t now, int64_t *until)
{
	for (uint32_t i = 0; i < f->chain_count; i++) {
		if (f->chain[i].not_before > now)
			return PEER_NOT_YET_VALID;
		if (f->chain[i].not_after < now)
			return PEER_EXPIRED;
		*until = MIN(*until, f->chain[i].not_after);
	}
	return PEER_TRUSTED;
}

static int serial_compare(const struct image_serial *a, const struct image_serial *b)
{
	return a->len != b->len ? (int)a->len - (int)b->len : memcmp(a->bytes, b->bytes, a->len);
}

static bool is_revoked(const struct image *img, const struct image_crl *crl, const struct image_serial *serial)
{
	const struct image_serial *revoked = image_at(img, crl->revoked);
	uint64_t lo = 0, hi = crl->revoked.count;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		int c = serial_compare(serial, &revoked[mid]);

		if (c == 0)
			return true;
		*(c < 0 ? &hi : &lo) = c < 0 ? mid : mid + 1;
	}
	return false;
}

/* One certificate against all CRLs of its issuer. */
static enum peer_verdict check_crl(const struct image *img, const struct image_tls *t, const struct cert_facts *cert,
    int64_t now, int64_t *until)
{
	const struct image_crl *crl = image_at(img, t->crls);
	bool found = false;

	for (uint64_t i = 0; i < t->crls.count; i++) {
		if (memcmp(crl[i].issuer.sha256, cert->issuer_key, 32) != 0)
			continue;
		found = true;
		if (is_revoked(img, &crl[i], &cert->serial))
			return PEER_REVOKED;
		if (t->crl_expired != CRL_EXPIRED_REJECT)
			continue;
		if (crl[i].next_update < now)
			return PEER_CRL_EXPIRED;
		*until = MIN(*until, crl[i].next_update);
	}
	return found || t->crl_check != CRL_CHECK_ALL ? PEER_TRUSTED : PEER_CRL_MISSING;
}

static enum peer_verdict check_profile(const struct image *img, const struct image_tls *t, const struct peer_facts *f,
    int64_t now, int64_t *until)
{
	uint32_t last = t->crl_check == CRL_CHECK_ALL ? f->chain_count - 1 : 1;
	enum peer_verdict v = PEER_TRUSTED;

	if (!is_above(img, t->trust, f))
		return PEER_CHAIN_INVALID;
	for (uint32_t i = 0; i < last && i + 1 < f->chain_count && v == PEER_TRUSTED; i++)
		v = check_crl(img, t, &f->chain[i], now, until);
	return v;
}

enum peer_verdict judge_use(const struct image *img, uint32_t domain)
{
	if (image_domain_usable(img, domain))
		return PEER_TRUSTED;
	return img->domain[domain].flags & DOMAIN_ENABLED ? PEER_DOMAIN_BLOCKED : PEER_DOMAIN_DISABLED;
}

/* The usable domains of the DN whose own `trust`, if they have one, stands above the leaf. */
static void find_domains(const struct image *img, const struct peer_facts *f, struct peer_judgement *out)
{
	struct image_domains hits = image_find_dn(img, f->dn, f->dn_len);
	enum peer_verdict unused = PEER_DOMAIN_DISABLED;
	bool issuer_fits = false;

	for (uint32_t i = 0; i < hits.count && out->domain_count < PEER_DOMAINS_MAX; i++) {
		const struct image_policy *p = image_policy_of(img, hits.index[i]);
		enum peer_verdict use;

		if (p->trust.count && !is_above(img, p->trust, f))
			continue;
		issuer_fits = true;
		use = judge_use(img, hits.index[i]);
		if (use == PEER_TRUSTED)
			out->domain[out->domain_count++] = hits.index[i];
		else if (use == PEER_DOMAIN_BLOCKED)
			unused = use;
	}
	if (hits.count == 0)
		out->verdict = PEER_DN_UNKNOWN;
	else if (!issuer_fits)
		out->verdict = PEER_CA_MISMATCH;
	else if (out->domain_count == 0)
		out->verdict = unused;
}

/* Dates, the profile's trust and CRLs: what every peer with a certificate is asked. */
static void check_chain(const struct image *img, uint32_t tls, const struct peer_facts *facts, int64_t now,
    struct peer_judgement *out)
{
	int64_t until = INT64_MAX;

	untrusted(out, img, check_dates(facts, now, &until));
	/* The facts of a leaf alone are those of a chain that did not verify, or of a peer that vouches for itself. */
	if (out->verdict == PEER_TRUSTED && facts->chain_count < 2)
		out->verdict = PEER_CHAIN_INVALID;
	if (out->verdict == PEER_TRUSTED && tls != IMAGE_NONE)
		out->verdict = check_profile(img, &img->tls[tls], facts, now, &until);
	out->valid_until = until;
}

/* What is wrong by its date now may be right later; a refused open connection is asked again at no cost. */
static void finish(struct peer_judgement *out)
{
	if (out->verdict == PEER_TRUSTED)
		return;
	out->domain_count = 0;
	out->valid_until = INT64_MAX;
}

void judge_facts(const struct image *img, uint32_t tls, const struct peer_facts *facts, int64_t now,
    struct peer_judgement *out)
{
	check_chain(img, tls, facts, now, out);
	if (out->verdict == PEER_TRUSTED && facts->dn_status != DN_OK)
		out->verdict = PEER_DN_UNUSABLE;
	if (out->verdict == PEER_TRUSTED)
		find_domains(img, facts, out);
	finish(out);
}

/* ---- whom we connected to, and containers ---- */

static bool leads_to(const struct image *img, const struct peer_facts *f, uint32_t domain)
{
	struct image_domains hits = image_find_dn(img, f->dn, f->dn_len);

	for (uint32_t i = 0; i < hits.count; i++)
		if (hits.index[i] == domain)
			return true;
	return false;
}

/* The DN leads to the domain, enabled and with its own CA: so find_domains has found it, unless others filled the room. */
static void expected_by_dn(const struct image *img, const struct peer_facts *f, uint32_t domain,
    struct peer_judgement *out)
{
	if (f->dn_status != DN_OK)
		out->verdict = PEER_DN_UNUSABLE;
	else if (!leads_to(img, f, domain))
		out->verdict = PEER_DN_UNKNOWN;
	else
		find_domains(img, f, out);
	if (out->verdict != PEER_TRUSTED)
		return;
	for (uint32_t i = 0; i < out->domain_count; i++)
		if (out->domain[i] == domain)
			return;
	out->domain[PEER_DOMAINS_MAX - 1] = domain;
}

static void expected(const struct image *img, const struct peer_facts *f, uint32_t domain, struct span name,
    struct peer_judgement *out)
{
	const struct image_domain *d = &img->domain[domain];
	const struct image_policy *p = image_policy_of(img, domain);

	out->verdict = judge_use(img, domain);
	if (out->verdict != PEER_TRUSTED)
		return;
	if (p->trust.count && !is_above(img, p->trust, f)) {
		out->verdict = PEER_CA_MISMATCH;
	} else if (d->flags & DOMAIN_HAS_DN) {
		expected_by_dn(img, f, domain, out);
	} else if (peer_facts_named(f, name, d->flags & DOMAIN_ALLOW_WILDCARD)) {
		out->domain[out->domain_count++] = domain;
	} else {
		out->verdict = PEER_NAME_MISMATCH;
	}
}

void judge_server(const struct image *img, uint32_t tls, const struct peer_facts *facts, uint32_t domain,
    struct span name, int64_t now, struct peer_judgement *out)
{
	check_chain(img, tls, facts, now, out);
	if (out->verdict == PEER_TRUSTED && tls == IMAGE_NONE) /* it has TLS no more: nothing says whom to trust */
		out->verdict = PEER_CHAIN_INVALID;
	if (out->verdict == PEER_TRUSTED && domain == IMAGE_NONE)
		out->verdict = PEER_DN_UNKNOWN;
	if (out->verdict == PEER_TRUSTED)
		expected(img, facts, domain, name, out);
	finish(out);
}

static bool shows_dn_of(const struct image *img, const struct peer_facts *f, const struct image_server *server)
{
	const struct image_str *dn = image_at(img, server->dns);

	for (uint64_t i = 0; i < server->dns.count; i++)
		if (span_eq(image_text(img, dn[i]), peer_facts_dn(f)))
			return true;
	return false;
}

static bool shows_any_dn(const struct image *img, const struct peer_facts *f)
{
	for (uint64_t i = 0; i < img->h->clusters.count; i++) {
		const struct image_server *server = image_at(img, img->cluster[i].servers);

		for (uint64_t j = 0; j < img->cluster[i].servers.count; j++)
			if (shows_dn_of(img, f, &server[j]))
				return true;
	}
	return false;
}

static void container(const struct image *img, uint32_t tls, const struct judge_want *want,
    const struct peer_facts *facts, int64_t now, struct peer_judgement *out)
{
	bool any = want->as == JUDGE_ANY_CONTAINER;

	check_chain(img, tls, facts, now, out);
	if (out->verdict == PEER_TRUSTED && tls == IMAGE_NONE)
		out->verdict = PEER_CHAIN_INVALID;
	if (out->verdict == PEER_TRUSTED && facts->dn_status != DN_OK)
		out->verdict = PEER_DN_UNUSABLE;
	if (out->verdict == PEER_TRUSTED &&
	    !(any ? shows_any_dn(img, facts) : want->server && shows_dn_of(img, facts, want->server)))
		out->verdict = PEER_DN_UNKNOWN;
	finish(out);
}

bool judge_container(const struct image *img, uint32_t tls, const struct peer_facts *facts,
    const struct image_server *server, int64_t now, enum peer_verdict *why)
{
	struct peer_judgement j;

	container(img, tls, &(struct judge_want){ .as = JUDGE_CONTAINER, .server = server }, facts, now, &j);
	*why = j.verdict;
	return j.verdict == PEER_TRUSTED;
}

void judge_wanted(const struct image *img, uint32_t tls, const struct judge_want *want, const struct peer_facts *facts,
    int64_t now, struct peer_judgement *out)
{
	switch (want->as) {
	case JUDGE_PEER:
		judge_facts(img, tls, facts, now, out);
		break;
	case JUDGE_DOMAIN:
		judge_server(img, tls, facts, want->domain, want->name, now, out);
		break;
	case JUDGE_CONTAINER:
	case JUDGE_ANY_CONTAINER:
		container(img, tls, want, facts, now, out);
		break;
	}
}

/* ---- by chain ---- */

static enum peer_verdict verdict_of(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return PEER_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return PEER_NOT_YET_VALID;
	case X509_V_ERR_INVALID_PURPOSE:
		return PEER_WRONG_USAGE;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return PEER_WEAK;
	}
	return PEER_CHAIN_INVALID;
}

/* X509_V_... that leads to the alert that fits. */
static int error_of(enum peer_verdict v)
{
	switch (v) {
	case PEER_REVOKED:
		return X509_V_ERR_CERT_REVOKED;
	case PEER_EXPIRED:
	case PEER_NOT_YET_VALID:
	case PEER_CRL_EXPIRED:
		return X509_V_ERR_CERT_HAS_EXPIRED;
	case PEER_WRONG_USAGE:
		return X509_V_ERR_INVALID_PURPOSE;
	default:
		return X509_V_ERR_APPLICATION_VERIFICATION;
	}
}

/* RFC 5924: an extended key usage for SIP domains. */
static bool is_sip_domain(const ASN1_OBJECT *o)
{
	char text[64];

	return OBJ_obj2txt(text, sizeof(text), o, 1) > 0 && strcmp(text, "1.3.6.1.5.5.7.3.20") == 0;
}

/* Does it name one of the three extended usages that any_tls takes, or none at all? */
static bool any_tls_extended(X509 *cert)
{
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
	bool ok = eku == NULL && X509_get_ext_by_NID(cert, NID_ext_key_usage, -1) < 0;

	for (int i = 0; eku && i < sk_ASN1_OBJECT_num(eku); i++) {
		const ASN1_OBJECT *o = sk_ASN1_OBJECT_value(eku, i);
		int nid = OBJ_obj2nid(o);

		ok = ok || nid == NID_client_auth || nid == NID_server_auth || is_sip_domain(o);
	}
	sk_ASN1_OBJECT_pop_free(eku, ASN1_OBJECT_free);
	return ok;
}

/*
 * peer_usage any_tls: the leaf's key may sign, and no certificate of the chain
 * is for other things only.  The library asks the latter of the CAs, too, when
 * it is given a purpose; X509_PURPOSE_ANY leaves it to us.
 */
static bool any_tls_usage(STACK_OF(X509) *chain)
{
	if (!(X509_get_key_usage(sk_X509_value(chain, 0)) & (KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT)))
		return false;
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (!any_tls_extended(sk_X509_value(chain, i)))
			return false;
	return true;
}

static enum peer_verdict verify(const struct image_tls *t, enum judge_role role, X509_STORE_CTX *ctx, int64_t now)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	int purpose = role == JUDGE_CLIENT ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;

	X509_VERIFY_PARAM_set_auth_level(param, 2);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	if (t->peer_usage == PEER_USAGE_ANY_TLS)
		purpose = X509_PURPOSE_ANY;
	if (X509_VERIFY_PARAM_set_purpose(param, purpose) != 1) {
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_UNSPECIFIED);
		return PEER_CHAIN_INVALID;
	}
	if (X509_verify_cert(ctx) != 1 || X509_STORE_CTX_get_error(ctx) != X509_V_OK)
		return verdict_of(X509_STORE_CTX_get_error(ctx));
	if (t->peer_usage == PEER_USAGE_ANY_TLS && !any_tls_usage(X509_STORE_CTX_get0_chain(ctx)))
		return PEER_WRONG_USAGE;
	return PEER_TRUSTED;
}

/* Facts for the log of a peer whose chain did not verify: of the leaf alone. */
static struct peer_facts *facts_of_leaf(X509 *leaf, int64_t now)
{
	STACK_OF(X509) *one = sk_X509_new_null();
	struct peer_facts *f = one && leaf && sk_X509_push(one, leaf) ? facts_of_chain(one, now) : NULL;

	sk_X509_free(one);
	return f;
}

void judge_chain(const struct image *img, uint32_t tls, const struct judge_want *want, X509_STORE_CTX *ctx, int64_t now,
    struct peer_facts **facts, struct peer_judgement *out)
{
	/* A profile that a reload removed in the middle of a handshake lets nobody in any more. */
	enum peer_verdict v = tls == IMAGE_NONE ? PEER_CHAIN_INVALID : verify(&img->tls[tls], want->role, ctx, now);

	*facts = NULL;
	if (v == PEER_TRUSTED) {
		*facts = facts_of_chain(X509_STORE_CTX_get0_chain(ctx), now);
		if (*facts) {
			judge_wanted(img, tls, want, *facts, now, out);
			if (out->verdict != PEER_TRUSTED)
				X509_STORE_CTX_set_error(ctx, error_of(out->verdict));
			return;
		}
		v = PEER_CHAIN_INVALID; /* longer than we keep, or a serial number that no CA may issue */
	}
	if (X509_STORE_CTX_get_error(ctx) == X509_V_OK)
		X509_STORE_CTX_set_error(ctx, error_of(v));
	*facts = facts_of_leaf(X509_STORE_CTX_get0_cert(ctx), now);
	untrusted(out, img, v);
}

/* ---- anchors of one name ---- */

/* What a peer sends are objects of their own, also where they equal an anchor. */
static bool was_sent(const X509_STORE_CTX *ctx, const X509 *cert)
{
	STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);

	for (int i = 0; i < sk_X509_num(sent); i++)
		if (sk_X509_value(sent, i) == cert)
			return true;
	return false;
}

/* Only anchors are asked for their signature: how many certificates a peer sends must not cost us one each. */
static int issued_by_key(X509_STORE_CTX *ctx, X509 *cert, X509 *issuer)
{
	int ok;

	if (X509_check_issued(issuer, cert) != X509_V_OK)
		return 0;
	if (was_sent(ctx, issuer))
		return 1;
	ERR_set_mark();
	ok = X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
	ERR_pop_to_mark();
	return ok;
}

void judge_store(X509_STORE *store)
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);

	for (int i = 0; i < sk_X509_OBJECT_num(all); i++)
		for (int j = 0; j < i; j++) {
			const X509 *a = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
			const X509 *b = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, j));

			if (a && b && X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0) {
				X509_STORE_set_check_issued(store, issued_by_key);
				return;
			}
		}
}

/* ---- without TLS ---- */

void judge_address(const struct image *img, const uint8_t addr[16], bool datagram, struct peer_judgement *out)
{
	untrusted(out, img, PEER_PLAIN);
	out->domain_count = image_find_address(img, addr, datagram ? DOMAIN_TRUST_UDP : 0, out->domain, PEER_DOMAINS_MAX);
	if (out->domain_count)
		out->verdict = PEER_TRUSTED;
}
