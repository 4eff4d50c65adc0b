/*
 * judge: a row for each verdict, by real chains and by facts alone.  To add a
 * case, add a row; to add a certificate, a row of `wanted`.
 */
#include <criterion/criterion.h>

#include "common/x509/facts.h"
#include "common/x509/judge.h"
#include "support/key_rows.h"
#include "support/issue.h"

/* ---- certificates ---- */

enum who {
	NOBODY,
	CA,	  /* in the profile's trust, mostly */
	TWIN,	  /* the same name, another key */
	INTER,	  /* by CA */
	LEAF,	  /* by CA: the configured name */
	TWIN_LEAF, /* the configured name, by TWIN */
	TWIN_BLIND, /* ... and does not tell the key of its issuer */
	INTER_LEAF, /* the configured name, by INTER */
	SELF,	  /* the configured name, by itself */
	PAST,
	FUTURE,
	STRANGER, /* a name that is not configured */
	OFF,	  /* its domain is disabled */
	NAMELESS,
	SERVER,	  /* extended key usage */
	SIP,	  /* ... of RFC 5924 */
	CODE,
	NO_USAGE, /* no extended key usage at all */
	NO_SIGN,  /* a key that may not sign */
	SHORT,	  /* an RSA key of 1024 bits */
	OLD_DIGEST,
	NOT_CA,	  /* by LEAF, which is no CA */
	ANY,	  /* anyExtendedKeyUsage and nothing else */
	CODE_INTER, /* by CA, for code only */
	CODE_INTER_LEAF,
	SERVER_INTER, /* by CA, for servers only */
	SERVER_INTER_LEAF,
	WHO_COUNT
};

#define CONFIGURED "/C=DE/O=Partner/CN=sip.partner.example"
#define SWITCHED_OFF "/CN=off.example"

static struct issued made[WHO_COUNT];

static const struct issue wanted[WHO_COUNT] = {
	[CA] = { .subject = "/CN=Carrier CA", .ca = true },
	[TWIN] = { .subject = "/CN=Carrier CA", .ca = true },
	[INTER] = { .subject = "/CN=Intermediate", .ca = true, .by = &made[CA], .serial = 7 },
	[LEAF] = { .subject = CONFIGURED, .by = &made[CA], .usage = "clientAuth", .serial = 0x1234 },
	[TWIN_LEAF] = { .subject = CONFIGURED, .by = &made[TWIN], .usage = "clientAuth" },
	[TWIN_BLIND] = { .subject = CONFIGURED, .by = &made[TWIN], .usage = "clientAuth" },
	[INTER_LEAF] = { .subject = CONFIGURED, .by = &made[INTER], .usage = "clientAuth" },
	[SELF] = { .subject = CONFIGURED, .usage = "clientAuth" },
	[PAST] = { .subject = CONFIGURED, .by = &made[CA], .from = -7200, .to = -3600 },
	[FUTURE] = { .subject = CONFIGURED, .by = &made[CA], .from = 3600, .to = 7200 },
	[STRANGER] = { .subject = "/CN=stranger.example", .by = &made[CA] },
	[OFF] = { .subject = SWITCHED_OFF, .by = &made[CA] },
	[NAMELESS] = { .subject = "", .by = &made[CA] },
	[SERVER] = { .subject = CONFIGURED, .by = &made[CA], .usage = "serverAuth" },
	[SIP] = { .subject = CONFIGURED, .by = &made[CA], .usage = "1.3.6.1.5.5.7.3.20" },
	[CODE] = { .subject = CONFIGURED, .by = &made[CA], .usage = "codeSigning" },
	[NO_USAGE] = { .subject = CONFIGURED, .by = &made[CA] },
	[NO_SIGN] = { .subject = CONFIGURED, .by = &made[CA], .key_usage = "keyCertSign" },
	[SHORT] = { .subject = CONFIGURED, .by = &made[CA], .key = ISSUE_RSA_1024 },
	[OLD_DIGEST] = { .subject = CONFIGURED, .by = &made[INTER], .usage = "clientAuth" },
	[NOT_CA] = { .subject = CONFIGURED, .by = &made[LEAF] },
	[ANY] = { .subject = CONFIGURED, .by = &made[CA], .usage = "anyExtendedKeyUsage" },
	[CODE_INTER] = { .subject = "/CN=Code CA", .ca = true, .by = &made[CA], .usage = "codeSigning" },
	[CODE_INTER_LEAF] = { .subject = CONFIGURED, .by = &made[CODE_INTER], .usage = "clientAuth" },
	[SERVER_INTER] = { .subject = "/CN=Server CA", .ca = true, .by = &made[CA], .usage = "serverAuth" },
	[SERVER_INTER_LEAF] = { .subject = CONFIGURED, .by = &made[SERVER_INTER], .usage = "clientAuth" },
};

