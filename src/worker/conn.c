#include "worker/conn.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/policy/identity.h"
#include "common/policy/inspect.h"
#include "common/policy/rewrite.h"
#include "common/x509/facts.h"
#include "common/x509/judge.h"
#include "worker/accept.h"
#include "worker/answer.h"
#include "worker/conn_table.h"
#include "worker/events.h"
#include "worker/upstream.h"

/* The parameter of our Via that holds the way back. */
#define BACK_PARAM "back"

/* A connection is idle after this long without a byte. */
#define KEPT_IDLE (30 * NSEC_PER_SEC)

/* Longest lines that we add: two Record-Route with a token each, or a Via with two. */
#define LINES_MAX 2048

/* ---- identify ---- */

/*
 * Index of the connection's TLS profile in the current image: what its
 * listener has now, for a reload may have given it another.  A connection of
 * a removed listener keeps its own, as long as there is one of that name.
 */
static uint32_t profile_of(const struct conn *c)
{
	const struct listener *l = c->listener;

	return l->index != IMAGE_NONE ? l->row.tls : tls_context_profile(tls_get_context(c->tls));
}

static void judge(struct worker *w, struct conn *c)
{
	if (c->facts)
		judge_facts(w->img, profile_of(c), c->facts, w->wall, &c->judgement);
	else if (!c->tls)
		judge_address(w->img, c->addr, w->wall, &c->judgement);
	else
		c->judgement = (struct peer_judgement){ .generation = w->img->h->generation,
			.verdict = PEER_NO_CERTIFICATE, .valid_until = INT64_MAX };
}

/* Must a peer without trust go?  On a listener with `require` it must. */
static bool must_be_trusted(const struct conn *c)
{
	return c->tls && c->listener->client_certificate == CLIENT_CERT_REQUIRE;
}

/* `expired_connections: keep_until_idle`: a certificate that ran out ends the connection only when nothing is under way. */
static bool kept_until_idle(const struct worker *w, const struct conn *c)
{
	uint32_t tls = c->tls ? profile_of(c) : IMAGE_NONE;

	return c->judgement.verdict == PEER_EXPIRED && tls != IMAGE_NONE &&
	       w->img->tls[tls].expired_connections == EXPIRED_KEEP_UNTIL_IDLE &&
	       (c->outstanding || c->last_active + KEPT_IDLE > w->now);
}

bool conn_judge_again(struct worker *w, struct conn *c)
{
	struct peer_judgement before = c->judgement;
	bool was_trusted = before.domain_count > 0;

	if (c->kind != CONN_EXTERNAL)
		return true;
	if (c->judgement.generation != w->img->h->generation || c->judgement.valid_until <= w->wall) {
		judge(w, c);
		if (was_trusted && before.generation == w->img->h->generation && kept_until_idle(w, c)) {
			c->judgement = before;
			c->judgement.valid_until = w->wall + 1; /* asked again every second */
			return true;
		}
		events_judged(w, c, was_trusted);
	}
	/* Also when it was judged by this image: its handshake may have begun when the listener did not require it. */
	if (c->judgement.domain_count || !must_be_trusted(c))
		return true;
	conn_close(w, c, "trust lost");
	return false;
}

void conn_opened(struct worker *w, struct conn *c)
{
	c->state = CONN_OPEN;
	if (c->kind == CONN_EXTERNAL) {
		if (c->tls) {
			struct peer_facts *facts = tls_facts(c->tls);

			c->facts = facts ? peer_facts_get(facts) : NULL;
			c->judgement = *tls_judgement(c->tls);
			/* A reload may have come between certificate and end of the handshake. */
			if (c->judgement.generation != w->img->h->generation)
				judge(w, c);
		} else {
			judge(w, c);
		}
		timer_set(w->wheel, &c->timer, w->now + w->img->settings->idle_timeout * NSEC_PER_MSEC);
	}
	events_accepted(w, c);
	(void)conn_judge_again(w, c); /* for a listener that has begun to require what this peer lacks */
}

/* ---- from outside to a container ---- */

/* Everything decided about one request on its way in. */
struct passage {
	struct route_plan plan;
	struct identity identity;
	char branch[ROUTE_BRANCH_LEN];
	struct conn *to;
	const struct image_server *server;
};

