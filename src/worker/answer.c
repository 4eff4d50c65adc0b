#include "worker/answer.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/put.h"
#include "common/sip/feedback.h"
#include "common/sip/reply.h"
#include "worker/datagram.h"
#include "worker/events.h"
#include "worker/overload.h"

#define FEEDBACK_MAX 128
#define ALLOW "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE\r\n"

/*
 * A container's connection carries everybody's calls: while it does not read,
 * it goes without an answer.  A peer that does not read goes altogether.
 */
static void no_room(struct worker *w, struct conn *c)
{
	if (c->kind != CONN_CONTAINER)
		conn_kill(w, c, "peer does not read");
}

static void send_answer(struct worker *w, struct conn *c, const struct sip_msg *msg, unsigned status, struct span reason,
    struct span extra, struct span feedback)
{
	/* The tag is a hash, so that a retransmission gets the same one (RFC 3261 8.2.7). */
	struct reply reply = {
		.status = status,
		.reason = reason,
		.extra = extra,
		.received = span_of(c->addr_text, c->addr_text_len),
		.rport = c->port,
		.feedback = feedback,
		.identity = &w->img->strip,
		.tag = siphash(&w->keys.branch, msg->call_id.p, msg->call_id.len),
	};
	size_t len = reply_build(msg, &reply, w->answer, ANSWER_MAX);
	uint16_t port = c->port;
	char *room;

	if (len == 0 || (c->datagram && !msg->via.whole.p))
		return; /* a datagram without a Via is nobody's */
	if (conn_queued(c) + len > w->img->settings->queue_bytes) {
		no_room(w, c);
		return;
	}
	room = conn_room(c, len);
	if (!room) {
		conn_kill(w, c, "out of memory");
		return;
	}
	memcpy(room, w->answer, len);
	if (c->socket)
		c->port = datagram_reply_port(c, &msg->via);
	conn_written(w, c, len);
	c->port = port;
	counter_add(&w->counters->answered, 1);
}

/* Unless one of its domains does without; NULL: a container. */
static bool wants_retry_after(const struct worker *w, const struct conn *c)
{
	for (uint32_t i = 0; c && i < c->judgement.domain_count; i++)
		if (w->img->domain[c->judgement.domain[i]].flags & DOMAIN_NO_RETRY_AFTER)
			return false;
	return true;
}

/* Header lines that belong to a status. */
static struct span extra_for(struct worker *w, const struct conn *c, enum refusal r, char *buf, size_t cap)
{
	int n = 0;

	switch (r) {
	case REFUSAL_NOT_SECURE:
		n = snprintf(buf, cap, "Warning: 381 sipward \"SIPS Not Allowed\"\r\n");
		break;
	case REFUSAL_NO_CONTAINER:
	case REFUSAL_DOMAIN_DOWN:
	case REFUSAL_DOMAIN_DN:
	case REFUSAL_QUEUE_FULL:
	case REFUSAL_DRAINING:
	case REFUSAL_TOO_LARGE:
	case REFUSAL_OVERLOAD:
	case REFUSAL_LIMIT_CALLS:
	case REFUSAL_LIMIT_MESSAGES:
		if (w->img->settings->retry_after && wants_retry_after(w, c))
			n = snprintf(buf, cap, "Retry-After: %llu\r\n", (unsigned long long)w->img->settings->retry_after);
		break;
	default:
		break;
	}
	return span_of(buf, (size_t)n);
}

/* RFC 3261 20.43; the text goes into a quoted string. */
struct span answer_warning(struct worker *w, enum refusal r, const char *text, char *out, size_t cap)
{
	struct put o = put_into(out, cap);
	char retry[128];

	put_span(&o, SPAN("Warning: 399 sipward \""));
	for (; *text; text++)
		put_char(&o, *text >= ' ' && *text < 0x7f && *text != '"' && *text != '\\' ? *text : '\'');
	put_span(&o, SPAN("\"\r\n"));
	put_span(&o, extra_for(w, NULL, r, retry, sizeof(retry)));
	return put_done(&o);
}

