#include "worker/told.h"

#include <stdlib.h>

#include "common/presence.h"
#include "worker/conn_table.h"

#define IDS_MAX (2 * PEER_DOMAINS_MAX)

/* Under which ids a connection is to be told, and is. */
struct told {
	uint32_t count, missing; /* missing: not told, for the table had no room */
	uint64_t id[IDS_MAX];
	bool there[IDS_MAX];
};

static struct presence *own(const struct worker *w)
{
	return &w->h->presence[w->h->worker];
}

static void put(struct worker *w, const struct conn *c, struct told *t, uint32_t i)
{
	t->there[i] = presence_put(own(w), t->id[i], c->slot, c->generation);
	if (t->there[i])
		t->missing--;
}

/* Told once more is told once. */
void told_as(struct worker *w, struct conn *c, uint64_t id)
{
	struct told *t = c->told;

	for (uint32_t i = 0; t && i < t->count; i++)
		if (t->id[i] == id)
			return;
	if (!t)
		t = c->told = calloc(1, sizeof(*t));
	if (!t || t->count == IDS_MAX)
		return;
	t->id[t->count++] = id;
	t->missing++;
	put(w, c, t, t->count - 1);
}

void told_again(struct worker *w, struct conn *c)
{
	struct told *t = c->told;

	for (uint32_t i = 0; t && t->missing && i < t->count; i++)
		if (!t->there[i])
			put(w, c, t, i);
}

void told_gone(struct worker *w, struct conn *c)
{
	for (uint32_t i = 0; c->told && i < c->told->count; i++)
		if (c->told->there[i])
			presence_remove(own(w), c->told->id[i], c->slot, c->generation);
	free(c->told);
	c->told = NULL;
}

uint64_t told_flow_id(const struct worker *w, const struct conn *c)
{
	struct siphash_state s;

	if (c->datagram || c->judgement.domain_count)
		return 0;
	siphash_begin(&s, &w->way_back_key);
	siphash_add(&s, "flow", 4);
	siphash_add(&s, &w->h->incarnation, sizeof(w->h->incarnation));
	siphash_add(&s, &c->slot, sizeof(c->slot));
	siphash_add(&s, &c->generation, sizeof(c->generation));
	return siphash_end(&s) | 1;
}

void told_flow(struct worker *w, struct conn *c)
{
	c->flow = true;
	told_as(w, c, told_flow_id(w, c));
}

void told_judged(struct worker *w, struct conn *c)
{
	told_gone(w, c);
	if (c->flow && c->judgement.domain_count == 0)
		told_flow(w, c);
	for (uint32_t i = 0; i < c->judgement.domain_count; i++)
		told_as(w, c, route_back_id(w->img, &w->keys, c->judgement.domain[i]));
}

struct conn *told_here(const struct worker *w, uint64_t id)
{
	uint32_t slot, generation;

	return presence_here(own(w), id, &slot, &generation) ? conn_table_get(w->conns, slot, generation) : NULL;
}
