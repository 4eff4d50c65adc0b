/*
 * follow - where each INVITE went, by the branch of our Via: CANCEL and the ACK
 * of a refusal must reach the same container, also when weights or the set of
 * containers change meanwhile (contract section 5).
 *
 * Process: worker.  May include: common/base.h, span.  Owns a table of fixed
 * size: an entry may be displaced by a newer one, and is forgotten after the
 * longest life of a transaction.  Losing one costs accuracy, never trust.
 */
#ifndef WORKER_FOLLOW_H
#define WORKER_FOLLOW_H

#include "common/base.h"
#include "common/span.h"

struct follow;

MUST_USE struct follow *follow_new(void);
void follow_free(struct follow *f);

/* `branch` is ours, so its bytes are evenly spread; the id is kept up to 63 bytes, longer ones not at all. */
void follow_put(struct follow *f, struct span branch, struct span container_id, uint64_t now_ns);

/* Id of the container; SPAN_NONE: not known.  Valid until the next follow_put. */
struct span follow_get(const struct follow *f, struct span branch, uint64_t now_ns);

#endif
