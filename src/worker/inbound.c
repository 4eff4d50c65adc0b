#include "worker/inbound.h"

#include "common/policy/identity.h"
#include "common/policy/inspect.h"
#include "common/policy/rewrite.h"
#include "worker/answer.h"
#include "worker/conn_table.h"
#include "worker/events.h"
#include "worker/hop.h"
#include "worker/upstream.h"

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
	struct way_back back = {
		.kind = BACK_OUTSIDE,
		.incarnation = w->h->incarnation,
		.slot = c->slot,
		.generation = c->generation,
		.domain = route_back_id(w->img, &w->keys, p->identity.domain),
		.time = (uint32_t)w->wall,
	};

	return hop_via(w, c, p->to, span_of(p->branch, ROUTE_BRANCH_LEN), &back, out, cap);
}

static size_t write_record_route(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p,
    char *out, size_t cap)
{
	struct dialog_token t = {
		.direction = DIALOG_FROM_OUTSIDE,
		.container = route_server_id(w->img, &w->keys, 0, p->server),
		.domain = route_domain_id(w->img, &w->keys, 0, p->identity.domain),
		.time = (uint32_t)w->wall,
	};

	return hop_record_route(w, c, p->to, &t, msg->call_id, msg->request_uri.scheme == URI_SIPS, out, cap);
}

static void forward(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p)
{
	char via[HOP_LINES_MAX], routes[HOP_LINES_MAX];
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

void inbound_request(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
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

	if (!uri_param(msg->via.params, SPAN(HOP_BACK), &text) ||
	    way_back_read(&w->way_back_key, text, &back) != TOKEN_VALID || back.kind != BACK_OUTSIDE)
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
	return conn_judged_as(w, c, back.domain) ? REFUSAL_NONE : REFUSAL_RESPONSE_DOMAIN;
}

static bool all_trust_domains(const struct worker *w, const struct conn *c)
{
	for (uint32_t i = 0; i < c->judgement.domain_count; i++)
		if (!(w->img->domain[c->judgement.domain[i]].flags & DOMAIN_TRUST_DOMAIN))
			return false;
	return c->judgement.domain_count > 0;
}

void inbound_response(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
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
