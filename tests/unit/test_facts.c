/*
 * facts: the canonical form of a certificate's name is equal to another exactly
 * when OpenSSL says so, and every text that OpenSSL or we print of it leads
 * back to it.  Names are made at random, from one seed.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <openssl/x509.h>

#include "common/dn_internal.h"
#include "common/x509/facts.h"
#include "support/issue.h"

#define PAIRS 20000

static uint64_t seed = 20240229;

static unsigned roll(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((seed >> 33) % below);
}

/* One attribute to be: characters, and how they stand in the certificate. */
struct part {
	const char *type;
	int tag;
	bool joins; /* the RDN before it */
	unsigned len;
	uint32_t text[12];
};

#define PARTS_MAX 5

struct name {
	unsigned count;
	struct part part[PARTS_MAX];
};

/* All that OpenSSL takes in a name; a VisibleString is a certificate that does not parse. */
static const int tags[] = { V_ASN1_UTF8STRING, V_ASN1_PRINTABLESTRING, V_ASN1_T61STRING, V_ASN1_BMPSTRING,
	V_ASN1_UNIVERSALSTRING, V_ASN1_IA5STRING, V_ASN1_NUMERICSTRING, V_ASN1_BIT_STRING };

/* The largest character of an encoding. */
static uint32_t largest(int tag)
{
	switch (tag) {
	case V_ASN1_UTF8STRING:
	case V_ASN1_UNIVERSALSTRING:
		return 0x10ffff;
	case V_ASN1_BMPSTRING:
		return 0xffff;
	case V_ASN1_T61STRING:
	case V_ASN1_BIT_STRING:
		return 0xff;
	}
	return 0x7f;
}

static bool fits(const struct part *p, int tag)
{
	for (unsigned i = 0; i < p->len; i++)
		if (p->text[i] > largest(tag))
			return false;
	return true;
}

static uint32_t any_character(void)
{
	/* Few of each kind, so that equal names come up by themselves. */
	static const uint32_t pool[] = { 'a', 'A', 'b', 'B', 'z', 'Z', ' ', ' ', '\t', '\n', '\v', '\f', '\r', '0', '.', '-', ',', '+',
		'"', '\\', '<', '>', ';', '=', '#', '/', 0x01, 0x1f, 0x7f, 0x85, 0xa0, 0xc4, 0xe4, 0xdf, 0x130, 0x2028, 0x3000,
		0xfeff, 0x1f600 };

	return pool[roll(ARRAY_LEN(pool))];
}

static struct part any_part(void)
{
	static const char *const types[] = { "CN", "O", "OU", "C", "surname", "serialNumber", "emailAddress", "DC", "UID", "1.2.3.4.5" };
	struct part p = { .type = types[roll(ARRAY_LEN(types))], .joins = roll(4) == 0, .len = roll(5) };

	for (unsigned i = 0; i < p.len; i++)
		p.text[i] = any_character();
	do
		p.tag = tags[roll(ARRAY_LEN(tags))];
	while (!fits(&p, p.tag));
	return p;
}

static struct name any_name(void)
{
	struct name n = { .count = 1 + roll(PARTS_MAX) };

	for (unsigned i = 0; i < n.count; i++)
		n.part[i] = any_part();
	return n;
}

/* Change one thing; most of them leave the name equal, some do not. */
static void mutate(struct name *n)
{
	struct part *p = &n->part[roll(n->count)], *other = &n->part[roll(n->count)], was;
	unsigned i = p->len ? roll(p->len) : 0;
	int tag = tags[roll(ARRAY_LEN(tags))];

	switch (roll(8)) {
	case 0:
		if (fits(p, tag))
			p->tag = tag;
		break;
	case 1:
		if (p->len && p->text[i] < 0x80 && isalpha((int)p->text[i]))
			p->text[i] ^= 0x20;
		break;
	case 2: /* a blank more somewhere */
		memmove(p->text + i + 1, p->text + i, (p->len - i) * sizeof(p->text[0]));
		p->text[i] = " \t\n"[roll(3)];
		p->len++;
		break;
	case 3:
		p->joins = !p->joins;
		break;
	case 4: /* order inside an RDN does not count, between RDNs it does */
		was = *p;
		*p = *other;
		*other = was;
		break;
	case 5:
		if (p->len)
			p->text[i] = any_character();
		if (!fits(p, p->tag))
			p->tag = V_ASN1_UTF8STRING;
		break;
	case 6:
		p->len -= p->len > 0;
		break;
	default:
		break;
	}
}

