#include "worker/conn_table.h"

#include <stdlib.h>
#include <string.h>

#define NO_SLOT UINT32_MAX

struct slot {
	struct conn *conn; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

struct conn_table {
	struct slot *slot;
	uint32_t top; /* slots that were ever used */
	uint32_t cap, max;
	uint32_t free;
	uint32_t count;
};

struct conn_table *conn_table_new(uint32_t max)
{
	struct conn_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max = max;
	t->free = NO_SLOT;
	return t;
}

void conn_table_free(struct conn_table *t)
{
	if (!t)
		return;
	free(t->slot);
	free(t);
}

static bool grow(struct conn_table *t)
{
	uint32_t cap = t->cap ? MIN(t->cap * 2, t->max) : MIN(256u, t->max);
	struct slot *p;

	if (t->top < t->cap)
		return true;
	if (t->cap == t->max)
		return false;
	p = realloc(t->slot, cap * sizeof(*p));
	if (!p)
		return false;
	memset(p + t->cap, 0, (cap - t->cap) * sizeof(*p));
	t->slot = p;
	t->cap = cap;
	return true;
}

bool conn_table_add(struct conn_table *t, struct conn *c, uint32_t *slot, uint32_t *generation)
{
	uint32_t s = t->free;

	if (s != NO_SLOT) {
		t->free = t->slot[s].next_free;
	} else {
		if (!grow(t))
			return false;
		s = t->top++;
	}
	t->slot[s].conn = c;
	t->slot[s].generation++;
	t->count++;
	*slot = s;
	*generation = t->slot[s].generation;
	return true;
}

void conn_table_remove(struct conn_table *t, uint32_t slot)
{
	t->slot[slot].conn = NULL;
	t->slot[slot].next_free = t->free;
	t->free = slot;
	t->count--;
}

struct conn *conn_table_get(const struct conn_table *t, uint32_t slot, uint32_t generation)
{
	if (slot >= t->top || t->slot[slot].generation != generation)
		return NULL;
	return t->slot[slot].conn;
}

struct conn *conn_table_at(const struct conn_table *t, uint32_t slot)
{
	return slot < t->top ? t->slot[slot].conn : NULL;
}

uint32_t conn_table_top(const struct conn_table *t)
{
	return t->top;
}

uint32_t conn_table_count(const struct conn_table *t)
{
	return t->count;
}
