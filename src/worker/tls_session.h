/*
 * tls_session - server-side sessions for resumption: a bounded store in each
 * worker, instead of tickets.
 *
 * Process: worker.  May include: common/base.h, peer.h, image, x509/judge, OpenSSL.
 * Owns the sessions it keeps and a reference to the facts beside each.
 *
 * The library's own cache is not asked (SSL_SESS_CACHE_NO_INTERNAL): our
 * look-up judges the peer again from its facts, as of now and by the committed
 * image, and gives the session out only if that is still PEER_TRUSTED (or, on a profile
 * that takes untrusted peers, if it had no certificate); else a full handshake follows.
 * Sessions are bound to their profile by name (session id context), and live
 * no longer than resumption_lifetime after the original full handshake.
 */
#ifndef WORKER_TLS_SESSION_H
#define WORKER_TLS_SESSION_H

#include <openssl/ssl.h>

#include "common/base.h"
#include "common/image.h"
#include "common/peer.h"

#define TLS_SESSIONS_MAX 20000 /* in one worker; the oldest goes first */

/* Install the callbacks on a context that resumes sessions; profile name is the session id context. 0 or -errno. */
MUST_USE int tls_session_install(SSL_CTX *ctx, struct span profile_name);

/* How many sessions are kept; for tests and the memory they may take. */
size_t tls_session_count(void);
void tls_session_flush(void);

#endif
