/*
 * tls_context - one SSL_CTX per profile of the image, built from the keys memfd.
 *
 * Process: worker.  May include: common/base.h, image, keys_layout, x509/judge, worker/tls_bio, tls_peer, tls_session, OpenSSL.
 * Owns the contexts; they are counted, since sessions outlive a reload.
 *
 * TLS 1.2 and 1.3, no renegotiation, no compression, no 0-RTT, security level
 * 2, no tickets (sessions stay here, tls_session.h), the peer judged in the
 * whole-chain callback.  A profile whose `material` a reload has not changed
 * keeps its context and its sessions.
 */
#ifndef WORKER_TLS_CONTEXT_H
#define WORKER_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "common/base.h"
#include "common/image.h"
#include "common/keys_layout.h"
#include "worker/tls_peer.h"

struct tls_context;  /* one profile */
struct tls_contexts; /* all profiles of one generation */

/* Once per process, before anything else here: custom BIO, ex_data indexes. 0 or -errno. */
MUST_USE int tls_init(void);

/*
 * Begin to build the contexts of `img`; `old` (may be NULL) is the set in use,
 * from which unchanged profiles are taken over.  Borrows img and keys until
 * the last step.  NULL: no memory.
 */
MUST_USE struct tls_contexts *tls_contexts_new(const struct image *img, const struct keys_header *keys,
    const struct tls_contexts *old);

/*
 * Build one more context.  1: call again; 0: complete; -1: it can't be built,
 * why[] says so.  One per turn of the loop: a context takes milliseconds.
 */
MUST_USE int tls_contexts_step(struct tls_contexts *set, char why[static 256]);

/*
 * From now on judge by `img`, whose set this is: every living context, those
 * of older generations included, learns its profile's index in it (by name;
 * IMAGE_NONE when the profile is gone).
 */
void tls_contexts_commit(struct tls_contexts *set, const struct image *img);

/* Drop the set; contexts still used by sessions stay alive. */
void tls_contexts_free(struct tls_contexts *set);

/* The context of profile `tls` of the set's image. */
struct tls_context *tls_contexts_get(const struct tls_contexts *set, uint32_t tls);

/* Index of the context's profile in the committed image; IMAGE_NONE: removed by a reload. */
uint32_t tls_context_profile(const struct tls_context *ctx);

/* An SSL object of this context with the peer's record, whose kind is set, hung on it; p must outlive it. NULL: no memory. */
MUST_USE SSL *tls_context_connection(const struct tls_context *ctx, struct tls_peer *p);

struct tls_context *tls_context_ref(struct tls_context *ctx);
void tls_context_unref(struct tls_context *ctx);

#endif
