/* tls as a client: whole handshakes with a real server, both ends in memory. */
#include <criterion/criterion.h>

#include "support/edge.h"
#include "support/leaks.h"

#define DN "/C=DE/O=Partner/CN=sip.partner.example"

enum who {
	NOBODY, CA, OTHER_CA,
	EDGE,	     /* our own certificate */
	RIGHT,	     /* the configured DN */
	RIGHT_RSA,
	RIGHT_OTHER, /* ... by the other CA */
	WRONG,	     /* another name, not configured */
	SIBLING,     /* the DN of another domain */
	OLD, CLIENT_ONLY, SERVER_ONLY,
	BY_CN,	     /* names the domain in CN alone */
	BY_DNS, BY_URI, BY_URI_PORT, BY_SIPS,
	BY_USER,     /* a person's URI, and the domain in DNS */
	URI_FIRST,   /* another's URI, ours in DNS */
	BY_BOTH,     /* a URI of the web, and DNS */
	BY_WILDCARD, /* *.example */
	BY_ADDRESS,  /* an address as DNS name */
	CONTAINER,
	WHO_COUNT
};

static struct issued made[WHO_COUNT];

static const struct issue wanted[WHO_COUNT] = {
	[CA] = { .subject = "/CN=CA", .ca = true },
	[OTHER_CA] = { .subject = "/CN=Other CA", .ca = true },
	[EDGE] = { .subject = "/CN=edge.example", .by = &made[CA] },
	[RIGHT] = { .subject = DN, .by = &made[CA] },
	[RIGHT_RSA] = { .subject = DN, .by = &made[CA], .key = ISSUE_RSA },
	[RIGHT_OTHER] = { .subject = DN, .by = &made[OTHER_CA] },
	[WRONG] = { .subject = "/C=DE/O=Stranger/CN=sip.partner.example", .by = &made[CA], .names = "URI:sip:partner.example" },
	[SIBLING] = { .subject = "/CN=sip.other.example", .by = &made[CA] },
	[OLD] = { .subject = DN, .by = &made[CA], .from = -7200, .to = -3600 },
	[CLIENT_ONLY] = { .subject = DN, .by = &made[CA], .usage = "clientAuth" },
	[SERVER_ONLY] = { .subject = DN, .by = &made[CA], .usage = "serverAuth" },
	[BY_CN] = { .subject = "/CN=partner.example", .by = &made[CA] },
	[BY_DNS] = { .subject = "/CN=a", .by = &made[CA], .names = "DNS:www.partner.example,DNS:Partner.Example" },
	[BY_URI] = { .subject = "/CN=a", .by = &made[CA], .names = "URI:sip:other.example,URI:SIP:partner.EXAMPLE" },
	[BY_URI_PORT] = { .subject = "/CN=a", .by = &made[CA], .names = "URI:sip:partner.example:5061;transport=tls" },
	[BY_USER] = { .subject = "/CN=a", .by = &made[CA], .names = "URI:sip:bob@partner.example,DNS:partner.example" },
	[BY_SIPS] = { .subject = "/CN=a", .by = &made[CA], .names = "URI:sips:partner.example" },
	[URI_FIRST] = { .subject = "/CN=a", .by = &made[CA], .names = "DNS:partner.example,URI:sip:other.example" },
	[BY_BOTH] = { .subject = "/CN=a", .by = &made[CA], .names = "URI:https://partner.example/,DNS:partner.example" },
	[BY_WILDCARD] = { .subject = "/CN=a", .by = &made[CA], .names = "DNS:*.example" },
	[BY_ADDRESS] = { .subject = "/CN=a", .by = &made[CA], .names = "DNS:192.0.2.1,IP:192.0.2.1" },
	[CONTAINER] = { .subject = "/O=Inside/CN=container", .by = &made[CA] },
};

static struct edge edge;

static void begin(void)
{
	for (enum who w = CA; w < WHO_COUNT; w++)
		made[w] = issue(&wanted[w]);
}