static void make_all(void)
{
	for (enum who w = CA; w < WHO_COUNT; w++) {
		struct issue want = wanted[w];

		want.digest = w == OLD_DIGEST ? EVP_sha1() : NULL;
		made[w] = issue(&want);
		/* Which of two CAs with one name it was; the others leave that to the signature. */
		if (w == TWIN_LEAF || w == LEAF) {
			issue_extension(made[w].cert, want.by->cert, NID_authority_key_identifier, "keyid:always");
			MUST(X509_sign(made[w].cert, want.by->key, EVP_sha256()));
		}
	}
}

static void free_all(void)
{
	for (enum who w = CA; w < WHO_COUNT; w++)
		issued_free(&made[w]);
}

/* ---- an image ---- */

enum { D_ON, D_OFF, D_TWO, DOMAINS };

#define TRUST_MAX 2

struct crl {
	enum who by;
	enum who revokes; /* NOBODY: none */
	bool old;
};

struct want {
	enum who trust[TRUST_MAX];  /* of the profile */
	enum who domain_trust;	    /* NOBODY: the profile's do */
	enum image_peer_usage usage;
	enum image_crl_check check;
	enum image_crl_expired expired;
	struct crl crl[2];
};

struct world {
	_Alignas(64) uint8_t bytes[16384];
	size_t used;
	struct image img;
};

#define NOW ((int64_t)time(NULL))

static uint64_t put(struct world *w, const void *p, size_t len)
{
	size_t at = (w->used + 63) & ~(size_t)63;

	MUST(at + len <= sizeof(w->bytes));
	if (len)
		memcpy(w->bytes + at, p, len);
	w->used = at + len;
	return at;
}

static struct image_section put_keys(struct world *w, const enum who *of, size_t max)
{
	struct image_spki keys[TRUST_MAX];
	size_t n = 0;

	for (; n < max && of[n] != NOBODY; n++)
		MUST(facts_spki(made[of[n]].cert, keys[n].sha256));
	return (struct image_section){ put(w, keys, n * sizeof(keys[0])), n };
}

static struct image_section put_crls(struct world *w, const struct crl *want)
{
	struct image_crl rows[2] = { 0 };
	size_t n = 0;

	for (; n < 2 && want[n].by != NOBODY; n++) {
		/* Others before and behind it, so that it is looked for. */
		struct image_serial serial[3] = { { .len = 1, .bytes = { 2 } }, { 0 }, { .len = 20, .bytes = { 9 } } };

		MUST(facts_spki(made[want[n].by].cert, rows[n].issuer.sha256));
		rows[n].next_update = NOW + (want[n].old ? -10 : 1000);
		if (want[n].revokes != NOBODY)
			MUST(facts_serial(X509_get0_serialNumber(made[want[n].revokes].cert), &serial[1]));
		else
			serial[1] = serial[0];
		rows[n].revoked = (struct image_section){ put(w, serial, sizeof(serial)), 3 };
	}
	return (struct image_section){ put(w, rows, n * sizeof(rows[0])), n };
}

static void put_dn(struct world *w, struct image_bucket table[4], const char *subject, const uint32_t *domains, uint32_t count)
{
	const struct image_header *h = w->img.h;
	X509_NAME *name = issue_name(subject);
	uint32_t first = count == 1 ? domains[0] : (uint32_t)(put(w, domains, count * sizeof(*domains)) / IMAGE_UNIT);
	uint8_t key[KEY_ROW_MAX];
	static struct dn dn;

	MUST(facts_name_dn(name, &dn) == DN_OK);
	X509_NAME_free(name);
	key_rows_place(table, 4, image_hash(&h->hash_key, dn.bytes, dn.len),
	    (uint32_t)(put(w, key, key_rows_make(key, dn.bytes, dn.len, count, first)) / IMAGE_UNIT));
}

