#include "worker/outbound.h"

#include "common/policy/identity.h"
#include "common/policy/inspect.h"
#include "common/policy/rewrite.h"
#include "common/put.h"
#include "worker/answer.h"
#include "worker/conn_table.h"
#include "worker/events.h"
#include "worker/hop.h"
#include "worker/links.h"
#include "worker/upstream.h"

/* Everything decided about one request on its way out. */
struct passage {
	struct route_plan plan;
	struct route_outside where;
	char branch[ROUTE_BRANCH_LEN];
	struct conn *to;
};

/* ---- a request ---- */

static size_t write_via(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p, char *out,
    size_t cap)
{
	const struct image_server *server = upstream_sender(w, c, msg);
	struct way_back back = {
		.kind = BACK_INSIDE,
		.incarnation = w->h->incarnation,
		.slot = c->slot,
		.generation = c->generation,
		.domain = route_back_id(w->img, &w->keys, p->where.domain),
		.container = server ? route_server_back_id(w->img, &w->keys, server) : 0,
		.time = (uint32_t)w->wall,
	};

	return hop_via(w, c, p->to, span_of(p->branch, ROUTE_BRANCH_LEN), &back, out, cap);
}

static size_t write_record_route(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p,
    char *out, size_t cap)
{
	const struct image_server *server = upstream_sender(w, c, msg);
	struct dialog_token t = {
		.direction = DIALOG_FROM_INSIDE,
		.container = server ? route_server_id(w->img, &w->keys, 0, server) : 0,
		.domain = route_domain_id(w->img, &w->keys, 0, p->where.domain),
		.time = (uint32_t)w->wall,
	};

	return hop_record_route(w, c, p->to, &t, msg->call_id, p->plan.uri.scheme == URI_SIPS, out, cap);
}

static void forward(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p)
{
	char via[HOP_LINES_MAX], routes[HOP_LINES_MAX];
	struct rewrite_request how = {
		.via = span_of(via, write_via(w, c, msg, p, via, sizeof(via))),
		.source = span_of(c->addr_text, c->addr_text_len),
		.source_port = c->port,
		.plan = &p->plan,
		.identity = { .keep_asserted = w->img->domain[p->where.domain].flags & DOMAIN_TRUST_DOMAIN },
	};
	size_t bound, len;
	char *room;

	if (!p->plan.has_token && route_makes_dialog(msg))
		how.record_route = span_of(routes, write_record_route(w, c, msg, p, routes, sizeof(routes)));
	bound = rewrite_bound(msg, &how);
	room = how.via.len ? conn_room(p->to, bound) : NULL;
	len = room ? rewrite_request(w->img, msg, &how, room, bound) : 0;
	if (len == 0) {
		answer_refusal(w, c, msg, REFUSAL_TOO_LARGE, SPAN_NONE);
		return;
	}
	conn_written(w, p->to, len);
	events_message(w, p->to);
	if (msg->method_id != METHOD_ACK)
		c->outstanding++;
	counter_add(&w->counters->outside_requests_out, 1);
	if (conn_queued(p->to) > w->img->settings->queue_bytes / 2)
		conn_pause(w, c, p->to);
}

static void refuse(struct worker *w, struct conn *c, const struct sip_msg *msg, enum refusal r, const char *warning)
{
	char extra[512];

	answer_refusal(w, c, msg, r, warning ? answer_warning(w, r, warning, extra, sizeof(extra)) : SPAN_NONE);
}

static enum refusal examine(struct worker *w, struct conn *c, const struct sip_msg *msg, struct passage *p)
{
	route_plan_internal(w->img, &w->keys, msg, (uint32_t)w->wall, &p->plan);
	if (p->plan.refusal != REFUSAL_NONE)
		return p->plan.refusal;
	route_outside(w->img, msg, &p->plan, c->tls != NULL, &p->where);
	if (p->where.refusal != REFUSAL_NONE)
		return p->where.refusal;
	if (w->draining && !p->plan.has_token && msg->method_id != METHOD_CANCEL && msg->method_id != METHOD_ACK)
		return REFUSAL_DRAINING;
	route_branch(w->img, &w->keys, msg, IMAGE_NONE, span_of(c->addr_text, c->addr_text_len), p->branch);
	return REFUSAL_NONE;
}

/* Over which connection?  REFUSAL_NONE: done, sent or kept. */
static enum refusal hand_over(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw,
    struct passage *p, const char **warning)
{
	struct links_ask ask = {
		.domain = p->where.domain,
		.name = span_of(p->where.name, p->where.name_len),
		.branch = span_of(p->branch, ROUTE_BRANCH_LEN),
		.method = msg->method_id,
		.size = raw.len + HOP_LINES_MAX / 4,
	};
	struct links_answer answer;

