/* judge: which of the names that a certificate shows count for which domains, and what else these ask of it. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "common/policy/identity.h"
#include "common/x509/facts.h"
#include "common/x509/judge.h"
#include "common/x509/judgement.h"
#include "master/image_build.h"
#include "support/issue.h"
#include "support/leaks.h"

TestSuite(judge_names, .fini = leaks_check);

#define PARTNER "/C=DE/O=Partner/CN=sip.partner.example"
#define NOBODY "/CN=nobody"

static struct issued ca, leaf;

static void make(const char *subject, const char *names)
{
	ca = issue(&(struct issue){ .subject = "/CN=CA", .ca = true, .key_usage = "keyCertSign" });
	leaf = issue(&(struct issue){ .subject = subject, .by = &ca, .names = names });
}

static void unmake(void)
{
	issued_free(&ca);
	issued_free(&leaf);
}

static struct peer_facts *facts(void)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct peer_facts *f;

	MUST(chain && sk_X509_push(chain, leaf.cert) && sk_X509_push(chain, ca.cert));
	f = facts_of_chain(chain);
	MUST(f);
	sk_X509_free(chain);
	return f;
}

enum pins { NO_PINS, RIGHT_PIN, NEXT_PIN, WRONG_PIN };

/* An entry of the configuration. */
struct entry {
	const char *name, *dn, *san;
	uint32_t flags; /* besides those that the names bring */
	enum pins pins;
	bool other_ca;
};

static struct image_section put_pins(struct image_builder *b, enum pins pins)
{
	struct image_spki rows[2] = { { { 1 } }, { { 2 } } };

	if (pins == RIGHT_PIN || pins == NEXT_PIN)
		MUST(facts_spki(leaf.cert, rows[pins == NEXT_PIN].sha256));
	return image_put_array(b, rows, pins ? 2 : 0, sizeof(*rows));
}

static void put_entry(struct image_builder *b, const struct entry *e)
{
	struct image_domain row = { .name = image_put_ref(b, e->name, strlen(e->name), 1),
		.flags = e->flags | (e->dn ? DOMAIN_HAS_DN : 0) | (e->san ? DOMAIN_HAS_SAN : 0) };
	struct image_spki other = { { 9 } };
	struct image_policy policy = { .tls = 0, .limits = IMAGE_NONE, .auth = IMAGE_NONE, .pins = put_pins(b, e->pins) };
	struct dn dn;
	uint32_t index, key;

	if (e->other_ca)
		policy.trust = image_put_array_once(b, &other, 1, sizeof(other));
	index = image_add_domain(b, &row, &policy);
	(void)image_claim_name(b, index);
	if (e->dn) {
		MUST(dn_from_text(span_str(e->dn), &dn, NULL) == DN_OK);
		key = image_add_dn(b, dn.bytes, dn.len, index);
		image_set_dns(b, index, &key, 1);
	}
	if (e->san)
		image_add_san(b, span_str(e->san), index);
}

static struct image *image_of(const struct entry *entries, size_t count)
{
	struct image_builder *b = image_builder_new(1);
	struct image_spki key;
	struct image_tls tls = { .any_trusted_ca = 1 };
	struct image_cluster cluster = { 0 };
	struct image_identity identity = { .vouches_default = 1 };
	struct image *img;
	int fd;

	MUST(facts_spki(ca.cert, key.sha256));
	tls.trust = image_put_array(b, &key, 1, sizeof(key));
	(void)image_add_tls(b, &tls);
	image_builder_header(b)->default_cluster = image_add_cluster(b, &cluster);
	image_builder_header(b)->identity = image_add_identity(b, &identity);
	for (size_t i = 0; i < count; i++)
		put_entry(b, &entries[i]);
	fd = image_builder_finish(b);
	image_builder_free(b);
	MUST(fd >= 0);
	img = image_attach(fd);
	close(fd);
	cr_assert(img && image_verify(img));
	return img;
}

static const char partner_dn[] = "CN=sip.partner.example,O=Partner,C=DE";

