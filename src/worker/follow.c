#include "worker/follow.h"

#include <stdlib.h>

#include "common/clock.h"

#define ENTRIES 16384 /* a power of two */
#define BRANCH_KEPT 39
#define ID_KEPT 63
/* RFC 3261 16.6 step 11: an INVITE may ring for more than three minutes before it is cancelled. */
#define LIFE (300 * NSEC_PER_SEC)

struct entry {
	uint64_t at; /* 0: free */
	char branch[BRANCH_KEPT];
	uint8_t id_len;
	char id[ID_KEPT];
};

struct follow {
	struct entry entry[ENTRIES];
};

struct follow *follow_new(void)
{
	return calloc(1, sizeof(struct follow)); /* pages are touched as they are used */
}

void follow_free(struct follow *f)
{
	free(f);
}

/* The last digits of the branch choose the entry: they are a keyed hash already. */
static size_t index_of(struct span branch)
{
	size_t n = 0;

	for (size_t i = branch.len - 8; i < branch.len; i++)
		n = n * 31 + (unsigned char)branch.p[i];
	return n & (ENTRIES - 1);
}

void follow_put(struct follow *f, struct span branch, struct span container_id, uint64_t now_ns)
{
	struct entry *e;

	if (branch.len != BRANCH_KEPT || container_id.len > ID_KEPT)
		return;
	e = &f->entry[index_of(branch)];
	e->at = now_ns;
	memcpy(e->branch, branch.p, BRANCH_KEPT);
	memcpy(e->id, container_id.p, container_id.len);
	e->id_len = (uint8_t)container_id.len;
}

struct span follow_get(const struct follow *f, struct span branch, uint64_t now_ns)
{
	const struct entry *e;

	if (branch.len != BRANCH_KEPT)
		return SPAN_NONE;
	e = &f->entry[index_of(branch)];
	if (e->at == 0 || e->at + LIFE < now_ns || memcmp(e->branch, branch.p, BRANCH_KEPT) != 0)
		return SPAN_NONE;
	return span_of(e->id, e->id_len);
}