static void finish(void)
{
	edge_forget_sessions();
	edge_free(&edge);
	for (enum who w = CA; w < WHO_COUNT; w++)
		issued_free(&made[w]);
	leaks_check();
}

TestSuite(tls_client, .init = begin, .fini = finish);

/* ---- both ends ---- */

struct server_want {
	int version;
	enum who cert;
	bool wants_ours; /* asks for our certificate, and lets nobody in without */
};

struct call {
	SSL_CTX *ctx;
	SSL *server;
	BIO *in, *out;
	struct buf sent;
	struct tls *tls;
	enum tls_status status;
	char asked[256]; /* the name that the server saw */
	bool plain;	 /* application data came before we knew the server */
};

static int take_any(int ok, X509_STORE_CTX *ctx)
{
	return 1;
}

static void serve(struct call *c, const struct server_want *want)
{
	*c = (struct call){ .ctx = SSL_CTX_new(TLS_server_method()), .status = TLS_WANT };
	MUST(c->ctx && SSL_CTX_set_min_proto_version(c->ctx, want->version) && SSL_CTX_set_max_proto_version(c->ctx, want->version));
	MUST(SSL_CTX_use_certificate(c->ctx, made[want->cert].cert) && SSL_CTX_use_PrivateKey(c->ctx, made[want->cert].key));
	if (want->wants_ours)
		SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, take_any);
	c->server = SSL_new(c->ctx);
	c->in = BIO_new(BIO_s_mem());
	c->out = BIO_new(BIO_s_mem());
	MUST(c->server && c->in && c->out);
	BIO_set_mem_eof_return(c->in, -1);
	SSL_set_bio(c->server, c->in, c->out);
	SSL_set_accept_state(c->server);
}

/* What we have written, to the server; no record of application data may be among it while we do not know it. */
static void to_server(struct call *c)
{
	const uint8_t *p = c->sent.len ? (const uint8_t *)buf_bytes(&c->sent) : NULL;
	char text[256];

	/* In TLS 1.3 encrypted handshake records look like data; our Finished comes after the proof. */
	for (size_t at = 0; c->status == TLS_WANT && at + 5 <= c->sent.len; at += 5 + (size_t)(p[at + 3] << 8 | p[at + 4]))
		c->plain = c->plain || p[at] == SSL3_RT_APPLICATION_DATA;
	if (c->sent.len)
		MUST(BIO_write(c->in, p, (int)c->sent.len) == (int)c->sent.len);
	buf_clear(&c->sent);
	ERR_clear_error();
	if (!SSL_is_init_finished(c->server))
		(void)SSL_do_handshake(c->server);
	if (SSL_is_init_finished(c->server))
		c->plain = c->plain || SSL_read(c->server, text, sizeof(text)) > 0;
	if (SSL_get_servername(c->server, TLSEXT_NAMETYPE_host_name))
		snprintf(c->asked, sizeof(c->asked), "%s", SSL_get_servername(c->server, TLSEXT_NAMETYPE_host_name));
}

static void from_server(struct call *c, size_t step)
{
	static uint8_t bytes[65536];
	size_t len;

	while (c->status == TLS_WANT && BIO_ctrl_pending(c->out)) {
		MUST(BIO_read_ex(c->out, bytes, MIN(step, sizeof(bytes)), &len));
		tls_feed(c->tls, bytes, len);
		c->status = tls_handshake(c->tls);
	}
}

static void call(struct call *c, const struct tls_expect *expect, const char *sni, size_t step)
{
	c->tls = tls_connect_new(tls_contexts_get(edge.set, 0), expect, span_str(sni), &c->sent);
	MUST(c->tls);
	c->status = tls_handshake(c->tls);
	for (int round = 0; round < 6; round++) {
		to_server(c);
		from_server(c, step);
	}
	to_server(c);
}

