#include "admin/explain.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "admin/report.h"
#include "common/clock.h"
#include "common/dn.h"
#include "common/sip/uri.h"
#include "common/x509/anchors.h"
#include "common/x509/facts.h"
#include "common/x509/judge.h"

#define CHAIN_MAX 16 /* certificates of a question */

/* ---- the certificate ---- */

struct subject {
	X509 *leaf;
	STACK_OF(X509) *chain; /* what stands behind it */
};

static void done(struct subject *s)
{
	X509_free(s->leaf);
	sk_X509_pop_free(s->chain, X509_free);
}

static bool push(STACK_OF(X509) *chain, X509 *cert)
{
	if (sk_X509_num(chain) < CHAIN_MAX && sk_X509_push(chain, cert))
		return true;
	X509_free(cert);
	return false;
}

static bool read_pem(const char *text, struct subject *out)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	bool ok;
	X509 *cert;

	*out = (struct subject){ .chain = sk_X509_new_null() };
	out->leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	ok = out->leaf && out->chain;
	while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		ok = push(out->chain, cert);
	/* Nothing but the end of the text may have ended it. */
	ok = ok && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(bio);
	return ok;
}

/* ---- the judgement ---- */

static json_t *text(struct span s)
{
	return json_stringn(s.p, s.len);
}

static json_t *domain_names(const struct image *img, const struct peer_judgement *j)
{
	json_t *names = json_array();
	char shown[HOST_MAX + 3];

	for (uint32_t i = 0; i < j->domain_count; i++) {
		snprintf(shown, sizeof(shown), "%s%.*s", img->domain[j->domain[i]].flags & DOMAIN_WILDCARD ? "*." : "",
		    SPAN_FMT(image_domain_name(img, j->domain[i])));
		json_array_append_new(names, json_string(shown));
	}
	return names;
}

static bool is_good(const struct peer_judgement *j)
{
	return j->verdict == PEER_TRUSTED;
}

/* Like X509_V_OK's text, it is for people. */
static json_t *verdict(const struct image *img, const char *role, uint32_t tls, X509_STORE_CTX *ctx, const struct peer_judgement *j,
    const struct peer_facts *facts)
{
	int error = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
	json_t *out = json_pack("{s:o, s:s, s:b, s:s, s:b, s:o}", "profile", text(image_text(img, img->tls[tls].name)), "role", role,
	    "trusted", is_good(j), "reason", peer_verdict_name(j->verdict), "observed", j->observed, "domains", domain_names(img, j));

	if (out && error != X509_V_OK && error != X509_V_ERR_APPLICATION_VERIFICATION) {
		json_object_set_new(out, "detail", json_string(X509_verify_cert_error_string(error)));
		json_object_set_new(out, "depth", json_integer(depth));
	}
	if (out && facts && j->verdict == PEER_DN_UNKNOWN)
		report_nearest(img, (const uint8_t *)peer_facts_dn(facts).p, facts->dn_len, out);
	return out;
}

/* One profile's word on it; NULL: no memory. */
static json_t *judge(const struct image *img, uint32_t tls, const struct judge_want *want, const struct subject *s)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	struct peer_facts *facts = NULL;
	struct peer_judgement j;
	json_t *out = NULL;

	if (store && ctx && !anchors_add(img, &img->tls[tls], store, NULL) &&
	    X509_STORE_CTX_init(ctx, store, s->leaf, s->chain) == 1) {
		judge_chain(img, tls, want, ctx, clock_wall_s(), &facts, &j);
		out = verdict(img, want->role == JUDGE_CLIENT ? "client" : "server", tls, ctx, &j, facts);
	}
	ERR_clear_error();
	peer_facts_put(facts);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return out;
}

/* Peers come in by this profile somewhere. */
static bool takes_peers(const struct image *img, uint32_t tls)
{
	for (uint64_t i = 0; i < img->h->listeners.count; i++)
		if (img->listener[i].side == SIDE_EXTERNAL && img->listener[i].tls == tls &&
		    img->tls[tls].client_certificate != CLIENT_CERT_OFF)
			return true;
	return false;
}

