/* tls: whole handshakes with a real client, both ends in memory. */
#include <criterion/criterion.h>

#include "support/edge.h"
#include "support/guard.h"
#include "support/leaks.h"

static struct issued ca, other_ca, middle, edge_ec, edge_rsa, peer_ec, peer_rsa, peer_middle, peer_other, peer_old,
    peer_unknown, peer_revoked;
static struct edge edge;
static struct talk talk;

static void begin(void)
{
	ca = issue(&(struct issue){ .subject = "/CN=CA", .ca = true });
	other_ca = issue(&(struct issue){ .subject = "/CN=Other CA", .ca = true });
	middle = issue(&(struct issue){ .subject = "/CN=Middle", .by = &ca, .ca = true });
	edge_ec = issue(&(struct issue){ .subject = "/CN=edge.example", .by = &ca });
	edge_rsa = issue(&(struct issue){ .subject = "/CN=edge.example", .by = &ca, .key = ISSUE_RSA });
	peer_ec = issue(&(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &ca });
	peer_rsa = issue(&(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &ca, .key = ISSUE_RSA });
	peer_middle = issue(&(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &middle });
	peer_other = issue(&(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &other_ca });
	peer_old = issue(&(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example",
	    .by = &ca,
	    .from = -7200,
	    .to = -3600 });
	peer_unknown = issue(&(struct issue){ .subject = "/C=DE/O=Stranger/CN=sip.partner.example", .by = &ca });
	peer_revoked = issue(&(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &ca, .serial = 77 });
}

static void finish(void)
{
	struct issued *all[] = { &ca, &other_ca, &middle, &edge_ec, &edge_rsa, &peer_ec, &peer_rsa, &peer_middle,
				 &peer_other, &peer_old, &peer_unknown, &peer_revoked };

	edge_forget_sessions();
	edge_free(&edge);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		issued_free(all[i]);
	leaks_check();
}

TestSuite(tls, .init = begin, .fini = finish);

static void load(enum image_client_certificate mode)
{
	edge_load(&edge,
	    &(struct edge_want){ .profile = { { .name = "edge",
				     .client_certificate = mode,
				     .own = { &edge_ec, &edge_rsa },
				     .trust = { &ca },
				     .revoked = &peer_revoked } },
		.known = &peer_ec });
}

static void converse(const struct client_want *want, size_t step)
{
	talk_begin(&talk, tls_contexts_get(edge.set, 0), want, step);
}

Test(tls, takes_a_trusted_peer)
{
	static const struct {
		struct client_want want;
		const char *version, *cipher;
		size_t step;
		const char *why;
	} rows[] = {
		{ { .version = TLS1_3_VERSION, .cert = &peer_ec }, "TLSv1.3", "TLS_AES_128_GCM_SHA256", 16384, "EC on both sides" },
		{ { .version = TLS1_3_VERSION, .cert = &peer_rsa }, "TLSv1.3", "TLS_AES_128_GCM_SHA256", 16384, "an RSA client" },
		{ { .version = TLS1_3_VERSION, .cert = &peer_ec, .sigalgs = "rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256" },
		    "TLSv1.3", "TLS_AES_128_GCM_SHA256", 16384, "takes either certificate" },
		{ { .version = TLS1_2_VERSION, .cert = &peer_ec }, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", 16384, "1.2, EC" },
		{ { .version = TLS1_2_VERSION, .cert = &peer_rsa, .ciphers = "aRSA" }, "TLSv1.2",
		    "ECDHE-RSA-AES128-GCM-SHA256", 16384, "1.2, RSA only" },
		{ { .version = TLS1_3_VERSION, .cert = &peer_middle, .above = &middle }, "TLSv1.3", "TLS_AES_128_GCM_SHA256",
		    16384, "through an intermediate" },
		{ { .version = TLS1_3_VERSION, .cert = &peer_ec }, "TLSv1.3", "TLS_AES_128_GCM_SHA256", 1, "byte by byte" },
		{ { .version = TLS1_2_VERSION, .cert = &peer_ec }, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", 1, "byte by byte" },
		{ { .version = TLS1_3_VERSION, .cert = &peer_ec }, "TLSv1.3", "TLS_AES_128_GCM_SHA256", 7, "by sevens" },
	};

	load(CLIENT_CERT_REQUIRE);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		converse(&rows[i].want, rows[i].step);
		cr_assert(talk.done, "row %zu, %s: %s", i, rows[i].why, tls_error(talk.tls));
		cr_assert_str_eq(tls_version(talk.tls), rows[i].version, "row %zu, %s", i, rows[i].why);
		cr_assert_str_eq(tls_cipher(talk.tls), rows[i].cipher, "row %zu, %s", i, rows[i].why);
		cr_assert(!tls_resumed(talk.tls));
		cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_TRUSTED);
		cr_assert_eq(tls_judgement(talk.tls)->domain_count, 1);
		cr_assert_eq(tls_judgement(talk.tls)->generation, edge.img.h->generation);
		cr_assert_not_null(tls_facts(talk.tls));
		cr_assert_eq(tls_facts(talk.tls)->chain_count, rows[i].want.above ? 3 : 2);
		cr_assert_eq(tls_get_context(talk.tls), tls_contexts_get(edge.set, 0));
		talk_end(&talk);
	}
}