static void hang_up(struct call *c)
{
	tls_free(c->tls);
	SSL_set_shutdown(c->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->server);
	SSL_CTX_free(c->ctx);
	buf_clear(&c->sent);
	ERR_clear_error();
}

struct want {
	enum who known, domain_trust, revoked;
	bool disabled, wildcards, both_cas;
	enum image_client_certificate mode;
	bool no_resumption;
};

static void load(const struct want *want)
{
	edge_load(&edge,
	    &(struct edge_want){ .profile = { { .name = "out",
				     .client_certificate = want->mode,
				     .no_resumption = want->no_resumption,
				     .material = (uint8_t)(1 + want->both_cas),
				     .own = { &made[EDGE] },
				     .trust = { &made[CA], want->both_cas ? &made[OTHER_CA] : NULL },
				     .revoked = want->revoked ? &made[want->revoked] : NULL } },
		.known = want->known ? &made[want->known] : NULL,
		.disabled = want->disabled,
		.wildcards = want->wildcards,
		.domain_trust = want->domain_trust ? &made[want->domain_trust] : NULL,
		.other = &made[SIBLING],
		.container = &made[CONTAINER] });
}

/* ---- domains ---- */

static const uint32_t first = 0, second = 1, gone = IMAGE_NONE;

static const struct {
	const char *why;
	enum who cert;
	struct want want;
	enum peer_verdict verdict;
	const char *name; /* NULL: partner.example */
	const uint32_t *domain;
} rows[] = {
	{ "the configured DN", RIGHT, { .known = RIGHT }, PEER_TRUSTED },
	{ "an RSA key", RIGHT_RSA, { .known = RIGHT }, PEER_TRUSTED },
	{ "for servers", SERVER_ONLY, { .known = RIGHT }, PEER_TRUSTED },
	{ "the profile asks nobody for a certificate: we do", RIGHT, { .known = RIGHT, .mode = CLIENT_CERT_OFF }, PEER_TRUSTED },
	{ "... and takes nobody without trust", WRONG, { .known = RIGHT, .mode = CLIENT_CERT_OFF }, PEER_DN_UNKNOWN },
	{ "... request", WRONG, { .known = RIGHT, .mode = CLIENT_CERT_REQUEST }, PEER_DN_UNKNOWN },
	{ "a DN that is not configured, whatever its names", WRONG, { .known = RIGHT }, PEER_DN_UNKNOWN },
	{ "the DN of another domain", SIBLING, { .known = RIGHT }, PEER_DN_UNKNOWN },
	{ "... which was the one asked for", SIBLING, { .known = RIGHT }, PEER_TRUSTED, "other.example", &second },
	{ "... and ours is not that one's", RIGHT, { .known = RIGHT }, PEER_DN_UNKNOWN, "other.example", &second },
	{ "right DN, a CA that nobody trusts", RIGHT_OTHER, { .known = RIGHT }, PEER_CHAIN_INVALID },
	{ "right DN, a CA for others", RIGHT_OTHER, { .known = RIGHT, .both_cas = true, .domain_trust = CA }, PEER_CA_MISMATCH },
	{ "right DN, its own CA", RIGHT_OTHER, { .known = RIGHT, .both_cas = true, .domain_trust = OTHER_CA }, PEER_TRUSTED },
	{ "out of date", OLD, { .known = RIGHT }, PEER_EXPIRED },
	{ "revoked", RIGHT, { .known = RIGHT, .revoked = RIGHT }, PEER_REVOKED },
	{ "for clients", CLIENT_ONLY, { .known = RIGHT }, PEER_WRONG_USAGE },
	{ "switched off", RIGHT, { .known = RIGHT, .disabled = true }, PEER_DOMAIN_DISABLED },
	{ "removed by a reload", RIGHT, { .known = RIGHT }, PEER_DN_UNKNOWN, NULL, &gone },
	{ "no DN: named by CN", BY_CN, { 0 }, PEER_NAME_MISMATCH },
	{ "no DN: named by DNS", BY_DNS, { 0 }, PEER_TRUSTED },
	{ "no DN: named by URI", BY_URI, { 0 }, PEER_TRUSTED },
	{ "no DN: a URI with port", BY_URI_PORT, { 0 }, PEER_TRUSTED },
	{ "no DN: a person there", BY_USER, { 0 }, PEER_NAME_MISMATCH },
	{ "no DN: a sips URI", BY_SIPS, { 0 }, PEER_NAME_MISMATCH },
	{ "no DN: DNS beside a URI counts nothing", URI_FIRST, { 0 }, PEER_NAME_MISMATCH },
	{ "no DN: DNS beside a URI of the web", BY_BOTH, { 0 }, PEER_TRUSTED },
	{ "no DN: a wildcard", BY_WILDCARD, { 0 }, PEER_NAME_MISMATCH },
	{ "no DN: a wildcard where it may be", BY_WILDCARD, { .wildcards = true }, PEER_TRUSTED },
	{ "no DN: a wildcard is one label", BY_WILDCARD, { .wildcards = true }, PEER_NAME_MISMATCH, "sip.partner.example" },
	{ "no DN: a wildcard is a whole label", BY_WILDCARD, { .wildcards = true }, PEER_NAME_MISMATCH, "example" },
	{ "no DN: an address is no DNS name", BY_ADDRESS, { 0 }, PEER_NAME_MISMATCH, "192.0.2.1" },
	{ "no DN: no names at all", RIGHT, { 0 }, PEER_NAME_MISMATCH },
	{ "no DN: another domain's CA", BY_DNS, { .both_cas = true, .domain_trust = OTHER_CA }, PEER_CA_MISMATCH },
	{ "no DN: asked for another name of the entry", BY_DNS, { 0 }, PEER_TRUSTED, "www.partner.example" },
};

