/*
 * totals - what the workers have counted, all together, and the tables of
 * reasons that status and metrics both go through.
 *
 * Process: admin.  May include: admin/admin.h, common/counters, the names of the reasons.  Owns nothing.
 */
#ifndef ADMIN_TOTALS_H
#define ADMIN_TOTALS_H

#include "admin/admin.h"
#include "common/counters.h"

/* The number at this offset in struct counters, of all workers. */
uint64_t totals_of(const struct admin *a, size_t offset);

/* Messages that were handed on within this bucket's time. */
uint64_t totals_latency(const struct admin *a, unsigned bucket);

/* One closed list of reasons; number 0 is none. */
struct totals_reasons {
	const char *field, *metric, *sentence;
	size_t offset; /* of the first one's number */
	int count;
	const char *(*name)(int reason);
};

#define TOTALS_REASONS 3
extern const struct totals_reasons totals_reasons[TOTALS_REASONS];

uint64_t totals_reason(const struct admin *a, const struct totals_reasons *t, int reason);

#endif