/* A CA that changed its key stands twice in trust; certificates that do not tell the key are taken from both. */
Test(tls, takes_peers_of_both_keys_of_a_ca)
{
	struct issued next_ca = issue(&(struct issue){ .subject = "/CN=CA", .ca = true });
	struct issued peer_next = issue(&(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &next_ca });
	const struct issued *peers[] = { &peer_ec, &peer_next };

	edge_load(&edge,
	    &(struct edge_want){ .profile = { { .name = "edge", .own = { &edge_ec }, .trust = { &ca, &next_ca } } },
		.known = &peer_ec });
	for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
		converse(&(struct client_want){ .version = TLS1_3_VERSION, .cert = peers[i] }, 16384);
		cr_assert(talk.done, "peer %zu: %s", i, tls_error(talk.tls));
		cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_TRUSTED, "peer %zu", i);
		talk_end(&talk);
	}
	issued_free(&peer_next);
	issued_free(&next_ca);
}

Test(tls, refuses_with_an_alert_that_fits)
{
	static const struct {
		const struct issued *cert;
		enum peer_verdict verdict;
		int alert13, alert12;
		const char *why;
	} rows[] = {
		{ NULL, PEER_NO_CERTIFICATE, SSL3_AD_HANDSHAKE_FAILURE, SSL3_AD_HANDSHAKE_FAILURE, "no certificate" },
		{ &peer_other, PEER_CHAIN_INVALID, TLS1_AD_UNKNOWN_CA, TLS1_AD_UNKNOWN_CA, "another CA" },
		{ &peer_middle, PEER_CHAIN_INVALID, TLS1_AD_UNKNOWN_CA, TLS1_AD_UNKNOWN_CA, "its CA was not sent" },
		{ &peer_old, PEER_EXPIRED, SSL3_AD_CERTIFICATE_EXPIRED, SSL3_AD_CERTIFICATE_EXPIRED, "out of date" },
		{ &peer_unknown, PEER_DN_UNKNOWN, SSL3_AD_HANDSHAKE_FAILURE, SSL3_AD_HANDSHAKE_FAILURE,
		    "a name not configured" },
		{ &peer_revoked, PEER_REVOKED, SSL3_AD_CERTIFICATE_REVOKED, SSL3_AD_CERTIFICATE_REVOKED, "revoked" },
	};

	load(CLIENT_CERT_REQUIRE);
	for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
		bool old = i & 1;
		int alert = old ? rows[i / 2].alert12 : rows[i / 2].alert13;
		struct client_want want = { .version = old ? TLS1_2_VERSION : TLS1_3_VERSION, .cert = rows[i / 2].cert };

		if (!rows[i / 2].cert && !old)
			alert = SSL_AD_CERTIFICATE_REQUIRED;
		converse(&want, 16384);
		cr_assert(!talk.done, "%s", rows[i / 2].why);
		cr_assert_eq(talk.status, TLS_FAILED);
		cr_assert_eq(tls_judgement(talk.tls)->verdict, rows[i / 2].verdict, "%s: %u", rows[i / 2].why,
		    tls_judgement(talk.tls)->verdict);
		cr_assert_eq(tls_judgement(talk.tls)->domain_count, 0);
		cr_assert_eq(tls_facts(talk.tls) != NULL, rows[i / 2].cert != NULL, "%s", rows[i / 2].why);
		cr_assert_eq(talk.client_alert, alert, "%s: alert %d", rows[i / 2].why, talk.client_alert);
		cr_assert(!tls_write(talk.tls, "x", 1), "nothing goes out any more");
		cr_assert_eq(tls_handshake(talk.tls), TLS_FAILED);
		cr_assert_eq(edge_session_count(), 0, "%s", rows[i / 2].why);
		talk_end(&talk);
	}
}

