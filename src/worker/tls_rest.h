/*
 * tls_rest - TLS connections at rest: the library goes on holding the peer's
 * certificates and the session of the handshake, some 10 KiB, for questions
 * that nobody asks here.  It is given an empty context and session instead.
 *
 *   accept -> [tls] -> identify -> frame -> msg -> inspect -> route -> rewrite -> send
 *
 * Process: worker.  May include: common/base.h, OpenSSL.  Owns what it gives out references to.
 */
#ifndef WORKER_TLS_REST_H
#define WORKER_TLS_REST_H

#include <openssl/ssl.h>

#include "common/base.h"

/*
 * A server's connection whose handshake is over and whose peer has been judged:
 * version, cipher and keys stay, the session and all certificates go.  Where
 * there is no memory everything stays as it is.
 */
void tls_rest(SSL *ssl);

#endif
