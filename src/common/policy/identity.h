/*
 * identity - which domain does a message of this peer speak for, and which
 * identity is asserted to the container?
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> [route] -> rewrite -> send
 *
 * Process: any.  May include: rank 0, the sip modules, image, peer.h.  Owns nothing.  Pure.
 *
 * Contract sections 4 (the domain of a request) and 5 (the assertion);
 * RFC 3325, RFC 5876.
 */
#ifndef COMMON_POLICY_IDENTITY_H
#define COMMON_POLICY_IDENTITY_H

#include "common/base.h"
#include "common/image.h"
#include "common/peer.h"
#include "common/policy/inspect.h"
#include "common/sip/msg.h"

#define IDENTITY_VALUE_MAX 4096

struct identity {
	uint32_t domain;	  /* judged domain: index of image_domain; IMAGE_NONE: untrusted */
	enum refusal refusal;	  /* REFUSAL_NONE: let it pass */
	bool violation;		  /* not vouched for: counted, also when it passes unasserted */
	bool remove_privacy;	  /* unused towards containers: false */
	struct span header;	  /* name of the header to write; len 0: assert nothing */
	size_t value_len;	  /* the header's value: "<sip:a@b>", or two values with ", " (source: asserted) */
	char value[IDENTITY_VALUE_MAX];
	size_t asserted_len;	  /* source: asserted: P-Asserted-Identity rebuilt, to be kept; 0: none */
};

/*
 * Decide for a message from an external connection.  `has_token` tells that a
 * request carries a valid dialog token of ours: on_violation "reject" then
 * does not refuse, so that calls can end.  An untrusted peer (no domains in
 * the judgement) gets domain IMAGE_NONE and no assertion.  A response is
 * judged by To.
 */
void identity_decide(const struct image *img, const struct peer_judgement *peer, const struct sip_msg *msg,
    bool has_token, struct identity *out);

/*
 * The judged domain alone: among those that the connection stands for, the one
 * that fits the host (From's; exact, then longest suffix), else the first.
 * IMAGE_NONE when untrusted.
 */
uint32_t identity_domain(const struct image *img, const struct peer_judgement *peer, const struct sip_msg *msg);

#endif