Test(tls, takes_an_intermediate_as_anchor)
{
	edge_load(&edge,
	    &(struct edge_want){ .profile = { { .name = "edge", .own = { &edge_ec }, .trust = { &middle } } },
		.known = &peer_ec });
	converse(&(struct client_want){ .version = TLS1_3_VERSION, .cert = &peer_middle }, 16384);
	cr_assert(talk.done, "its root need not be known: %s", tls_error(talk.tls));
	cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_TRUSTED);
	talk_end(&talk);
	converse(&(struct client_want){ .version = TLS1_3_VERSION, .cert = &peer_ec }, 16384);
	cr_assert_eq(talk.status, TLS_FAILED, "the root itself is not trusted");
	cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_CHAIN_INVALID);
	talk_end(&talk);
}

Test(tls, sends_its_chain_and_the_names_of_its_cas)
{
	for (int i = 0; i < 2; i++) {
		edge_load(&edge,
		    &(struct edge_want){ .profile = { { .name = "edge",
					     .material = (uint8_t)i,
					     .own = { &edge_ec },
					     .above = i ? &middle : NULL,
					     .trust = { &ca, &other_ca } } },
			.known = &peer_ec });
		converse(&(struct client_want){ .version = TLS1_3_VERSION, .cert = &peer_ec }, 16384);
		cr_assert(talk.done);
		cr_assert_eq(sk_X509_num(SSL_get_peer_cert_chain(talk.client.ssl)), 1 + i, "what is configured, no more");
		cr_assert_eq(sk_X509_NAME_num(SSL_get0_peer_CA_list(talk.client.ssl)), 2);
		talk_end(&talk);
	}
}

