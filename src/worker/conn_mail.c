#include "worker/conn.h"
#include "worker/conn_table.h"
#include "worker/events.h"
#include "worker/links.h"
#include "worker/post.h"

/*
 * The connection that the request is for, if it may still have it: the other
 * worker has chosen it by what we told of it, which was true then.
 */
static struct conn *destination(struct worker *w, const struct post *p, size_t len)
{
	struct conn *c = conn_table_get(w->conns, p->slot, p->generation);

	if (!c || (c->kind != CONN_EXTERNAL && c->kind != CONN_DOMAIN) || c->datagram || c->state != CONN_OPEN)
		return NULL;
	if (p->domain == 0 || !conn_judge_again(w, c) || !links_speaks_for(w, c, p->domain))
		return NULL;
	return conn_queued(c) + len <= w->img->settings->queue_bytes ? c : NULL;
}

static bool pass_request(struct worker *w, const struct post *p, struct span request)
{
	struct conn *c = destination(w, p, request.len);
	char *room = c && request.len ? conn_room(c, request.len) : NULL;

	if (!room)
		return false;
	memcpy(room, request.p, request.len);
	conn_written(w, c, request.len);
	events_message(w, c);
	return true;
}

void conn_mail(struct worker *w, const struct post *p, struct span bytes)
{
	if (p->kind == POST_REQUEST && pass_request(w, p, bytes))
		return;
	counter_add(&w->counters->mail_lost, 1);
}
