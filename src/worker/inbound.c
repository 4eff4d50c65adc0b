#include "worker/inbound.h"

#include "common/policy/identity.h"
#include "common/policy/inspect.h"
#include "common/policy/rewrite.h"
#include "common/policy/rules.h"
#include "common/x509/facts.h"
#include "worker/answer.h"
#include "worker/auth.h"
#include "worker/back.h"
#include "worker/events.h"
#include "worker/hop.h"
#include "worker/links.h"
#include "worker/neighbour.h"
#include "worker/overload.h"
#include "worker/park.h"
#include "worker/post.h"
#include "worker/told.h"
#include "worker/upstream.h"

/* Everything decided about one request on its way in. */
struct passage {
	struct route_plan plan;
	struct identity identity;
	struct auth auth;
	struct put extra; /* header lines of a refusal */
	char branch[ROUTE_BRANCH_LEN];
	struct conn *to;
	const struct image_server *server;
	unsigned status; /* RULE, AFFINITY: what the configuration says */
};

static size_t write_via(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p, char *out,
    size_t cap)
{
	struct way_back way = { .kind = BACK_OUTSIDE, .domain = back_domain_id(w, c, p->identity.domain) };
	char token[TOKEN_TEXT_MAX];
	struct span back = span_of(token, back_write(w, c, &msg->via, &way, token));

	struct hop_end to = hop_end_of(w, p->to);

	to.feedback = p->server && p->server->feedback;
	return hop_via(w, c, to, span_of(p->branch, ROUTE_BRANCH_LEN), back, out, cap);
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

	if (p->identity.domain == IMAGE_NONE && told_flow_id(w, c)) {
		t.direction = DIALOG_UNTRUSTED;
		t.domain = told_flow_id(w, c);
		told_flow(w, c);
	}
	return hop_record_route(w, c, hop_end_of(w, p->to), &t, msg->call_id, p->plan.uri.scheme == URI_SIPS, out, cap);
}