Test(tls, takes_strangers_as_untrusted_where_a_certificate_is_optional)
{
	static const struct {
		enum image_client_certificate mode;
		const struct issued *cert;
		enum peer_verdict verdict;
		bool facts;
		const char *why;
	} rows[] = {
		{ CLIENT_CERT_REQUEST, &peer_ec, PEER_TRUSTED, true, "a known one" },
		{ CLIENT_CERT_REQUEST, NULL, PEER_NO_CERTIFICATE, false, "none" },
		{ CLIENT_CERT_REQUEST, &peer_other, PEER_CHAIN_INVALID, true, "another CA" },
		{ CLIENT_CERT_REQUEST, &peer_old, PEER_EXPIRED, true, "out of date" },
		{ CLIENT_CERT_REQUEST, &peer_unknown, PEER_DN_UNKNOWN, true, "a name not configured" },
		{ CLIENT_CERT_REQUEST, &peer_revoked, PEER_REVOKED, true, "revoked" },
		{ CLIENT_CERT_OFF, &peer_ec, PEER_NO_CERTIFICATE, false, "not asked for" },
		{ CLIENT_CERT_OFF, NULL, PEER_NO_CERTIFICATE, false, "not asked for, none" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
		load(rows[i / 2].mode);
		converse(&(struct client_want){ .version = i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION, .cert = rows[i / 2].cert },
		    16384);
		cr_assert(talk.done, "%s: %s", rows[i / 2].why, tls_error(talk.tls));
		cr_assert_eq(tls_judgement(talk.tls)->verdict, rows[i / 2].verdict, "%s", rows[i / 2].why);
		cr_assert_eq(tls_judgement(talk.tls)->domain_count, rows[i / 2].verdict == PEER_TRUSTED ? 1 : 0);
		cr_assert_eq(tls_facts(talk.tls) != NULL, rows[i / 2].facts, "%s", rows[i / 2].why);
		talk_end(&talk);
	}
}

/* Send from the server and read at the client. */
static size_t client_reads(uint8_t *data, size_t cap)
{
	size_t len = 0, n;

	talk_deliver(&talk);
	while (len < cap && SSL_read_ex(talk.client.ssl, data + len, cap - len, &n) == 1)
		len += n;
	return len;
}

Test(tls, carries_bytes_both_ways_whatever_their_number)
{
	static const size_t lengths[] = { 1, 100, 16384, 16385, 100000 };
	static const size_t steps[] = { 16384, 1, 1000, 65536 };
	static uint8_t sent[100000], got[100001];

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 31 + i / 251);
	load(CLIENT_CERT_REQUIRE);
	for (size_t i = 0; i < ARRAY_LEN(lengths) * ARRAY_LEN(steps); i++) {
		size_t len = lengths[i % ARRAY_LEN(lengths)], step = steps[i / ARRAY_LEN(lengths)];

		converse(&(struct client_want){ .version = i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION, .cert = &peer_ec }, 16384);
		cr_assert(talk.done);
		cr_assert_eq(SSL_write(talk.client.ssl, sent, (int)len), (int)len);
		talk_feed(&talk, step);
		cr_assert_eq(talk.got_len, len, "%zu bytes by %zu: %zu came", len, step, talk.got_len);
		cr_assert_arr_eq(talk.got, sent, len);
		cr_assert(tls_write(talk.tls, sent, len));
		cr_assert_eq(client_reads(got, sizeof(got)), len);
		cr_assert_arr_eq(got, sent, len);
		cr_assert(tls_write(talk.tls, sent, 0), "nothing is something");
		cr_assert_eq(talk.out.len, 0);
		talk_end(&talk);
	}
}

Test(tls, reads_application_data_that_came_with_the_last_flight)
{
	static const char hello[] = "OPTIONS sip:edge.example SIP/2.0\r\n";

	load(CLIENT_CERT_REQUIRE);
	talk = (struct talk){ .client = client_new(&(struct client_want){ .version = TLS1_3_VERSION, .cert = &peer_ec }),
		.status = TLS_WANT };
	talk.tls = tls_accept_new(tls_contexts_get(edge.set, 0), &(struct tls_entrance){ SIDE_EXTERNAL, true, 1 }, &talk.out);
	cr_assert_eq(SSL_do_handshake(talk.client.ssl), -1);
	talk_feed(&talk, 16384);
	talk_deliver(&talk);
	cr_assert_eq(SSL_do_handshake(talk.client.ssl), 1);
	cr_assert_eq(SSL_write(talk.client.ssl, hello, sizeof(hello)), sizeof(hello));
	talk_feed(&talk, 16384);
	cr_assert(talk.done);
	cr_assert_eq(talk.got_len, sizeof(hello));
	cr_assert_str_eq((const char *)talk.got, hello);
	talk_end(&talk);
}

Test(tls, ends_with_close_notify)
{
	char c;

	load(CLIENT_CERT_REQUIRE);
	for (int i = 0; i < 2; i++) {
		converse(&(struct client_want){ .version = i ? TLS1_2_VERSION : TLS1_3_VERSION, .cert = &peer_ec }, 16384);
		tls_close(talk.tls);
		cr_assert_gt(talk.out.len, 0);
		talk_deliver(&talk);
		tls_close(talk.tls);
		cr_assert_eq(talk.out.len, 0, "once");
		cr_assert_eq(SSL_read(talk.client.ssl, &c, 1), 0);
		cr_assert_eq(SSL_get_error(talk.client.ssl, 0), SSL_ERROR_ZERO_RETURN);
		cr_assert_eq(SSL_shutdown(talk.client.ssl), 1);
		talk_feed(&talk, 16384);
		cr_assert_eq(talk.status, TLS_CLOSED, "the peer's own");
		talk_end(&talk);
	}
	talk.tls = tls_accept_new(tls_contexts_get(edge.set, 0), &(struct tls_entrance){ SIDE_EXTERNAL, true, 1 }, &talk.out);
	tls_close(talk.tls);
	cr_assert_eq(talk.out.len, 0, "not in the middle of a handshake");
	tls_free(talk.tls);
	tls_free(NULL);
}