static struct world *world(const struct want *want)
{
	static struct world w;
	struct image_header *h = (void *)w.bytes;
	struct image_bucket table[4];
	struct image_policy policy = { 0 };
	struct image_tls tls = { .peer_usage = want->usage, .crl_check = want->check, .crl_expired = want->expired };
	struct image_domain domain[DOMAINS] = { [D_ON] = { .flags = DOMAIN_ENABLED }, [D_TWO] = { .flags = DOMAIN_ENABLED } };

	memset(&w, 0, sizeof(w));
	w.used = sizeof(*h);
	h->generation = 42;
	w.img = (struct image){ .h = h, .size = sizeof(w.bytes), .settings = &h->settings };
	tls.trust = put_keys(&w, want->trust, TRUST_MAX);
	tls.crls = put_crls(&w, want->crl);
	policy.trust = put_keys(&w, &want->domain_trust, 1);
	key_rows_clear(table, 4);
	put_dn(&w, table, CONFIGURED, (uint32_t[]){ D_ON, D_OFF, D_TWO }, 3);
	put_dn(&w, table, SWITCHED_OFF, (uint32_t[]){ D_OFF }, 1);
	h->tls = (struct image_section){ put(&w, &tls, sizeof(tls)), 1 };
	h->domains = (struct image_section){ put(&w, domain, sizeof(domain)), DOMAINS };
	h->policies = (struct image_section){ put(&w, &policy, sizeof(policy)), 1 };
	h->dn_table = (struct image_section){ put(&w, table, sizeof(table)), 4 };
	w.img.tls = (const void *)(w.bytes + h->tls.off);
	w.img.domain = (const void *)(w.bytes + h->domains.off);
	w.img.policy = (const void *)(w.bytes + h->policies.off);
	return &w;
}

/* ---- by chain ---- */

/* Peers may send what they like; that alone must never matter. */
static const enum who always_sent[] = { INTER, TWIN, LEAF, CODE_INTER, SERVER_INTER };

static struct peer_judgement judge(const struct want *want, uint32_t tls, enum judge_role role, enum who leaf, long later,
    int *error, struct peer_facts **facts)
{
	struct world *w = world(want);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *sent = sk_X509_new_null();
	struct peer_judgement j;

	MUST(store && ctx && sent);
	for (size_t i = 0; i < ARRAY_LEN(always_sent); i++)
		MUST(sk_X509_push(sent, X509_dup(made[always_sent[i]].cert)));
	for (size_t i = 0; i < TRUST_MAX && want->trust[i] != NOBODY; i++)
		MUST(X509_STORE_add_cert(store, made[want->trust[i]].cert));
	judge_store(store);
	MUST(X509_STORE_CTX_init(ctx, store, made[leaf].cert, sent));
	judge_chain(&w->img, tls, &(struct judge_want){ .role = role }, ctx, NOW + later, facts, &j);
	*error = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_pop_free(sent, X509_free);
	return j;
}

