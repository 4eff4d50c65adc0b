/*
 * tls_session - server-side sessions for resumption, in a bounded store that
 * all workers share, instead of tickets.
 *
 * Process: worker.  May include: common/base.h, siphash, peer.h, image, session_store, x509/facts, worker/tls_peer, session_record, OpenSSL.
 * Owns nothing but the key that records are sealed with; a session in use has a reference to its peer's facts.
 *
 * The library's own cache is not asked (SSL_SESS_CACHE_NO_INTERNAL): our
 * look-up judges the peer again from its facts, as of now and by the committed
 * image, and gives the session out only if that is still PEER_TRUSTED (or, on a profile
 * that takes untrusted peers, if it had no certificate); else a full handshake follows.
 * Sessions are bound to what their context was built from (session id
 * context), and live no longer than resumption_lifetime after the original
 * full handshake: a session renewed by TLS 1.3 is as old as its first one.
 */
#ifndef WORKER_TLS_SESSION_H
#define WORKER_TLS_SESSION_H

#include <openssl/ssl.h>

#include "common/base.h"
#include "common/image.h"
#include "common/peer.h"

/* Once per process; 0 or -errno. */
MUST_USE int tls_session_init(void);

/*
 * Install the callbacks on the context of profile `tls`.  Where `resumption`
 * is off, see to it that no session is ever offered.  `binding` is filled in:
 * what its sessions are bound to.  0 or -errno.
 */
MUST_USE int tls_session_install(SSL_CTX *ctx, const struct image *img, const struct image_tls *tls, uint8_t binding[static 32]);

/*
 * Whose session it is, after a handshake that resumed it: facts (borrowed;
 * NULL: no certificate) and the time of the original full handshake.
 */
MUST_USE bool tls_session_origin(const SSL_SESSION *session, struct peer_facts **facts, int64_t *handshake);

/* The session with this id is no longer good. */
void tls_session_forget(const uint8_t *id, size_t len);

/*
 * From now on sessions are kept, and looked for, in the region that all workers
 * share: sealed under a key made of `secret`, which they have in common.  Without
 * it there is no resumption.  *found is counted up for each that was found, was
 * still good and was not made by `maker`, which is us.  0 or -errno.
 */
MUST_USE int tls_session_share(void *region, size_t size, const uint8_t secret[static 16], uint64_t maker, _Atomic uint64_t *found);

#endif