Test(tls, refuses_what_is_no_handshake_of_ours)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *why;
	} rows[] = {
#define ROW(bytes, why) { bytes, sizeof(bytes) - 1, why }
		ROW("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TLS a\r\n\r\n", "plain SIP"),
		ROW("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "plain HTTP"),
		ROW("\x16\x03\x01\xff\xff aaaaaaaa", "a record that is too long"),
		ROW("\x17\x03\x03\x00\x05hello", "application data first"),
		ROW("\x15\x03\x03\x00\x02\x02\x28", "an alert first"),
		ROW("\x16\x03\x01\x00\x04\x02\x00\x00\x00", "a ServerHello"),
		ROW("\x80\x0f\x01\x00\x02\x00\x03\x00\x00\x00\x03\x01\x00\x80" "abc", "SSL 2"),
		ROW("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "zeros"),
#undef ROW
	};

	load(CLIENT_CERT_REQUIRE);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = guard_copy(rows[i].bytes, rows[i].len);
		struct buf out = { 0 };
		struct tls *t = tls_accept_new(tls_contexts_get(edge.set, 0), &(struct tls_entrance){ SIDE_EXTERNAL, true, 1 }, &out);

		tls_feed(t, (const uint8_t *)in.p, in.len);
		cr_assert_eq(tls_handshake(t), TLS_FAILED, "%s", rows[i].why);
		cr_assert_neq(strlen(tls_error(t)), 0);
		cr_assert_str_neq(tls_error(t), "none");
		cr_assert_eq(tls_judgement(t)->verdict, PEER_TRUSTED, "%s: not the peer's name is to blame", rows[i].why);
		cr_assert_eq(tls_judgement(t)->domain_count, 0);
		tls_free(t);
		buf_clear(&out);
		guard_free(in);
	}
}

Test(tls, refuses_old_versions_and_weak_ciphers)
{
	static const struct {
		struct client_want want;
		const char *error, *why;
	} rows[] = {
		{ { .version = TLS1_1_VERSION, .cert = &peer_ec, .weak = true }, "unsupported protocol", "TLS 1.1" },
		{ { .version = TLS1_VERSION, .cert = &peer_ec, .weak = true }, "unsupported protocol", "TLS 1.0" },
		{ { .version = TLS1_2_VERSION, .cert = &peer_ec, .ciphers = "AES128-SHA", .weak = true }, "no shared cipher",
		    "RSA key exchange" },
		{ { .version = TLS1_2_VERSION, .cert = &peer_ec, .ciphers = "ECDHE-ECDSA-AES128-SHA" }, "no shared cipher",
		    "CBC" },
	};

	load(CLIENT_CERT_REQUIRE);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		converse(&rows[i].want, 16384);
		cr_assert_eq(talk.status, TLS_FAILED, "%s", rows[i].why);
		cr_assert_str_eq(tls_error(talk.tls), rows[i].error, "%s: %s", rows[i].why, tls_error(talk.tls));
		cr_assert_neq(talk.client_alert, 0, "%s", rows[i].why);
		talk_end(&talk);
	}
	edge_load(&edge,
	    &(struct edge_want){ .profile = { { .name = "edge", .material = 1, .only_13 = true, .own = { &edge_ec }, .trust = { &ca } } },
		.known = &peer_ec });
	converse(&(struct client_want){ .version = TLS1_2_VERSION, .cert = &peer_ec }, 16384);
	cr_assert_eq(talk.status, TLS_FAILED, "min_version 1.3");
	talk_end(&talk);
}