static const struct chain_row {
	const char *why;
	enum who leaf;
	struct want want;
	enum peer_verdict verdict;
	enum judge_role role;
	long later; /* s from now */
} chains[] = {
	{ "configured name, trusted CA", LEAF, { .trust = { CA } }, PEER_TRUSTED },
	{ "no extended key usage is any", NO_USAGE, { .trust = { CA } }, PEER_TRUSTED },
	{ "through an intermediate", INTER_LEAF, { .trust = { CA } }, PEER_TRUSTED },
	{ "the domain names the root", INTER_LEAF, { .trust = { CA }, .domain_trust = CA }, PEER_TRUSTED },
	{ "the domain names the intermediate", INTER_LEAF, { .trust = { CA }, .domain_trust = INTER }, PEER_TRUSTED },
	{ "self-signed", SELF, { .trust = { CA } }, PEER_CHAIN_INVALID },
	{ "self-signed, and itself in trust: a leaf has no CA above it", SELF, { .trust = { CA, SELF } }, PEER_CHAIN_INVALID },
	{ "a CA that is not in trust", TWIN_LEAF, { .trust = { CA } }, PEER_CHAIN_INVALID },
	{ "issued by one that is no CA", NOT_CA, { .trust = { CA } }, PEER_CHAIN_INVALID },
	{ "no trust at all", LEAF, { .trust = { NOBODY } }, PEER_CHAIN_INVALID },
	{ "name of the domain's CA, another key", TWIN_LEAF, { .trust = { CA, TWIN }, .domain_trust = CA }, PEER_CA_MISMATCH },
	{ "the other way round", LEAF, { .trust = { CA, TWIN }, .domain_trust = TWIN }, PEER_CA_MISMATCH },
	{ "each with its own CA", TWIN_LEAF, { .trust = { CA, TWIN }, .domain_trust = TWIN }, PEER_TRUSTED },
	{ "CAs of one name: the first made it", NO_USAGE, { .trust = { CA, TWIN }, .domain_trust = CA }, PEER_TRUSTED },
	{ "CAs of one name: the second made it", NO_USAGE, { .trust = { TWIN, CA }, .domain_trust = CA }, PEER_TRUSTED },
	{ "CAs of one name: the other one", TWIN_BLIND, { .trust = { CA, TWIN }, .domain_trust = TWIN }, PEER_TRUSTED },
	{ "CAs of one name: the other one, first", TWIN_BLIND, { .trust = { TWIN, CA }, .domain_trust = TWIN }, PEER_TRUSTED },
	{ "CAs of one name: trusted, but not for the domain", TWIN_BLIND, { .trust = { CA, TWIN }, .domain_trust = CA }, PEER_CA_MISMATCH },
	{ "a CA of the same name was only sent", TWIN_BLIND, { .trust = { CA } }, PEER_CHAIN_INVALID },
	{ "through an intermediate, CAs of one name", INTER_LEAF, { .trust = { TWIN, CA }, .domain_trust = CA }, PEER_TRUSTED },
	{ "self-signed, CAs of one name", SELF, { .trust = { CA, TWIN } }, PEER_CHAIN_INVALID },
	{ "the intermediate was sent, but is not in the verified chain", LEAF, { .trust = { CA }, .domain_trust = INTER },
	    PEER_CA_MISMATCH },
	{ "the leaf's own key as the domain's CA", LEAF, { .trust = { CA }, .domain_trust = LEAF }, PEER_CA_MISMATCH },
	{ "out of date", PAST, { .trust = { CA } }, PEER_EXPIRED },
	{ "not yet", FUTURE, { .trust = { CA } }, PEER_NOT_YET_VALID },
	{ "in date as of the time that is asked about", FUTURE, { .trust = { CA } }, PEER_TRUSTED, .later = 5400 },
	{ "out of date by then", FUTURE, { .trust = { CA } }, PEER_EXPIRED, .later = 7260 },
	{ "not configured", STRANGER, { .trust = { CA } }, PEER_DN_UNKNOWN },
	{ "a CA's own name is not configured either", CA, { .trust = { CA } }, PEER_CHAIN_INVALID },
	{ "empty subject", NAMELESS, { .trust = { CA } }, PEER_DN_UNUSABLE },
	{ "disabled", OFF, { .trust = { CA } }, PEER_DOMAIN_DISABLED },
	{ "for servers, as a client", SERVER, { .trust = { CA } }, PEER_WRONG_USAGE },
	{ "for servers, as a server", SERVER, { .trust = { CA } }, PEER_TRUSTED, JUDGE_SERVER },
	{ "for clients, as a server", LEAF, { .trust = { CA } }, PEER_WRONG_USAGE, JUDGE_SERVER },
	{ "for SIP (RFC 5924), strict", SIP, { .trust = { CA } }, PEER_WRONG_USAGE },
	{ "for servers, any_tls", SERVER, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_TRUSTED },
	{ "for clients as a server, any_tls", LEAF, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_TRUSTED, JUDGE_SERVER },
	{ "for SIP, any_tls", SIP, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_TRUSTED },
	{ "none named, any_tls", NO_USAGE, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_TRUSTED },
	{ "for code, any_tls", CODE, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_WRONG_USAGE },
	{ "for code, strict", CODE, { .trust = { CA } }, PEER_WRONG_USAGE },
	{ "any use at all is no TLS, strict", ANY, { .trust = { CA } }, PEER_WRONG_USAGE },
	{ "any use at all is no TLS, any_tls", ANY, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_WRONG_USAGE },
	{ "by a CA for code, strict", CODE_INTER_LEAF, { .trust = { CA } }, PEER_WRONG_USAGE },
	{ "by a CA for code, any_tls", CODE_INTER_LEAF, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_WRONG_USAGE },
	{ "by a CA for servers, as a client", SERVER_INTER_LEAF, { .trust = { CA } }, PEER_WRONG_USAGE },
	{ "by a CA for servers, any_tls", SERVER_INTER_LEAF, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_TRUSTED },
	{ "a key that may not sign, strict", NO_SIGN, { .trust = { CA } }, PEER_WRONG_USAGE },
	{ "a key that may not sign, any_tls", NO_SIGN, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_WRONG_USAGE },
	{ "any_tls waves no chain through", TWIN_LEAF, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_CHAIN_INVALID },
	{ "a short key", SHORT, { .trust = { CA } }, PEER_WEAK },
	{ "a short key, any_tls", SHORT, { .trust = { CA }, .usage = PEER_USAGE_ANY_TLS }, PEER_WEAK },
	{ "signed with SHA-1", OLD_DIGEST, { .trust = { CA } }, PEER_WEAK },
	{ "revoked", LEAF, { .trust = { CA }, .crl = { { CA, LEAF } } }, PEER_REVOKED },
	{ "revoked, by an old CRL", LEAF, { .trust = { CA }, .crl = { { CA, LEAF, true } } }, PEER_REVOKED },
	{ "revoked by the second CRL of its CA", LEAF, { .trust = { CA }, .crl = { { CA, NOBODY }, { CA, LEAF } } }, PEER_REVOKED },
	{ "the serial is revoked by a CA of the same name", LEAF, { .trust = { CA, TWIN }, .crl = { { TWIN, LEAF } } }, PEER_TRUSTED },
	{ "a CRL that names others", LEAF, { .trust = { CA }, .crl = { { CA, INTER } } }, PEER_TRUSTED },
	{ "an old CRL", LEAF, { .trust = { CA }, .crl = { { CA, NOBODY, true } } }, PEER_CRL_EXPIRED },
	{ "an old CRL, warned of only", LEAF, { .trust = { CA }, .expired = CRL_EXPIRED_WARN, .crl = { { CA, NOBODY, true } } },
	    PEER_TRUSTED },
	{ "an old CRL of another CA", LEAF, { .trust = { CA, TWIN }, .crl = { { TWIN, NOBODY, true } } }, PEER_TRUSTED },
	{ "no CRL, crl_check leaf", LEAF, { .trust = { CA } }, PEER_TRUSTED },
	{ "no CRL, crl_check all", LEAF, { .trust = { CA }, .check = CRL_CHECK_ALL }, PEER_CRL_MISSING },
	{ "a CRL of its CA, crl_check all", LEAF, { .trust = { CA }, .check = CRL_CHECK_ALL, .crl = { { CA, NOBODY } } }, PEER_TRUSTED },
	{ "no CRL of the intermediate, crl_check all", INTER_LEAF,
	    { .trust = { CA }, .check = CRL_CHECK_ALL, .crl = { { CA, NOBODY } } }, PEER_CRL_MISSING },
	{ "CRLs of both, crl_check all", INTER_LEAF,
	    { .trust = { CA }, .check = CRL_CHECK_ALL, .crl = { { CA, NOBODY }, { INTER, NOBODY } } }, PEER_TRUSTED },
	{ "the intermediate is revoked, crl_check all", INTER_LEAF,
	    { .trust = { CA }, .check = CRL_CHECK_ALL, .crl = { { CA, INTER }, { INTER, NOBODY } } }, PEER_REVOKED },
	{ "the intermediate is revoked, crl_check leaf", INTER_LEAF, { .trust = { CA }, .crl = { { CA, INTER } } }, PEER_TRUSTED },
};

