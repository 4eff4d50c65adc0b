#include "worker/park.h"

#include <stdlib.h>

#include "worker/conn_table.h"
#include "worker/datagram.h"

struct parked {
	struct parked *next;
	uint32_t slot, generation; /* of the connection that it came on */
	uint64_t since;
	uint8_t addr[16], local[16]; /* of a datagram: where it came from, and to */
	uint16_t port;
	size_t len;
	char bytes[];
};

bool park_add(struct worker *w, struct park *p, struct conn *from, struct span message)
{
	struct parked *one;

	if (p->bytes + message.len > w->img->settings->queue_bytes)
		return false;
	one = malloc(sizeof(*one) + message.len);
	if (!one)
		return false;
	*one = (struct parked){
		.slot = from->slot,
		.generation = from->generation,
		.since = p->retrying ? p->since : w->now,
		.len = message.len,
	};
	memcpy(one->addr, from->addr, sizeof(one->addr));
	memcpy(one->local, from->local, sizeof(one->local));
	one->port = from->port;
	memcpy(one->bytes, message.p, message.len);
	if (p->last)
		p->last->next = one;
	else
		p->first = one;
	p->last = one;
	p->bytes += message.len;
	return true;
}

void park_retry(struct worker *w, struct park *p)
{
	struct parked *list = p->first;

	p->first = p->last = NULL;
	p->bytes = 0;
	p->retrying = true;
	while (list) {
		struct parked *one = list;
		struct conn *c = conn_table_get(w->conns, one->slot, one->generation);

		list = one->next;
		p->since = one->since;
		if (c && c->socket)
			datagram_came_from(w, c, one->addr, one->port, one->local);
		if (c && c->state == CONN_OPEN)
			conn_retry(w, c, span_of(one->bytes, one->len));
		free(one);
	}
	p->retrying = false;
}

bool park_blocks(const struct park *p)
{
	return p->first && !p->retrying;
}

bool park_too_long(const struct worker *w, const struct park *p, uint64_t limit)
{
	return p->retrying && p->since + limit <= w->now;
}
