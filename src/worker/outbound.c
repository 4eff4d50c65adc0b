#include "worker/outbound.h"

#include "common/policy/identity.h"
#include "common/policy/inspect.h"
#include "common/policy/rewrite.h"
#include "common/put.h"
#include "common/x509/judgement.h"
#include "worker/answer.h"
#include "worker/back.h"
#include "worker/events.h"
#include "worker/hop.h"
#include "worker/keepalive.h"
#include "worker/links.h"
#include "worker/neighbour.h"
#include "worker/post.h"
#include "worker/upstream.h"

/* Everything decided about one request on its way out. */
struct passage {
	struct route_plan plan;
	struct route_outside where;
	char branch[ROUTE_BRANCH_LEN];
	struct hop_end to;
	uint64_t veil; /* it leaves by datagram: of where to */
};

/*
 * Nobody proves anything by datagram: its answer must come from where the
 * request went.  So that any worker can see it, the domain in our Via is veiled by that.
 */
static uint64_t veil_of(const struct worker *w, const struct conn *c)
{
	struct siphash_state s;

	if (!c->datagram)
		return 0;
	siphash_begin(&s, &w->way_back_key);
	siphash_add(&s, "veil", 4);
	siphash_add(&s, c->addr, sizeof(c->addr));
	siphash_add(&s, &c->port, sizeof(c->port));
	return siphash_end(&s) | 1;
}

/* ---- a request ---- */

