/*
 * bench_tls - CPU time of the server's side of handshakes and of records, both
 * ends in one process, without sockets.
 *
 *	bench_tls [HANDSHAKES]
 *
 * One line per case: microseconds of the server for a handshake (making and
 * freeing the connection included) and how many that makes in a CPU second.
 * The client's work is not counted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/edge.h"

#define BULK (64u << 20) /* bytes sent in the case of records */

static struct edge edge;
static uint64_t server_ns;

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* What the client said, to the server; and back. */
static void pass(struct client *c, struct tls *t, struct buf *out, bool *done)
{
	static uint8_t bytes[65536];
	enum tls_status st;
	uint64_t from;
	size_t len;

	while (BIO_ctrl_pending(c->out)) {
		MUST(BIO_read_ex(c->out, bytes, sizeof(bytes), &len));
		from = cpu_ns();
		tls_feed(t, bytes, len);
		if (!*done) {
			st = tls_handshake(t);
			MUST(st == TLS_OK || st == TLS_WANT);
			*done = st == TLS_OK;
		}
		if (*done)
			MUST(tls_read(t, bytes, sizeof(bytes), &len) == TLS_WANT);
		server_ns += cpu_ns() - from;
	}
	if (out->len)
		MUST(BIO_write(c->in, buf_bytes(out), (int)out->len) == (int)out->len);
	buf_clear(out);
}

/* One connection; the session that the client has at its end. */
static SSL_SESSION *connection(const struct client_want *want)
{
	struct client c = client_new(want);
	SSL_SESSION *session;
	struct buf out = { 0 };
	bool done = false;
	struct tls *t;
	uint64_t from = cpu_ns();
	char byte;

	t = tls_accept_new(tls_contexts_get(edge.set, 0), &(struct tls_entrance){ SIDE_EXTERNAL, true, 1 }, &out);
	server_ns += cpu_ns() - from;
	for (int round = 0; round < 5; round++) {
		if (SSL_is_init_finished(c.ssl))
			(void)SSL_read(c.ssl, &byte, 1);
		else
			(void)SSL_do_handshake(c.ssl);
		pass(&c, t, &out, &done);
	}
	MUST(done && tls_resumed(t) == (want->session != NULL));
	session = SSL_get1_session(c.ssl);
	from = cpu_ns();
	tls_free(t);
	server_ns += cpu_ns() - from;
	client_free(&c);
	return session;
}

static void handshakes(const char *name, struct client_want want, bool resumed, unsigned count)
{
	SSL_SESSION *session = connection(&want), *next;

	if (resumed)
		want.session = session;
	server_ns = 0;
	for (unsigned i = 0; i < count; i++) {
		next = connection(&want);
		SSL_SESSION_free(session);
		session = next;
		if (resumed)
			want.session = session;
	}
	SSL_SESSION_free(session);
	printf("%-32s %8.1f us %8.0f handshakes/CPU s\n", name, (double)server_ns / count / 1e3,
	    count / ((double)server_ns / 1e9));
}

/* Encrypting, in pieces of a usual message and of a full record. */
static void records(const struct issued *peer, size_t piece)
{
	struct client_want want = { .version = TLS1_3_VERSION, .cert = peer };
	static uint8_t data[16384];
	static struct talk talk;
	uint64_t from, spent = 0;

	talk_begin(&talk, tls_contexts_get(edge.set, 0), &want, 16384);
	MUST(talk.done);
	for (size_t sent = 0; sent < BULK; sent += piece) {
		from = cpu_ns();
		MUST(tls_write(talk.tls, data, piece));
		spent += cpu_ns() - from;
		buf_clear(&talk.out);
	}
	printf("write, %5zu bytes at once         %8.2f us %8.0f MB/CPU s\n", piece,
	    (double)spent / ((double)BULK / (double)piece) / 1e3, BULK / ((double)spent / 1e3));
	talk_end(&talk);
}

int main(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 500;
	struct issued ca = issue(&(struct issue){ .subject = "/CN=CA", .ca = true });
	struct issued ec = issue(&(struct issue){ .subject = "/CN=edge.example", .by = &ca });
	struct issued rsa = issue(&(struct issue){ .subject = "/CN=edge.example", .by = &ca, .key = ISSUE_RSA });
	struct issued peer = issue(&(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &ca });
	struct issued peer_rsa = issue(
	    &(struct issue){ .subject = "/C=DE/O=Partner/CN=sip.partner.example", .by = &ca, .key = ISSUE_RSA });
	const struct client_want ec13 = { .version = TLS1_3_VERSION, .cert = &peer };
	const struct client_want ec12 = { .version = TLS1_2_VERSION, .cert = &peer };
	const struct client_want rsa12 = { .version = TLS1_2_VERSION, .cert = &peer_rsa, .ciphers = "aRSA" };

	MUST(count > 0);
	edge_load(&edge,
	    &(struct edge_want){ .profile = { { .name = "edge", .own = { &ec, &rsa }, .trust = { &ca } } }, .known = &peer });
	handshakes("TLS 1.3, P-256, full", ec13, false, count);
	handshakes("TLS 1.3, P-256, resumed", ec13, true, count);
	handshakes("TLS 1.2, P-256, full", ec12, false, count);
	handshakes("TLS 1.2, P-256, resumed", ec12, true, count);
	handshakes("TLS 1.2, RSA 2048, full", rsa12, false, count);
	records(&peer, 600);
	records(&peer, 16384);
	return 0;
}
