/* known: a chain counts as verified under exactly what it was verified under, and equal facts are one record. */
#include <criterion/criterion.h>

#include "common/x509/facts.h"
#include "support/issue.h"
#include "support/leaks.h"
#include "worker/known.h"

TestSuite(known, .fini = leaks_check);

static struct issued ca, other_ca, peer, other;

static void make(void)
{
	ca = issue(&(struct issue){ .subject = "/CN=CA", .ca = true });
	other_ca = issue(&(struct issue){ .subject = "/CN=Other CA", .ca = true });
	peer = issue(&(struct issue){ .subject = "/O=Partner/CN=peer", .by = &ca });
	other = issue(&(struct issue){ .subject = "/O=Partner/CN=peer", .by = &ca });
}

static void unmake(void)
{
	issued_free(&ca);
	issued_free(&other_ca);
	issued_free(&peer);
	issued_free(&other);
}

static struct peer_facts *facts_of(const struct issued *leaf)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct peer_facts *f;

	MUST(chain && sk_X509_push(chain, leaf->cert) && sk_X509_push(chain, ca.cert));
	f = facts_of_chain(chain);
	MUST(f);
	sk_X509_free(chain);
	return f;
}

/* As if these had been presented. */
static struct known_proof proof(struct known_under under, const struct issued *leaf, const struct issued *above)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *sent = sk_X509_new_null();
	X509_STORE *store = X509_STORE_new();
	struct known_proof p;

	MUST(ctx && sent && store && sk_X509_push(sent, leaf->cert) && (!above || sk_X509_push(sent, above->cert)) &&
	    X509_STORE_CTX_init(ctx, store, leaf->cert, sent) == 1);
	MUST(known_proof_of(&under, ctx, &p));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(sent);
	return p;
}

Test(known, verified_is_what_was_verified_and_nothing_else)
{
	const struct known_under under = { 7, { 1 }, 0, JUDGE_CLIENT };
	struct known_under changed[] = { under, under, under, under };
	struct known_proof p;
	struct peer_facts *f;

	make();
	p = proof(under, &peer, NULL);
	cr_assert_null(known_find(&p));
	f = known_keep(&p, facts_of(&peer));
	cr_assert_eq(known_find(&p), f);
	changed[0].generation = 8;
	changed[1].binding[31] = 1;
	changed[2].tls = 1;
	changed[3].role = JUDGE_SERVER;
	for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
		p = proof(changed[i], &peer, NULL);
		cr_assert_null(known_find(&p), "%zu", i);
	}
	p = proof(under, &other, NULL);
	cr_assert_null(known_find(&p), "another certificate of the same name");
	p = proof(under, &peer, &ca);
	cr_assert_null(known_find(&p), "another chain");
	p = proof(under, &peer, &other_ca);
	cr_assert_null(known_find(&p), "yet another");
	peer_facts_put(f);
	unmake();
}

Test(known, equal_facts_are_shared_and_prove_nothing)
{
	const struct known_under under = { 7, { 1 }, 0, JUDGE_CLIENT };
	struct peer_facts *f, *g, *h;
	struct known_proof p;

	make();
	f = known_share(facts_of(&peer));
	p = proof(under, &peer, NULL);
	cr_assert_null(known_find(&p));
	g = known_keep(&p, facts_of(&peer));
	cr_assert_eq(f, g);
	cr_assert_eq(known_find(&p), f);
	h = known_share(facts_of(&peer));
	cr_assert_eq(f, h);
	cr_assert_eq(known_find(&p), f, "it stays proved");
	cr_assert_eq(f->references, 4, "three of ours and the table's");
	h = facts_of(&peer);
	h->chain[0].not_after++;
	h = known_share(h);
	cr_assert_neq(f, h);
	cr_assert_null(known_find(&p), "other facts take the place, without its proof");
	peer_facts_put(f);
	peer_facts_put(g);
	peer_facts_put(known_share(facts_of(&peer)));
	peer_facts_put(h);
	peer_facts_put(f);
	unmake();
}
