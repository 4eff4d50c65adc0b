#include "common/buckets.h"

#include "common/clock.h"

#define RATES 131072 /* a power of two */
#define COUNTS 16384 /* of one worker; a power of two */
#define WINDOW 16    /* an id stands at most this far from its place */
#define TRIES 16     /* to change a word that others change too */

struct rate {
	_Atomic uint64_t id;   /* 0: free */
	_Atomic uint64_t next; /* ns: when the next event is on time */
};

struct count {
	_Atomic uint64_t id; /* 0: free */
	_Atomic uint64_t n;
};

struct buckets {
	struct rate rate[RATES];
	struct count count[][COUNTS];
};

size_t buckets_bytes(uint32_t workers)
{
	return (sizeof(struct buckets) + (size_t)workers * COUNTS * sizeof(struct count) + REGION_PAGE - 1) / REGION_PAGE *
	    REGION_PAGE;
}

/* ---- rates ---- */

/* The bucket of the id; else one that is free, or has been idle for so long that it says nothing; NULL: none. */
static struct rate *find_rate(struct buckets *b, uint64_t id, uint64_t now_ns)
{
	for (uint64_t i = 0; i < WINDOW; i++) {
		struct rate *r = &b->rate[(id + i) & (RATES - 1)];

		if (atomic_load(&r->id) == id)
			return r;
	}
	for (uint64_t i = 0; i < WINDOW; i++) {
		struct rate *r = &b->rate[(id + i) & (RATES - 1)];
		uint64_t there = atomic_load(&r->id);

		if (there && atomic_load(&r->next) + NSEC_PER_SEC > now_ns)
			continue;
		if (atomic_compare_exchange_strong(&r->id, &there, id) || there == id)
			return r;
	}
	return NULL;
}

bool bucket_take(struct buckets *b, uint64_t id, uint64_t rate, uint64_t patience, uint64_t now_ns)
{
	uint64_t each = NSEC_PER_SEC * 1000 / rate;
	uint64_t ahead = each >= NSEC_PER_SEC ? each * (patience - 1) : NSEC_PER_SEC * patience - each;
	struct rate *r = find_rate(b, id ? id : 1, now_ns);

	for (int i = 0; r && i < TRIES; i++) {
		uint64_t next = atomic_load(&r->next), from = MAX(next, now_ns);

		if (from - now_ns > ahead)
			/* Nonsense, which no events could have made, is no reason to refuse. */
			return from - now_ns > ahead + each + 4 * NSEC_PER_SEC * patience;
		if (atomic_compare_exchange_strong(&r->next, &next, from + each))
			return true;
	}
	return true;
}

/* ---- counts ---- */

void counts_clear(struct buckets *b, uint32_t worker)
{
	for (size_t i = 0; i < COUNTS; i++) {
		atomic_store(&b->count[worker][i].id, 0);
		atomic_store(&b->count[worker][i].n, 0);
	}
}

bool count_add(struct buckets *b, uint32_t worker, uint64_t id, int32_t by)
{
	struct count *own = b->count[worker], *room = NULL;

	for (uint64_t i = 0; i < WINDOW; i++) {
		struct count *c = &own[(id + i) & (COUNTS - 1)];
		uint64_t there = atomic_load(&c->id);

		if (there == id) {
			room = c;
			break;
		}
		if (!room && (there == 0 || atomic_load(&c->n) == 0))
			room = c;
	}
	if (!room)
		return false;
	atomic_store(&room->id, id);
	atomic_store(&room->n, atomic_load(&room->n) + (uint64_t)(int64_t)by);
	return true;
}

uint64_t count_sum(const struct buckets *b, uint32_t workers, uint64_t id)
{
	uint64_t sum = 0;

	for (uint32_t w = 0; w < workers; w++)
		for (uint64_t i = 0; i < WINDOW; i++) {
			const struct count *c = &b->count[w][(id + i) & (COUNTS - 1)];

			if (atomic_load(&c->id) == id)
				sum += atomic_load(&c->n);
		}
	return sum;
}
