/* tls_session: what a resumed session is worth. */
#include <criterion/criterion.h>

#include "support/edge.h"
#include "support/leaks.h"

static struct issued ca, other_ca, edge_ec, peer, stranger;
static struct edge edge;
static struct talk talk;

static void begin(void)
{
	ca = issue(&(struct issue){ .subject = "/CN=CA", .ca = true });
	other_ca = issue(&(struct issue){ .subject = "/CN=Other CA", .ca = true });
	edge_ec = issue(&(struct issue){ .subject = "/CN=edge.example", .by = &ca });
	peer = issue(&(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &ca });
	stranger = issue(&(struct issue){ .subject = "/C=DE/O=Stranger/CN=sip.partner.example", .by = &ca });
}

static void finish(void)
{
	struct issued *all[] = { &ca, &other_ca, &edge_ec, &peer, &stranger };

	edge_forget_sessions();
	edge_free(&edge);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		issued_free(all[i]);
	leaks_check();
}

TestSuite(tls_session, .init = begin, .fini = finish);

static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };

/* Two profiles, "a" and "b", alike; one known peer. */
static struct edge_want usual(enum image_client_certificate mode)
{
	struct edge_profile p = { .name = "a", .client_certificate = mode, .own = { &edge_ec }, .trust = { &ca } };
	struct edge_want want = { .profile = { p, p }, .known = &peer };

	want.profile[1].name = "b";
	return want;
}

/* A full or resumed handshake at a profile; the session that the client has then. */
static SSL_SESSION *converse(uint32_t profile, int version, const struct issued *cert, SSL_SESSION *session)
{
	talk_begin(&talk, tls_contexts_get(edge.set, profile),
	    &(struct client_want){ .version = version, .cert = cert, .session = session }, 16384);
	return SSL_get1_session(talk.client.ssl);
}

/* A first connection that leaves a session. */
static SSL_SESSION *first(uint32_t profile, int version, const struct issued *cert)
{
	SSL_SESSION *session = converse(profile, version, cert, NULL);

	cr_assert(talk.done, "%s", tls_error(talk.tls));
	cr_assert(!tls_resumed(talk.tls));
	talk_end(&talk);
	return session;
}

Test(tls_session, resumes_with_the_facts_of_the_full_handshake)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct edge_want want = usual(CLIENT_CERT_REQUIRE);
		SSL_SESSION *session, *renewed;
		struct peer_facts *facts;

		edge_load(&edge, &want);
		session = converse(0, versions[i], &peer, NULL);
		facts = peer_facts_get(tls_facts(talk.tls));
		talk_end(&talk);
		for (int round = 0; round < 3; round++) {
			renewed = converse(0, versions[i], &peer, session);
			cr_assert(talk.done, "%s", tls_error(talk.tls));
			cr_assert(tls_resumed(talk.tls), "version %x, round %d", versions[i], round);
			cr_assert_eq(tls_facts(talk.tls), facts, "the same ones");
			cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_TRUSTED);
			cr_assert_eq(tls_judgement(talk.tls)->domain_count, 1);
			cr_assert_eq(tls_judgement(talk.tls)->generation, edge.img.h->generation);
			cr_assert_eq(SSL_write(talk.client.ssl, "hello", 5), 5);
			talk_feed(&talk, 1);
			cr_assert_eq(talk.got_len, 5);
			talk_end(&talk);
			SSL_SESSION_free(session);
			session = renewed;
		}
		SSL_SESSION_free(session);
		peer_facts_put(facts);
	}
}

enum change { SAME, DN_REMOVED, DN_OTHER, DISABLED, TRUST, REVOKED, AGE, OFF, MATERIAL, PROFILE_GONE };

/* Load a generation that differs in one thing. */
static void reload(struct edge_want want, enum change change)
{
	switch (change) {
	case SAME:
	case AGE:
		break;
	case DN_REMOVED:
		want.known = NULL;
		break;
	case DN_OTHER:
		want.known = &stranger;
		break;
	case DISABLED:
		want.disabled = true;
		break;
	case TRUST:
		want.profile[0].trust[0] = &other_ca; /* the material left alone on purpose */
		break;
	case REVOKED:
		want.profile[0].revoked = &peer;
		break;
	case OFF:
		want.profile[0].no_resumption = true;
		break;
	case MATERIAL:
		want.profile[0].material = 1;
		break;
	case PROFILE_GONE:
		want.profile[0].name = "c";
		break;
	}
	edge_load(&edge, &want);
	if (change == AGE)
		edge_set_lifetime(&edge, 0);
}