Test(judge, chain, .init = make_all, .fini = free_all)
{
	for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
		const struct chain_row *r = &chains[i];
		struct peer_facts *f = NULL;
		int error;
		struct peer_judgement j = judge(&r->want, 0, r->role, r->leaf, r->later, &error, &f);
		bool trusted = r->verdict == PEER_TRUSTED;

		cr_expect_str_eq(peer_verdict_name(j.verdict), peer_verdict_name(r->verdict), "%s: %s (%s)", r->why,
		    peer_verdict_name(j.verdict), X509_verify_cert_error_string(error));
		cr_expect_eq(error == X509_V_OK, trusted, "%s: the handshake ends accordingly", r->why);
		cr_expect_eq(j.domain_count, trusted ? 2 : 0, "%s: %u domains", r->why, j.domain_count);
		if (trusted)
			cr_expect(j.domain[0] == D_ON && j.domain[1] == D_TWO, "%s: in the order of the configuration", r->why);
		cr_expect_eq(j.generation, 42, "%s", r->why);
		cr_assert_not_null(f, "%s: the log wants the name", r->why);
		cr_expect_eq(peer_facts_dn_text(f).len > 0, r->leaf != NAMELESS, "%s", r->why);
		peer_facts_put(f);
	}
}

Test(judge, profile_gone, .init = make_all, .fini = free_all)
{
	struct peer_facts *f = NULL;
	int error;
	struct peer_judgement j = judge(&(struct want){ .trust = { CA } }, IMAGE_NONE, JUDGE_CLIENT, LEAF, 0, &error, &f);

	cr_expect_eq(j.verdict, PEER_CHAIN_INVALID, "removed in the middle of a handshake");
	cr_expect_neq(error, X509_V_OK);
	peer_facts_put(f);
}