static const struct row {
	const char *why, *subject, *names;
	struct entry entry[2]; /* a.example, and perhaps another one */
	enum peer_verdict verdict;
	uint32_t count;	       /* of the domains that it stands for */
	bool observed;
} rows[] = {
	{ "by DN", PARTNER, NULL, { { "a.example", partner_dn, NULL, DOMAIN_ENABLED } }, PEER_TRUSTED, 1, false },
	{ "by SIP URI", NOBODY, "URI:sip:a.example", { { "a.example", NULL, "a.example", DOMAIN_ENABLED } }, PEER_TRUSTED, 1, false },
	{ "by DNS name", NOBODY, "DNS:A.Example", { { "a.example", NULL, "a.example", DOMAIN_ENABLED } }, PEER_TRUSTED, 1, false },
	{ "a DNS name beside a SIP URI counts for nothing", NOBODY, "URI:sip:b.example,DNS:a.example",
	    { { "a.example", NULL, "a.example", DOMAIN_ENABLED } }, PEER_DN_UNKNOWN, 0, false },
	{ "a URI with a user is a person's", NOBODY, "URI:sip:bob@a.example", { { "a.example", NULL, "a.example", DOMAIN_ENABLED } },
	    PEER_DN_UNKNOWN, 0, false },
	{ "a wildcard names nobody inbound", NOBODY, "DNS:*.example", { { "a.example", NULL, "a.example", DOMAIN_ENABLED } },
	    PEER_DN_UNKNOWN, 0, false },
	{ "never the CN", "/CN=a.example", NULL, { { "a.example", NULL, "a.example", DOMAIN_ENABLED } }, PEER_DN_UNKNOWN, 0, false },
	{ "the name of the entry alone is none that it configures", NOBODY, "DNS:a.example",
	    { { "a.example", partner_dn, NULL, DOMAIN_ENABLED } }, PEER_DN_UNKNOWN, 0, false },
	{ "an empty subject, by SIP URI", "", "URI:sip:a.example", { { "a.example", NULL, "a.example", DOMAIN_ENABLED } }, PEER_TRUSTED, 1,
	    false },
	{ "an empty subject and nothing else", "", NULL, { { "a.example", NULL, "a.example", DOMAIN_ENABLED } }, PEER_DN_UNUSABLE, 0, false },
	{ "any: the DN", PARTNER, NULL, { { "a.example", partner_dn, "a.example", DOMAIN_ENABLED } }, PEER_TRUSTED, 1, false },
	{ "any: the name", NOBODY, "DNS:a.example", { { "a.example", partner_dn, "a.example", DOMAIN_ENABLED } }, PEER_TRUSTED, 1, false },
	{ "all: both", PARTNER, "DNS:a.example", { { "a.example", partner_dn, "a.example", DOMAIN_ENABLED | DOMAIN_MATCH_ALL } },
	    PEER_TRUSTED, 1, false },
	{ "all: the DN alone", PARTNER, "DNS:b.example", { { "a.example", partner_dn, "a.example", DOMAIN_ENABLED | DOMAIN_MATCH_ALL } },
	    PEER_MATCH_INCOMPLETE, 0, false },
	{ "all: the name alone", NOBODY, "DNS:a.example", { { "a.example", partner_dn, "a.example", DOMAIN_ENABLED | DOMAIN_MATCH_ALL } },
	    PEER_MATCH_INCOMPLETE, 0, false },
	{ "all: of one that is configured", PARTNER, NULL, { { "a.example", partner_dn, NULL, DOMAIN_ENABLED | DOMAIN_MATCH_ALL } },
	    PEER_TRUSTED, 1, false },
	{ "pinned", PARTNER, NULL, { { "a.example", partner_dn, NULL, DOMAIN_ENABLED, RIGHT_PIN } }, PEER_TRUSTED, 1, false },
	{ "pinned as the next one", PARTNER, NULL, { { "a.example", partner_dn, NULL, DOMAIN_ENABLED, NEXT_PIN } }, PEER_TRUSTED, 1, false },
	{ "another is pinned", PARTNER, NULL, { { "a.example", partner_dn, NULL, DOMAIN_ENABLED, WRONG_PIN } }, PEER_PIN_MISMATCH, 0, false },
	{ "another CA comes before another pin", PARTNER, NULL, { { "a.example", partner_dn, NULL, DOMAIN_ENABLED, WRONG_PIN, true } },
	    PEER_CA_MISMATCH, 0, false },
	{ "by name, for another CA", NOBODY, "DNS:a.example", { { "a.example", NULL, "a.example", DOMAIN_ENABLED, NO_PINS, true } },
	    PEER_CA_MISMATCH, 0, false },
	{ "disabled", NOBODY, "DNS:a.example", { { "a.example", NULL, "a.example", 0 } }, PEER_DOMAIN_DISABLED, 0, false },
	{ "one by DN, another by name", PARTNER, "DNS:b.example",
	    { { "a.example", partner_dn, NULL, DOMAIN_ENABLED }, { "b.example", NULL, "b.example", DOMAIN_ENABLED } }, PEER_TRUSTED, 2, false },
	{ "one of two is right", PARTNER, "DNS:b.example",
	    { { "a.example", partner_dn, NULL, DOMAIN_ENABLED, WRONG_PIN }, { "b.example", NULL, "b.example", DOMAIN_ENABLED } },
	    PEER_TRUSTED, 1, false },
	{ "by both ways the same, once", PARTNER, "DNS:a.example", { { "a.example", partner_dn, "a.example", DOMAIN_ENABLED } }, PEER_TRUSTED,
	    1, false },
	{ "observed, and right", PARTNER, NULL, { { "a.example", partner_dn, NULL, DOMAIN_ENABLED | DOMAIN_OBSERVE } }, PEER_OBSERVED, 0,
	    true },
	{ "observed, for another CA", PARTNER, NULL, { { "a.example", partner_dn, NULL, DOMAIN_ENABLED | DOMAIN_OBSERVE, NO_PINS, true } },
	    PEER_CA_MISMATCH, 0, true },
	{ "observed, by name, another is pinned", NOBODY, "DNS:a.example",
	    { { "a.example", NULL, "a.example", DOMAIN_ENABLED | DOMAIN_OBSERVE, WRONG_PIN } }, PEER_PIN_MISMATCH, 0, true },
	{ "one observed, the other not", PARTNER, NULL,
	    { { "a.example", partner_dn, NULL, DOMAIN_ENABLED | DOMAIN_OBSERVE }, { "b.example", partner_dn, NULL, DOMAIN_ENABLED } },
	    PEER_TRUSTED, 1, false },
	{ "a stranger beside an observed one", NOBODY, NULL, { { "a.example", partner_dn, NULL, DOMAIN_ENABLED | DOMAIN_OBSERVE } },
	    PEER_DN_UNKNOWN, 0, false },
};

