/*
 * rules - routing_rules: which cluster takes an initial request, or which
 * status refuses it.
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> [route] -> rewrite -> send
 *
 * Process: any.  May include: rank 0, the sip modules, image, policy/pattern.
 * Owns nothing.  Pure.
 *
 * Rules stand in order and the first one that fits counts; a rule fits when
 * all of its conditions do, a condition when one of its values does.  For
 * requests without a valid dialog token: what belongs to a dialog stays with
 * its container.  An ACK or CANCEL is asked for as its INVITE was.
 */
#ifndef COMMON_POLICY_RULES_H
#define COMMON_POLICY_RULES_H

#include "common/base.h"
#include "common/image.h"
#include "common/sip/msg.h"

struct rules_ask {
	const struct sip_msg *msg;
	const uint8_t *source; /* the peer's address, IPv4 mapped */
	const uint8_t *local;  /* ours, that it came to */
	uint16_t local_port;
	uint32_t domain;       /* judged: index of image_domain; IMAGE_NONE: untrusted */
	struct span dn;	       /* canonical, of a verified certificate; counts only with a domain */
};

struct rules_choice {
	uint32_t cluster; /* index of image_cluster; IMAGE_NONE: refuse */
	unsigned reject;  /* ... with this status */
	uint32_t rule;	  /* position under /routing_rules; IMAGE_NONE: none fits, the default cluster */
};

void rules_choose(const struct image *img, const struct rules_ask *ask, struct rules_choice *out);

#endif
