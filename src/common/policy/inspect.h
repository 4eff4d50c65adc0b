/*
 * inspect - is this well-formed request one that the proxy takes at all?
 *
 *   accept -> tls -> identify -> frame -> msg -> [inspect] -> route -> rewrite -> send
 *
 * Process: any.  May include: rank 0, the sip modules, image, peer.h.  Owns nothing.  Pure.
 *
 * RFC 3261 16.3 and contract section 5: 505 and 400 are msg's; here come 405,
 * 416, 483 (unless the request is for ourselves) and 420, in this order.
 */
#ifndef COMMON_POLICY_INSPECT_H
#define COMMON_POLICY_INSPECT_H

#include "common/base.h"
#include "common/image.h"
#include "common/sip/msg.h"

/* Why a well-formed message is refused or dropped: one closed list for answers, logs and counters. */
enum refusal {
#define REFUSAL(id, status, name, reason) REFUSAL_##id,
#include "common/policy/refusal.def"
#undef REFUSAL
	REFUSAL_COUNT
};

unsigned refusal_status(enum refusal r);
const char *refusal_name(enum refusal r);
const char *refusal_reason(enum refusal r);

/*
 * REFUSAL_NONE, or the refusal.  `methods`: those taken, as image_listener has them.  `extra` (room for `cap`) gets header lines
 * for the answer (Allow, Unsupported); *extra_len 0: none.
 */
MUST_USE enum refusal inspect_request(const struct image *img, uint32_t methods, const struct sip_msg *msg,
    char *extra, size_t cap, size_t *extra_len);

/* OPTIONS to the proxy itself: a Request-URI without user part whose host is ours. */
bool inspect_is_for_us(const struct image *img, const struct sip_msg *msg);

/* Does this host name the proxy: local_domains, our addresses, advertised names? */
bool inspect_host_is_ours(const struct image *img, struct span host);

#endif
