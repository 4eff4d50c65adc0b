#include "common/presence.h"

#define MASK (PRESENCE_SLOTS - 1)

static uint64_t place(uint32_t slot, uint32_t generation)
{
	return (uint64_t)slot << 32 | generation;
}

static uint64_t id_at(const struct presence *p, uint64_t at)
{
	return atomic_load_explicit(&p->entry[at & MASK].id, memory_order_acquire);
}

static uint64_t where_at(const struct presence *p, uint64_t at)
{
	return atomic_load_explicit(&p->entry[at & MASK].where, memory_order_relaxed);
}

static bool is_id(uint64_t id)
{
	return id != 0 && id != PRESENCE_GONE;
}

bool presence_put(struct presence *own, uint64_t id, uint32_t slot, uint32_t generation)
{
	uint64_t where = place(slot, generation), room = 0;
	unsigned same = 0;
	bool found = false;

	if (!is_id(id))
		return false;
	for (uint64_t at = id & MASK; at < (id & MASK) + PRESENCE_WINDOW; at++) {
		uint64_t there = id_at(own, at);

		if (there == id && where_at(own, at) == where)
			return true;
		same += there == id;
		if (!found && !is_id(there)) {
			room = at;
			found = true;
		}
		if (there == 0)
			break;
	}
	if (!found || same >= PRESENCE_EACH)
		return false;
	atomic_store_explicit(&own->entry[room & MASK].where, where, memory_order_relaxed);
	atomic_store_explicit(&own->entry[room & MASK].id, id, memory_order_release);
	return true;
}

/* Nobody stands behind an empty entry, so those in front of it need not say that somebody might. */
static void clean_up_to(struct presence *own, uint64_t at)
{
	if (id_at(own, at + 1) != 0)
		return;
	for (unsigned n = 0; n < PRESENCE_WINDOW && id_at(own, at) == PRESENCE_GONE; n++, at--)
		atomic_store_explicit(&own->entry[at & MASK].id, 0, memory_order_relaxed);
}

void presence_remove(struct presence *own, uint64_t id, uint32_t slot, uint32_t generation)
{
	if (!is_id(id))
		return;
	for (uint64_t at = id & MASK; at < (id & MASK) + PRESENCE_WINDOW; at++) {
		uint64_t there = id_at(own, at);

		if (there == 0)
			return;
		if (there != id || where_at(own, at) != place(slot, generation))
			continue;
		atomic_store_explicit(&own->entry[at & MASK].id, PRESENCE_GONE, memory_order_relaxed);
		clean_up_to(own, at);
		return;
	}
}

/* In one worker's table.  Between the two looks the entry may have become another's: then it is passed over. */
static bool find_in(const struct presence *p, uint64_t id, uint64_t *where)
{
	for (uint64_t at = id & MASK; at < (id & MASK) + PRESENCE_WINDOW; at++) {
		uint64_t there = id_at(p, at);

		if (there == 0)
			return false;
		if (there != id)
			continue;
		*where = where_at(p, at);
		atomic_thread_fence(memory_order_acquire);
		if (id_at(p, at) == id)
			return true;
	}
	return false;
}

bool presence_here(const struct presence *one, uint64_t id, uint32_t *slot, uint32_t *generation)
{
	uint64_t where;

	if (!is_id(id) || !find_in(one, id, &where))
		return false;
	*slot = (uint32_t)(where >> 32);
	*generation = (uint32_t)where;
	return true;
}

bool presence_find(const struct presence *all, uint32_t workers, uint32_t self, uint64_t id, uint32_t *worker,
    uint32_t *slot, uint32_t *generation)
{
	if (!is_id(id))
		return false;
	for (uint32_t i = (*worker + 1) % workers; i != self; i = (i + 1) % workers)
		if (presence_here(&all[i], id, slot, generation)) {
			*worker = i;
			return true;
		}
	return false;
}
