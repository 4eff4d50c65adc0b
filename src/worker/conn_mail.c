#include "worker/conn.h"
#include "worker/conn_table.h"
#include "worker/events.h"
#include "worker/inbound.h"
#include "worker/links.h"
#include "worker/outbound.h"
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

/* A whole message, as it was received: the other worker has parsed it, but what says so? */
static bool parse(struct worker *w, struct span raw, struct sip_msg *msg)
{
	const struct settings *s = w->img->settings;
	struct msg_rules rules = { .body_max = s->body_bytes, .identity = &w->img->strip, .stream = true };
	struct framer framer = { 0 };
	struct msg_fault why;
	struct span head;

	if (frame_next(&framer, s->header_bytes, raw, &head) != FRAME_HEAD)
		return false;
	if (msg_parse(framer.folded ? span_of(w->unfolded, frame_unfold(head, w->unfolded)) : head, &rules, w->headers,
		MIN(s->header_fields, w->header_max), msg, &why) != FAULT_NONE)
		return false;
	msg->body = span_from(raw, head.len);
	return msg->body.len == msg->content_length;
}

static bool pass_response(struct worker *w, const struct post *p, struct span raw)
{
	struct sip_msg msg;

	if (!parse(w, raw, &msg) || msg.is_request)
		return false;
	return p->from_outside ? outbound_mail(w, p, &msg, raw) : inbound_mail(w, &msg, raw);
}

void conn_mail(struct worker *w, const struct post *p, struct span bytes)
{
	if (p->kind == POST_REQUEST ? !pass_request(w, p, bytes) : !pass_response(w, p, bytes))
		counter_add(&w->counters->mail_lost, 1);
}
