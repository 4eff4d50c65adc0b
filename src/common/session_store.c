#include "common/session_store.h"

#include <stdatomic.h>
#include <string.h>

/* Where a record begins, counted from the ring's beginning through all rounds; the later, the younger. */
struct entry {
	_Atomic uint64_t tag; /* 0: free, or being written */
	_Atomic uint64_t at;
};

struct session_store {
	_Atomic uint64_t head; /* where the next record begins */
	uint64_t pad[7];
	struct entry entry[]; /* sets of SESSION_WAYS; behind them the ring */
};

/* In the ring; whoever reads it may meet another's bytes. */
struct record {
	uint64_t tag;
	uint32_t len;
	uint8_t bytes[];
};

#define ALIGN 16 /* of a record */

/* One entry for each KiB of the region. */
static size_t sets(size_t size)
{
	return size / 1024 / SESSION_WAYS;
}

static size_t ring_size(size_t size)
{
	return (size - sizeof(struct session_store) - sets(size) * SESSION_WAYS * sizeof(struct entry)) & ~(size_t)(ALIGN - 1);
}

static uint8_t *ring(const void *region, size_t size)
{
	return (uint8_t *)(uintptr_t)region + sizeof(struct session_store) + sets(size) * SESSION_WAYS * sizeof(struct entry);
}

static struct entry *set_of(const void *region, size_t size, uint64_t tag)
{
	struct session_store *s = (void *)(uintptr_t)region;

	return s->entry + (size_t)(tag % sets(size)) * SESSION_WAYS;
}

static struct entry *find(struct entry *set, uint64_t tag)
{
	for (unsigned i = 0; i < SESSION_WAYS; i++)
		if (atomic_load_explicit(&set[i].tag, memory_order_acquire) == tag)
			return &set[i];
	return NULL;
}

static struct entry *free_or_oldest(struct entry *set)
{
	struct entry *found = &set[0];

	for (unsigned i = 0; i < SESSION_WAYS; i++) {
		if (atomic_load_explicit(&set[i].tag, memory_order_relaxed) == 0)
			return &set[i];
		if (atomic_load_explicit(&set[i].at, memory_order_relaxed) < atomic_load_explicit(&found->at, memory_order_relaxed))
			found = &set[i];
	}
	return found;
}

/* Room that is nobody else's until the ring has gone round; what does not fit before the ring's end begins anew. */
static uint64_t take(struct session_store *s, size_t room, size_t need)
{
	uint64_t at;

	do
		at = atomic_fetch_add_explicit(&s->head, need, memory_order_relaxed);
	while (at % room + need > room);
	return at;
}

bool session_store_put(void *region, size_t size, uint64_t tag, const void *bytes, size_t len)
{
	struct entry *set = set_of(region, size, tag), *e;
	size_t need = (sizeof(struct record) + len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct record *r;
	uint64_t at;

	if (len > SESSION_RECORD_MAX || need > ring_size(size))
		return false;
	e = find(set, tag);
	if (!e)
		e = free_or_oldest(set);
	atomic_store_explicit(&e->tag, 0, memory_order_release);
	at = take(region, ring_size(size), need);
	r = (void *)(ring(region, size) + at % ring_size(size));
	r->tag = tag;
	r->len = (uint32_t)len;
	memcpy(r->bytes, bytes, len);
	atomic_store_explicit(&e->at, at, memory_order_relaxed);
	atomic_store_explicit(&e->tag, tag, memory_order_release);
	return true;
}

size_t session_store_get(const void *region, size_t size, uint64_t tag, uint8_t out[static SESSION_RECORD_MAX])
{
	const struct session_store *s = region;
	struct entry *e = find(set_of(region, size, tag), tag);
	size_t room = ring_size(size), len;
	const struct record *r;
	uint64_t at;

	if (!e)
		return 0;
	at = atomic_load_explicit(&e->at, memory_order_relaxed);
	if (at % ALIGN || atomic_load_explicit(&s->head, memory_order_relaxed) - at > room ||
	    room - at % room < sizeof(*r))
		return 0; /* gone: another stands there */
	r = (const void *)(ring(region, size) + at % room);
	len = *(const volatile uint32_t *)&r->len;
	if (r->tag != tag || len > SESSION_RECORD_MAX || len > room - at % room - sizeof(*r))
		return 0;
	memcpy(out, r->bytes, len);
	return len;
}

void session_store_drop(void *region, size_t size, uint64_t tag)
{
	struct entry *e = find(set_of(region, size, tag), tag);

	if (e)
		atomic_store_explicit(&e->tag, 0, memory_order_release);
}