static struct tls_expect expected(size_t i)
{
	return (struct tls_expect){ .kind = EXPECT_DOMAIN,
		.id = edge_domain_id(rows[i].domain ? *rows[i].domain : first),
		.name = span_str(rows[i].name ? rows[i].name : "partner.example") };
}

Test(tls_client, knows_the_server_before_anything_is_sent)
{
	for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
		struct tls_expect expect = expected(i / 2);
		struct call c;
		const struct peer_judgement *j;
		const char *why = rows[i / 2].why;
		bool ok = rows[i / 2].verdict == PEER_TRUSTED;

		load(&rows[i / 2].want);
		serve(&c, &(struct server_want){ .version = i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION, .cert = rows[i / 2].cert,
			      .wants_ours = true });
		call(&c, &expect, "partner.example", 16384);
		j = tls_judgement(c.tls);
		cr_expect_str_eq(peer_verdict_name(j->verdict), peer_verdict_name(rows[i / 2].verdict), "%s: %s (%s)", why,
		    peer_verdict_name(j->verdict), tls_error(c.tls));
		cr_expect_eq(c.status, ok ? TLS_OK : TLS_FAILED, "%s", why);
		cr_expect_eq(SSL_is_init_finished(c.server) != 0, ok, "%s: the server", why);
		cr_expect(!c.plain, "%s", why);
		cr_expect_eq(j->domain_count, ok, "%s", why);
		cr_expect(!ok || expect.id == edge_domain_id(j->domain[0]), "%s", why);
		cr_expect_not_null(tls_facts(c.tls), "%s", why);
		cr_expect_eq(tls_write(c.tls, "INVITE", 6), ok, "%s", why);
		cr_expect_eq(c.sent.len > 0, ok, "%s: nothing leaves", why);
		cr_expect_eq(edge_session_count(), 0);
		hang_up(&c);
	}
}

