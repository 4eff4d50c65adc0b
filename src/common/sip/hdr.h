/*
 * hdr - header names, long and compact, to ids.
 *
 *   accept -> tls -> identify -> frame -> [msg] -> inspect -> route -> rewrite -> send
 *
 * Process: any.  May include: common/base.h, span, sip/chars.  Owns nothing.  Pure.
 *
 * Names are compared in full (RFC 3261 7.3.1: without case), never by hash
 * alone: a name that hashes like an identity header must not become one.
 */
#ifndef COMMON_SIP_HDR_H
#define COMMON_SIP_HDR_H

#include "common/base.h"
#include "common/span.h"

enum hdr_id {
	HDR_OTHER, /* not in hdr.def */
#define HDR(id, name, compact, flags) HDR_##id,
#include "common/sip/hdr.def"
#undef HDR
	HDR_COUNT
};

#define HDR_F_ONCE 0x1u
#define HDR_F_CONFUSE 0x2u

/* The id of a header name as it stands before the colon, blanks removed. */
enum hdr_id hdr_lookup(struct span name);

/* Canonical long name ("Call-ID"); "" for HDR_OTHER. */
struct span hdr_name(enum hdr_id id);

unsigned hdr_flags(enum hdr_id id);

/*
 * A set of further names, all in lower case: the identity headers to strip.
 * It lives in the image; this is a borrowed view.  `filter` has bit (len & 63)
 * set for each name, so that most names are ruled out by one test.
 */
struct hdr_set {
	const struct span *name;
	size_t count;
	uint64_t filter;
};

/* Is `name` (any case) in the set?  Compact forms are not known here: no identity header has one. */
bool hdr_set_has(const struct hdr_set *set, struct span name);

/*
 * The reading of a name by the most lenient parser: percent escapes decoded,
 * '_' and Unicode's hyphens as '-', full-width letters as plain ones,
 * everything but letters, digits and '-' dropped, lower case.
 * Writes at most `cap` bytes and returns the length; a longer result is cut to
 * cap, which is harmless as long as cap is longer than every name asked for.
 */
size_t hdr_lenient(struct span name, char *out, size_t cap);

/*
 * Would some reader take `name`, which hdr_lookup and hdr_set_has do not know
 * (or know by exactly this spelling, which is not confusing), for a name in
 * `set` or for a CONFUSE row of hdr.def, its compact form included?  Asked of
 * both readings, with percent escapes decoded and with them left alone.
 */
bool hdr_confusing(const struct hdr_set *set, struct span name);

/*
 * Does a line hold, between a line break that only some readers know (byte
 * 0x85, U+0085, U+2028, U+2029) and a colon, what reads leniently as such a
 * name, exact spellings included?  Linear in the length.
 */
bool hdr_hidden(const struct hdr_set *set, struct span text);

#endif
