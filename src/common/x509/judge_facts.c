#include "common/dn.h"
#include "common/x509/facts.h"
#include "common/x509/judge.h"
#include "common/x509/judgement.h"

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

/* ---- domains ---- */

#define CANDIDATES_MAX 4096u /* of one name that are looked at */
#define CLAIMED_MAX 64u

/* What the peer shows, looked up once. */
struct shown {
	const struct image *img;
	const struct peer_facts *facts;
	struct image_domains by_dn;
};

static struct shown look_up(const struct image *img, const struct peer_facts *f)
{
	struct shown s = { .img = img, .facts = f };

	if (f->dn_status == DN_OK)
		s.by_dn = image_find_dn(img, (const uint8_t *)peer_facts_dn(f).p, f->dn_len);
	return s;
}

/* RFC 5922 7.1 and 7.2: its SIP domain identities, of which a wildcard names nobody. */
static bool next_by_san(const struct shown *s, size_t *at, struct image_domains *out)
{
	struct span name;

	if (!peer_facts_next_name(s->facts, at, &name))
		return false;
	*out = image_find_san(s->img, name);
	return true;
}

static bool shows_san(const struct shown *s, uint32_t domain)
{
	struct image_domains hits;

	for (size_t at = 0; next_by_san(s, &at, &hits);)
		if (image_list_has(hits.index, hits.count, domain))
			return true;
	return false;
}

static bool shows_dn(const struct shown *s, uint32_t domain)
{
	return image_list_has(s->by_dn.index, s->by_dn.count, domain);
}

/* Does what it shows name the domain? */
static enum peer_verdict check_names(const struct shown *s, uint32_t domain)
{
	uint32_t flags = s->img->domain[domain].flags;
	bool dn = shows_dn(s, domain), san = (!dn || flags & DOMAIN_MATCH_ALL) && shows_san(s, domain);

	if (!dn && !san)
		return PEER_DN_UNKNOWN;
	if (flags & DOMAIN_MATCH_ALL && ((flags & DOMAIN_HAS_DN && !dn) || (flags & DOMAIN_HAS_SAN && !san)))
		return PEER_MATCH_INCOMPLETE;
	return PEER_TRUSTED;
}

/* What a domain asks of who has one of its names. */
static enum peer_verdict check_terms(const struct shown *s, uint32_t domain)
{
	const struct image_policy *p = image_policy_of(s->img, domain);
	enum peer_verdict use;

	if (p->trust.count && !is_above(s->img, p->trust, s->facts))
		return PEER_CA_MISMATCH;
	if (p->pins.count && !has_key(s->img, p->pins, s->facts->chain[0].key))
		return PEER_PIN_MISMATCH;
	use = judge_use(s->img, domain);
	return use == PEER_TRUSTED && s->img->domain[domain].flags & DOMAIN_OBSERVE ? PEER_OBSERVED : use;
}

static enum peer_verdict check_domain(const struct shown *s, uint32_t domain)
{
	enum peer_verdict v = check_names(s, domain);

	return v == PEER_TRUSTED ? check_terms(s, domain) : v;
}

/* Add those that it stands for; *furthest is how far it got with the others. */
static void add_domains(const struct shown *s, struct image_domains hits, struct peer_judgement *out, enum peer_verdict *furthest)
{
	uint32_t added = 0;

	for (uint32_t i = 0; i < MIN(hits.count, CANDIDATES_MAX) && added < PEER_DOMAINS_MAX; i++) {
		enum peer_verdict v = check_domain(s, hits.index[i]);

		out->observed = out->observed || s->img->domain[hits.index[i]].flags & DOMAIN_OBSERVE;
		if (v != PEER_TRUSTED) {
			*furthest = MAX(*furthest, v);
			continue;
		}
		out->domain_count = image_list_add(out->domain, out->domain_count, PEER_DOMAINS_MAX, hits.index[i]);
		added++;
	}
}

static void find_domains(const struct shown *s, struct peer_judgement *out)
{
	enum peer_verdict furthest = PEER_DN_UNKNOWN;
	struct image_domains hits;

	add_domains(s, s->by_dn, out, &furthest);
	for (size_t at = 0; next_by_san(s, &at, &hits);)
		add_domains(s, hits, out, &furthest);
	if (out->domain_count == 0) {
		out->verdict = furthest;
		return;
	}
	out->observed = false;
	if (s->by_dn.count > PEER_DOMAINS_MAX) {
		out->all = s->by_dn.index;
		out->all_count = s->by_dn.count;
	}
}