/* ---- by facts ---- */

static struct peer_facts *facts_of(enum who a, enum who b, enum who c)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	enum who all[] = { a, b, c };
	struct peer_facts *f;

	for (size_t i = 0; i < ARRAY_LEN(all) && all[i] != NOBODY; i++)
		MUST(sk_X509_push(chain, made[all[i]].cert));
	f = facts_of_chain(chain);
	MUST(f);
	sk_X509_free(chain);
	return f;
}

static const struct facts_row {
	const char *why;
	enum who chain[3];
	struct want want;
	uint32_t tls;
	long later; /* s from now */
	enum peer_verdict verdict;
} facts[] = {
	{ "as in the handshake", { LEAF, CA }, { .trust = { CA } }, 0, 0, PEER_TRUSTED },
	{ "a leaf alone", { LEAF }, { .trust = { CA } }, 0, 0, PEER_CHAIN_INVALID },
	{ "a leaf alone, its own key in trust", { LEAF }, { .trust = { LEAF } }, 0, 0, PEER_CHAIN_INVALID },
	{ "a leaf alone, the profile gone", { LEAF }, { .trust = { CA } }, IMAGE_NONE, 0, PEER_CHAIN_INVALID },
	{ "the profile gone", { LEAF, CA }, { .trust = { NOBODY } }, IMAGE_NONE, 0, PEER_TRUSTED },
	{ "the profile gone, the domain's CA is another", { LEAF, CA }, { .domain_trust = TWIN }, IMAGE_NONE, 0, PEER_CA_MISMATCH },
	{ "the CA was taken from trust", { LEAF, CA }, { .trust = { TWIN } }, 0, 0, PEER_CHAIN_INVALID },
	{ "trust now names the intermediate", { INTER_LEAF, INTER, CA }, { .trust = { INTER } }, 0, 0, PEER_TRUSTED },
	{ "the leaf's end date has passed", { LEAF, CA }, { .trust = { CA } }, 0, 86400 + 60, PEER_EXPIRED },
	{ "before its time", { LEAF, CA }, { .trust = { CA } }, 0, -7200, PEER_NOT_YET_VALID },
	{ "an expired leaf, the profile gone", { PAST, CA }, { .trust = { CA } }, IMAGE_NONE, 0, PEER_EXPIRED },
	{ "a CRL came that names it", { LEAF, CA }, { .trust = { CA }, .crl = { { CA, LEAF } } }, 0, 0, PEER_REVOKED },
	{ "the CRL grows old", { LEAF, CA }, { .trust = { CA }, .crl = { { CA, NOBODY } } }, 0, 1100, PEER_CRL_EXPIRED },
	{ "the DN was removed", { STRANGER, CA }, { .trust = { CA } }, 0, 0, PEER_DN_UNKNOWN },
};

Test(judge, facts, .init = make_all, .fini = free_all)
{
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		const struct facts_row *r = &facts[i];
		struct peer_facts *f = facts_of(r->chain[0], r->chain[1], r->chain[2]);
		struct peer_judgement j;

		judge_facts(&world(&r->want)->img, r->tls, f, NOW + r->later, &j);
		cr_expect_str_eq(peer_verdict_name(j.verdict), peer_verdict_name(r->verdict), "%s: %s", r->why,
		    peer_verdict_name(j.verdict));
		cr_expect_eq(j.domain_count > 0, r->verdict == PEER_TRUSTED, "%s", r->why);
		peer_facts_put(f);
	}
}