static size_t encode(const struct part *p, unsigned char *out)
{
	size_t n = 0;

	for (unsigned i = 0; i < p->len; i++) {
		uint32_t c = p->text[i];

		if (p->tag == V_ASN1_UTF8STRING) {
			n += dn_put_utf8(c, out + n);
			continue;
		}
		for (int width = p->tag == V_ASN1_BMPSTRING ? 2 : p->tag == V_ASN1_UNIVERSALSTRING ? 4 : 1; width--;)
			out[n++] = (unsigned char)(c >> (8 * width));
	}
	return n;
}

static X509_NAME *build(const struct name *n)
{
	X509_NAME *name = X509_NAME_new();

	MUST(name);
	for (unsigned i = 0; i < n->count; i++) {
		const struct part *p = &n->part[i];
		unsigned char bytes[64];
		size_t len = encode(p, bytes);

		MUST(X509_NAME_add_entry_by_txt(name, p->type, p->tag, bytes, (int)len, -1, p->joins && i ? -1 : 0));
	}
	return name;
}

static struct dn canonical(const X509_NAME *name)
{
	struct dn dn;
	enum dn_status st = facts_name_dn(name, &dn);

	cr_assert_eq(st, DN_OK, "%s", dn_status_name(st));
	return dn;
}

static bool equal(const struct dn *a, const struct dn *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static const char *shown(const X509_NAME *name)
{
	static char text[2][2048];
	static unsigned which;
	char *out = text[which++ & 1];
	size_t n = facts_name_print(name, out, sizeof(text[0]) - 1);

	out[n] = '\0';
	return out;
}

Test(facts, equal_as_openssl_says)
{
	unsigned same = 0, other = 0;

	for (unsigned i = 0; i < PAIRS; i++) {
		struct name a = any_name(), b = a;
		X509_NAME *x, *y;
		struct dn p, q;
		int cmp;

		for (unsigned k = 1 + roll(4); k; k--)
			mutate(&b);
		x = build(&a);
		y = build(&b);
		cmp = X509_NAME_cmp(x, y);
		cr_assert_neq(cmp, -2);
		p = canonical(x);
		q = canonical(y);
		cr_assert_eq(equal(&p, &q), cmp == 0, "pair %u: %s | %s", i, shown(x), shown(y));
		*(cmp ? &other : &same) += 1;
		X509_NAME_free(x);
		X509_NAME_free(y);
	}
	/* Else the pairs would prove nothing. */
	cr_expect_gt(same, PAIRS / 5, "%u equal", same);
	cr_expect_gt(other, PAIRS / 5, "%u different", other);
}

/* What a certificate carries is parsed, not built: the same after a round through DER. */
Test(facts, through_der)
{
	for (unsigned i = 0; i < PAIRS / 10; i++) {
		struct name n = any_name();
		X509_NAME *x = build(&n), *y;
		unsigned char *der = NULL;
		int len = i2d_X509_NAME(x, &der);
		const unsigned char *p = der;
		struct dn a = canonical(x), b;

		y = d2i_X509_NAME(NULL, &p, len);
		MUST(y);
		b = canonical(y);
		cr_assert(equal(&a, &b), "%s", shown(x));
		OPENSSL_free(der);
		X509_NAME_free(x);
		X509_NAME_free(y);
	}
}

static void expect_same(const char *text, size_t len, const struct dn *want, const char *by)
{
	struct dn got;
	size_t where;
	enum dn_status st = dn_from_text(span_of(text, len), &got, &where);

	cr_assert_eq(st, DN_OK, "%s: %.*s: %s at %zu", by, (int)len, text, dn_status_name(st), where);
	cr_assert(equal(&got, want), "%s: %.*s", by, (int)len, text);
}

Test(facts, printed_and_read_again)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		struct name n = any_name();
		X509_NAME *x = build(&n);
		struct dn want = canonical(x);
		char text[2048];

		expect_same(text, facts_name_print(x, text, sizeof(text)), &want, "ours");
		expect_same(text, dn_print(want.bytes, want.len, text, sizeof(text)), &want, "of the canonical form");
		X509_NAME_free(x);
	}
}

/* `openssl x509 -subject -nameopt RFC2253`, except for what it does not tell: SN, that a string is numeric, a lone sharp. */
static bool rfc2253_tells_all(const struct name *n)
{
	for (unsigned i = 0; i < n->count; i++) {
		const struct part *p = &n->part[i];

		if (strcmp(p->type, "surname") == 0 || p->tag == V_ASN1_NUMERICSTRING || (p->len == 1 && p->text[0] == '#'))
			return false;
	}
	return true;
}