static bool any_observed(const struct shown *s, struct image_domains hits)
{
	for (uint32_t i = 0; i < MIN(hits.count, CLAIMED_MAX); i++)
		if (s->img->domain[hits.index[i]].flags & DOMAIN_OBSERVE)
			return true;
	return false;
}

/* Whoever made it: `enforce: false` is there to see what would be refused.  Strangers may ask, so it is cheap. */
bool judge_claims_observed(const struct image *img, const struct peer_facts *facts)
{
	struct shown s = look_up(img, facts);
	struct image_domains hits;

	if (any_observed(&s, s.by_dn))
		return true;
	for (size_t at = 0; next_by_san(&s, &at, &hits);)
		if (any_observed(&s, hits))
			return true;
	return false;
}

/* ---- peers ---- */

/* Dates, the profile's trust and CRLs: what every peer with a certificate is asked. */
static void check_chain(const struct image *img, uint32_t tls, const struct peer_facts *facts, int64_t now,
    struct peer_judgement *out)
{
	int64_t until = INT64_MAX;

	judgement_none(out, img, check_dates(facts, now, &until));
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
	out->domain_count = out->all_count = 0;
	out->valid_until = INT64_MAX;
}

/* A name that cannot be compared is no name to go by; without any, those in the extension may do. */
static bool is_usable(const struct peer_facts *f)
{
	return f->dn_status == DN_OK || (f->dn_status == DN_EMPTY && f->names_len);
}

void judge_facts(const struct image *img, uint32_t tls, const struct peer_facts *facts, int64_t now,
    struct peer_judgement *out)
{
	struct shown s = look_up(img, facts);

	check_chain(img, tls, facts, now, out);
	if (out->verdict == PEER_TRUSTED && !is_usable(facts))
		out->verdict = PEER_DN_UNUSABLE;
	if (out->verdict == PEER_TRUSTED)
		find_domains(&s, out);
	else
		out->observed = judge_claims_observed(img, facts);
	finish(out);
}

/* ---- whom we connected to, and containers ---- */

/* The names that its entry says, or else the one that was asked for (RFC 5922 7.2). */
static enum peer_verdict check_asked(const struct shown *s, uint32_t domain, struct span name)
{
	uint32_t flags = s->img->domain[domain].flags;

	if (flags & (DOMAIN_HAS_DN | DOMAIN_HAS_SAN))
		return flags & DOMAIN_HAS_DN && !is_usable(s->facts) ? PEER_DN_UNUSABLE : check_names(s, domain);
	return peer_facts_named(s->facts, name, flags & DOMAIN_ALLOW_WILDCARD) ? PEER_TRUSTED : PEER_NAME_MISMATCH;
}

/* By the names of its entry it stands for all entries of these; the one that was asked for is among them in any case. */
static void expected(const struct image *img, const struct peer_facts *f, uint32_t domain, struct span name,
    struct peer_judgement *out)
{
	struct shown s = look_up(img, f);
	enum peer_verdict use = judge_use(img, domain), terms = check_terms(&s, domain);

	out->verdict = use != PEER_TRUSTED ? use : terms == PEER_CA_MISMATCH ? terms : check_asked(&s, domain, name);
	if (out->verdict != PEER_TRUSTED || terms != PEER_TRUSTED) {
		out->verdict = out->verdict == PEER_TRUSTED ? terms : out->verdict;
		out->observed = out->verdict == PEER_OBSERVED;
		return;
	}
	if (img->domain[domain].flags & (DOMAIN_HAS_DN | DOMAIN_HAS_SAN))
		find_domains(&s, out);
	out->observed = false;
	for (uint32_t i = 0; i < out->domain_count; i++)
		if (out->domain[i] == domain)
			return;
	if (out->domain_count == PEER_DOMAINS_MAX)
		out->domain[PEER_DOMAINS_MAX - 1] = domain;
	else
		out->domain[out->domain_count++] = domain;
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

/* ---- without TLS ---- */

void judge_address(const struct image *img, const uint8_t addr[16], bool datagram, struct peer_judgement *out)
{
	uint32_t found[PEER_DOMAINS_MAX], count;

	judgement_none(out, img, PEER_PLAIN);
	count = image_find_address(img, addr, datagram ? DOMAIN_TRUST_UDP : 0, found, PEER_DOMAINS_MAX);
	for (uint32_t i = 0; i < count; i++)
		if (!(img->domain[found[i]].flags & DOMAIN_OBSERVE))
			out->domain[out->domain_count++] = found[i];
	if (count)
		out->verdict = PEER_TRUSTED;
	if (count && !out->domain_count)
		judgement_observe(out);
}
