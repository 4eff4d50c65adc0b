/* session_store, session_record: what is put in comes out whole or not at all, whoever else writes, and whatever was written. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/session_store.h"
#include "common/x509/facts.h"
#include "support/issue.h"
#include "support/leaks.h"
#include "worker/session_record.h"

TestSuite(session_store, .fini = leaks_check);

#define SIZE ((size_t)64 << 10) /* 64 entries in 16 sets */

static void *region(void)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	return p;
}

/* ---- the store ---- */

Test(session_store, put_get_drop)
{
	void *r = region();
	uint8_t out[SESSION_RECORD_MAX], long_one[SESSION_RECORD_MAX + 1] = { 0 };

	cr_assert_eq(session_store_get(r, SIZE, 7, out), 0);
	cr_assert(session_store_put(r, SIZE, 7, "first", 5));
	cr_assert(session_store_put(r, SIZE, 7 + 16, "other", 5), "the same set");
	cr_assert_eq(session_store_get(r, SIZE, 7, out), 5);
	cr_assert_eq(memcmp(out, "first", 5), 0);
	cr_assert(session_store_put(r, SIZE, 7, "again!", 6));
	cr_assert_eq(session_store_get(r, SIZE, 7, out), 6, "in its own place");
	cr_assert_eq(session_store_get(r, SIZE, 7 + 16, out), 5);
	session_store_drop(r, SIZE, 7);
	cr_assert_eq(session_store_get(r, SIZE, 7, out), 0);
	cr_assert(session_store_put(r, SIZE, 9, long_one, SESSION_RECORD_MAX));
	cr_assert_eq(session_store_get(r, SIZE, 9, out), SESSION_RECORD_MAX);
	cr_assert_not(session_store_put(r, SIZE, 9, long_one, SESSION_RECORD_MAX + 1));
	munmap(r, SIZE);
}

Test(session_store, the_oldest_of_a_set_gives_way)
{
	void *r = region();
	uint8_t out[SESSION_RECORD_MAX];

	for (uint32_t i = 0; i < SESSION_WAYS; i++)
		cr_assert(session_store_put(r, SIZE, 3 + 16 * i, "x", 1));
	cr_assert(session_store_put(r, SIZE, 3, "y", 1), "the first is the youngest now");
	cr_assert(session_store_put(r, SIZE, 3 + 16 * SESSION_WAYS, "x", 1));
	cr_assert_eq(session_store_get(r, SIZE, 3, out), 1, "put in first, but not the oldest");
	cr_assert_eq(session_store_get(r, SIZE, 3 + 16, out), 0);
	for (uint32_t i = 2; i < SESSION_WAYS + 1; i++)
		cr_assert_eq(session_store_get(r, SIZE, 3 + 16 * i, out), 1, "%u", i);
	munmap(r, SIZE);
}

Test(session_store, the_ring_goes_round)
{
	void *r = region();
	uint8_t out[SESSION_RECORD_MAX], bytes[3000];

	for (uint64_t tag = 1; tag <= 500; tag++) {
		memset(bytes, (int)tag, sizeof(bytes));
		cr_assert(session_store_put(r, SIZE, tag, bytes, sizeof(bytes) - tag % 7));
		cr_assert_eq(session_store_get(r, SIZE, tag, out), sizeof(bytes) - tag % 7);
		cr_assert_eq(memcmp(out, bytes, sizeof(bytes) - tag % 7), 0);
		if (tag > 12)
			cr_assert_eq(session_store_get(r, SIZE, tag - 12, out), sizeof(bytes) - (tag - 12) % 7, "still there");
		if (tag > 25)
			cr_assert_eq(session_store_get(r, SIZE, tag - 25, out), 0, "written over");
	}
	munmap(r, SIZE);
}

/* ---- records ---- */

static const uint8_t key[SESSION_KEY_BYTES] = "a key of thirty-two bytes, well", other_key[SESSION_KEY_BYTES] = "another";
static const unsigned char id[] = "an id of thirty-two bytes, quite", binding[] = "a binding of 32 bytes, well then";

/* Kept to the end of the process. */
static EVP_CIPHER_CTX *seal_of(const uint8_t *k)
{
	static EVP_CIPHER_CTX *seal[2];
	EVP_CIPHER_CTX **at = &seal[k == other_key];

	if (!*at)
		*at = session_seal_new(k);
	cr_assert_not_null(*at);
	return *at;
}

