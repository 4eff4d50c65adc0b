/*
 * facts - from OpenSSL's certificates to plain facts: attributes of a name,
 * canonical DN, digests, dates, serials.
 *
 * Process: any.  May include: common/base.h, span, dn, peer.h, sip/uri, OpenSSL.
 * Owns nothing but the struct peer_facts it makes (counted by peer_facts_get/_put).
 */
#ifndef COMMON_X509_FACTS_H
#define COMMON_X509_FACTS_H

#include <openssl/x509.h>

#include "common/base.h"
#include "common/dn.h"
#include "common/peer.h"

/*
 * The attributes of a name, in its order; spans borrow from `name`.  Returns
 * how many; -1 when there are more than DN_AVA_MAX.
 */
MUST_USE int facts_name_avas(const X509_NAME *name, struct dn_ava avas[static DN_AVA_MAX]);

/* Canonical DN of a name. */
MUST_USE enum dn_status facts_name_dn(const X509_NAME *name, struct dn *out);

/* Printed as RFC 4514 text for configuration and logs; returns the length, cut to cap. */
size_t facts_name_print(const X509_NAME *name, char *out, size_t cap);

/* SHA-256 of the SubjectPublicKeyInfo's DER. */
MUST_USE bool facts_spki(const X509 *cert, uint8_t sha256[static 32]);

/* Seconds since 1970; false: no time at all. */
MUST_USE bool facts_time(const ASN1_TIME *t, int64_t *out);

/*
 * The SIP domain identities of a certificate (RFC 5922 7.1): the hosts of its
 * URI names with the scheme sip and no user; when it has no sip URI at all, its
 * DNS names.  Never its CN.  Each is a length byte and the canonical host, a
 * wildcard DNS name as "*.suffix".  What is no host is none of them; more than
 * fit count as none at all.  Returns the length.
 */
size_t facts_names(const X509 *cert, uint8_t out[static PEER_NAMES_MAX]);

/* Minimal big-endian bytes; false: negative or longer than 20 bytes. */
MUST_USE bool facts_serial(const ASN1_INTEGER *serial, struct image_serial *out);

/*
 * Facts of a verified chain (leaf first, anchor last).  NULL: no memory, or a
 * chain longer than PEER_CHAIN_MAX + 1, or a serial that cannot be kept.
 */
MUST_USE struct peer_facts *facts_of_chain(STACK_OF(X509) *chain);

struct peer_facts *peer_facts_get(struct peer_facts *facts); /* one more holder */
void peer_facts_put(struct peer_facts *facts);		     /* one less; NULL is fine */

/* Bytes of the whole record. */
size_t peer_facts_size(const struct peer_facts *facts);

/* Of facts that came from elsewhere, whose lengths fit: do the parts inside hold together? */
MUST_USE bool facts_are_sound(const struct peer_facts *facts);

/* When the first certificate of the chain ends, s since 1970. */
int64_t peer_facts_end(const struct peer_facts *facts);

struct span peer_facts_dn(const struct peer_facts *facts);
struct span peer_facts_dn_text(const struct peer_facts *facts);
struct span peer_facts_issuer_text(const struct peer_facts *facts);

/* Walk the SIP domain identities: *at begins with 0; false at the end. */
bool peer_facts_next_name(const struct peer_facts *facts, size_t *at, struct span *name);

/* Is the canonical host one of them?  A wildcard stands for one label, and only where it is `wildcards`. */
bool peer_facts_named(const struct peer_facts *facts, struct span host, bool wildcards);

#endif
