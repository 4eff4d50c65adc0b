/*
 * tls - one TLS connection: cipher bytes in, plain bytes out, and back; no sockets.
 *
 *   accept -> [tls] -> [identify] -> frame -> msg -> inspect -> route -> rewrite -> send
 *
 * Process: worker.  May include: common/base.h, peer.h, sip/uri, x509/facts, worker/buf, tls_context, tls_bio,
 * tls_peer, tls_session, OpenSSL.
 * Owns the SSL object; borrows the output buffer.
 *
 * A custom BIO stands between the ring's buffers and OpenSSL: no memory BIO,
 * no socket BIO, no copy of our own.  read_ahead is on, so a fed buffer is
 * empty after tls_read or tls_handshake said TLS_WANT, and can go back to the ring.
 * The peer is judged in the handshake (x509/judge); a resumed session is
 * judged again from the facts kept beside it before it is taken.
 */
#ifndef WORKER_TLS_H
#define WORKER_TLS_H

#include "common/base.h"
#include "common/peer.h"
#include "common/span.h"
#include "worker/buf.h"
#include "worker/tls_context.h"

struct tls;

enum tls_status {
	TLS_OK,
	TLS_WANT,   /* all that was fed is consumed; more is needed */
	TLS_CLOSED, /* the peer said close_notify */
	TLS_FAILED, /* an alert may stand in the output buffer: send it, then close */
};

/* The listener that a connection came to. */
struct tls_entrance {
	enum image_side side;
	bool enforce;	   /* false: nobody is required to be anybody, nobody is trusted */
	uint64_t listener; /* which it is: sessions are good there alone */
};

/*
 * Server side, for a connection that was accepted on a listener of this side;
 * inside, it must show a container's DN whatever the profile says of client
 * certificates.  Everything to be sent is appended to *out.  NULL: no memory.
 */
MUST_USE struct tls *tls_accept_new(struct tls_context *ctx, const struct tls_entrance *by, struct buf *out);

/*
 * Client side, for a connection that we opened: tls_handshake begins it, and
 * ends in TLS_OK only if the server is the one expected (copied; the name too).
 * `sni` is asked for if it is a host name.  The certificate of the profile is ours.
 */
MUST_USE struct tls *tls_connect_new(struct tls_context *ctx, const struct tls_expect *expect, struct span sni,
    struct buf *out);
void tls_free(struct tls *t); /* NULL is fine */

/* The next cipher bytes; the ones before must be consumed (TLS_WANT).  Borrowed until then. */
void tls_feed(struct tls *t, const uint8_t *data, size_t len);

/* Go on with the handshake; TLS_OK: it is finished. */
MUST_USE enum tls_status tls_handshake(struct tls *t);

/* Read plain bytes; TLS_OK: *n > 0 bytes, and there may be more. */
MUST_USE enum tls_status tls_read(struct tls *t, void *data, size_t cap, size_t *n);

/* Encrypt all of it to the output buffer; records of up to 16 KiB.  False: failed, close. */
MUST_USE bool tls_write(struct tls *t, const void *data, size_t len);

/* Append close_notify to the output buffer (at most once). */
void tls_close(struct tls *t);

/*
 * Who the peer is.  After TLS_OK of the handshake both are set (facts NULL:
 * no certificate, allowed by the profile); after TLS_FAILED the judgement says
 * why the peer was refused, or verdict PEER_TRUSTED when the failure had another cause
 * (tls_error).  The facts are counted: take peer_facts_get to keep them.
 */
struct peer_facts *tls_facts(const struct tls *t);
const struct peer_judgement *tls_judgement(const struct tls *t);

/* Text of the failure, for the log: OpenSSL's reason ("wrong version number"); never NULL. */
const char *tls_error(const struct tls *t);

/*
 * Why the server of a connection that we opened was not taken, for a Warning
 * header: ASCII without quotes and backslashes
 * ("certificate CN=x is not that of partner.example").  Terminated, and cut to cap;
 * returns the length.
 */
size_t tls_warning(const struct tls *t, char *out, size_t cap);

/* Whom we expect on a connection that we opened; NULL: it was accepted. */
const struct tls_expect *tls_expected(const struct tls *t);

/* What the peer had to prove, and has to again after a reload (judge_wanted). */
struct judge_want tls_want(const struct tls *t);

bool tls_resumed(const struct tls *t);
const char *tls_version(const struct tls *t); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *t);
struct tls_context *tls_get_context(const struct tls *t);

#endif
