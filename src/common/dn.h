/*
 * dn - the one canonical form of a distinguished name: from text, from
 * attributes, printed.
 *
 *   accept -> tls -> [identify] -> frame -> msg -> inspect -> route -> rewrite -> send
 *
 * Process: any.  May include: common/base.h, span.  Owns nothing; no OpenSSL here
 * (x509/facts turns a certificate's name into attributes).  Pure.
 *
 * Two canonical forms are equal exactly when OpenSSL's X509_NAME_cmp says 0
 * (RFC 5280 7.1 without Unicode folding): same attributes in the same RDNs;
 * strings decoded to UTF-8, ASCII letters folded, runs of white space one
 * blank, ends trimmed; other ASN.1 types as their DER.  Every part is
 * length-prefixed, so no value can run into the next.
 */
#ifndef COMMON_DN_H
#define COMMON_DN_H

#include "common/base.h"
#include "common/span.h"

#define DN_MAX 8192	 /* bytes of a canonical form; a longer name matches nothing */
#define DN_TEXT_MAX 16384 /* bytes of a printed name */
#define DN_AVA_MAX 256	 /* attributes in one name */

/* ASN.1 universal tags that a directory string may have. */
enum dn_type {
	DN_UTF8 = 12,
	DN_NUMERIC = 18,
	DN_PRINTABLE = 19,
	DN_TELETEX = 20,
	DN_IA5 = 22,
	DN_VISIBLE = 26,
	DN_UNIVERSAL = 28,
	DN_BMP = 30,
};

/* One attribute as it stands in a certificate. */
struct dn_ava {
	struct span oid;  /* DER content octets of the type */
	unsigned tag;	  /* ASN.1 tag of the value */
	struct span value; /* content octets of the value */
	struct span der;  /* the value's whole DER, for types that are no string */
	unsigned set;	  /* which RDN it belongs to: 0, 1, ... in the certificate's order */
};

enum dn_status {
	DN_OK,
	DN_EMPTY,	  /* no attribute, or blank text */
	DN_TOO_LONG,	  /* over DN_MAX or DN_AVA_MAX */
	DN_HAS_NUL,	  /* a NUL inside a string value */
	DN_UNDECODABLE,	  /* a string that is not valid in its own encoding */
	DN_BAD_SYNTAX,	  /* text: no '=', a stray separator, an unfinished escape, bad hex ... */
	DN_BAD_TYPE,	  /* text: unknown attribute keyword, or no OID */
	DN_AMBIGUOUS_SN,  /* text: SN is surname to some and serialNumber to others */
};

const char *dn_status_name(enum dn_status st);

/* A canonical form, owned by value. */
struct dn {
	size_t len;
	uint8_t bytes[DN_MAX];
};

/*
 * Canonical form of a certificate's name.  The attributes come in the order of
 * the certificate; within one RDN the order does not matter.
 */
MUST_USE enum dn_status dn_from_avas(const struct dn_ava *ava, size_t count, struct dn *out);

/*
 * Canonical form of a configured name: RFC 4514 text (blanks behind commas
 * allowed) or OpenSSL's slash form, which is known by its leading '/'; in that
 * a '/' or '+' begins an attribute only before a known keyword and '='.
 * *where (may be NULL) gets the offset of the offending byte.
 */
MUST_USE enum dn_status dn_from_text(struct span text, struct dn *out, size_t *where);

/* Comma form that begins with C=: almost surely written in reverse order. */
bool dn_looks_reversed(struct span text);

/*
 * Print a certificate's name as RFC 4514 text, ready to be pasted into the
 * configuration: dn_from_text of it gives the same canonical form.  Control
 * bytes and bytes that are not UTF-8 are escaped as \xx.  Returns the length;
 * 0: it does not fit.
 */
MUST_USE size_t dn_print_avas(const struct dn_ava *ava, size_t count, char *out, size_t cap);

/* Print a canonical form the same way (folded case); for logs and look-ups. */
MUST_USE size_t dn_print(const uint8_t *canonical, size_t len, char *out, size_t cap);

/*
 * Say in one line how two canonical forms differ ("O is \"a\", configured \"b\"",
 * "same attributes in reverse order", "OU is missing"); returns the length, at most cap.
 */
size_t dn_explain_difference(const uint8_t *seen, size_t seen_len, const uint8_t *configured, size_t configured_len,
    char *out, size_t cap);

/* How many attributes of the two are the same: to find the nearest configured name. */
unsigned dn_common_attributes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

#endif