Test(tls_client, talks_byte_by_byte_and_shows_our_certificate)
{
	struct tls_expect expect = expected(0);
	char text[16];
	struct call c;

	load(&(struct want){ .known = RIGHT });
	for (int i = 0; i < 4; i++) {
		X509 *ours;

		serve(&c, &(struct server_want){ .version = i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION, .cert = RIGHT, .wants_ours = i < 2 });
		call(&c, &expect, "partner.example", 1);
		cr_assert_eq(c.status, TLS_OK, "%s", tls_error(c.tls));
		ours = SSL_get0_peer_certificate(c.server);
		cr_assert_eq(ours != NULL, i < 2, "shown to those who ask");
		cr_assert(!ours || X509_cmp(ours, made[EDGE].cert) == 0);
		cr_assert(tls_write(c.tls, "INVITE", 6));
		MUST(BIO_write(c.in, buf_bytes(&c.sent), (int)c.sent.len) > 0);
		cr_assert_eq(SSL_read(c.server, text, sizeof(text)), 6);
		cr_assert(!tls_resumed(c.tls));
		hang_up(&c);
	}
}

Test(tls_client, asks_for_names_only)
{
	static const struct {
		const char *sni, *asked;
	} names[] = {
		{ "partner.example", "partner.example" }, { "Partner.Example.", "partner.example" }, { "", "" },
		{ "192.0.2.1", "" }, { "[2001:db8::1]", "" }, { "2001:db8::1", "" }, { "not a name", "" },
	};
	struct tls_expect expect = expected(0);
	struct call c;

	load(&(struct want){ .known = RIGHT });
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		serve(&c, &(struct server_want){ .version = TLS1_3_VERSION, .cert = RIGHT });
		call(&c, &expect, names[i].sni, 16384);
		cr_assert_eq(c.status, TLS_OK);
		cr_assert_str_eq(c.asked, names[i].asked, "%s", names[i].sni);
		hang_up(&c);
	}
}

Test(tls_client, writes_nothing_before_the_proof)
{
	struct tls_expect expect = expected(0);
	struct buf out = { 0 };
	struct tls *t;

	load(&(struct want){ .known = RIGHT });
	t = tls_connect_new(tls_contexts_get(edge.set, 0), &expect, SPAN("partner.example"), &out);
	cr_assert_eq(out.len, 0);
	cr_assert(!tls_write(t, "INVITE sip:a", 12));
	cr_assert_gt(out.len, 0, "a ClientHello");
	cr_assert_null(memmem(buf_bytes(&out), out.len, "INVITE", 6));
	tls_free(t);
	buf_clear(&out);
	/* A server that answers in plain text. */
	t = tls_connect_new(tls_contexts_get(edge.set, 0), &expect, SPAN_NONE, &out);
	cr_assert_eq(tls_handshake(t), TLS_WANT);
	cr_assert_gt(out.len, 0);
	tls_feed(t, (const uint8_t *)"SIP/2.0 200 OK\r\n\r\n", 18);
	cr_assert_eq(tls_handshake(t), TLS_FAILED);
	cr_assert(!tls_write(t, "INVITE sip:a", 12));
	cr_assert_eq(tls_judgement(t)->domain_count, 0);
	cr_assert_null(tls_facts(t));
	tls_free(t);
	buf_clear(&out);
}

/* The one who asked may be gone before the handshake is over. */
Test(tls_client, keeps_the_name_itself)
{
	char name[] = "partner.example";
	struct tls_expect expect = { .kind = EXPECT_DOMAIN, .id = edge_domain_id(first), .name = span_str(name) };
	struct call c;

	load(&(struct want){ 0 });
	serve(&c, &(struct server_want){ .version = TLS1_3_VERSION, .cert = BY_URI });
	c.tls = tls_connect_new(tls_contexts_get(edge.set, 0), &expect, SPAN_NONE, &c.sent);
	memset(name, 'x', sizeof(name) - 1);
	expect.id = edge_domain_id(gone);
	c.status = tls_handshake(c.tls);
	for (int round = 0; round < 4; round++) {
		to_server(&c);
		from_server(&c, 16384);
	}
	cr_assert_eq(c.status, TLS_OK, "%s", tls_error(c.tls));
	hang_up(&c);
}

