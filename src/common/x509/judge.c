#include "common/x509/judge.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "common/x509/facts.h"
#include "common/x509/judgement.h"

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

#define CHAIN_DEPTH (PEER_CHAIN_MAX - 1) /* intermediates between leaf and anchor */

static enum peer_verdict verify(const struct image_tls *t, enum judge_role role, X509_STORE_CTX *ctx, int64_t now)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	int purpose = role == JUDGE_CLIENT ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;

	X509_VERIFY_PARAM_set_auth_level(param, 2);
	X509_VERIFY_PARAM_set_depth(param, CHAIN_DEPTH);
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
static struct peer_facts *facts_of_leaf(X509 *leaf)
{
	STACK_OF(X509) *one = sk_X509_new_null();
	struct peer_facts *f = one && leaf && sk_X509_push(one, leaf) ? facts_of_chain(one) : NULL;

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
		*facts = facts_of_chain(X509_STORE_CTX_get0_chain(ctx));
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
	*facts = facts_of_leaf(X509_STORE_CTX_get0_cert(ctx));
	judgement_none(out, img, v);
	out->observed = *facts && want->as == JUDGE_PEER && judge_claims_observed(img, *facts);
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