/* RFC 7339 4.3: who offers it, and is trusted, hears how much less we want.  Half is a beginning: it is said again each time. */
static struct span feedback_for(const struct worker *w, const struct conn *c, const struct sip_msg *msg, enum refusal r,
    char out[static FEEDBACK_MAX])
{
	static const struct feedback half = { .percent = 50, .validity_ms = 500 };
	bool wanted = false;

	if (r != REFUSAL_OVERLOAD && r != REFUSAL_LIMIT_CALLS && r != REFUSAL_LIMIT_MESSAGES)
		return SPAN_NONE;
	for (uint32_t i = 0; i < c->judgement.domain_count; i++)
		wanted |= (w->img->domain[c->judgement.domain[i]].flags & DOMAIN_FEEDBACK) != 0;
	if (!wanted || !feedback_offered(&msg->via))
		return SPAN_NONE;
	return span_of(out, feedback_write(&half, w->now / NSEC_PER_MSEC, out, FEEDBACK_MAX));
}

void answer_refusal_as(struct worker *w, struct conn *c, const struct sip_msg *msg, enum refusal r, unsigned status,
    struct span extra)
{
	struct span reason = SPAN_NONE;
	char buf[128], feedback[FEEDBACK_MAX];

	events_refused(w, c, msg, r);
	(void)overload_answer(w, r, &status, &reason); /* else it is as it was */
	if (!msg->is_request || msg->method_id == METHOD_ACK || status == 0)
		return;
	if (extra.len == 0)
		extra = extra_for(w, c, r, buf, sizeof(buf));
	send_answer(w, c, msg, status, reason.len ? reason : span_str(refusal_reason(r)), extra,
	    feedback_for(w, c, msg, r, feedback));
}

void answer_refusal(struct worker *w, struct conn *c, const struct sip_msg *msg, enum refusal r, struct span extra)
{
	answer_refusal_as(w, c, msg, r, refusal_status(r), extra);
}

void answer_fault(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct msg_fault *fault)
{
	char reason[128];
	size_t len = msg_fault_reason(fault, reason, sizeof(reason));

	events_malformed(w, c, msg, fault);
	if (msg->is_request && msg->method_id != METHOD_ACK)
		send_answer(w, c, msg, fault_status(fault->code), span_of(reason, len), SPAN_NONE, SPAN_NONE);
}

/* Length of the lines at the start of `s` that end in CRLF and hold no other CR or LF. */
static size_t good_lines(struct span s)
{
	size_t good = 0;

	while (good < s.len) {
		struct span rest = span_from(s, good);
		size_t cr = span_find(rest, '\r'), lf = span_find(rest, '\n');

		if (cr + 1 != lf || lf >= rest.len || cr == 0)
			break;
		good += lf + 1;
	}
	return good;
}

void answer_broken(struct worker *w, struct conn *c, enum fault code, struct span bytes)
{
	struct msg_rules rules = { .body_max = 0, .identity = &w->img->strip, .stream = false };
	struct msg_fault fault = { .code = code, .header = HDR_OTHER }, ignored;
	size_t len = good_lines(span_head(bytes, w->img->settings->header_bytes));
	struct sip_msg msg;

	memcpy(w->unfolded, bytes.p, len);
	memcpy(w->unfolded + len, "\r\n", 2);
	/* Only the spans are wanted; what else may be wrong with it no longer matters. */
	if (msg_parse(span_of(w->unfolded, len + 2), &rules, w->headers, w->header_max, &msg, &ignored) != FAULT_NONE)
		fault.offset = len;
	answer_fault(w, c, &msg, &fault);
}

void answer_options(struct worker *w, struct conn *c, const struct sip_msg *msg)
{
	send_answer(w, c, msg, 200, SPAN("OK"), SPAN(ALLOW), SPAN_NONE);
}

void answer_ping(struct worker *w, struct conn *c)
{
	char *room;

	counter_add(&w->counters->pings, 1);
	if (conn_queued(c) > w->img->settings->queue_bytes || !(room = conn_room(c, 2))) {
		no_room(w, c);
		return;
	}
	memcpy(room, "\r\n", 2);
	conn_written(w, c, 2);
}
