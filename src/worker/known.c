#include "worker/known.h"

#include <openssl/evp.h>

#include "common/x509/facts.h"

#define SLOTS 4096 /* a power of two; where two peers meet, the later one stays */

static struct slot {
	struct peer_facts *facts; /* NULL: free */
	uint8_t proof[32];	  /* all 0: none */
} slots[SLOTS];

/* By the leaf's digest, which nobody chooses who has no certificate of a trusted CA. */
static struct slot *slot_of(const uint8_t leaf[static 32])
{
	uint32_t n;

	memcpy(&n, leaf, sizeof(n));
	return &slots[n & (SLOTS - 1)];
}

static bool add_certificate(EVP_MD_CTX *md, const X509 *cert, uint8_t digest[static 32])
{
	return X509_digest(cert, EVP_sha256(), digest, NULL) == 1 && EVP_DigestUpdate(md, digest, 32) == 1;
}

bool known_proof_of(const struct known_under *under, X509_STORE_CTX *ctx, struct known_proof *out)
{
	const STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);
	const X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t digest[32];
	bool ok = md && leaf && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
		  EVP_DigestUpdate(md, under, sizeof(*under)) == 1 && add_certificate(md, leaf, out->leaf);

	/* What was sent may have the leaf in it, which we have. */
	for (int i = 0; ok && i < sk_X509_num(sent); i++)
		ok = sk_X509_value(sent, i) == leaf || add_certificate(md, sk_X509_value(sent, i), digest);
	ok = ok && EVP_DigestFinal_ex(md, out->whole, NULL) == 1;
	EVP_MD_CTX_free(md);
	return ok;
}

struct peer_facts *known_find(const struct known_proof *proof)
{
	struct slot *s = slot_of(proof->leaf);

	return s->facts && memcmp(s->proof, proof->whole, sizeof(s->proof)) == 0 ? s->facts : NULL;
}

/* Beside the count of references, which comes first. */
static bool same(const struct peer_facts *a, const struct peer_facts *b)
{
	const size_t from = sizeof(a->references);
	size_t len = peer_facts_size(a);

	return len == peer_facts_size(b) && memcmp((const uint8_t *)a + from, (const uint8_t *)b + from, len - from) == 0;
}

/* The slot's facts from now on: those it has if they are equal.  The caller's reference becomes one to the result. */
static struct peer_facts *put(struct slot *s, struct peer_facts *facts)
{
	struct peer_facts *old = s->facts;

	if (old && same(old, facts)) {
		peer_facts_put(facts);
		return peer_facts_get(old);
	}
	s->facts = peer_facts_get(facts);
	memset(s->proof, 0, sizeof(s->proof));
	peer_facts_put(old);
	return facts;
}

struct peer_facts *known_keep(const struct known_proof *proof, struct peer_facts *facts)
{
	struct slot *s = slot_of(facts->leaf);

	facts = put(s, facts);
	memcpy(s->proof, proof->whole, sizeof(s->proof));
	return facts;
}

struct peer_facts *known_share(struct peer_facts *facts)
{
	return put(slot_of(facts->leaf), facts);
}