Test(facts, rfc2253_of_openssl)
{
	static const unsigned long flags[] = { XN_FLAG_RFC2253, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB,
		(XN_FLAG_RFC2253 & ~XN_FLAG_SEP_MASK) | XN_FLAG_SEP_CPLUS_SPC, (XN_FLAG_RFC2253 & ~XN_FLAG_FN_MASK) | XN_FLAG_FN_OID };
	unsigned seen = 0;

	for (unsigned i = 0; i < PAIRS / 2; i++) {
		struct name n = any_name();
		X509_NAME *x = build(&n);
		struct dn want = canonical(x);
		BIO *b = BIO_new(BIO_s_mem());
		char *text;
		long len;

		if (rfc2253_tells_all(&n)) {
			cr_assert_geq(X509_NAME_print_ex(b, x, 0, flags[i % ARRAY_LEN(flags)]), 0);
			len = BIO_get_mem_data(b, &text);
			expect_same(text, (size_t)len, &want, "RFC2253");
			seen++;
		}
		BIO_free(b);
		X509_NAME_free(x);
	}
	cr_expect_gt(seen, PAIRS / 20);
}

/* X509_NAME_oneline tells no encodings, and does not escape backslashes. */
static bool oneline_tells_all(const struct name *n)
{
	for (unsigned i = 0; i < n->count; i++) {
		const struct part *p = &n->part[i];

		if (strcmp(p->type, "surname") == 0 || p->tag == V_ASN1_NUMERICSTRING || p->tag == V_ASN1_BIT_STRING ||
		    p->tag == V_ASN1_BMPSTRING || p->tag == V_ASN1_UNIVERSALSTRING)
			return false;
		for (unsigned k = 0; k < p->len; k++)
			if (p->text[k] == '\\' || (p->text[k] > 0x7f && p->tag != V_ASN1_UTF8STRING))
				return false;
	}
	return true;
}

Test(facts, oneline_of_openssl)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < PAIRS; i++) {
		struct name n = any_name();
		X509_NAME *x = build(&n);
		struct dn want = canonical(x);
		char text[4096];

		if (oneline_tells_all(&n)) {
			cr_assert_not_null(X509_NAME_oneline(x, text, sizeof(text)));
			expect_same(text, strlen(text), &want, "oneline");
			seen++;
		}
		X509_NAME_free(x);
	}
	cr_expect_gt(seen, PAIRS / 20);
}

/* ---- names that match nothing ---- */

static enum dn_status status_of(int tag, const char *bytes, int len)
{
	X509_NAME *name = X509_NAME_new();
	enum dn_status st;
	struct dn dn;

	MUST(name && X509_NAME_add_entry_by_NID(name, NID_commonName, tag, (const unsigned char *)bytes, len, -1, 0));
	st = facts_name_dn(name, &dn);
	X509_NAME_free(name);
	return st;
}

Test(facts, unusable_names)
{
	X509_NAME *empty = X509_NAME_new();
	struct dn dn;
	char text[8];

	cr_expect_eq(facts_name_dn(empty, &dn), DN_EMPTY);
	cr_expect_eq(facts_name_print(empty, text, sizeof(text)), 0);
	X509_NAME_free(empty);
	cr_expect_eq(status_of(V_ASN1_UTF8STRING, "a\0b", 3), DN_HAS_NUL);
	cr_expect_eq(status_of(V_ASN1_BMPSTRING, "\0a\0\0", 4), DN_HAS_NUL);
	cr_expect_eq(status_of(V_ASN1_NUMERICSTRING, "1\0", 2), DN_HAS_NUL);
	cr_expect_eq(status_of(V_ASN1_PRINTABLESTRING, "a", 1), DN_OK);
}

Test(facts, too_many_attributes)
{
	X509_NAME *name = X509_NAME_new();
	struct dn_ava avas[DN_AVA_MAX];
	struct dn dn;
	char text[64];
	size_t n;

	for (int i = 0; i < DN_AVA_MAX; i++)
		MUST(X509_NAME_add_entry_by_txt(name, "C", MBSTRING_ASC, (const unsigned char *)"de", -1, -1, 0));
	cr_expect_eq(facts_name_avas(name, avas), DN_AVA_MAX);
	cr_expect_eq(facts_name_dn(name, &dn), DN_OK);
	MUST(X509_NAME_add_entry_by_txt(name, "C", MBSTRING_ASC, (const unsigned char *)"de", -1, -1, 0));
	cr_expect_eq(facts_name_avas(name, avas), -1);
	cr_expect_eq(facts_name_dn(name, &dn), DN_TOO_LONG);
	n = facts_name_print(name, text, sizeof(text));
	cr_expect(span_eq(span_of(text, n), SPAN("(a name too long to print)")), "%.*s", (int)n, text);
	cr_expect_eq(facts_name_print(name, text, 5), 5, "cut");
	X509_NAME_free(name);
}