Test(tls_session, is_refused_when_a_full_handshake_would_be)
{
	static const struct {
		enum change change;
		bool resumed;
		const char *why;
	} rows[] = {
		{ SAME, true, "nothing has changed but the generation" },
		{ DN_REMOVED, false, "no name is configured any more" },
		{ DN_OTHER, false, "another name is" },
		{ DISABLED, false, "the domain is off" },
		{ TRUST, false, "the CA is no longer trusted" },
		{ REVOKED, false, "the certificate was revoked" },
		{ AGE, false, "older than resumption_lifetime" },
		{ OFF, false, "resumption was turned off" },
		{ MATERIAL, false, "the profile is another one" },
		{ PROFILE_GONE, false, "its profile was removed; another has its place" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(versions); i++) {
		struct edge_want want = usual(CLIENT_CERT_REQUIRE);
		int version = versions[i % ARRAY_LEN(versions)];
		SSL_SESSION *session;

		edge_load(&edge, &want);
		session = first(0, version, &peer);
		reload(want, rows[i / 2].change);
		SSL_SESSION_free(converse(0, version, &peer, session));
		cr_assert_eq(tls_resumed(talk.tls), rows[i / 2].resumed, "version %x: %s", version, rows[i / 2].why);
		if (rows[i / 2].resumed)
			cr_assert(talk.done);
		SSL_SESSION_free(session);
		talk_end(&talk);
		edge_forget_sessions();
	}
}

Test(tls_session, is_not_taken_by_another_profile)
{
	struct edge_want want = usual(CLIENT_CERT_REQUIRE);

	edge_load(&edge, &want);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		SSL_SESSION *session = first(0, versions[i], &peer);

		SSL_SESSION_free(converse(1, versions[i], &peer, session));
		cr_assert(talk.done, "a full handshake: %s", tls_error(talk.tls));
		cr_assert(!tls_resumed(talk.tls));
		cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_TRUSTED);
		talk_end(&talk);
		SSL_SESSION_free(converse(0, versions[i], &peer, session));
		cr_assert(tls_resumed(talk.tls), "at its own it is still good");
		talk_end(&talk);
		SSL_SESSION_free(session);
	}
}

Test(tls_session, stays_as_old_as_the_first_handshake_when_renewed)
{
	struct edge_want want = usual(CLIENT_CERT_REQUIRE);
	SSL_SESSION *session, *renewed;
	struct peer_facts *facts;

	edge_load(&edge, &want);
	session = converse(0, TLS1_3_VERSION, &peer, NULL);
	facts = peer_facts_get(tls_facts(talk.tls));
	talk_end(&talk);
	renewed = converse(0, TLS1_3_VERSION, &peer, session);
	cr_assert(tls_resumed(talk.tls));
	cr_assert_eq(tls_facts(talk.tls), facts, "the same record");
	cr_assert_eq(edge_session_count(), 2);
	talk_end(&talk);
	edge_set_lifetime(&edge, 0);
	SSL_SESSION_free(converse(0, TLS1_3_VERSION, &peer, renewed));
	cr_assert(!tls_resumed(talk.tls));
	cr_assert(talk.done);
	talk_end(&talk);
	SSL_SESSION_free(session);
	SSL_SESSION_free(renewed);
	peer_facts_put(facts);
}

Test(tls_session, of_a_peer_without_certificate_is_kept_where_none_is_required)
{
	static const enum image_client_certificate modes[] = { CLIENT_CERT_REQUEST, CLIENT_CERT_OFF };

	for (size_t i = 0; i < ARRAY_LEN(modes) * ARRAY_LEN(versions); i++) {
		struct edge_want want = usual(modes[i / 2]);
		int version = versions[i % 2];
		SSL_SESSION *session;

		edge_load(&edge, &want);
		session = first(0, version, NULL);
		SSL_SESSION_free(converse(0, version, &peer, session));
		cr_assert(tls_resumed(talk.tls));
		cr_assert_null(tls_facts(talk.tls));
		cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_NO_CERTIFICATE, "whatever it could have shown");
		cr_assert_eq(tls_judgement(talk.tls)->domain_count, 0);
		talk_end(&talk);

		want.profile[0].client_certificate = CLIENT_CERT_REQUIRE;
		edge_load(&edge, &want);
		SSL_SESSION_free(converse(0, version, &peer, session));
		cr_assert(!tls_resumed(talk.tls), "now one is required");
		cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_TRUSTED);
		talk_end(&talk);
		SSL_SESSION_free(session);
		edge_forget_sessions();
	}
}