/* A name that cannot be compared matches nothing, not even the empty key. */
Test(judge, unusable_name, .init = make_all, .fini = free_all)
{
	struct peer_facts *f = facts_of(LEAF, CA, NOBODY);
	struct peer_judgement j;

	f->dn_status = DN_HAS_NUL;
	judge_facts(&world(&(struct want){ .trust = { CA } })->img, 0, f, NOW, &j);
	cr_expect_eq(j.verdict, PEER_DN_UNUSABLE);
	peer_facts_put(f);
}

Test(judge, valid_until, .init = make_all, .fini = free_all)
{
	struct peer_facts *f = facts_of(LEAF, CA, NOBODY);
	struct want want = { .trust = { CA } };
	struct peer_judgement j;

	f->chain[1].not_after = f->chain[0].not_after - 5;
	judge_facts(&world(&want)->img, 0, f, NOW, &j);
	cr_expect_eq(j.valid_until, f->chain[1].not_after, "the first certificate of the chain to end");
	cr_expect_eq(j.verdict, PEER_TRUSTED);
	judge_facts(&world(&want)->img, 0, f, j.valid_until, &j);
	cr_expect_eq(j.verdict, PEER_TRUSTED, "still in its last second");
	judge_facts(&world(&want)->img, 0, f, j.valid_until + 1, &j);
	cr_expect_eq(j.verdict, PEER_EXPIRED);
	want.crl[0] = (struct crl){ .by = CA };
	judge_facts(&world(&want)->img, 0, f, NOW, &j);
	cr_expect_lt(j.valid_until, NOW + 1001, "the CRL's next update");
	want.expired = CRL_EXPIRED_WARN;
	judge_facts(&world(&want)->img, 0, f, NOW, &j);
	cr_expect_eq(j.valid_until, f->chain[1].not_after, "warned of only");
	peer_facts_put(f);
}

/* ---- by address ---- */

Test(judge, address)
{
	struct world *w = world(&(struct want){ .trust = { NOBODY } });
	struct image_header *h = (void *)w->bytes;
	struct image_domain *d = (void *)(w->bytes + h->domains.off);
	uint32_t domains[] = { D_ON, D_OFF };
	struct image_address_bucket table[2] = { 0 };
	struct image_cidr net = { .addr = { [10] = 0xff, 0xff, 192, 0, 2, 0 }, .bits = 120 };
	uint8_t in[16] = { [10] = 0xff, 0xff, 192, 0, 2, 9 }, out[16] = { [10] = 0xff, 0xff, 192, 0, 3, 9 };
	struct peer_judgement j;

	h->addresses = (struct image_section){ put(w, table, sizeof(table)), 2 };
	judge_address(&w->img, in, false, &j);
	cr_expect_eq(j.verdict, PEER_PLAIN, "nobody has trusted_addresses");
	table[image_prefix_hash(&h->hash_key, &net) & 1] =
	    (struct image_address_bucket){ net, 2, put(w, domains, sizeof(domains)) };
	h->addresses.off = put(w, table, sizeof(table));
	h->address_bits[1] = UINT64_C(1) << (120 - 64);
	judge_address(&w->img, in, false, &j);
	cr_expect(j.verdict == PEER_TRUSTED && j.domain_count == 1 && j.domain[0] == D_ON, "the disabled one does not count");
	cr_expect_eq(j.generation, 42);
	judge_address(&w->img, out, false, &j);
	cr_expect(j.verdict == PEER_PLAIN && j.domain_count == 0, "another network");
	judge_address(&w->img, in, true, &j);
	cr_expect_eq(j.verdict, PEER_PLAIN, "a datagram's source is believed only with trust_udp");
	d[D_ON].flags |= DOMAIN_TRUST_UDP;
	judge_address(&w->img, in, true, &j);
	cr_expect(j.verdict == PEER_TRUSTED && j.domain[0] == D_ON);
}

Test(judge, verdict_names)
{
	for (enum peer_verdict a = PEER_TRUSTED; a < PEER_VERDICT_COUNT; a++)
		for (enum peer_verdict b = PEER_TRUSTED; b < a; b++)
			cr_expect_str_neq(peer_verdict_name(a), peer_verdict_name(b));
}