Test(judge_names, inbound)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct peer_judgement j;
		struct peer_facts *f;
		struct image *img;

		make(r->subject, r->names);
		img = image_of(r->entry, r->entry[1].name ? 2 : 1);
		f = facts();
		judge_facts(img, 0, f, time(NULL), &j);
		cr_expect_str_eq(peer_verdict_name(j.verdict), peer_verdict_name(r->verdict), "%s: %s", r->why, peer_verdict_name(j.verdict));
		cr_expect_eq(j.domain_count, r->count, "%s: %u", r->why, j.domain_count);
		cr_expect_eq(j.observed, r->observed, "%s: observed", r->why);
		peer_facts_put(f);
		image_free(img);
		unmake();
	}
}

/* What we connect to: the same, but that nothing waves it through. */
Test(judge_names, outbound)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		bool right = r->verdict == PEER_TRUSTED || r->verdict == PEER_OBSERVED;
		struct peer_judgement j;
		struct peer_facts *f;
		struct image *img;

		if (r->entry[1].name)
			continue; /* which of them was asked for is another question */
		make(r->subject, r->names);
		img = image_of(r->entry, 1);
		f = facts();
		judge_server(img, 0, f, 0, SPAN("a.example"), time(NULL), &j);
		cr_expect_eq(j.verdict == PEER_TRUSTED || j.verdict == PEER_OBSERVED, right, "%s: %s", r->why, peer_verdict_name(j.verdict));
		cr_expect_eq(j.domain_count, j.verdict == PEER_TRUSTED, "%s", r->why);
		cr_expect_eq(j.observed, j.verdict == PEER_OBSERVED, "%s", r->why);
		peer_facts_put(f);
		image_free(img);
		unmake();
	}
}

