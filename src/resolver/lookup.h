/*
 * lookup - one question of a worker, from the name to the addresses (RFC 3263 4):
 *
 *   port given:  A, AAAA of the name
 *   otherwise:   NAPTR -> SRV -> A, AAAA of each target; without NAPTR the SRV
 *                records of the protocol; without these A, AAAA of the name
 *
 *   resolver -> [lookup] -> query, dns, order
 *
 * Process: resolver.  May include: common/base.h, addr, image, resolve_msg, dns, order, query.
 * Owns itself: it lives until its last query has ended.
 *
 * Bounded in every direction: NAPTR records followed, targets, addresses,
 * hence queries (at most 1 + LOOKUP_NAPTR_MAX + 2 * RESOLVE_TARGETS_MAX), and
 * time, after which it has failed.
 */
#ifndef RESOLVER_LOOKUP_H
#define RESOLVER_LOOKUP_H

#include "common/base.h"
#include "common/image.h"
#include "common/resolve_msg.h"
#include "resolver/query.h"

#define LOOKUP_NAPTR_MAX 4
#define LOOKUP_TIME_NS 8000000000ULL

struct lookup;

/* The answer; `owner` and the rest as given to lookup_start.  Called exactly once, perhaps before that returns. */
typedef void (*lookup_done)(void *owner, uint32_t worker, const struct resolve_question *q, const struct resolve_answer *a);
/* Its memory is gone, the answer was given before; called exactly once. */
typedef void (*lookup_gone)(void *owner, uint32_t worker, struct lookup *l);

struct lookup_owner {
	void *owner;
	lookup_done done;
	lookup_gone gone;
	struct query_channel *queries;
	const struct image *img; /* names that the hosts file knows; may change between calls */
};

/* The question is one (resolve_question_ok).  NULL: no memory, nothing will be called; else begin it with lookup_run. */
MUST_USE struct lookup *lookup_new(struct lookup_owner *owner, uint32_t worker, const struct resolve_question *q, uint64_t now);

/* Begin, or begin anew after its queries have been cancelled.  It may be gone afterwards. */
void lookup_run(struct lookup *l);

const struct resolve_question *lookup_question(const struct lookup *l);

/* When it is to be given up; UINT64_MAX: it has been answered. */
uint64_t lookup_deadline(const struct lookup *l);

/* It is too late: answer that it failed.  It goes when its last query ends. */
void lookup_give_up(struct lookup *l);

#endif
