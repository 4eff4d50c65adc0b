#include "common/put.h"
#include "common/sip/reply.h"
#include "worker/answer.h"
#include "worker/conn.h"
#include "worker/conn_table.h"
#include "worker/events.h"
#include "worker/hop.h"
#include "worker/inbound.h"
#include "worker/links.h"
#include "worker/outbound.h"
#include "worker/post.h"

/* ---- to connections of ours ---- */

static bool write_to(struct worker *w, struct conn *c, struct span bytes)
{
	char *room = NULL;

	if (bytes.len && conn_queued(c) + bytes.len <= w->img->settings->queue_bytes)
		room = conn_room(c, bytes.len);
	if (!room)
		return false;
	memcpy(room, bytes.p, bytes.len);
	conn_written(w, c, bytes.len);
	return true;
}

/*
 * The connection that the request is for, if it may still have it: the other
 * worker has chosen it by what we told of it, which was true then.
 */
static struct conn *destination(struct worker *w, const struct post *p)
{
	struct conn *c = conn_table_get(w->conns, p->slot, p->generation);

	if (!c || (c->kind != CONN_EXTERNAL && c->kind != CONN_DOMAIN) || c->datagram || c->state != CONN_OPEN)
		return NULL;
	return p->domain && conn_judge_again(w, c) && links_speaks_for(w, c, p->domain) ? c : NULL;
}

static bool pass_request(struct worker *w, const struct post *p, struct span request)
{
	struct conn *c = destination(w, p);

	if (!c || !write_to(w, c, request))
		return false;
	events_message(w, c);
	return true;
}

static bool pass_answer(struct worker *w, const struct post *p, struct span answer)
{
	struct conn *c = conn_table_get(w->conns, p->slot, p->generation);

	if (!c || (c->kind != CONN_INTERNAL && c->kind != CONN_CONTAINER) || c->datagram || c->state != CONN_OPEN)
		return false;
	if (!write_to(w, c, answer))
		return false;
	if (c->outstanding)
		c->outstanding--;
	counter_add(&w->counters->answered, 1);
	return true;
}

/* ---- reading what came ---- */

static bool parse_head(struct worker *w, struct span head, size_t fields, struct sip_msg *msg)
{
	struct msg_rules rules = { .body_max = w->img->settings->body_bytes, .identity = &w->img->strip, .stream = false };
	struct msg_fault why;

	return msg_parse(head, &rules, w->headers, MIN(fields, w->header_max), msg, &why) == FAULT_NONE;
}

/* A whole message, as it was received: the other worker has parsed it, but what says so? */
static bool parse(struct worker *w, struct span raw, struct sip_msg *msg)
{
	const struct settings *s = w->img->settings;
	struct framer framer = { 0 };
	struct span head;

	if (frame_next(&framer, s->header_bytes, raw, &head) != FRAME_HEAD)
		return false;
	if (!parse_head(w, framer.folded ? span_of(w->unfolded, frame_unfold(head, w->unfolded)) : head, s->header_fields, msg))
		return false;
	msg->body = span_from(raw, head.len);
	return msg->first[HDR_CONTENT_LENGTH] < 0 || msg->body.len == msg->content_length; /* a datagram may have none */
}

static bool pass_response(struct worker *w, const struct post *p, struct span raw)
{
	struct sip_msg msg;

	if (!parse(w, raw, &msg) || msg.is_request)
		return false;
	return p->from_outside ? outbound_mail(w, p, &msg, raw) : inbound_mail(w, &msg, raw);
}

/* ---- a request that could not be passed on is answered, as the other worker would have done it ---- */

/* It has been rewritten: longer by our lines, and without folds. */
static bool parse_sent(struct worker *w, struct span request, struct sip_msg *msg)
{
	struct framer framer = { 0 };
	struct span head;

	return frame_next(&framer, w->img->settings->header_bytes + 2 * HOP_LINES_MAX, request, &head) == FRAME_HEAD &&
	       !framer.folded && parse_head(w, head, w->header_max, msg) && msg->is_request && !msg->via_rest.p;
}

/* The head as the other worker received it, as far as an answer copies it: without our Via. */
static bool undo_via(struct worker *w, const struct sip_msg *sent, char *copy, size_t cap, struct sip_msg *out)
{
	struct span line = sent->header[sent->first[HDR_VIA]].line;
	size_t before = (size_t)(line.p - sent->head.p);
	struct put o = put_into(copy, cap);

	put_span(&o, span_head(sent->head, before));
	put_span(&o, span_from(sent->head, before + line.len));
	return parse_head(w, put_done(&o), w->header_max, out);
}

static size_t build_answer(struct worker *w, const struct sip_msg *msg, char *out, size_t cap)
{
	const enum refusal why = REFUSAL_DOMAIN_DOWN;
	struct span number;
	uint64_t port = 0;
	char extra[512];
	struct reply reply = {
		.status = refusal_status(why),
		.reason = span_str(refusal_reason(why)),
		.extra = answer_warning(w, why, "the connection to the domain has just ended", extra, sizeof(extra)),
		.identity = &w->img->strip,
		.tag = siphash(&w->keys.branch, msg->call_id.p, msg->call_id.len),
	};

	/* What the other worker has written into the asker's Via stays there. */
	if (!uri_param(msg->via.params, SPAN("received"), &reply.received))
		reply.received = SPAN_NONE;
	if (uri_param(msg->via.params, SPAN("rport"), &number) && span_u64(number, UINT16_MAX, &port))
		reply.rport = (uint16_t)port;
	return reply_build(msg, &reply, out, cap);
}

static bool answer(struct worker *w, struct span request)
{
	const size_t half = ANSWER_MAX / 2; /* the head as it was; the answer */
	struct post p = { .kind = POST_ANSWER };
	struct way_back back;
	struct sip_msg msg;
	struct span text;
	size_t len;
	int worker;

	if (!parse_sent(w, request, &msg) || msg.method_id == METHOD_ACK || !uri_param(msg.via.params, SPAN(HOP_BACK), &text))
		return false;
	if (way_back_read(&w->way_back_key, text, &back) != TOKEN_VALID || back.kind != BACK_INSIDE)
		return false;
	worker = post_worker(w, back.incarnation);
	if (worker < 0 || !undo_via(w, &msg, w->answer, half, &msg))
		return false;
	p.slot = back.slot;
	p.generation = back.generation;
	p.incarnation = back.incarnation;
	len = build_answer(w, &msg, w->answer + half, half);
	return len && post_send(w, (uint32_t)worker, &p, span_of(w->answer + half, len));
}

static bool pass(struct worker *w, const struct post *p, struct span bytes)
{
	switch (p->kind) {
	case POST_REQUEST:
		return pass_request(w, p, bytes) || answer(w, bytes);
	case POST_RESPONSE:
		return pass_response(w, p, bytes);
	case POST_ANSWER:
		return pass_answer(w, p, bytes);
	default:
		return false;
	}
}

void conn_mail(struct worker *w, const struct post *p, struct span bytes)
{
	if (!pass(w, p, bytes))
		counter_add(&w->counters->mail_lost, 1);
}