Test(tls_session, of_an_untrusted_peer_with_certificate_is_not_kept)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct edge_want want = usual(CLIENT_CERT_REQUEST);
		SSL_SESSION *session;

		edge_load(&edge, &want);
		session = first(0, versions[i], &stranger);
		cr_assert_eq(edge_session_count(), 0);
		SSL_SESSION_free(converse(0, versions[i], &stranger, session));
		cr_assert(!tls_resumed(talk.tls));
		cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_DN_UNKNOWN);
		talk_end(&talk);
		SSL_SESSION_free(session);
	}
}

Test(tls_session, is_judged_at_the_end_of_its_handshake_too)
{
	struct edge_want want = usual(CLIENT_CERT_REQUIRE);
	SSL_SESSION *session;

	edge_load(&edge, &want);
	session = first(0, TLS1_3_VERSION, &peer);
	talk = (struct talk){ .client = client_new(&(struct client_want){ .version = TLS1_3_VERSION, .cert = &peer,
				  .session = session }),
		.status = TLS_WANT };
	talk.tls = tls_accept_new(tls_contexts_get(edge.set, 0), &(struct tls_entrance){ SIDE_EXTERNAL, true, 1 }, &talk.out);
	cr_assert_eq(SSL_do_handshake(talk.client.ssl), -1);
	talk_feed(&talk, 16384);
	talk_deliver(&talk);
	cr_assert(!talk.done);
	want.disabled = true;
	edge_load(&edge, &want);
	cr_assert_eq(SSL_do_handshake(talk.client.ssl), 1);
	talk_feed(&talk, 16384);
	cr_assert_eq(talk.status, TLS_FAILED);
	cr_assert_eq(tls_judgement(talk.tls)->verdict, PEER_DOMAIN_DISABLED);
	cr_assert(!tls_write(talk.tls, "x", 1));
	talk_end(&talk);
	SSL_SESSION_free(session);
}

Test(tls_session, is_dropped_after_a_fatal_alert)
{
	struct edge_want want = usual(CLIENT_CERT_REQUIRE);
	static const uint8_t rubbish[] = { 23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 };
	SSL_SESSION *session;
	size_t n;

	edge_load(&edge, &want);
	session = converse(0, TLS1_2_VERSION, &peer, NULL);
	cr_assert_eq(edge_session_count(), 1);
	tls_feed(talk.tls, rubbish, sizeof(rubbish));
	cr_assert_eq(tls_read(talk.tls, talk.got, sizeof(talk.got), &n), TLS_FAILED);
	cr_assert_eq(edge_session_count(), 0, "RFC 5246 7.2.2");
	talk_end(&talk);
	SSL_SESSION_free(session);
}

/* What tls_rest let go must not be missed: not by records, not by new keys. */
Test(tls_session, connection_goes_on_without_it)
{
	static const struct {
		int version;
		const char *ciphers;
	} rows[] = { { TLS1_3_VERSION, NULL }, { TLS1_2_VERSION, NULL }, { TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384" },
		{ TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct edge_want want = usual(CLIENT_CERT_REQUIRE);
		char text[8];

		want.profile[0].ciphers = rows[i].ciphers;
		edge_load(&edge, &want);
		SSL_SESSION_free(converse(0, rows[i].version, &peer, NULL));
		cr_assert(talk.done, "%zu: %s", i, tls_error(talk.tls));
		cr_assert_str_eq(tls_cipher(talk.tls), SSL_get_cipher_name(talk.client.ssl));
		for (int round = 0; round < 3; round++) {
			cr_assert_eq(SSL_write(talk.client.ssl, "hello", 5), 5);
			talk_feed(&talk, 16384);
			cr_assert_eq(talk.got_len, 5u * (unsigned)(round + 1), "%zu, round %d", i, round);
			cr_assert(tls_write(talk.tls, "answer", 6));
			talk_deliver(&talk);
			cr_assert_eq(SSL_read(talk.client.ssl, text, sizeof(text)), 6, "%zu, round %d", i, round);
			if (rows[i].version == TLS1_3_VERSION)
				cr_assert_eq(SSL_key_update(talk.client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		}
		talk_end(&talk);
	}
}
