/*
 * uri - SIP, SIPS and tel URIs, strictly by grammar; other absolute URIs as text.
 *
 * Process: any.  May include: common/base.h, span, sip/chars.  Owns nothing.  Pure.
 *
 * RFC 3261 19.1 and 25.1, RFC 3966.  All spans borrow from the input.
 */
#ifndef COMMON_SIP_URI_H
#define COMMON_SIP_URI_H

#include "common/base.h"
#include "common/span.h"

#define HOST_MAX 256 /* bytes of a canonical host, without terminator */

enum uri_scheme {
	URI_SIP,
	URI_SIPS,
	URI_TEL,
	URI_OTHER, /* some other absolute URI: scheme and whole are set, nothing else */
};

enum host_kind {
	HOST_NAME,
	HOST_IPV4,
	HOST_IPV6, /* the text has its brackets */
};

struct sip_uri {
	struct span whole;
	struct span scheme_text; /* as written, without the colon */
	enum uri_scheme scheme;
	struct span user;     /* sip: what stands before '@' and before ':', its own ';' parameters included;
			       * p NULL when there is no '@'.  tel: the number */
	struct span password; /* behind the ':' before '@'; p NULL when none */
	struct span host;     /* sip only: as written */
	enum host_kind host_kind;
	uint16_t port;	      /* 0: none written */
	struct span params;   /* behind the first ';' after host, port or number, up to '?'; may be empty */
	struct span headers;  /* behind '?'; may be empty */
};

/*
 * Parse a whole URI.  False, *out untouched, when it is none: no host, a port
 * not 1-65535, an IPv6 address without brackets, a host whose last label
 * begins with a digit and that is no dotted quad, a byte the grammar does not
 * allow at its place ('%' not followed by two hex digits included), a byte
 * below 0x21 or above 0x7e anywhere.
 */
MUST_USE bool uri_parse(struct span text, struct sip_uri *out);

/*
 * Value of ';name=value' in a parameter list without its leading ';', name
 * without case.  A parameter without '=' gives an empty value.  False: absent.
 */
MUST_USE bool uri_param(struct span params, struct span name, struct span *value);

/* Does the text parse as a host (RFC 3261 25.1)?  IPv6 with brackets. */
MUST_USE bool host_parse(struct span text, enum host_kind *kind);

/* The byte behind the host that begins at p (the longest one), or NULL: no host stands there. */
const char *host_end(const char *p, const char *end, enum host_kind *kind);

/*
 * One spelling per host, for comparing: lower case, no trailing dot, IPv4
 * without leading zeros, IPv6 without brackets as RFC 5952 writes it, an
 * IPv4-mapped IPv6 address as IPv4.  Returns the length (at most HOST_MAX);
 * 0 when `host` is no host or too long.
 */
size_t host_canon(struct span host, char out[static HOST_MAX]);

#endif
