#include "worker/conn.h"

void conn_list_add(struct worker *w, enum conn_list_id id, struct conn *c)
{
	struct conn_list *l = &w->lists[id];

	if (c->link[id].linked)
		return;
	c->link[id] = (struct conn_link){ .prev = l->last, .linked = true };
	if (l->last)
		l->last->link[id].next = c;
	else
		l->first = c;
	l->last = c;
}

void conn_list_remove(struct worker *w, enum conn_list_id id, struct conn *c)
{
	struct conn_list *l = &w->lists[id];
	struct conn_link *k = &c->link[id];

	if (!k->linked)
		return;
	*(k->prev ? &k->prev->link[id].next : &l->first) = k->next;
	*(k->next ? &k->next->link[id].prev : &l->last) = k->prev;
	*k = (struct conn_link){ 0 };
}

struct conn *conn_list_take(struct worker *w, enum conn_list_id id)
{
	struct conn *c = w->lists[id].first;

	if (c)
		conn_list_remove(w, id, c);
	return c;
}