Test(tls_client, says_in_a_warning_what_is_wrong)
{
	static const struct {
		enum who cert, known;
		const char *text;
	} warnings[] = {
		{ WRONG, RIGHT, "certificate CN=sip.partner.example,O=Stranger,C=DE is not that of partner.example" },
		{ BY_CN, NOBODY, "certificate CN=partner.example is not that of partner.example" },
		{ OLD, RIGHT, "certificate CN=sip.partner.example,O=Partner,C=DE has expired" },
		{ RIGHT_OTHER, RIGHT, "certificate CN=sip.partner.example,O=Partner,C=DE is by no trusted CA" },
		{ CLIENT_ONLY, RIGHT, "certificate CN=sip.partner.example,O=Partner,C=DE is not for TLS servers" },
	};
	struct tls_expect expect = expected(0);
	struct call c;
	char text[256];

	for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
		load(&(struct want){ .known = warnings[i].known });
		serve(&c, &(struct server_want){ .version = TLS1_3_VERSION, .cert = warnings[i].cert });
		call(&c, &expect, "", 16384);
		cr_expect_eq(tls_warning(c.tls, text, sizeof(text)), strlen(warnings[i].text));
		cr_expect_str_eq(text, warnings[i].text, "%s", text);
		cr_expect_eq(tls_warning(c.tls, text, 12), 11, "cut");
		cr_expect_str_eq(text, "certificate");
		hang_up(&c);
	}
}

