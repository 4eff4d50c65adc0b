/*
 * route - where does a request go?
 *
 *   accept -> tls -> identify -> frame -> msg -> inspect -> [route] -> rewrite -> send
 *
 * Process: any.  May include: rank 0, the sip modules, image, peer.h, policy/inspect.
 * Owns nothing.  Pure: which containers are up is told by the caller.
 *
 * Contract section 5, "A stateless proxy": a valid token names the container;
 * Routes that name us are removed; what still has a Route, or a Request-URI
 * that is not ours, goes nowhere.  maddr, received, Via, Route never choose an
 * address.
 */
#ifndef COMMON_POLICY_ROUTE_H
#define COMMON_POLICY_ROUTE_H

#include "common/base.h"
#include "common/image.h"
#include "common/peer.h"
#include "common/policy/inspect.h"
#include "common/sip/msg.h"
#include "common/sip/token.h"

/* What the worker knows and the pure code needs. */
struct route_keys {
	struct token_keys tokens;
	struct siphash_key branch; /* also hashes Call-IDs onto containers; never rotates */
};

/* First step: what do the Route headers say?  Made before identity_decide, which wants has_token. */
struct route_plan {
	enum refusal refusal;	/* REFUSAL_NONE, TOKEN, ROUTE */
	bool has_token;		/* a valid dialog token, on a connection judged as its domain */
	struct dialog_token token;
	size_t token_key;	/* index of the key that the token's ids are made with */
	unsigned ours;		/* how many Route values from the top name us and are to be removed */
	unsigned routes;	/* how many there are */
	bool strict;		/* RFC 3261 16.4: the last Route value is the Request-URI, and goes */
	struct sip_uri uri;	/* the Request-URI in force */
	bool has_next;		/* a Route is left; from inside it says where to, without a token */
	struct sip_uri next;
};

/*
 * `domain`: the judged domain (identity_domain).  From outside; now in s.
 * Two Route values of one token (double Record-Route, RFC 5658) both count as ours.
 */
void route_plan_external(const struct image *img, const struct route_keys *keys, const struct sip_msg *msg,
    uint32_t domain, uint32_t now, struct route_plan *out);

/* From inside: any valid token of ours counts, and what Route is left is no offence. */
void route_plan_internal(const struct image *img, const struct route_keys *keys, const struct sip_msg *msg, uint32_t now,
    struct route_plan *out);

/*
 * Second step, from outside: FOREIGN_URI (without a token), NOT_SECURE or
 * REFUSAL_NONE.  `secure`: the request came over TLS.
 */
MUST_USE enum refusal route_check_uri(const struct image *img, const struct route_plan *plan, bool secure);

/* Second step, from inside: which external domain is it for? */
struct route_outside {
	enum refusal refusal;	/* REFUSAL_NONE, NO_DOMAIN, LOCAL_DOMAIN, NOT_SECURE */
	uint64_t flow;		/* by a token: the connection of who is no domain; 0: none */
	uint32_t domain;	/* index of image_domain; IMAGE_NONE with a flow */
	size_t name_len;	/* canonical domain that was asked for, in name[]; 0: the entry's own, by a token */
	char name[HOST_MAX];
};

/*
 * By a token the entry that it names; else by the topmost Route left or the
 * Request-URI, or by To (outbound_match): exact entry before the longest
 * suffix.  Ports, maddr and all else in these URIs say nothing.  `secure`: it came over TLS.
 */
void route_outside(const struct image *img, const struct sip_msg *msg, const struct route_plan *plan, bool secure,
    struct route_outside *out);

/* Keyed id of a domain entry as tokens carry it; 0 for IMAGE_NONE (untrusted). */
uint64_t route_domain_id(const struct image *img, const struct route_keys *keys, size_t key, uint32_t domain);

/* The same as our Via carries it: under the key that never rotates, for an answer may come after a reload. */
uint64_t route_back_id(const struct image *img, const struct route_keys *keys, uint32_t domain);

/* ... of the name alone, "*.suffix" for a wildcard: for who builds the image. */
uint64_t route_back_name_id(const struct route_keys *keys, struct span name);

/* Keyed id of a container. */
uint64_t route_server_id(const struct image *img, const struct route_keys *keys, size_t key,
    const struct image_server *server);

/* The same as our Via carries it. */
uint64_t route_server_back_id(const struct image *img, const struct route_keys *keys, const struct image_server *server);

/*
 * Rank of a server for a Call-ID: the highest among the servers that are up
 * wins (rendezvous hash, weighted; keyed, so that a caller can't aim).  0 for
 * weight 0.
 */
double route_rank(const struct image *img, const struct route_keys *keys, const struct image_server *server,
    struct span call_id);

/*
 * The branch of our Via: "z9hG4bK" and 32 hex digits, keyed, of the judged domain's
 * route_back_id (0, untrusted: `source`, the peer's address as text), and the received top
 * Via's sent-by and branch (without the magic cookie: From tag, Call-ID, CSeq
 * number, Request-URI), so that retransmissions, CANCEL and ACK get the same.
 */
#define ROUTE_BRANCH_LEN 39
void route_branch(const struct route_keys *keys, const struct sip_msg *msg, uint64_t domain, struct span source,
    char out[static ROUTE_BRANCH_LEN]);

/* Is it a request that makes a dialog, so that it gets Record-Route? */
bool route_makes_dialog(const struct sip_msg *msg);

#endif
