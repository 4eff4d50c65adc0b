/*
 * rewrite - all edits of a message, applied in one copy.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> route -> [rewrite] -> send
 *
 * Process: any.  May include: rank 0, put, the sip modules, image, policy/identity, policy/route.  Owns nothing.  Pure.
 *
 * Untouched header lines and the body leave byte for byte as they came.  What
 * always changes: the start line's version leaves as SIP/2.0; identity headers
 * go; exactly one Content-Length, ours, leaves (RFC 3261 16.6, 16.7).
 */
#ifndef COMMON_POLICY_REWRITE_H
#define COMMON_POLICY_REWRITE_H

#include "common/base.h"
#include "common/policy/identity.h"
#include "common/policy/route.h"
#include "common/sip/msg.h"

/* What happens to the identity headers. */
struct rewrite_identity {
	const struct identity *asserted; /* towards a container: decided, what is asserted and kept; NULL: towards outside */
	bool keep_asserted;		 /* towards outside: P-Asserted-Identity stays (contract section 5, third column) */
};

/* A request on its way. */
struct rewrite_request {
	struct span via;	   /* our whole Via line with CRLF, put on top */
	struct span source;	   /* sender's address as text, for received */
	uint16_t source_port;	   /* for rport */
	struct span record_route;  /* whole lines with CRLF, put on top of others; may be empty */
	const struct route_plan *plan; /* Route values that go, the Request-URI in force */
	struct rewrite_identity identity;
	struct span realm;	   /* whose credentials have been used and go; p NULL: none */
};

/*
 * Write the message that leaves to `out`; returns its length, 0 when it does
 * not fit `cap`.  rewrite_bound says how much room is surely enough.
 * Max-Forwards is lowered by one, or added as 70.
 */
MUST_USE size_t rewrite_request(const struct image *img, const struct sip_msg *msg, const struct rewrite_request *how,
    char *out, size_t cap);
size_t rewrite_bound(const struct sip_msg *msg, const struct rewrite_request *how);

/* A response on its way back: our Via (the topmost value) goes. */
MUST_USE size_t rewrite_response(const struct image *img, const struct sip_msg *msg, const struct rewrite_identity *identity,
    char *out, size_t cap);
size_t rewrite_response_bound(const struct sip_msg *msg, const struct rewrite_identity *identity);

#endif
