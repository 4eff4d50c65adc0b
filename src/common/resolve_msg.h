/*
 * resolve_msg - what workers and the resolver say to each other, over one
 * SOCK_SEQPACKET pair for each worker.
 *
 *   worker: struct resolve_question -->  resolver  --> struct resolve_answer
 *
 * Process: worker, resolver.  May include: common/base.h, span, image_layout, sip/uri.  Owns nothing.
 *
 * Neither side believes the other: who receives checks size and every field
 * before it looks further.  The pair outlives both processes, so an answer may
 * be for a question of a worker that has died: the incarnation tells.
 */
#ifndef COMMON_RESOLVE_MSG_H
#define COMMON_RESOLVE_MSG_H

#include "common/base.h"
#include "common/image_layout.h"
#include "common/sip/uri.h"
#include "common/span.h"

#define RESOLVE_TARGETS_MAX 16
#define RESOLVE_NAME_MAX 253	  /* bytes of a host name (RFC 1035 2.3.4), without the last dot */
#define RESOLVE_TTL_MAX 3600	  /* s; a longer one is cut */
#define RESOLVE_NEGATIVE_TTL_MAX 60 /* s */

struct resolve_question {
	uint64_t incarnation; /* of the worker that asks */
	uint64_t id;	      /* its own; the answer brings it back */
	uint16_t port;	      /* 0: not given, so that NAPTR and SRV tell (RFC 3263 4.2) */
	uint8_t protocol;     /* enum image_protocol */
	uint8_t pad;
	uint32_t host_len;
	char host[RESOLVE_NAME_MAX + 3]; /* canonical name, not terminated; zeros behind it */
};

enum resolve_status {
	RESOLVE_FOUND,
	RESOLVE_NONE,	/* there is no such name, or it has no address */
	RESOLVE_FAILED, /* no server has answered, or not in a way that can be used */
	RESOLVE_STATUSES
};

struct resolve_target {
	uint8_t addr[16]; /* IPv4 mapped */
	uint16_t port;	  /* host order, never 0 */
	uint16_t pad;
};

struct resolve_answer {
	uint64_t incarnation, id; /* the question's */
	uint32_t status;	  /* enum resolve_status */
	uint32_t ttl;		  /* s, 1 to RESOLVE_TTL_MAX: how long to believe it */
	uint32_t count;		  /* FOUND: 1 to RESOLVE_TARGETS_MAX; else 0 */
	uint32_t pad;
	struct resolve_target target[RESOLVE_TARGETS_MAX]; /* in the order in which to try them */
};

_Static_assert(sizeof(struct resolve_question) == 280, "no hidden padding crosses between processes");
_Static_assert(sizeof(struct resolve_answer) == 32 + RESOLVE_TARGETS_MAX * 20, "no hidden padding crosses between processes");

/* Is it a question, `len` bytes as received? */
MUST_USE bool resolve_question_ok(const struct resolve_question *q, size_t len);

/* Is it an answer? */
MUST_USE bool resolve_answer_ok(const struct resolve_answer *a, size_t len);

/* The port of a protocol where nothing says another (RFC 3261 19.1.2). */
static inline uint16_t resolve_default_port(uint8_t protocol)
{
	return protocol == PROTO_TLS ? 5061 : 5060;
}

#endif