static size_t write_via(struct worker *w, struct conn *c, const struct passage *p, char *out, size_t cap)
{
	const struct listener *inside = listeners_inside(w) ? listeners_inside(w) : c->listener;
	struct way_back back = {
		.incarnation = w->h->incarnation,
		.slot = c->slot,
		.generation = c->generation,
		.domain = route_back_id(w->img, &w->keys, p->identity.domain),
		.time = (uint32_t)w->wall,
	};
	char token[TOKEN_TEXT_MAX];
	size_t len = way_back_write(&w->way_back_key, &back, token);
	int n = snprintf(out, cap, "Via: SIP/2.0/TCP %.*s;branch=%.*s;" BACK_PARAM "=%.*s\r\n", (int)inside->shown_len,
	    inside->shown, ROUTE_BRANCH_LEN, p->branch, (int)len, token);

	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

/* Both sides of the edge, ours towards the container on top (RFC 5658). */
static size_t write_record_route(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p,
    char *out, size_t cap)
{
	const struct listener *inside = listeners_inside(w);
	struct dialog_token t = {
		.direction = DIALOG_FROM_OUTSIDE,
		.container = route_server_id(w->img, &w->keys, 0, p->server),
		.domain = route_domain_id(w->img, &w->keys, 0, p->identity.domain),
		.time = (uint32_t)w->wall,
	};
	char token[TOKEN_TEXT_MAX];
	int len = (int)dialog_token_write(&w->keys.tokens, &t, msg->call_id, token), n = 0;

	if (inside)
		n = snprintf(out, cap, "Record-Route: <sip:%.*s@%.*s;transport=tcp;lr>\r\n", len, token,
		    (int)inside->shown_len, inside->shown);
	n += snprintf(out + n, cap - (size_t)n, "Record-Route: <sip:%.*s@%.*s;transport=%s;lr>\r\n", len, token,
	    (int)c->listener->shown_len, c->listener->shown, c->tls ? "tls" : "tcp");
	return (size_t)n < cap ? (size_t)n : 0;
}

static void forward(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p)
{
	char via[LINES_MAX], routes[LINES_MAX];
	struct rewrite_request how = {
		.via = span_of(via, write_via(w, c, p, via, sizeof(via))),
		.source = span_of(c->addr_text, c->addr_text_len),
		.source_port = c->port,
		.routes_removed = p->plan.ours,
		.identity = &p->identity,
	};
	size_t bound, len;
	char *room;

	if (!p->plan.has_token && p->server && route_makes_dialog(msg))
		how.record_route = span_of(routes, write_record_route(w, c, msg, p, routes, sizeof(routes)));
	bound = rewrite_bound(msg, &how);
	room = conn_room(p->to, bound);
	len = room ? rewrite_request(w->img, msg, &how, room, bound) : 0;
	if (len == 0) {
		answer_refusal(w, c, msg, REFUSAL_TOO_LARGE, SPAN_NONE);
		return;
	}
	conn_written(w, p->to, len);
	events_message(w, p->to);
	if (msg->method_id != METHOD_ACK)
		c->outstanding++;
	counter_add(&w->counters->requests_out, 1);
	if (p->identity.header.len)
		counter_add(&w->counters->identity_asserted, 1);
	/* Before its queue is full, those who feed it are slowed down. */
	if (conn_queued(p->to) > w->img->settings->queue_bytes / 2)
		conn_pause(w, c);
}

/* The stages between a parsed request and its container; REFUSAL_NONE: *p is complete but for the container. */
static enum refusal examine(struct worker *w, struct conn *c, const struct sip_msg *msg, struct passage *p)
{
	uint32_t domain = identity_domain(w->img, &c->judgement, msg);
	enum refusal r;

	route_plan_external(w->img, &w->keys, msg, domain, (uint32_t)w->wall, &p->plan);
	if (p->plan.refusal != REFUSAL_NONE)
		return p->plan.refusal;
	r = route_check_uri(w->img, msg, p->plan.has_token);
	if (r != REFUSAL_NONE)
		return r;
	identity_decide(w->img, &c->judgement, msg, p->plan.has_token, &p->identity);
	if (p->identity.violation)
		counter_add(&w->counters->identity_violations, 1);
	if (p->identity.refusal != REFUSAL_NONE)
		return p->identity.refusal;
	if (w->draining && !p->plan.has_token && msg->method_id != METHOD_CANCEL && msg->method_id != METHOD_ACK)
		return REFUSAL_DRAINING;
	route_branch(w->img, &w->keys, msg, p->identity.domain, span_of(c->addr_text, c->addr_text_len), p->branch);
	return REFUSAL_NONE;
}

static void external_request(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	struct passage p = { 0 };
	char extra[1024];
	size_t extra_len = 0;
	enum refusal r = inspect_request(w->img, &c->listener->row, msg, extra, sizeof(extra), &extra_len);

	if (r == REFUSAL_NONE && msg->method_id == METHOD_OPTIONS && inspect_is_for_us(w->img, msg)) {
		answer_options(w, c, msg);
		return;
	}
	if (r == REFUSAL_NONE)
		r = examine(w, c, msg, &p);
	if (r == REFUSAL_NONE) {
		struct upstream_ask ask = { &p.plan, msg->call_id, span_of(p.branch, ROUTE_BRANCH_LEN), msg->method_id };

		switch (upstream_pick(w, &ask, &p.to, &p.server)) {
		case UPSTREAM_READY:
			forward(w, c, msg, &p);
			return;
		case UPSTREAM_WAIT:
			if (upstream_park(w, c, raw))
				return;
			r = REFUSAL_QUEUE_FULL;
			break;
		case UPSTREAM_FULL:
			r = REFUSAL_QUEUE_FULL;
			break;
		case UPSTREAM_NONE:
			r = REFUSAL_NO_CONTAINER;
			break;
		}
	}
	answer_refusal(w, c, msg, r, span_of(extra, extra_len));
}

/* ---- from a container back outside ---- */

/* The connection that a response belongs to, by the way back in our Via. */
static enum refusal find_way_back(struct worker *w, const struct sip_msg *msg, struct conn **to)
{
	struct span text;
	struct way_back back;
	struct conn *c;

	if (!uri_param(msg->via.params, SPAN(BACK_PARAM), &text) ||
	    way_back_read(&w->way_back_key, text, &back) != TOKEN_VALID)
		return REFUSAL_RESPONSE_FORGED;
	if (!msg->via_rest.p && msg_next_header(msg, HDR_VIA, (size_t)msg->first[HDR_VIA] + 1) < 0)
		return REFUSAL_RESPONSE_LAST_VIA;
	c = back.incarnation == w->h->incarnation ? conn_table_get(w->conns, back.slot, back.generation) : NULL;
	if (!c || c->kind != CONN_EXTERNAL || c->state != CONN_OPEN)
		return REFUSAL_RESPONSE_GONE;
	if (!conn_judge_again(w, c))
		return REFUSAL_RESPONSE_GONE;
	*to = c;
	if (back.domain == 0)
		return c->judgement.domain_count == 0 ? REFUSAL_NONE : REFUSAL_RESPONSE_DOMAIN;
	for (uint32_t i = 0; i < c->judgement.domain_count; i++)
		if (route_back_id(w->img, &w->keys, c->judgement.domain[i]) == back.domain)
			return REFUSAL_NONE;
	return REFUSAL_RESPONSE_DOMAIN;
}

static bool all_trust_domains(const struct worker *w, const struct conn *c)
{
	for (uint32_t i = 0; i < c->judgement.domain_count; i++)
		if (!(w->img->domain[c->judgement.domain[i]].flags & DOMAIN_TRUST_DOMAIN))
			return false;
	return c->judgement.domain_count > 0;
}

static void inside_response(struct worker *w, struct conn *c, const struct sip_msg *msg)
{
	size_t bound = msg->head.len + msg->body.len + 256, len;
	struct conn *to = NULL;
	enum refusal r = find_way_back(w, msg, &to);
	char *room;

	counter_add(&w->counters->responses_in, 1);
	if (r != REFUSAL_NONE) {
		events_refused(w, c, msg, r);
		return;
	}
	if (conn_queued(to) > w->img->settings->queue_bytes) {
		conn_kill(w, to, "peer does not read");
		return;
	}
	room = conn_room(to, bound);
	len = room ? rewrite_response_out(w->img, msg, all_trust_domains(w, to), room, bound) : 0;
	if (len == 0) {
		events_refused(w, c, msg, REFUSAL_TOO_LARGE);
		return;
	}
	conn_written(w, to, len);
	if (msg->status >= 200 && to->outstanding)
		to->outstanding--;
	counter_add(&w->counters->responses_out, 1);
}

static void inside_request(struct worker *w, struct conn *c, const struct sip_msg *msg)
{
	counter_add(&w->counters->inside_requests, 1);
	if (msg->method_id == METHOD_OPTIONS && inspect_is_for_us(w->img, msg))
		answer_options(w, c, msg);
	else
		answer_refusal(w, c, msg, REFUSAL_NO_OUTBOUND, SPAN_NONE);
}

/* ---- the order of the stages ---- */

static void route_message(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	if (c->kind != CONN_EXTERNAL) {
		if (msg->is_request)
			inside_request(w, c, msg);
		else
			inside_response(w, c, msg);
		return;
	}
	if (!msg->is_request) {
		/* No request of ours goes outside, so no response can belong to one. */
		counter_add(&w->counters->outside_responses, 1);
		events_refused(w, c, msg, REFUSAL_RESPONSE_NO_VIA);
		return;
	}
	if (conn_judge_again(w, c))
		external_request(w, c, msg, raw);
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

void conn_retry(struct worker *w, struct conn *c, struct span message)
{
	struct framer framer = c->framer;
	size_t need = c->need;

	/* It was counted when it came. */
	c->messages--;
	counter_add(&w->counters->requests_in, (uint64_t)-1);
	/* The message was whole and passed once; what stands in the connection's own state is another's. */
	c->framer = (struct framer){ 0 };
	c->need = 0;
	(void)next_message(w, c, message);
	c->framer = framer;
	c->need = need;
}