static size_t write_via(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p, char *out,
    size_t cap)
{
	const struct image_server *server = upstream_sender(w, c, msg);
	struct way_back way = {
		.kind = p->veil ? BACK_INSIDE_DATAGRAM : BACK_INSIDE,
		.domain = p->where.flow ? p->where.flow : route_back_id(w->img, &w->keys, p->where.domain) ^ p->veil,
		.container = server ? route_server_back_id(w->img, &w->keys, server) : 0,
	};
	char token[TOKEN_TEXT_MAX];
	struct span back = span_of(token, back_write(w, c, &msg->via, &way, token));

	return hop_via(w, c, p->to, span_of(p->branch, ROUTE_BRANCH_LEN), back, out, cap);
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

/* How the request leaves; the lines are written to via and routes, HOP_LINES_MAX bytes each. */
static struct rewrite_request plan_rewrite(struct worker *w, struct conn *c, const struct sip_msg *msg,
    const struct passage *p, char *via, char *routes)
{
	struct rewrite_request how = {
		.via = span_of(via, write_via(w, c, msg, p, via, HOP_LINES_MAX)),
		.source = span_of(c->addr_text, c->addr_text_len),
		.source_port = c->port,
		.plan = &p->plan,
		.identity = { .keep_asserted = !p->where.flow && w->img->domain[p->where.domain].flags & DOMAIN_TRUST_DOMAIN },
	};

	if (!p->plan.has_token && route_makes_dialog(msg))
		how.record_route = span_of(routes, write_record_route(w, c, msg, p, routes, HOP_LINES_MAX));
	return how;
}

/* RFC 7339 with this domain? */
static bool speaks_feedback(const struct worker *w, const struct passage *p)
{
	return !p->where.flow && (w->img->domain[p->where.domain].flags & DOMAIN_FEEDBACK);
}

static void sent(struct worker *w, struct conn *c, const struct sip_msg *msg)
{
	if (msg->method_id != METHOD_ACK)
		c->outstanding++;
	counter_add(&w->counters->outside_requests_out, 1);
}

static enum refusal forward(struct worker *w, struct conn *c, const struct sip_msg *msg, struct passage *p, struct conn *to)
{
	char via[HOP_LINES_MAX], routes[HOP_LINES_MAX];
	struct rewrite_request how;
	size_t bound, len;
	char *room;

	p->to = hop_end_of(w, to);
	p->to.feedback = speaks_feedback(w, p);
	p->veil = veil_of(w, to);
	how = plan_rewrite(w, c, msg, p, via, routes);
	bound = rewrite_bound(msg, &how);
	room = how.via.len ? conn_room(to, bound) : NULL;
	len = room ? rewrite_request(w->img, msg, &how, room, bound) : 0;
	if (len == 0)
		return REFUSAL_TOO_LARGE;
	conn_written(w, to, len);
	events_message(w, to);
	sent(w, c, msg);
	if (conn_queued(to) > w->img->settings->queue_bytes / 2)
		conn_pause(w, c, to);
	return REFUSAL_NONE;
}

/* Over a connection that another worker holds: it gets the request as it is to leave. */
static enum refusal forward_elsewhere(struct worker *w, struct conn *c, const struct sip_msg *msg, struct passage *p,
    const struct links_answer *answer)
{
	char via[HOP_LINES_MAX], routes[HOP_LINES_MAX];
	struct rewrite_request how;
	size_t len;

	p->to = hop_end_elsewhere(w, p->where.flow ? PROTO_TLS : (enum image_protocol)image_policy_of(w->img, p->where.domain)->protocol);
	how = plan_rewrite(w, c, msg, p, via, routes);
	len = how.via.len ? rewrite_request(w->img, msg, &how, w->answer, ANSWER_MAX) : 0;
	if (len == 0)
		return REFUSAL_TOO_LARGE;
	if (!post_send(w, answer->worker, &answer->post, span_of(w->answer, len)))
		return REFUSAL_QUEUE_FULL;
	sent(w, c, msg);
	return REFUSAL_NONE;
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
	route_branch(&w->keys, msg, 0, span_of(c->addr_text, c->addr_text_len), p->branch);
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
		.size = raw.len,
	};
	struct links_answer answer;

	if (speaks_feedback(w, p) &&
	    neighbour_sheds(w, route_back_id(w->img, &w->keys, p->where.domain), msg, p->plan.has_token))
		return REFUSAL_OVERLOAD;
	switch (p->where.flow ? links_pick_flow(w, p->where.flow, &answer) : links_pick(w, &ask, &answer)) {
	case LINKS_READY:
		if (p->plan.uri.scheme == URI_SIPS && !(answer.conn->tls && c->tls))
			return REFUSAL_NOT_SECURE;
		return forward(w, c, msg, p, answer.conn);
	case LINKS_POST:
		if (p->plan.uri.scheme == URI_SIPS && p->where.flow) /* nobody says what that connection is */
			return REFUSAL_NOT_SECURE;
		return forward_elsewhere(w, c, msg, p, &answer);
	case LINKS_WAIT:
		return links_park(w, answer.link, c, raw) ? REFUSAL_NONE : REFUSAL_QUEUE_FULL;
	case LINKS_NONE:
		*warning = answer.warning;
		return answer.refusal;
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

/* Who sends it: a connection, or, by way of another worker, what that one says of it. */
struct answerer {
	struct conn *conn;	   /* NULL: another worker's */
	const struct post *post;
};

/* Only the domain that the request went to may answer. */
static bool speaks_for(struct worker *w, const struct answerer *a, const struct way_back *way)
{
	uint32_t domain;

	if (a->conn && way->kind == BACK_INSIDE)
		return links_speaks_for(w, a->conn, way->domain);
	if (a->conn) {
		domain = image_find_id(w->img, IMAGE_ID_BACK, way->domain);
		return domain != IMAGE_NONE && image_policy_of(w->img, domain)->protocol == PROTO_UDP &&
		    image_domain_usable(w->img, domain);
	}
	for (uint32_t i = 0; i < a->post->domain_count; i++)
		if (a->post->domains[i] == way->domain)
			return true;
	return a->post->domain == way->domain;
}

/* A connection may stand for several domains: the answer is that of the one which was asked, if it is trusted to be it. */
static void judgement_of(const struct worker *w, const struct answerer *a, uint64_t id, struct peer_judgement *out)
{
	uint32_t domain = image_find_id(w->img, IMAGE_ID_BACK, id);
	bool trusted = a->conn && domain != IMAGE_NONE && judgement_has(w->img, &a->conn->judgement, domain);

	for (uint32_t i = 0; !a->conn && i < a->post->domain_count; i++)
		trusted |= a->post->domains[i] == id;
	judgement_none(out, w->img, PEER_PLAIN);
	if (trusted && domain != IMAGE_NONE) {
		out->verdict = PEER_TRUSTED;
		out->domain[out->domain_count++] = domain;
	}
}

/* What our Via says about the request that it answers. */
static enum refusal read_back(struct worker *w, const struct answerer *a, const struct sip_msg *msg, struct back *back)
{
	struct way_back *way = &back->way;
	struct span text;

	if (!uri_param(msg->via.params, SPAN(HOP_BACK), &text))
		return REFUSAL_RESPONSE_NO_VIA;
	if (back_read(w, text, back) != TOKEN_VALID || (way->kind != BACK_INSIDE && way->kind != BACK_INSIDE_DATAGRAM))
		return REFUSAL_RESPONSE_FORGED;
	if (!msg->via_rest.p && msg_next_header(msg, HDR_VIA, (size_t)msg->first[HDR_VIA] + 1) < 0)
		return REFUSAL_RESPONSE_LAST_VIA;
	if (way->kind == BACK_INSIDE_DATAGRAM) {
		if (a->conn && !a->conn->datagram)
			return REFUSAL_RESPONSE_DOMAIN;
		way->domain = a->conn ? way->domain ^ veil_of(w, a->conn) : a->post->domain; /* whose worker has lifted it */
	}
	return speaks_for(w, a, way) ? REFUSAL_NONE : REFUSAL_RESPONSE_DOMAIN;
}

/* The worker whose container asked gets the response as it came, and who it came from. */
static bool post_response(struct worker *w, const struct answerer *a, const struct back *back, struct span raw)
{
	struct post p = { .kind = POST_RESPONSE, .from_outside = 1, .slot = back->way.slot, .generation = back->way.generation,
		.incarnation = back->way.incarnation, .domain = back->way.domain };
	bool elsewhere = a->conn && !back->datagram && p.incarnation != w->h->incarnation;
	int worker = elsewhere ? post_worker(w, p.incarnation) : -1;
	uint32_t domain;

	if (worker < 0)
		return false;
	domain = image_find_id(w->img, IMAGE_ID_BACK, back->way.domain);
	if (domain != IMAGE_NONE && judgement_has(w->img, &a->conn->judgement, domain))
		p.domains[p.domain_count++] = back->way.domain;
	return post_send(w, (uint32_t)worker, &p, raw);
}

/* The container's connection that asked; when it is gone, ours to the same container. */
static struct conn *find_asker(struct worker *w, const struct back *back)
{
	struct conn *c = back_conn(w, back);

	if (c && (c->kind == CONN_INTERNAL || c->kind == CONN_CONTAINER))
		return c;
	return back->way.container ? upstream_by_back_id(w, back->way.container) : NULL;
}

/* False: it is lost. */
static bool send_in(struct worker *w, const struct sip_msg *msg, const struct peer_judgement *peer, struct conn *to)
{
	static struct identity identity;
	struct rewrite_identity how = { .asserted = &identity };
	size_t bound, len = 0;
	char *room;

	identity_decide(w->img, peer, msg, false, &identity);
	if (identity.violation)
		counter_add(&w->counters->identity_violations, 1);
	bound = rewrite_response_bound(msg, &how);
	if (conn_queued(to) + bound <= w->img->settings->queue_bytes && (room = conn_room(to, bound)))
		len = rewrite_response(w->img, msg, &how, room, bound);
	if (len == 0)
		return false;
	conn_written(w, to, len);
	if (msg->status >= 200 && to->outstanding)
		to->outstanding--;
	counter_add(&w->counters->outside_responses_out, 1);
	if (identity.header.len)
		counter_add(&w->counters->identity_asserted, 1);
	return true;
}

/* What the domain says of its load. */
static void listen_to(struct worker *w, const struct way_back *way, const struct sip_msg *msg)
{
	uint32_t domain = image_find_id(w->img, IMAGE_ID_BACK, way->domain);

	if (domain != IMAGE_NONE && w->img->domain[domain].flags & DOMAIN_FEEDBACK)
		neighbour_heard(w, way->domain, &msg->via);
}

static enum refusal take_response(struct worker *w, const struct answerer *a, const struct sip_msg *msg, struct span raw)
{
	struct peer_judgement peer;
	struct back back;
	struct conn *to;
	enum refusal r = read_back(w, a, msg, &back);

	if (r != REFUSAL_NONE)
		return r;
	listen_to(w, &back.way, msg);
	if (post_response(w, a, &back, raw))
		return REFUSAL_NONE;
	to = find_asker(w, &back);
	if (!to)
		return REFUSAL_RESPONSE_GONE;
	judgement_of(w, a, back.way.domain, &peer);
	return send_in(w, msg, &peer, to) ? REFUSAL_NONE : REFUSAL_TOO_LARGE;
}

void outbound_response(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	enum refusal r;

	if (keepalive_answered(w, c, msg))
		return;
	counter_add(&w->counters->outside_responses, 1);
	r = take_response(w, &(struct answerer){ .conn = c }, msg, raw);
	if (r != REFUSAL_NONE)
		events_refused(w, c, msg, r);
}

bool outbound_mail(struct worker *w, const struct post *p, const struct sip_msg *msg, struct span raw)
{
	return take_response(w, &(struct answerer){ .post = p }, msg, raw) == REFUSAL_NONE;
}
