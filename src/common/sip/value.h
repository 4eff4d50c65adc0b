/*
 * value - the header values that sipward acts on, strictly by grammar: Via,
 * name-addr (From, To, Route, Record-Route, P-Asserted-Identity), CSeq.
 *
 * Process: any.  May include: common/base.h, span, sip/chars, sip/uri.  Owns nothing.  Pure.
 *
 * RFC 3261 25.1.  Values come unfolded (sip/frame) and trimmed.  All spans
 * borrow from the input.
 */
#ifndef COMMON_SIP_VALUE_H
#define COMMON_SIP_VALUE_H

#include "common/base.h"
#include "common/sip/uri.h"
#include "common/span.h"

struct via {
	struct span whole;     /* this value alone, no comma, trimmed */
	struct span transport; /* "TLS", as written */
	struct span host;      /* sent-by host as written */
	uint16_t port;	       /* 0: none */
	struct span sent_by;   /* host and port as written */
	struct span params;    /* behind the first ';', may be empty */
	struct span branch;    /* p NULL: none */
	bool has_rport;	       /* with or without a value */
	bool has_received;
};

/*
 * The first value of a Via header.  *rest gets what stands behind the comma
 * (p NULL: nothing).  False: it does not parse ("SIP" "/" "2.0" "/" transport LWS
 * sent-by *(; params)); outputs untouched.
 */
MUST_USE bool via_parse(struct span value, struct via *out, struct span *rest);

struct name_addr {
	struct span whole;   /* this value alone, trimmed */
	struct span display; /* as written, quotes included; empty when none */
	struct sip_uri uri;
	struct span params; /* header parameters, behind the first ';', may be empty */
	struct span tag;    /* p NULL: none; two of them, or one that is no token, do not parse */
	bool brackets;	    /* <...> was used */
};

/*
 * The first value of a list of name-addr or addr-spec.  As RFC 3261 20 says,
 * without brackets everything behind ';' is a header parameter, and '?' and
 * ',' may not stand in the URI.  *rest as in via_parse.
 */
MUST_USE bool name_addr_parse(struct span value, struct name_addr *out, struct span *rest);

/* Value of a header parameter; a quoted string keeps its quotes, no '=' is an empty value.  False: absent. */
MUST_USE bool value_param(struct span params, struct span name, struct span *value);

struct cseq {
	uint32_t number; /* below 2^31 */
	struct span method;
};

MUST_USE bool cseq_parse(struct span value, struct cseq *out);

/* RFC 3261 25.1 token: at least one character, all of them token characters. */
bool token_valid(struct span text);

/* Is c a token character? */
bool token_char(unsigned char c);

#endif