static void forward(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct passage *p)
{
	char via[HOP_LINES_MAX], routes[HOP_LINES_MAX];
	struct rewrite_request how = {
		.via = span_of(via, write_via(w, c, msg, p, via, sizeof(via))),
		.source = span_of(c->addr_text, c->addr_text_len),
		.source_port = c->port,
		.plan = &p->plan,
		.identity = { .asserted = &p->identity },
		.realm = p->auth.realm,
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
		conn_pause(w, c, p->to);
}

/* The stages between a parsed request and its container; REFUSAL_NONE: *p is complete but for the container. */
static enum refusal examine(struct worker *w, struct conn *c, const struct sip_msg *msg, struct passage *p)
{
	uint32_t domain = identity_domain(w->img, &c->judgement, msg);
	enum refusal r;

	/* Who names a container's address may hope that answers, or the container's own trust, go by it. */
	if (upstream_is_via(w, &msg->via, c->addr))
		return REFUSAL_SPOOFED_VIA;
	route_plan_external(w->img, &w->keys, msg, domain, (uint32_t)w->wall, &p->plan);
	if (p->plan.refusal != REFUSAL_NONE)
		return p->plan.refusal;
	r = overload_request(w, msg, domain, p->plan.has_token);
	if (r == REFUSAL_NONE)
		r = route_check_uri(w->img, &p->plan, c->tls != NULL);
	if (r != REFUSAL_NONE)
		return r;
	identity_decide(w->img, &c->judgement, msg, p->plan.has_token, &p->identity);
	if (p->identity.violation)
		counter_add(&w->counters->identity_violations, 1);
	if (p->identity.refusal != REFUSAL_NONE)
		return p->identity.refusal;
	r = auth_check(w, c, msg, &p->identity, &p->auth, &p->extra);
	if (r != REFUSAL_NONE)
		return r;
	if (w->draining && !p->plan.has_token && msg->method_id != METHOD_CANCEL && msg->method_id != METHOD_ACK)
		return REFUSAL_DRAINING;
	route_branch(&w->keys, msg, back_domain_id(w, c, p->identity.domain), span_of(c->addr_text, c->addr_text_len), p->branch);
	return REFUSAL_NONE;
}

/* All but REGISTER and PUBLISH, where no listener says otherwise. */
#define METHODS_TAKEN ~(1u << METHOD_REGISTER | 1u << METHOD_PUBLISH)

static uint32_t methods_taken(const struct worker *w, const struct conn *c)
{
	const struct listener *l = hop_listener(w, c);

	return l ? l->row.methods : METHODS_TAKEN;
}

/* RFC 5923 5: `alias` in its Via lets us send requests to the peer over the connection that it has opened. */
static void offer(struct worker *w, struct conn *c, const struct sip_msg *msg, uint32_t domain)
{
	struct span alias;

	if (c->kind != CONN_EXTERNAL || domain == IMAGE_NONE || links_offered(w, c, domain))
		return;
	switch (image_policy_of(w->img, domain)->reuse) {
	case REUSE_ALIAS:
		if (uri_param(msg->via.params, SPAN("alias"), &alias))
			links_offer(w, c, domain);
		break;
	case REUSE_ALWAYS:
		links_offer(w, c, domain);
		break;
	default:
		break;
	}
}

/* What belongs to a dialog stays where it is; for all else the rules say which cluster, or none. */
static uint32_t choose_cluster(const struct worker *w, const struct conn *c, const struct sip_msg *msg, struct passage *p)
{
	const struct listener *l = hop_listener(w, c);
	struct rules_choice choice = { .cluster = w->img->h->default_cluster };
	struct rules_ask ask = {
		.msg = msg,
		.source = c->addr,
		.local = c->local,
		.local_port = l ? l->port : 0,
		.domain = p->identity.domain,
		.dn = c->facts ? peer_facts_dn(c->facts) : SPAN_NONE,
	};

	if (!p->plan.has_token)
		rules_choose(w->img, &ask, &choice);
	p->status = choice.reject;
	return choice.cluster;
}

/* To which container?  REFUSAL_NONE: done, sent or kept. */
static enum refusal hand_over(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw, struct passage *p)
{
	struct upstream_ask ask = {
		.plan = &p->plan,
		.call_id = msg->call_id,
		.branch = span_of(p->branch, ROUTE_BRANCH_LEN),
		.method = msg->method_id,
		.cluster = choose_cluster(w, c, msg, p),
		.secure = p->plan.uri.scheme == URI_SIPS,
	};
	struct upstream_answer answer;
	enum refusal r;

	switch (upstream_pick(w, &ask, &answer)) {
	case UPSTREAM_READY:
		r = auth_take(w, c, &p->auth, raw, &p->extra);
		if (r != REFUSAL_NONE)
			return r;
		p->to = answer.conn;
		p->server = answer.server;
		r = overload_server(w, msg, p->server, p->plan.has_token);
		if (r == REFUSAL_NONE && p->server && p->server->feedback &&
		    neighbour_sheds(w, route_server_back_id(w->img, &w->keys, p->server), msg, p->plan.has_token))
			r = REFUSAL_OVERLOAD;
		if (r != REFUSAL_NONE)
			return r;
		forward(w, c, msg, p);
		return REFUSAL_NONE;
	case UPSTREAM_WAIT:
		return park_add(w, answer.park, c, raw) ? REFUSAL_NONE : REFUSAL_QUEUE_FULL;
	case UPSTREAM_FULL:
		return REFUSAL_QUEUE_FULL;
	case UPSTREAM_INSECURE:
		return REFUSAL_NOT_SECURE;
	case UPSTREAM_GONE:
		p->status = (unsigned)w->img->settings->affinity_failure_status;
		return REFUSAL_AFFINITY;
	case UPSTREAM_REFUSED:
		return REFUSAL_RULE;
	case UPSTREAM_NONE:
		break;
	}
	return REFUSAL_NO_CONTAINER;
}

void inbound_request(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	char extra[AUTH_LINES_MAX];
	struct passage p; /* not cleared: the values in it are long, and each stage fills in what the next ones read */
	size_t extra_len = 0;
	enum refusal r = inspect_request(w->img, methods_taken(w, c), msg, extra, sizeof(extra), &extra_len);

	if (r == REFUSAL_NONE && msg->method_id == METHOD_OPTIONS && inspect_is_for_us(w->img, msg)) {
		answer_options(w, c, msg);
		return;
	}
	p.extra = put_into(extra, sizeof(extra));
	p.extra.p += extra_len;
	p.to = NULL;
	p.server = NULL;
	p.status = 0;
	if (r == REFUSAL_NONE)
		r = examine(w, c, msg, &p);
	if (r == REFUSAL_NONE) {
		offer(w, c, msg, p.identity.domain);
		r = hand_over(w, c, msg, raw, &p);
	}
	if (r == REFUSAL_RULE || r == REFUSAL_AFFINITY)
		answer_refusal_as(w, c, msg, r, p.status, SPAN_NONE);
	else if (r != REFUSAL_NONE)
		answer_refusal(w, c, msg, r, put_done(&p.extra));
}

/* ---- from a container back outside ---- */

/* What our Via says about the request that it answers. */
static enum refusal read_back(struct worker *w, const struct sip_msg *msg, struct back *back)
{
	struct span text;

	if (!uri_param(msg->via.params, SPAN(HOP_BACK), &text) || back_read(w, text, back) != TOKEN_VALID ||
	    back->way.kind != BACK_OUTSIDE)
		return REFUSAL_RESPONSE_FORGED;
	if (!msg->via_rest.p && msg_next_header(msg, HDR_VIA, (size_t)msg->first[HDR_VIA] + 1) < 0)
		return REFUSAL_RESPONSE_LAST_VIA;
	return REFUSAL_NONE;
}

/* Another worker's connection: it takes the response as if it had come there. */
static bool post_response(struct worker *w, const struct back *back, struct span raw)
{
	struct post p = { .kind = POST_RESPONSE, .slot = back->way.slot, .generation = back->way.generation,
		.incarnation = back->way.incarnation };
	int worker = back->datagram || p.incarnation == w->h->incarnation ? -1 : post_worker(w, p.incarnation);

	return worker >= 0 && post_send(w, (uint32_t)worker, &p, raw);
}

/* The connection that the request came on, if it is still what it was. */
static enum refusal asker(struct worker *w, const struct back *back, struct conn **to)
{
	struct conn *c = back_conn(w, back);

	if (!c || (c->kind != CONN_EXTERNAL && c->kind != CONN_DOMAIN) || !conn_judge_again(w, c))
		return REFUSAL_RESPONSE_GONE;
	*to = c;
	if (back->way.domain ? links_speaks_for(w, c, back->way.domain) : c->judgement.domain_count == 0)
		return REFUSAL_NONE;
	return REFUSAL_RESPONSE_DOMAIN;
}

/* Ready bytes for a connection of the domain that another worker holds. */
static bool post_ready(struct worker *w, const struct sip_msg *msg, uint32_t domain, uint32_t worker, const struct post *to)
{
	struct rewrite_identity how = { .keep_asserted = w->img->domain[domain].flags & DOMAIN_TRUST_DOMAIN };
	size_t len = rewrite_response(w->img, msg, &how, w->answer, ANSWER_MAX);

	if (len == 0 || !post_send(w, worker, to, span_of(w->answer, len)))
		return false;
	counter_add(&w->counters->responses_out, 1);
	return true;
}

/*
 * RFC 3261 18.2.2, but for addresses in a Via: another connection of the same
 * domain, or a new one to where it is configured to be.  *to NULL: it is on its way, or waits.
 */
static enum refusal another(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct back *back,
    struct span raw, struct conn **to)
{
	struct links_ask ask = { .domain = image_find_id(w->img, IMAGE_ID_BACK, back->way.domain), .method = METHOD_OTHER,
		.size = raw.len };
	struct links_answer answer;

	if (back->way.domain == 0 || ask.domain == IMAGE_NONE)
		return REFUSAL_RESPONSE_GONE;
	switch (links_pick_any(w, &ask, &answer)) {
	case LINKS_READY:
		*to = answer.conn;
		return REFUSAL_NONE;
	case LINKS_POST:
		return post_ready(w, msg, ask.domain, answer.worker, &answer.post) ? REFUSAL_NONE : REFUSAL_RESPONSE_GONE;
	case LINKS_WAIT:
		return c && links_park(w, answer.link, c, raw) ? REFUSAL_NONE : REFUSAL_RESPONSE_GONE;
	case LINKS_NONE:
	case LINKS_FULL:
		break;
	}
	return REFUSAL_RESPONSE_GONE;
}

static bool all_trust_domains(const struct worker *w, const struct conn *c)
{
	for (uint32_t i = 0; i < c->judgement.domain_count; i++)
		if (!(w->img->domain[c->judgement.domain[i]].flags & DOMAIN_TRUST_DOMAIN))
			return false;
	return c->judgement.domain_count > 0;
}

/* False: it is lost. */
static bool send_back(struct worker *w, const struct sip_msg *msg, struct conn *to)
{
	struct rewrite_identity how = { .keep_asserted = all_trust_domains(w, to) };
	size_t bound = rewrite_response_bound(msg, &how), len;
	char *room;

	if (conn_queued(to) > w->img->settings->queue_bytes) {
		conn_kill(w, to, "peer does not read");
		return true; /* said */
	}
	room = conn_room(to, bound);
	len = room ? rewrite_response(w->img, msg, &how, room, bound) : 0;
	if (len == 0)
		return false;
	conn_written(w, to, len);
	if (msg->status >= 200 && to->outstanding)
		to->outstanding--;
	counter_add(&w->counters->responses_out, 1);
	return true;
}

/* `c`: where it came from; NULL: another worker. */
static enum refusal take_response(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	struct conn *to = NULL;
	struct back back;
	enum refusal r = read_back(w, msg, &back);

	if (r != REFUSAL_NONE)
		return r;
	if (c && post_response(w, &back, raw))
		return REFUSAL_NONE;
	r = asker(w, &back, &to);
	if (r == REFUSAL_RESPONSE_GONE)
		r = another(w, c, msg, &back, raw, &to);
	if (r == REFUSAL_NONE && to && !send_back(w, msg, to))
		r = REFUSAL_TOO_LARGE;
	return r;
}

/* What the container says of its load. */
static void listen_to(struct worker *w, const struct conn *c, const struct sip_msg *msg)
{
	const struct image_server *server = c->upstream ? upstream_sender(w, c, msg) : NULL;

	if (server && server->feedback)
		neighbour_heard(w, route_server_back_id(w->img, &w->keys, server), &msg->via);
}

void inbound_response(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	enum refusal r;

	if (upstream_probed(w, c, msg))
		return;
	listen_to(w, c, msg);
	counter_add(&w->counters->responses_in, 1);
	r = take_response(w, c, msg, raw);
	if (r != REFUSAL_NONE)
		events_refused(w, c, msg, r);
}

bool inbound_mail(struct worker *w, const struct sip_msg *msg, struct span raw)
{
	return take_response(w, NULL, msg, raw) == REFUSAL_NONE;
}