static void as_peer(const struct image *img, const char *profile, const struct subject *s, json_t *verdicts)
{
	const struct judge_want want = { .role = JUDGE_CLIENT, .as = JUDGE_PEER };

	for (uint32_t i = 0; i < img->h->tls.count; i++)
		if (profile ? span_eq(image_text(img, img->tls[i].name), span_str(profile)) : takes_peers(img, i))
			json_array_append_new(verdicts, judge(img, i, &want, s));
}

static void as_server(const struct image *img, const char *name, const struct subject *s, json_t *verdicts)
{
	char canonical[HOST_MAX];
	struct span host = span_of(canonical, host_canon(span_str(name), canonical));
	struct judge_want want = { .role = JUDGE_SERVER, .as = JUDGE_DOMAIN, .name = host };
	uint32_t tls;

	want.domain = host.len ? image_find_domain(img, host) : IMAGE_NONE;
	tls = want.domain == IMAGE_NONE ? IMAGE_NONE : image_policy_of(img, want.domain)->tls;
	if (tls != IMAGE_NONE)
		json_array_append_new(verdicts, judge(img, tls, &want, s));
}

/* ---- the answer ---- */

static json_t *shown_names(const struct peer_facts *f)
{
	json_t *names = json_array();
	struct span name;

	for (size_t at = 0; peer_facts_next_name(f, &at, &name);)
		json_array_append_new(names, text(name));
	return names;
}

static json_t *hex(const uint8_t *bytes, size_t len)
{
	char out[2 * 32 + 1] = "";

	for (size_t i = 0; i < MIN(len, (size_t)32); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	return json_string(out);
}

/* What it says of itself, proved or not. */
static void describe(X509 *leaf, json_t *out)
{
	STACK_OF(X509) *one = sk_X509_new_null();
	struct peer_facts *f = one && sk_X509_push(one, leaf) ? facts_of_chain(one) : NULL;

	sk_X509_free(one);
	if (!f)
		return;
	json_object_set_new(out, "dn", text(peer_facts_dn_text(f)));
	json_object_set_new(out, "dn_status", json_string(dn_status_name(f->dn_status)));
	json_object_set_new(out, "issuer", text(peer_facts_issuer_text(f)));
	json_object_set_new(out, "serial", hex(f->chain[0].serial.bytes, f->chain[0].serial.len));
	json_object_set_new(out, "not_before", json_integer(f->chain[0].not_before));
	json_object_set_new(out, "not_after", json_integer(f->chain[0].not_after));
	json_object_set_new(out, "subject_alt_names", shown_names(f));
	json_object_set_new(out, "spki_sha256", hex(f->chain[0].key, 32));
	peer_facts_put(f);
}

static bool any_trusted(const json_t *verdicts)
{
	const json_t *v;
	size_t i;

	json_array_foreach(verdicts, i, v)
		if (json_is_true(json_object_get(v, "trusted")))
			return true;
	return false;
}

json_t *explain_certificate(const struct admin *a, const json_t *question)
{
	const char *pem = json_string_value(json_object_get(question, "pem")),
		   *profile = json_string_value(json_object_get(question, "profile")),
		   *domain = json_string_value(json_object_get(question, "domain"));
	struct subject s;
	json_t *out, *verdicts;

	if (!pem || !read_pem(pem, &s)) {
		if (pem)
			done(&s);
		return report_error("no certificate in PEM form, or damaged, or more than 16 behind it");
	}
	out = json_object();
	verdicts = json_array();
	describe(s.leaf, out);
	if (domain)
		as_server(a->img, domain, &s, verdicts);
	else
		as_peer(a->img, profile, &s, verdicts);
	done(&s);
	if (json_array_size(verdicts) == 0) {
		json_decref(out);
		json_decref(verdicts);
		return report_error(domain ? "no domain of that name has TLS" : profile ? "there is no such profile" : "no listener asks peers for a certificate");
	}
	json_object_set_new(out, "ok", json_boolean(any_trusted(verdicts)));
	json_object_set_new(out, "verdicts", verdicts);
	return out;
}

bool explain_init(void)
{
	uint8_t digest[32];

	/* A first use of each kind of thing that loads itself late. */
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_CIPHERS |
			   OPENSSL_INIT_ADD_ALL_DIGESTS, NULL) == 1 &&
	       EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL) == 1;
}
