#include "worker/links.h"

#include <stdlib.h>

#include "worker/link.h"

#define FORGET_AFTER (60 * NSEC_PER_SEC)
#define LOOK_SLICE 32 /* buckets looked at in one turn */

static struct link **bucket_of(struct links *ls, uint64_t id, struct span name)
{
	static const struct siphash_key fixed; /* the id is a keyed hash already; names of one entry come from inside */

	return &ls->bucket[(id ^ siphash(&fixed, name.p, name.len)) & (LINK_BUCKETS - 1)];
}

static struct link *find(struct links *ls, uint64_t id, struct span name)
{
	struct link *l = *bucket_of(ls, id, name);

	while (l && (l->id != id || !span_eq(span_of(l->name, l->name_len), name)))
		l = l->next;
	return l;
}

struct span link_key_name(const struct worker *w, uint32_t domain, struct span name)
{
	const struct image_domain *d = &w->img->domain[domain];

	return d->flags & DOMAIN_WILDCARD && (d->hosts.count == 0 || !(d->flags & DOMAIN_HAS_DN)) ? name : SPAN_NONE;
}

struct link *link_get(struct worker *w, uint32_t domain, struct span asked)
{
	uint64_t id = route_back_id(w->img, &w->keys, domain);
	struct span name = link_key_name(w, domain, asked);
	struct link *l = find(w->links, id, name), **at;

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->id = id;
	l->found = domain;
	l->found_in = w->img->h->generation;
	memcpy(l->name, name.p ? name.p : "", name.len);
	l->name_len = name.len;
	at = bucket_of(w->links, id, name);
	l->next = *at;
	*at = l;
	w->links->count++;
	return l;
}

struct span link_name(struct worker *w, struct link *l)
{
	return l->name_len ? span_of(l->name, l->name_len) : image_domain_name(w->img, link_domain(w, l));
}

void link_busy(struct worker *w, struct link *l)
{
	if (l->busy)
		return;
	l->busy = true;
	l->next_busy = w->links->busy;
	w->links->busy = l;
}

uint32_t link_domain(struct worker *w, struct link *l)
{
	if (l->found_in == w->img->h->generation)
		return l->found;
	l->found = image_find_id(w->img, IMAGE_ID_BACK, l->id);
	l->found_in = w->img->h->generation;
	if (l->state == LINK_FAILED)
		l->next_try = w->now; /* what was wrong may have been set right */
	l->answered = false;
	l->retry_due = true; /* what waits for an entry that is gone is refused */
	link_busy(w, l);
	return l->found;
}

void links_reload(struct worker *w)
{
	w->links->buckets_due = LINK_BUCKETS;
}

/* ---- once per turn ---- */

static bool forgettable(const struct worker *w, const struct link *l)
{
	return !l->busy && !l->members && !l->dialing && !l->park.first && l->state != LINK_RESOLVING &&
	    l->used + FORGET_AFTER < w->now;
}

static void look_at(struct worker *w, struct link **at)
{
	while (*at) {
		struct link *l = *at;

		(void)link_domain(w, l); /* so that all are found anew some time */
		if (!forgettable(w, l)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		w->links->count--;
		link_drop_peer(w, l);
		free(l);
	}
}

/* A slice of the table. */
void links_look_at_some(struct worker *w)
{
	struct links *ls = w->links;

	for (unsigned i = 0; i < LOOK_SLICE; i++, ls->look_at = (ls->look_at + 1) & (LINK_BUCKETS - 1))
		look_at(w, &ls->bucket[ls->look_at]);
	ls->buckets_due -= MIN(ls->buckets_due, LOOK_SLICE);
}
