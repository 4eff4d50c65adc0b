/* tls on internal listeners: who connects must show the DN of a container. */
#include <criterion/criterion.h>

#include "support/edge.h"
#include "support/leaks.h"

enum who { NOBODY, CA, EDGE, RIGHT, OLD, CONTAINER, WHO_COUNT };

static struct issued made[WHO_COUNT];

static const struct issue wanted[WHO_COUNT] = {
	[CA] = { .subject = "/CN=CA", .ca = true },
	[EDGE] = { .subject = "/CN=edge.example", .by = &made[CA] },
	[RIGHT] = { .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &made[CA] }, /* of a domain */
	[OLD] = { .subject = "/O=Inside/CN=container", .by = &made[CA], .from = -7200, .to = -3600 },
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

TestSuite(tls_inside, .init = begin, .fini = finish);

static void load(enum image_client_certificate mode)
{
	edge_load(&edge,
	    &(struct edge_want){ .profile = { { .name = "both", .client_certificate = mode, .own = { &made[EDGE] }, .trust = { &made[CA] } } },
		.known = &made[RIGHT],
		.container = &made[CONTAINER] });
}

Test(tls_inside, lets_in_containers_only_where_they_connect)
{
	static const struct {
		enum who cert;
		enum peer_verdict verdict;
	} ones[] = { { CONTAINER, PEER_TRUSTED }, { RIGHT, PEER_DN_UNKNOWN }, { OLD, PEER_EXPIRED }, { NOBODY, PEER_NO_CERTIFICATE } };
	static const enum image_client_certificate modes[] = { CLIENT_CERT_REQUIRE, CLIENT_CERT_REQUEST, CLIENT_CERT_OFF };
	static struct talk talk;

	for (size_t i = 0; i < ARRAY_LEN(ones) * ARRAY_LEN(modes) * 2; i++) {
		enum who who = ones[i / 2 % ARRAY_LEN(ones)].cert;
		enum peer_verdict verdict = ones[i / 2 % ARRAY_LEN(ones)].verdict;

		load(modes[i / 2 / ARRAY_LEN(ones)]);
		talk_begin_on(&talk, tls_contexts_get(edge.set, 0), SIDE_INTERNAL,
		    &(struct client_want){ .version = i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION, .cert = who ? &made[who] : NULL }, 16384);
		cr_expect_eq(talk.done, verdict == PEER_TRUSTED, "%zu: %s", i, tls_error(talk.tls));
		cr_expect_eq(tls_judgement(talk.tls)->verdict, verdict, "%zu: %s", i, peer_verdict_name(tls_judgement(talk.tls)->verdict));
		cr_expect_eq(tls_judgement(talk.tls)->domain_count, 0);
		talk_end(&talk);
	}
}

/* One profile may serve both sides: a session of one is worth nothing on the other. */
Test(tls_inside, takes_no_session_of_the_other_side)
{
	static struct talk talk;
	SSL_SESSION *session;
	char byte;

	load(CLIENT_CERT_REQUEST);
	for (int i = 0; i < 3; i++) {
		struct client_want want = { .version = TLS1_2_VERSION, .cert = i == 0 ? &made[RIGHT] : i == 1 ? &made[CONTAINER] : NULL };
		enum image_side from = i == 1 ? SIDE_INTERNAL : SIDE_EXTERNAL;

		talk_begin_on(&talk, tls_contexts_get(edge.set, 0), from, &want, 16384);
		cr_assert(talk.done, "%s", tls_error(talk.tls));
		(void)SSL_read(talk.client.ssl, &byte, 1);
		session = SSL_get1_session(talk.client.ssl);
		talk_end(&talk);
		want.session = session;
		talk_begin_on(&talk, tls_contexts_get(edge.set, 0), from == SIDE_EXTERNAL ? SIDE_INTERNAL : SIDE_EXTERNAL, &want, 16384);
		cr_assert(!talk.done || !tls_resumed(talk.tls), "%d", i);
		cr_assert(from == SIDE_INTERNAL || !talk.done, "%d: no container", i);
		cr_assert_eq(tls_judgement(talk.tls)->domain_count, 0, "%d", i);
		talk_end(&talk);
		SSL_SESSION_free(session);
	}
}