/* Without any name configured it must be the one that was asked for, and pins count all the same. */
Test(judge_names, outbound_by_the_name_asked_for)
{
	const struct entry plain = { "a.example", NULL, NULL, DOMAIN_ENABLED }, pinned = { "a.example", NULL, NULL, DOMAIN_ENABLED, WRONG_PIN };
	struct peer_judgement j;
	struct peer_facts *f;
	struct image *img;

	make(NOBODY, "DNS:a.example");
	f = facts();
	img = image_of(&plain, 1);
	judge_server(img, 0, f, 0, SPAN("a.example"), time(NULL), &j);
	cr_expect_eq(j.verdict, PEER_TRUSTED);
	judge_server(img, 0, f, 0, SPAN("b.example"), time(NULL), &j);
	cr_expect_eq(j.verdict, PEER_NAME_MISMATCH);
	image_free(img);
	img = image_of(&pinned, 1);
	judge_server(img, 0, f, 0, SPAN("a.example"), time(NULL), &j);
	cr_expect_eq(j.verdict, PEER_PIN_MISMATCH);
	image_free(img);
	peer_facts_put(f);
	unmake();
}

/* Who made it does not matter to who is only watched. */
Test(judge_names, claims)
{
	struct entry e = { "a.example", partner_dn, NULL, DOMAIN_ENABLED | DOMAIN_OBSERVE };
	struct peer_facts *f;
	struct image *img;

	make(PARTNER, NULL);
	f = facts();
	img = image_of(&e, 1);
	cr_expect(judge_claims_observed(img, f));
	image_free(img);
	e.flags = DOMAIN_ENABLED;
	img = image_of(&e, 1);
	cr_expect_not(judge_claims_observed(img, f));
	image_free(img);
	peer_facts_put(f);
	unmake();
}

/* ---- more domains than a judgement lists ---- */

#define MANY 200

static struct entry many[MANY];
static char names[MANY][32];

static struct image *image_of_many(void)
{
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "d%u.example", i);
		many[i] = (struct entry){ names[i], partner_dn, NULL, DOMAIN_ENABLED };
	}
	many[150].flags = 0;
	many[151].other_ca = true;
	many[152].flags |= DOMAIN_OBSERVE;
	many[153].dn = "CN=other";
	return image_of(many, MANY);
}

Test(judge_names, stands_for_more_than_are_listed)
{
	struct peer_judgement j;
	struct peer_facts *f;
	struct image *img;

	make(PARTNER, NULL);
	f = facts();
	img = image_of_many();
	judge_facts(img, 0, f, time(NULL), &j);
	cr_expect_eq(j.verdict, PEER_TRUSTED);
	cr_expect_eq(j.domain_count, PEER_DOMAINS_MAX);
	for (uint32_t i = 0; i < MANY; i++)
		cr_expect_eq(judgement_has(img, &j, i), i < 150 || i > 153, "%u", i);
	j.generation++;
	cr_expect_not(judgement_has(img, &j, 0), "of another image");
	peer_facts_put(f);
	image_free(img);
	unmake();
}

Test(judge_names, the_domain_of_a_message_is_one_of_many)
{
	static const struct {
		const char *from;
		uint32_t domain;
	} asked[] = { { "d3.example", 3 }, { "d199.example", 199 }, { "D77.Example", 77 }, { "d150.example", 0 }, { "x.example", 0 } };
	struct peer_judgement j;
	struct peer_facts *f;
	struct image *img;

	make(PARTNER, NULL);
	f = facts();
	img = image_of_many();
	judge_facts(img, 0, f, time(NULL), &j);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		struct sip_msg msg = { .is_request = true,
			.from.uri = { .scheme = URI_SIP, .host = span_str(asked[i].from) } };

		cr_expect_eq(identity_domain(img, &j, &msg), asked[i].domain, "%s", asked[i].from);
	}
	peer_facts_put(f);
	image_free(img);
	unmake();
}
