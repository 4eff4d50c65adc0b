#include "worker/back.h"

#include "common/x509/judgement.h"
#include "worker/accept.h"
#include "worker/conn_table.h"
#include "worker/datagram.h"

uint64_t back_domain_id(struct worker *w, struct conn *c, uint32_t domain)
{
	if (domain == IMAGE_NONE)
		return 0;
	if (c->back_id == 0 || c->back_domain != domain || c->back_generation != w->img->h->generation) {
		c->back_id = route_back_id(w->img, &w->keys, domain);
		c->back_domain = domain;
		c->back_generation = w->img->h->generation;
	}
	return c->back_id;
}

bool back_is_known(const struct worker *w, const struct conn *c, uint64_t id)
{
	return id && c->back_id == id && c->back_generation == w->img->h->generation &&
	       judgement_has(w->img, &c->judgement, c->back_domain);
}

size_t back_write(struct worker *w, const struct conn *from, const struct via *via, struct way_back *way,
    char out[static TOKEN_TEXT_MAX])
{
	struct datagram_back to;

	way->time = (uint32_t)w->wall;
	if (!from->datagram) {
		way->incarnation = w->h->incarnation;
		way->slot = from->slot;
		way->generation = from->generation;
		return way_back_write(&w->way_back_key, way, out);
	}
	to = (struct datagram_back){
		.kind = way->kind,
		.listener = from->listener->id,
		.port = datagram_reply_port(from, via),
		.domain = way->domain,
		.time = way->time,
	};
	memcpy(to.addr, from->addr, sizeof(to.addr));
	memcpy(to.local, from->local, sizeof(to.local));
	return datagram_back_write(&w->way_back_key, &to, out);
}

enum token_status back_read(const struct worker *w, struct span text, struct back *out)
{
	enum token_status st = way_back_read(&w->way_back_key, text, &out->way);

	out->datagram = false;
	if (st == TOKEN_VALID)
		return st;
	st = datagram_back_read(&w->way_back_key, text, &out->to);
	if (st != TOKEN_VALID)
		return TOKEN_FORGED;
	out->datagram = true;
	out->way = (struct way_back){ .kind = out->to.kind, .domain = out->to.domain, .time = out->to.time };
	return TOKEN_VALID;
}

struct conn *back_conn(struct worker *w, const struct back *b)
{
	struct conn *c;

	if (b->datagram)
		return datagram_aim(w, b->to.listener, b->to.addr, b->to.port, b->to.local);
	c = b->way.incarnation == w->h->incarnation ? conn_table_get(w->conns, b->way.slot, b->way.generation) : NULL;
	return c && c->state == CONN_OPEN && !c->datagram ? c : NULL;
}