/* ---- the other facts ---- */

static const struct {
	const char *why, *hex;
	bool want;
	unsigned len;
} serials[] = {
	{ "small", "1", true, 1 },
	{ "a leading zero byte of DER does not count", "80", true, 1 },
	{ "zero", "0", true, 0 },
	{ "20 bytes", "7fffffffffffffffffffffffffffffffffffffff", true, 20 },
	{ "20 bytes with the top bit", "ffffffffffffffffffffffffffffffffffffffff", true, 20 },
	{ "21 bytes", "01ffffffffffffffffffffffffffffffffffffffff", false, 0 },
	{ "negative", "-1", false, 0 },
};

Test(facts, serial)
{
	for (size_t i = 0; i < ARRAY_LEN(serials); i++) {
		BIGNUM *bn = NULL;
		ASN1_INTEGER *n;
		struct image_serial out = { .len = 99 };

		MUST(BN_hex2bn(&bn, serials[i].hex));
		n = BN_to_ASN1_INTEGER(bn, NULL);
		cr_expect_eq(facts_serial(n, &out), serials[i].want, "%s", serials[i].why);
		cr_expect_eq(out.len, serials[i].want ? serials[i].len : 99, "%s", serials[i].why);
		ASN1_INTEGER_free(n);
		BN_free(bn);
	}
}

static const struct {
	const char *why, *text;
	int64_t at;
} times[] = {
	{ "UTCTime", "700101000000Z", 0 },
	{ "UTCTime of this century", "491231235959Z", 2524607999 },
	{ "UTCTime of the last one", "500101000000Z", -631152000 },
	{ "GeneralizedTime", "20380119031408Z", 2147483648 },
	{ "no well-defined end (RFC 5280 4.1.2.5)", "99991231235959Z", 253402300799 },
};

Test(facts, time)
{
	int64_t at = 77;

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		ASN1_TIME *t = ASN1_TIME_new();

		MUST(ASN1_TIME_set_string(t, times[i].text));
		cr_expect(facts_time(t, &at), "%s", times[i].why);
		cr_expect_eq(at, times[i].at, "%s: %lld", times[i].why, (long long)at);
		ASN1_TIME_free(t);
	}
	at = 77;
	cr_expect_not(facts_time(NULL, &at), "no time");
	cr_expect_eq(at, 77);
}

Test(facts, of_chain)
{
	struct issued ca = issue(&(struct issue){ .subject = "/CN=CA", .ca = true });
	struct issued leaf = issue(&(struct issue){ .subject = "/O=Partner/CN=leaf", .by = &ca, .serial = 0x1234 });
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct peer_facts *f;
	uint8_t key[32];

	cr_expect_null(facts_of_chain(chain), "an empty chain");
	sk_X509_push(chain, leaf.cert);
	sk_X509_push(chain, ca.cert);
	f = facts_of_chain(chain);
	cr_assert_not_null(f);
	cr_expect_eq(f->chain_count, 2);
	cr_expect_eq(f->chain[0].serial.len, 2);
	cr_expect_eq(memcmp(f->chain[0].serial.bytes, "\x12\x34", 2), 0);
	cr_expect(facts_spki(ca.cert, key));
	cr_expect_eq(memcmp(f->chain[0].issuer_key, key, 32), 0, "the key above");
	cr_expect_eq(memcmp(f->chain[1].issuer_key, key, 32), 0, "the anchor's own");
	cr_expect_neq(memcmp(f->chain[0].key, key, 32), 0);
	cr_expect(span_eq(peer_facts_dn_text(f), SPAN("CN=leaf,O=Partner")));
	cr_expect(span_eq(peer_facts_issuer_text(f), SPAN("CN=CA")));
	cr_expect_gt(peer_facts_dn(f).len, 0);
	cr_expect_eq(f->chain[0].not_after - f->chain[0].not_before, 86400 + 3600);
	cr_expect_eq(peer_facts_get(f), f);
	peer_facts_put(f);
	peer_facts_put(f);
	peer_facts_put(NULL);
	while (sk_X509_num(chain) < PEER_CHAIN_MAX + 1)
		sk_X509_push(chain, ca.cert);
	f = facts_of_chain(chain);
	cr_expect_not_null(f, "as long as may be");
	peer_facts_put(f);
	sk_X509_push(chain, ca.cert);
	cr_expect_null(facts_of_chain(chain), "one more");
	sk_X509_free(chain);
	issued_free(&leaf);
	issued_free(&ca);
}
