#include "worker/conn.h"

#include "worker/answer.h"
#include "worker/events.h"
#include "worker/inbound.h"
#include "worker/outbound.h"

static void route_message(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	bool outside = c->kind == CONN_EXTERNAL || c->kind == CONN_DOMAIN;

	if (!conn_judge_again(w, c))
		return;
	if (msg->is_request)
		(outside ? inbound_request : outbound_request)(w, c, msg, raw);
	else
		(outside ? outbound_response : inbound_response)(w, c, msg, raw);
}

/* A head is there: parse it, wait for its body, send it on its way.  Returns the bytes used, 0: more is needed. */
static size_t one_message(struct worker *w, struct conn *c, struct span in, struct span head, bool folded)
{
	const struct settings *s = w->img->settings;
	struct msg_rules rules = { .body_max = s->body_bytes, .identity = &w->img->strip, .stream = true };
	struct span text = folded ? span_of(w->unfolded, frame_unfold(head, w->unfolded)) : head;
	struct msg_fault why = { 0 };
	struct sip_msg msg;
	enum fault fault = msg_parse(text, &rules, w->headers, MIN(s->header_fields, w->header_max), &msg, &why);
	size_t whole = head.len + msg.content_length;

	if (fault_closes(fault)) {
		answer_fault(w, c, &msg, &why);
		conn_close(w, c, fault_name(fault));
		return in.len;
	}
	if (in.len < whole) {
		c->need = whole;
		return 0;
	}
	c->need = 0;
	events_message(w, c);
	w->requests++;
	msg.body = span_of(in.p + head.len, msg.content_length);
	if (c->kind == CONN_EXTERNAL && msg.is_request)
		counter_add(&w->counters->requests_in, 1);
	if (fault != FAULT_NONE)
		answer_fault(w, c, &msg, &why);
	else
		route_message(w, c, &msg, span_head(in, whole));
	return whole;
}

static size_t broken(struct worker *w, struct conn *c, enum fault code, struct span in)
{
	answer_broken(w, c, code, in);
	conn_close(w, c, fault_name(code));
	return in.len;
}

static size_t next_message(struct worker *w, struct conn *c, struct span in)
{
	struct span head = SPAN_NONE;
	enum frame_status st = frame_next(&c->framer, w->img->settings->header_bytes, in, &head);
	bool folded = c->framer.folded;

	if (st != FRAME_MORE)
		c->framer = (struct framer){ 0 };
	switch (st) {
	case FRAME_HEAD:
		return one_message(w, c, in, head, folded);
	case FRAME_MORE:
		return 0;
	case FRAME_PING:
		answer_ping(w, c);
		return head.len;
	case FRAME_CRLF:
		return head.len;
	case FRAME_BAD_LINE:
		return broken(w, c, FAULT_BARE_LINE_END, in);
	case FRAME_NOT_SIP:
		return broken(w, c, FAULT_NOT_SIP, in);
	case FRAME_TOO_BIG:
		return broken(w, c, FAULT_HEAD_TOO_BIG, in);
	}
	return in.len;
}

size_t conn_messages(struct worker *w, struct conn *c, struct span in)
{
	size_t done = 0;

	while (done < in.len && c->state == CONN_OPEN && !c->paused) {
		struct span rest = span_from(in, done);
		size_t n;

		if (rest.len < c->need)
			break;
		n = next_message(w, c, rest);
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

/* RFC 3261 18.3: what Content-Length leaves over is dropped; without it the body goes to the end. */
static enum fault take_body(struct span rest, struct sip_msg *msg, struct msg_fault *why)
{
	if (msg->first[HDR_CONTENT_LENGTH] < 0)
		msg->content_length = rest.len;
	if (msg->content_length > rest.len) {
		*why = (struct msg_fault){ .code = FAULT_BAD_LENGTH, .header = HDR_CONTENT_LENGTH };
		return FAULT_BAD_LENGTH;
	}
	msg->body = span_head(rest, msg->content_length);
	return FAULT_NONE;
}

/* Nothing can be sent back to who does not say where he is; and a stray packet is worth no answer. */
static bool is_lost(struct worker *w, const struct sip_msg *msg)
{
	if (msg->via.whole.p)
		return false;
	counter_add(&w->counters->datagrams_dropped, 1);
	return true;
}

void conn_datagram(struct worker *w, struct conn *c, struct span in)
{
	const struct settings *s = w->img->settings;
	struct msg_rules rules = { .body_max = s->body_bytes, .identity = &w->img->strip, .stream = false };
	struct framer framer = { 0 };
	struct span head, text;
	struct msg_fault why = { 0 };
	struct sip_msg msg;
	enum fault fault;

	while (in.len && (in.p[0] == '\r' || in.p[0] == '\n')) /* keep-alives, and what stands before a message (RFC 3261 7.5) */
		in = span_from(in, 1);
	if (in.len == 0)
		return;
	switch (frame_next(&framer, s->header_bytes, in, &head)) {
	case FRAME_HEAD:
		break;
	case FRAME_BAD_LINE:
		answer_broken(w, c, FAULT_BARE_LINE_END, in);
		return;
	case FRAME_NOT_SIP:
	case FRAME_TOO_BIG:
	case FRAME_MORE:
	case FRAME_PING:
	case FRAME_CRLF:
		counter_add(&w->counters->datagrams_dropped, 1);
		return;
	}
	text = framer.folded ? span_of(w->unfolded, frame_unfold(head, w->unfolded)) : head;
	fault = msg_parse(text, &rules, w->headers, MIN(s->header_fields, w->header_max), &msg, &why);
	if (is_lost(w, &msg))
		return;
	if (fault == FAULT_NONE)
		fault = take_body(span_from(in, head.len), &msg, &why);
	w->requests++;
	c->messages++;
	if (c->kind == CONN_EXTERNAL && msg.is_request)
		counter_add(&w->counters->requests_in, 1);
	if (fault != FAULT_NONE)
		answer_fault(w, c, &msg, &why);
	else
		route_message(w, c, &msg, span_head(in, head.len + msg.body.len));
}

void conn_retry(struct worker *w, struct conn *c, struct span message)
{
	struct framer framer = c->framer;
	size_t need = c->need;

	/* It was counted when it came. */
	c->messages--;
	counter_add(&w->counters->requests_in, (uint64_t)-1);
	if (c->datagram) {
		conn_datagram(w, c, message);
		return;
	}
	/* The message was whole and passed once; what stands in the connection's own state is another's. */
	c->framer = (struct framer){ 0 };
	c->need = 0;
	(void)next_message(w, c, message);
	c->framer = framer;
	c->need = need;
}
