/*
 * pattern - texts with '*' for any run of characters, as routing rules compare
 * URIs and header values with them.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> [route] -> rewrite -> send
 *
 * Process: any.  May include: rank 0, sip/chars, sip/uri.  Owns nothing.  Pure.
 *
 * Of a URI only what says whom it names is compared, in one spelling:
 * "scheme:user@host", "scheme:host" without a user part, "tel:number".  Port,
 * password and parameters count for nothing.  Scheme and host are in lower
 * case, the host as host_canon writes it; escapes in the user part are decoded
 * (RFC 3261 19.1.4), but for those of '%', '*', '@' and of what is not
 * printable, so that a '@' or a '*' that stands there is always a pattern's or
 * the one before the host.  A number that begins with '+', and every tel
 * number, stands without visual separators and parameters (RFC 3966 4), or
 * "+49-30" would slip by a rule for "+4930".
 *
 * No regular expressions: the time is bounded by the product of both lengths.
 */
#ifndef COMMON_POLICY_PATTERN_H
#define COMMON_POLICY_PATTERN_H

#include "common/base.h"
#include "common/sip/uri.h"
#include "common/span.h"

#define PATTERN_MAX 255 /* bytes of a pattern */

/* A piece of a text, and how it is read. */
enum pattern_reading {
	READ_PLAIN,
	READ_LOWER,
	READ_USER,   /* user part of a SIP URI */
	READ_NUMBER, /* telephone number */
};

struct pattern_piece {
	struct span text;
	enum pattern_reading reading;
};

/* A URI made ready to be compared.  Borrows from the URI; must not be moved. */
struct pattern_uri {
	struct pattern_piece piece[5]; /* scheme ':' user '@' host */
	size_t count;
	size_t host_len; /* 0: not a SIP URI, or its host is too long to be one */
	char host[HOST_MAX];
};

void pattern_uri_of(const struct sip_uri *uri, struct pattern_uri *out);

/* Does a pattern that pattern_canon has written match? */
MUST_USE bool pattern_matches_uri(struct span canonical, const struct pattern_uri *uri);

/* Does the whole value match, without regard to case?  `pattern` is in lower case. */
MUST_USE bool pattern_matches_text(struct span pattern, struct span value);

/*
 * A configured pattern in the spelling above: a URI ("sip:*@a.example",
 * "tel:+49*", "*@a.example"), a host that stands alone ("a.example",
 * "*.a.example"), written with a leading '@', or "*" for any URI at all.
 * Returns the length; 0: it is none of these, or too long.
 */
MUST_USE size_t pattern_canon(struct span text, char out[static PATTERN_MAX + 1]);

#endif