static struct span id_span(void)
{
	return span_of(id, 32);
}

static SSL_SESSION *session(void)
{
	SSL_SESSION *s = SSL_SESSION_new();
	unsigned char secret[48] = { 1, 2, 3 };
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	SSL *ssl = SSL_new(ctx);

	MUST(s && SSL_SESSION_set1_id(s, id, 32) && SSL_SESSION_set1_id_context(s, binding, 32) &&
	    SSL_SESSION_set1_master_key(s, secret, sizeof(secret)) && SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION));
	MUST(ssl && SSL_SESSION_set_cipher(s, SSL_CIPHER_find(ssl, (const unsigned char *)"\x13\x02")));
	MUST(SSL_SESSION_set_time(s, 1000) && SSL_SESSION_set_timeout(s, 77));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return s;
}

static struct peer_facts *facts(void)
{
	struct issued ca = issue(&(struct issue){ .subject = "/CN=CA", .ca = true }),
		      leaf = issue(&(struct issue){ .subject = "/CN=peer", .by = &ca, .names = "URI:sip:a.example,URI:sip:b.example" });
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct peer_facts *f;

	MUST(chain && sk_X509_push(chain, leaf.cert) && sk_X509_push(chain, ca.cert));
	f = facts_of_chain(chain);
	MUST(f);
	sk_X509_free(chain);
	issued_free(&ca);
	issued_free(&leaf);
	return f;
}

static size_t sealed(uint8_t out[SESSION_RECORD_MAX], bool with_facts)
{
	struct session_record r = { .session = session(), .facts = with_facts ? facts() : NULL, .handshake = 500, .listener = 9 };
	size_t len = session_record_seal(seal_of(key), &r, out);

	SSL_SESSION_free(r.session);
	peer_facts_put(r.facts);
	cr_assert_gt(len, 0);
	return len;
}

static bool opens(const uint8_t *k, struct span i, struct span b, const uint8_t *record, size_t len)
{
	struct session_record r;

	if (!session_record_open(seal_of(k), i, b, record, len, &r))
		return false;
	SSL_SESSION_free(r.session);
	peer_facts_put(r.facts);
	return true;
}

Test(session_store, a_record_comes_back)
{
	for (int with = 0; with < 2; with++) {
		uint8_t record[SESSION_RECORD_MAX];
		size_t len = sealed(record, with);
		struct session_record r;
		struct span name;
		size_t at = 0;
		unsigned n;

		cr_assert(session_record_open(seal_of(key), id_span(), span_of(binding, 32), record, len, &r));
		cr_assert_eq(r.handshake, 500);
		cr_assert_eq(r.listener, 9);
		cr_assert_eq(memcmp(SSL_SESSION_get_id(r.session, &n), id, 32), 0);
		cr_assert_eq(SSL_SESSION_get_timeout(r.session), 77);
		cr_assert_eq(r.facts != NULL, with);
		if (with) {
			cr_assert_eq(r.facts->chain_count, 2);
			cr_assert(span_eq(peer_facts_dn_text(r.facts), SPAN("CN=peer")));
			cr_assert(peer_facts_next_name(r.facts, &at, &name) && span_eq(name, SPAN("a.example")));
		}
		SSL_SESSION_free(r.session);
		peer_facts_put(r.facts);
	}
}

Test(session_store, a_record_is_good_for_its_id_binding_and_key)
{
	uint8_t record[SESSION_RECORD_MAX];
	size_t len = sealed(record, true);

	cr_assert(opens(key, id_span(), span_of(binding, 32), record, len));
	cr_assert_not(opens(other_key, id_span(), span_of(binding, 32), record, len));
	cr_assert_not(opens(key, span_of(binding, 32), span_of(binding, 32), record, len));
	cr_assert_not(opens(key, id_span(), id_span(), record, len));
	cr_assert_not(opens(key, span_of(id, 31), span_of(binding, 32), record, len), "nor with its ends elsewhere");
}

Test(session_store, no_bit_may_be_another)
{
	uint8_t record[SESSION_RECORD_MAX];
	size_t len = sealed(record, true);

	for (size_t i = 0; i < len; i++) {
		record[i] ^= (uint8_t)(1 << i % 8);
		cr_assert_not(opens(key, id_span(), span_of(binding, 32), record, len), "byte %zu", i);
		record[i] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < len; n++)
		cr_assert_not(opens(key, id_span(), span_of(binding, 32), record, n), "%zu of %zu", n, len);
}

