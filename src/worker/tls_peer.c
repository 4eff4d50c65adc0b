#include "worker/tls_peer.h"

#include <errno.h>

#include "common/clock.h"
#include "common/x509/facts.h"
#include "common/x509/judgement.h"
#include "worker/known.h"

static const struct image *committed;
static int ssl_index = -1;

int tls_peer_init(void)
{
	if (ssl_index == -1)
		ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return ssl_index == -1 ? -ENOMEM : 0;
}

void tls_peer_judge_by(const struct image *img)
{
	committed = img;
}

bool tls_peer_attach(struct tls_peer *p, SSL *ssl)
{
	return SSL_set_ex_data(ssl, ssl_index, p);
}

struct tls_peer *tls_peer_of(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, ssl_index);
}

void tls_peer_done(struct tls_peer *p)
{
	peer_facts_put(p->facts);
	p->facts = NULL;
}

struct judge_want tls_peer_want(const struct tls_peer *p)
{
	const struct tls_expect *e = &p->expect;

	switch (p->kind) {
	case PEER_FROM_OUTSIDE:
		return (struct judge_want){ .role = JUDGE_CLIENT, .as = JUDGE_PEER };
	case PEER_FROM_INSIDE:
		return (struct judge_want){ .role = JUDGE_CLIENT, .as = JUDGE_ANY_CONTAINER };
	case PEER_EXPECTED:
		break;
	}
	if (e->kind == EXPECT_DOMAIN)
		return (struct judge_want){ .role = JUDGE_SERVER,
			.as = JUDGE_DOMAIN,
			.domain = image_find_id(committed, IMAGE_ID_BACK, e->id),
			.name = e->name };
	return (struct judge_want){ .role = JUDGE_SERVER, .as = JUDGE_CONTAINER, .server = *e->server };
}

/* A chain that was verified before needs its facts judged only; false: it does need all. */
static bool judge_known(struct tls_peer *p, const struct judge_want *want, const struct known_proof *proof, X509_STORE_CTX *store,
    int64_t now)
{
	struct peer_facts *facts = known_find(proof);

	if (!facts)
		return false;
	judge_wanted(committed, *p->profile, want, facts, now, &p->judgement);
	if (p->judgement.verdict != PEER_TRUSTED)
		return false; /* there may be another path to an anchor */
	p->facts = peer_facts_get(facts);
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return true;
}

static void judge_presented(struct tls_peer *p, X509_STORE_CTX *store, int64_t now)
{
	struct judge_want want = tls_peer_want(p);
	struct known_under under = { .generation = committed->h->generation, .tls = *p->profile, .role = want.role };
	struct known_proof proof;
	bool proved;

	memcpy(under.binding, p->binding, sizeof(under.binding));
	proved = known_proof_of(&under, store, &proof);

	if (proved && judge_known(p, &want, &proof, store, now))
		return;
	judge_chain(committed, *p->profile, &want, store, now, &p->facts, &p->judgement);
	X509_STORE_CTX_set0_verified_chain(store, NULL); /* or the connection would keep it */
	if (proved && p->judgement.verdict == PEER_TRUSTED)
		p->facts = known_keep(&proof, p->facts);
}

int tls_peer_verify(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_peer *p = tls_peer_of(ssl);
	int64_t now = clock_wall_s();

	tls_peer_done(p);
	p->presented = true;
	p->handshake = now;
	judge_presented(p, store, now);
	if (p->observe)
		judgement_observe(&p->judgement);
	if (p->judgement.verdict == PEER_TRUSTED)
		return 1;
	/* The store would not give this session out again: do not let the peer try. */
	(void)SSL_set_num_tickets(ssl, 0); /* cannot fail */
	return !p->required || p->judgement.observed;
}

void tls_peer_observe(struct tls_peer *p, SSL *ssl)
{
	p->observe = true;
	p->required = false;
	if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
		SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
}

bool tls_peer_acceptable(const struct tls_peer *p, struct peer_facts *facts, int64_t handshake,
    struct peer_judgement *out)
{
	struct judge_want want = tls_peer_want(p);
	const struct image_tls *profile;
	int64_t now = clock_wall_s();

	/* A profile that a reload has removed takes nobody any more. */
	*out = (struct peer_judgement){ .verdict = PEER_TRUSTED }; /* for no domain */
	if (*p->profile == IMAGE_NONE || p->observe)
		return false;
	profile = &committed->tls[*p->profile];
	if (!profile->resumption || handshake > now || (uint64_t)(now - handshake) >= profile->resumption_lifetime)
		return false;
	if (!facts) {
		judgement_none(out, committed, PEER_NO_CERTIFICATE);
		return !p->required;
	}
	judge_wanted(committed, *p->profile, &want, facts, now, out);
	return out->verdict == PEER_TRUSTED;
}

void tls_peer_anonymous(struct tls_peer *p)
{
	tls_peer_done(p);
	p->handshake = clock_wall_s();
	judgement_none(&p->judgement, committed, PEER_NO_CERTIFICATE);
	if (p->observe)
		judgement_observe(&p->judgement);
}

bool tls_peer_resume(struct tls_peer *p, struct peer_facts *facts, int64_t handshake)
{
	struct peer_judgement judgement;

	bool ok = tls_peer_acceptable(p, facts, handshake, &judgement);

	tls_peer_done(p);
	p->facts = facts ? peer_facts_get(facts) : NULL;
	p->handshake = handshake;
	p->judgement = judgement;
	return ok;
}