Test(tls, renegotiates_with_nobody)
{
	load(CLIENT_CERT_REQUIRE);
	converse(&(struct client_want){ .version = TLS1_2_VERSION, .cert = &peer_ec }, 16384);
	cr_assert(talk.done);
	cr_assert_eq(SSL_renegotiate(talk.client.ssl), 1);
	cr_assert_eq(SSL_do_handshake(talk.client.ssl), -1);
	talk_feed(&talk, 16384);
	cr_assert_eq(talk.status, TLS_OK, "a warning, and on");
	talk_deliver(&talk);
	ERR_clear_error();
	cr_assert_eq(SSL_do_handshake(talk.client.ssl), -1);
	cr_assert_eq(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	talk_end(&talk);
}

Test(tls, fails_when_a_record_was_changed_on_the_way)
{
	static uint8_t bytes[4096];
	size_t len, n;

	load(CLIENT_CERT_REQUIRE);
	converse(&(struct client_want){ .version = TLS1_3_VERSION, .cert = &peer_ec }, 16384);
	cr_assert_eq(SSL_write(talk.client.ssl, "hello", 5), 5);
	cr_assert(BIO_read_ex(talk.client.out, bytes, sizeof(bytes), &len));
	bytes[len - 1] ^= 1;
	tls_feed(talk.tls, bytes, len);
	cr_assert_eq(tls_read(talk.tls, talk.got, sizeof(talk.got), &n), TLS_FAILED);
	cr_assert_str_eq(tls_error(talk.tls), "decryption failed or bad record mac");
	cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_TRUSTED);
	cr_assert_gt(talk.out.len, 0, "an alert");
	tls_close(talk.tls);
	cr_assert_eq(tls_read(talk.tls, talk.got, sizeof(talk.got), &n), TLS_FAILED, "and stays so");
	talk_end(&talk);
}

Test(tls, says_why_a_profile_cannot_be_built)
{
	static const struct {
		struct edge_profile profile;
		const char *part;
	} rows[] = {
		{ { .name = "edge", .ciphers = "NONSENSE" }, "ciphers" },
		{ { .name = "edge", .groups = "P-17" }, "groups" },
	};
	struct issued weak = issue(&(struct issue){ .subject = "/CN=weak", .by = &ca, .key = ISSUE_RSA_1024 });
	struct edge broken;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_assert(!edge_build(&broken, &(struct edge_want){ .profile = { rows[i].profile } }, NULL));
		cr_assert_not_null(strstr(broken.why, rows[i].part), "%s", broken.why);
		cr_assert_not_null(strstr(broken.why, "\"edge\""), "%s", broken.why);
		edge_free(&broken);
	}
	cr_assert(!edge_build(&broken, &(struct edge_want){ .profile = { { .name = "edge", .own = { &weak } } } }, NULL));
	cr_assert_not_null(strstr(broken.why, "too small"), "%s", broken.why);
	edge_free(&broken);
	issued_free(&weak);
}

Test(tls, keeps_the_context_of_an_unchanged_profile_only)
{
	struct edge_want want = { .profile = { { .name = "a", .own = { &edge_ec }, .trust = { &ca } },
				      { .name = "b", .own = { &edge_ec }, .trust = { &ca } } } };
	struct tls_context *a, *b;

	edge_load(&edge, &want);
	a = tls_context_ref(tls_contexts_get(edge.set, 0));
	b = tls_context_ref(tls_contexts_get(edge.set, 1));
	cr_assert_eq(tls_context_profile(a), 0);
	cr_assert_eq(tls_context_profile(b), 1);

	want.profile[1].material = 1;
	edge_load(&edge, &want);
	cr_assert_eq(tls_contexts_get(edge.set, 0), a);
	cr_assert_neq(tls_contexts_get(edge.set, 1), b);
	cr_assert_eq(tls_context_profile(b), 1, "an old connection is judged by the new profile of its name");

	want.profile[0] = want.profile[1];
	want.profile[1] = (struct edge_profile){ .name = "c" };
	edge_load(&edge, &want);
	cr_assert_eq(tls_context_profile(a), IMAGE_NONE, "gone");
	cr_assert_eq(tls_context_profile(b), 0, "moved");
	tls_context_unref(a);
	tls_context_unref(b);
	tls_context_unref(NULL);
}