/* The certificate is not kept: it would have to be decoded each time. */
Test(session_store, without_the_certificate)
{
	struct issued leaf = issue(&(struct issue){ .subject = "/CN=peer" });
	SSL_SESSION *s = session(), *with;
	unsigned char *der = NULL, *cert = NULL, *out, *at;
	const unsigned char *whole;
	int len = i2d_SSL_SESSION(s, &der), cert_len = i2d_X509(leaf.cert, &cert);
	struct session_record r, back;
	uint8_t record[SESSION_RECORD_MAX];
	const unsigned char *in = der, *inner;
	long inner_len;
	int tag, class, added;

	/* A session with a peer, put together by hand: the library has no call for it.  The field stands before [4]. */
	MUST(!(ASN1_get_object(&in, &inner_len, &tag, &class, len) & 0x80));
	inner = in;
	for (const unsigned char *p = inner; p < inner + inner_len;) {
		const unsigned char *start = p;
		long n;

		MUST(!(ASN1_get_object(&p, &n, &tag, &class, inner + inner_len - p) & 0x80));
		if (class == V_ASN1_CONTEXT_SPECIFIC && tag >= 4) {
			in = start;
			break;
		}
		p += n;
		in = p;
	}
	added = ASN1_object_size(1, cert_len, 3);
	out = malloc((size_t)len + (size_t)added + 16);
	at = out;
	ASN1_put_object(&at, 1, (int)inner_len + added, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	memcpy(at, inner, (size_t)(in - inner));
	at += in - inner;
	ASN1_put_object(&at, 1, cert_len, 3, V_ASN1_CONTEXT_SPECIFIC);
	memcpy(at, cert, (size_t)cert_len);
	at += cert_len;
	memcpy(at, in, (size_t)(inner + inner_len - in));
	at += inner + inner_len - in;
	whole = out;
	with = d2i_SSL_SESSION(NULL, &whole, at - out);
	cr_assert_not_null(with);
	cr_assert_not_null(SSL_SESSION_get0_peer(with), "it has a peer now");
	r = (struct session_record){ .session = with };
	len = (int)session_record_seal(seal_of(key), &r, record);
	cr_assert_gt(len, 0);
	cr_assert(session_record_open(seal_of(key), id_span(), span_of(binding, 32), record, (size_t)len, &back));
	cr_assert_null(SSL_SESSION_get0_peer(back.session));
	cr_assert_eq(SSL_SESSION_get_timeout(back.session), 77, "and all else");
	SSL_SESSION_free(back.session);
	SSL_SESSION_free(with);
	SSL_SESSION_free(s);
	OPENSSL_free(der);
	OPENSSL_free(cert);
	free(out);
	issued_free(&leaf);
}

/* ---- many at once, some of which die ---- */

NORETURN static void hammer(void *r, const uint8_t *record, size_t len)
{
	uint8_t garbage[SESSION_RECORD_MAX];

	memset(garbage, 0xa5, sizeof(garbage));
	for (uint32_t i = 0;; i++)
		(void)session_store_put(r, SIZE, 5, i % 2 ? record : garbage, i % 2 ? len : sizeof(garbage));
}

Test(session_store, writers_that_die)
{
	void *r = region();
	uint8_t record[SESSION_RECORD_MAX], out[SESSION_RECORD_MAX];
	size_t len = sealed(record, true);

	for (int round = 0; round < 20; round++) {
		pid_t a = fork(), b;

		if (a == 0)
			hammer(r, record, len);
		b = fork();
		if (b == 0)
			hammer(r, record, len);
		for (int i = 0; i < 2000; i++) {
			size_t n = session_store_get(r, SIZE, 5, out);

			cr_assert_leq(n, SESSION_RECORD_MAX);
			if (n == len && opens(key, id_span(), span_of(binding, 32), out, n))
				cr_assert_eq(memcmp(out, record, len), 0, "what opens is whole");
		}
		kill(a, SIGKILL);
		kill(b, SIGKILL);
		waitpid(a, NULL, 0);
		waitpid(b, NULL, 0);
		cr_assert(session_store_put(r, SIZE, 5, record, len), "nobody is blocked");
		cr_assert_eq(session_store_get(r, SIZE, 5, out), len);
		cr_assert(opens(key, id_span(), span_of(binding, 32), out, len));
		session_store_drop(r, SIZE, 5);
	}
	munmap(r, SIZE);
}
