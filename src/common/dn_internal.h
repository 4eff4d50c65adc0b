/*
 * dn_internal - what dn.c, dn_text.c and dn_print.c share: the shape of the
 * canonical form, its writer and its reader, and the table of attribute types.
 *
 * Process: any.  May include: common/base.h, span, dn.  Owns nothing.  Pure.
 *
 * Canonical form: one record per RDN, in the certificate's order:
 *   2 bytes  length of what follows in this RDN
 *   for each attribute, sorted by its bytes:
 *     1 byte   length of the OID, then the OID's content octets
 *     1 byte   DN_STRING or DN_DER
 *     2 bytes  length of the value, then the value
 * Lengths are big-endian.
 */
#ifndef COMMON_DN_INTERNAL_H
#define COMMON_DN_INTERNAL_H

#include "common/dn.h"

enum {
	DN_DER = 0,    /* the value is DER, compared byte for byte */
	DN_STRING = 1, /* the value is canonical UTF-8 */
};

/* Writing: RDN after RDN, attribute after attribute. */
struct dn_writer {
	uint8_t *bytes; /* DN_MAX of them */
	size_t len;
	size_t rdn; /* where the RDN that is open begins */
	size_t avas; /* attributes in it */
	size_t total;
};

void dn_rdn_begin(struct dn_writer *w);
MUST_USE enum dn_status dn_rdn_end(struct dn_writer *w);

/* A string in the encoding of `tag`, canonicalised. */
MUST_USE enum dn_status dn_write_string(struct dn_writer *w, struct span oid, unsigned tag, struct span value);
MUST_USE enum dn_status dn_write_der(struct dn_writer *w, struct span oid, struct span der);

/* Does the canonical form of this ASN.1 type compare as text? */
bool dn_is_string(unsigned tag);

/* Next character of a string in the encoding of `tag`; false: not valid there.  Advances *s. */
MUST_USE bool dn_next_char(struct span *s, unsigned tag, uint32_t *c);

/* UTF-8 of a character that dn_next_char gave; returns the length. */
size_t dn_put_utf8(uint32_t c, uint8_t out[static 4]);

/* One DER element: tag byte, content; false: not well-formed, or not definite.  Advances *s. */
MUST_USE bool dn_der_next(struct span *s, unsigned *tag, struct span *content, struct span *whole);

/* Reading a canonical form. */
struct dn_reader {
	const uint8_t *p, *end, *rdn_end;
};

struct dn_item {
	struct span oid;
	bool string;
	struct span value;
	bool first; /* of its RDN */
};

struct dn_reader dn_read(const uint8_t *canonical, size_t len);
MUST_USE bool dn_read_next(struct dn_reader *r, struct dn_item *item);

/* Attribute keywords: the first row of an OID is the one that is printed. */
struct dn_keyword {
	const char *name;
	const char *oid; /* DER content octets */
	size_t oid_len;
};

const struct dn_keyword *dn_keyword_of(struct span name); /* without case; NULL: unknown */
const struct dn_keyword *dn_keyword_of_oid(struct span oid);

#endif
