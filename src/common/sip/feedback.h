/*
 * feedback - RFC 7339: overload control by loss, in the parameters of a Via.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> [route] -> [rewrite] -> send
 *
 * Process: any.  May include: rank 0, the sip modules.  Owns nothing.  Pure.
 */
#ifndef COMMON_SIP_FEEDBACK_H
#define COMMON_SIP_FEEDBACK_H

#include "common/base.h"
#include "common/sip/value.h"

/* What our Via says to a neighbour whom we offer it: RFC 7339 4.1, 4.4. */
#define FEEDBACK_OFFER ";oc;oc-algo=\"loss\""

struct feedback {
	uint32_t percent;     /* of the requests that it does not want, 0-100 */
	uint32_t validity_ms; /* for so long; RFC 7339 4.3: 500 unless it says */
};

/* Our Via, as it came back in a response.  False: it says nothing, or something that is not to be understood. */
MUST_USE bool feedback_read(const struct via *via, struct feedback *out);

/* Does the sender of a request offer it, for an algorithm that we know? */
bool feedback_offered(const struct via *via);

/* What is put into the offerer's Via; returns the length, 0: no room. */
MUST_USE size_t feedback_write(const struct feedback *f, uint64_t sequence, char *out, size_t cap);

/* Is this one of the parameters of RFC 7339, all of which we write anew? */
bool feedback_is_param(struct span name);

#endif