Test(tls_client, warns_in_plain_ascii_without_quotes)
{
	struct issued odd = issue(&(struct issue){ .subject = "/O=G\xc3\xbcter \"x\" \\y/CN=a", .by = &made[CA] });
	struct tls_expect expect = expected(0);
	struct call c;
	char text[256];
	size_t n;

	load(&(struct want){ .known = RIGHT });
	made[NOBODY] = odd;
	serve(&c, &(struct server_want){ .version = TLS1_3_VERSION, .cert = NOBODY });
	call(&c, &expect, "", 16384);
	n = tls_warning(c.tls, text, sizeof(text));
	cr_assert_eq(n, strlen(text));
	for (size_t i = 0; i < n; i++)
		cr_assert(text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\', "%s", text);
	hang_up(&c);
	made[NOBODY] = (struct issued){ 0 };
	issued_free(&odd);
}

/* ---- after a reload ---- */

Test(tls_client, is_judged_again_by_facts)
{
	static const struct {
		const char *why;
		enum who cert;
		struct want before, after;
		enum peer_verdict verdict;
		const uint32_t *domain;
	} reloads[] = {
		{ "as it was", RIGHT, { .known = RIGHT }, { .known = RIGHT }, PEER_TRUSTED, &first },
		{ "another DN", RIGHT, { .known = RIGHT }, { .known = WRONG }, PEER_DN_UNKNOWN, &first },
		{ "switched off", RIGHT, { .known = RIGHT }, { .known = RIGHT, .disabled = true }, PEER_DOMAIN_DISABLED, &first },
		{ "removed", RIGHT, { .known = RIGHT }, { .known = RIGHT }, PEER_DN_UNKNOWN, &gone },
		{ "revoked", RIGHT, { .known = RIGHT }, { .known = RIGHT, .revoked = RIGHT }, PEER_REVOKED, &first },
		{ "its CA is not the domain's now", RIGHT, { .known = RIGHT },
		    { .known = RIGHT, .both_cas = true, .domain_trust = OTHER_CA }, PEER_CA_MISMATCH, &first },
		{ "by name still", BY_URI, { 0 }, { 0 }, PEER_TRUSTED, &first },
		{ "by name, then a DN is configured", BY_URI, { 0 }, { .known = RIGHT }, PEER_DN_UNKNOWN, &first },
		{ "by DN, then by name", WRONG, { .known = WRONG }, { 0 }, PEER_TRUSTED, &first },
		{ "by DN, then by a name that it has not", RIGHT, { .known = RIGHT }, { 0 }, PEER_NAME_MISMATCH, &first },
		{ "no wildcards any more", BY_WILDCARD, { .wildcards = true }, { 0 }, PEER_NAME_MISMATCH, &first },
	};

	for (size_t i = 0; i < ARRAY_LEN(reloads); i++) {
		struct tls_expect expect = { .kind = EXPECT_DOMAIN, .id = edge_domain_id(first), .name = SPAN("partner.example") };
		struct peer_facts *facts;
		struct peer_judgement j;
		struct call c;

		load(&reloads[i].before);
		serve(&c, &(struct server_want){ .version = TLS1_3_VERSION, .cert = reloads[i].cert });
		call(&c, &expect, "", 16384);
		cr_assert_eq(c.status, TLS_OK, "%s", reloads[i].why);
		facts = peer_facts_get(tls_facts(c.tls));
		hang_up(&c);
		load(&reloads[i].after);
		judge_server(&edge.img, 0, facts, *reloads[i].domain, SPAN("partner.example"), time(NULL), &j);
		cr_expect_str_eq(peer_verdict_name(j.verdict), peer_verdict_name(reloads[i].verdict), "%s: %s", reloads[i].why,
		    peer_verdict_name(j.verdict));
		cr_expect_eq(j.domain_count, j.verdict == PEER_TRUSTED, "%s", reloads[i].why);
		cr_expect_eq(j.generation, edge.img.h->generation);
		judge_server(&edge.img, IMAGE_NONE, facts, 0, SPAN("partner.example"), time(NULL), &j);
		cr_expect_eq(j.verdict, PEER_CHAIN_INVALID, "without a profile nothing says whom to trust");
		judge_server(&edge.img, 0, facts, 0, SPAN("partner.example"), time(NULL) + 100000, &j);
		cr_expect_eq(j.verdict, PEER_EXPIRED);
		cr_expect_eq(j.domain_count, 0);
		peer_facts_put(facts);
	}
}

/* ---- containers ---- */

Test(tls_client, knows_a_container_by_its_dn)
{
	static const struct {
		enum who cert;
		enum peer_verdict verdict;
	} ones[] = { { CONTAINER, PEER_TRUSTED }, { RIGHT, PEER_DN_UNKNOWN }, { BY_URI, PEER_DN_UNKNOWN }, { RIGHT_OTHER, PEER_CHAIN_INVALID } };
	const struct image_server *server, *none = NULL;
	struct tls_expect expect = { .kind = EXPECT_CONTAINER, .server = &server };
	enum peer_verdict why;
	struct call c;

	for (size_t i = 0; i < ARRAY_LEN(ones) * 2; i++) {
		enum peer_verdict verdict = i & 1 && ones[i / 2].verdict == PEER_TRUSTED ? PEER_DN_UNKNOWN : ones[i / 2].verdict;

		load(&(struct want){ .known = RIGHT });
		server = i & 1 ? none : image_at(&edge.img, edge.img.cluster[0].servers);
		serve(&c, &(struct server_want){ .version = TLS1_3_VERSION, .cert = ones[i / 2].cert, .wants_ours = true });
		call(&c, &expect, "", 16384);
		cr_expect_eq(tls_judgement(c.tls)->verdict, verdict, "%zu: %s", i, peer_verdict_name(tls_judgement(c.tls)->verdict));
		cr_expect_eq(c.status, verdict == PEER_TRUSTED ? TLS_OK : TLS_FAILED);
		cr_expect_eq(tls_judgement(c.tls)->domain_count, 0, "it stands for no domain");
		cr_expect_eq(judge_container(&edge.img, 0, tls_facts(c.tls), server, time(NULL), &why), verdict == PEER_TRUSTED);
		cr_expect_eq(why, verdict);
		hang_up(&c);
	}
}