	switch (links_pick(w, &ask, &answer)) {
	case LINKS_READY:
		p->to = answer.conn;
		forward(w, c, msg, p);
		return REFUSAL_NONE;
	case LINKS_WAIT:
		return links_park(w, answer.link, c, raw) ? REFUSAL_NONE : REFUSAL_QUEUE_FULL;
	case LINKS_NONE:
		*warning = answer.warning;
		return answer.refusal;
	case LINKS_POST:
	case LINKS_FULL:
		break;
	}
	return REFUSAL_QUEUE_FULL;
}

static const char *no_domain_warning(enum refusal r)
{
	switch (r) {
	case REFUSAL_NO_DOMAIN:
		return "no external domain is configured for this request";
	case REFUSAL_LOCAL_DOMAIN:
		return "the domain is local";
	default:
		return NULL;
	}
}

void outbound_request(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	struct passage p = { 0 };
	const char *warning;
	char extra[1024];
	size_t extra_len = 0;
	enum refusal r = inspect_request(w->img, UINT32_MAX, msg, extra, sizeof(extra), &extra_len);

	counter_add(&w->counters->inside_requests, 1);
	if (r == REFUSAL_NONE && msg->method_id == METHOD_OPTIONS && inspect_is_for_us(w->img, msg)) {
		answer_options(w, c, msg);
		return;
	}
	if (r != REFUSAL_NONE) {
		answer_refusal(w, c, msg, r, span_of(extra, extra_len));
		return;
	}
	r = examine(w, c, msg, &p);
	warning = no_domain_warning(r);
	if (r == REFUSAL_NONE)
		r = hand_over(w, c, msg, raw, &p, &warning);
	if (r != REFUSAL_NONE)
		refuse(w, c, msg, r, warning);
}

/* ---- a response ---- */

/* What our Via says about the request that it answers. */
static enum refusal read_way_back(struct worker *w, struct conn *c, const struct sip_msg *msg, struct way_back *back)
{
	struct span text;

	if (!uri_param(msg->via.params, SPAN(HOP_BACK), &text))
		return REFUSAL_RESPONSE_NO_VIA;
	if (way_back_read(&w->way_back_key, text, back) != TOKEN_VALID || back->kind != BACK_INSIDE)
		return REFUSAL_RESPONSE_FORGED;
	if (!msg->via_rest.p && msg_next_header(msg, HDR_VIA, (size_t)msg->first[HDR_VIA] + 1) < 0)
		return REFUSAL_RESPONSE_LAST_VIA;
	return links_speaks_for(w, c, back->domain) ? REFUSAL_NONE : REFUSAL_RESPONSE_DOMAIN;
}

/* A connection may stand for several domains: the answer is that of the one which was asked. */
static void narrow(const struct worker *w, const struct conn *c, uint64_t id, struct peer_judgement *out)
{
	*out = c->judgement;
	out->domain_count = 0;
	for (uint32_t i = 0; i < c->judgement.domain_count && out->domain_count == 0; i++)
		if (route_back_id(w->img, &w->keys, c->judgement.domain[i]) == id)
			out->domain[out->domain_count++] = c->judgement.domain[i];
}

/* The container's connection that asked; when it is gone, ours to the same container. */
static struct conn *find_asker(struct worker *w, const struct way_back *back)
{
	struct conn *c = back->incarnation == w->h->incarnation ? conn_table_get(w->conns, back->slot, back->generation) : NULL;

	if (c && c->state == CONN_OPEN && (c->kind == CONN_INTERNAL || c->kind == CONN_CONTAINER))
		return c;
	return back->container ? upstream_by_back_id(w, back->container) : NULL;
}

void outbound_response(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	static struct identity identity;
	struct rewrite_identity how = { .asserted = &identity };
	struct peer_judgement peer;
	struct way_back back;
	struct conn *to = NULL;
	enum refusal r = read_way_back(w, c, msg, &back);
	size_t bound, len = 0;
	char *room;

	counter_add(&w->counters->outside_responses, 1);
	if (r == REFUSAL_NONE && !(to = find_asker(w, &back)))
		r = REFUSAL_RESPONSE_GONE;
	if (r != REFUSAL_NONE) {
		events_refused(w, c, msg, r);
		return;
	}
	narrow(w, c, back.domain, &peer);
	identity_decide(w->img, &peer, msg, false, &identity);
	if (identity.violation)
		counter_add(&w->counters->identity_violations, 1);
	bound = rewrite_response_bound(msg, &how);
	if (conn_queued(to) + bound <= w->img->settings->queue_bytes && (room = conn_room(to, bound)))
		len = rewrite_response(w->img, msg, &how, room, bound);
	if (len == 0) {
		events_refused(w, c, msg, REFUSAL_TOO_LARGE);
		return;
	}
	conn_written(w, to, len);
	if (msg->status >= 200 && to->outstanding)
		to->outstanding--;
	counter_add(&w->counters->outside_responses_out, 1);
}
