#include "common/session_store.h"

#include <stdatomic.h>
#include <string.h>

/* Others write while we read: lengths are looked at once, and the seal tells the rest. */
struct slot {
	_Atomic uint64_t tag; /* 0: free, or being written */
	_Atomic uint32_t stored; /* s since 1970 */
	_Atomic uint32_t len;
	uint8_t record[SESSION_RECORD_MAX];
	uint8_t pad[SESSION_SLOT - SESSION_RECORD_MAX - 16];
};

_Static_assert(sizeof(struct slot) == SESSION_SLOT, "slots fill the region");

static struct slot *set_of(const void *region, size_t size, uint64_t tag)
{
	size_t sets = size / (SESSION_SLOT * SESSION_WAYS);

	return (struct slot *)(uintptr_t)region + (size_t)(tag % sets) * SESSION_WAYS;
}

static struct slot *find(struct slot *set, uint64_t tag)
{
	for (unsigned i = 0; i < SESSION_WAYS; i++)
		if (atomic_load_explicit(&set[i].tag, memory_order_acquire) == tag)
			return &set[i];
	return NULL;
}

static struct slot *oldest(struct slot *set)
{
	struct slot *found = &set[0];

	for (unsigned i = 0; i < SESSION_WAYS; i++) {
		if (atomic_load_explicit(&set[i].tag, memory_order_relaxed) == 0)
			return &set[i];
		if (atomic_load_explicit(&set[i].stored, memory_order_relaxed) < atomic_load_explicit(&found->stored, memory_order_relaxed))
			found = &set[i];
	}
	return found;
}

bool session_store_put(void *region, size_t size, uint64_t tag, uint32_t now, const void *record, size_t len)
{
	struct slot *set = set_of(region, size, tag), *s;

	if (len > SESSION_RECORD_MAX)
		return false;
	s = find(set, tag);
	if (!s)
		s = oldest(set);
	atomic_store_explicit(&s->tag, 0, memory_order_release);
	memcpy(s->record, record, len);
	atomic_store_explicit(&s->len, (uint32_t)len, memory_order_relaxed);
	atomic_store_explicit(&s->stored, now, memory_order_relaxed);
	atomic_store_explicit(&s->tag, tag, memory_order_release);
	return true;
}

size_t session_store_get(const void *region, size_t size, uint64_t tag, uint8_t out[static SESSION_RECORD_MAX])
{
	struct slot *s = find(set_of(region, size, tag), tag);
	size_t len = s ? atomic_load_explicit(&s->len, memory_order_relaxed) : 0;

	if (len > SESSION_RECORD_MAX)
		return 0;
	if (len)
		memcpy(out, s->record, len);
	return len;
}

void session_store_drop(void *region, size_t size, uint64_t tag)
{
	struct slot *s = find(set_of(region, size, tag), tag);

	if (s)
		atomic_store_explicit(&s->tag, 0, memory_order_release);
}
