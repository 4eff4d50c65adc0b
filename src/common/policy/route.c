#include "common/policy/route.h"

#include <math.h>

#include "common/put.h"

#define COOKIE SPAN("z9hG4bK") /* RFC 3261 8.1.1.7 */

/* One key, several purposes. */
enum purpose { FOR_RANK = 'r', FOR_BRANCH = 'b', FOR_WAY_BACK = 'w', FOR_CONTAINER_BACK = 'c' };

static void begin(struct siphash_state *s, const struct route_keys *keys, enum purpose purpose)
{
	uint8_t first = (uint8_t)purpose;

	siphash_begin(s, &keys->branch);
	siphash_add(s, &first, 1);
}

/* ---- names ---- */

/* What a domain entry is called where it must be told from every other: "*.suffix" is not "suffix". */
static struct span domain_name(const struct image *img, uint32_t domain, char out[static HOST_MAX + 2])
{
	struct put o = put_into(out, HOST_MAX + 2);

	if (img->domain[domain].flags & DOMAIN_WILDCARD)
		put_span(&o, SPAN("*."));
	put_span(&o, image_domain_name(img, domain));
	return put_done(&o);
}

uint64_t route_domain_id(const struct image *img, const struct route_keys *keys, size_t key, uint32_t domain)
{
	char text[HOST_MAX + 2];

	return domain == IMAGE_NONE ? 0 : token_name_id(&keys->tokens, key, domain_name(img, domain, text));
}

static uint64_t back_id(const struct route_keys *keys, enum purpose purpose, struct span name)
{
	struct siphash_state s;
	uint64_t id;

	begin(&s, keys, purpose);
	siphash_add(&s, name.p, name.len);
	id = siphash_end(&s);
	return id ? id : 1;
}

uint64_t route_back_name_id(const struct route_keys *keys, struct span name)
{
	return back_id(keys, FOR_WAY_BACK, name);
}

uint64_t route_back_id(const struct image *img, const struct route_keys *keys, uint32_t domain)
{
	char text[HOST_MAX + 2];

	return domain == IMAGE_NONE ? 0 : back_id(keys, FOR_WAY_BACK, domain_name(img, domain, text));
}

uint64_t route_server_back_id(const struct image *img, const struct route_keys *keys, const struct image_server *server)
{
	return back_id(keys, FOR_CONTAINER_BACK, image_text(img, server->id));
}

uint64_t route_server_id(const struct image *img, const struct route_keys *keys, size_t key,
    const struct image_server *server)
{
	return token_name_id(&keys->tokens, key, image_text(img, server->id));
}

/* ---- Route ---- */

/* The values of all Route headers, in order. */
struct routes {
	const struct sip_msg *msg;
	int header;	  /* the next to look at, -1: none */
	struct span rest; /* of the one before it */
};

/* sip/msg has parsed them all. */
static bool next_route(struct routes *r, struct name_addr *out)
{
	if (!r->rest.p) {
		if (r->header < 0)
			return false;
		r->rest = r->msg->header[r->header].value;
		r->header = msg_next_header(r->msg, HDR_ROUTE, (size_t)r->header + 1);
	}
	return name_addr_parse(r->rest, out, &r->rest);
}

static bool names_us(const struct image *img, const struct name_addr *route)
{
	return (route->uri.scheme == URI_SIP || route->uri.scheme == URI_SIPS) && inspect_host_is_ours(img, route->uri.host);
}

/* Who is asking. */
struct asker {
	const struct image *img;
	const struct route_keys *keys;
	const struct sip_msg *msg;
	uint32_t now;
	bool outside;
	uint32_t domain; /* outside: the judged one */
};

/* Whoever is trusted is held to his domain; who is not may come back over another connection. */
static bool is_his(const struct asker *a, const struct dialog_token *t, size_t key)
{
	if (t->direction == DIALOG_UNTRUSTED)
		return a->domain == IMAGE_NONE;
	return t->domain == route_domain_id(a->img, a->keys, key, a->domain);
}

/*
 * Read the token of a URI that names us.  TOKEN_FORGED also when it is one
 * of ours, but for another domain than the connection is judged as.
 */
static enum token_status read_token(const struct asker *a, struct span user, struct route_plan *out)
{
	struct dialog_token t;
	size_t key;
	enum token_status st = dialog_token_read(&a->keys->tokens, user, a->msg->call_id, a->now,
	    (uint32_t)a->img->settings->token_lifetime, &t, &key);

	/* Only we make URIs of ours with a user part for a Route: what is there and does not verify was tampered with. */
	if (st != TOKEN_VALID)
		return st == TOKEN_NOT_OURS && user.len ? TOKEN_FORGED : st;
	if (a->outside && !is_his(a, &t, key))
		return TOKEN_FORGED;
	out->has_token = true;
	out->token = t;
	out->token_key = key;
	return TOKEN_VALID;
}

/* Is this a second Record-Route of ours for what *first names, as RFC 5658 makes them? */
static bool same_dialog(const struct route_plan *first, const struct dialog_token *t)
{
	return t->container == first->token.container && t->domain == first->token.domain &&
	    t->direction == first->token.direction;
}

/*
 * RFC 3261 16.4: a strict router before us has put our own URI, token and all,
 * into the Request-URI, and what stood there behind the last Route.
 */
static void undo_strict(const struct asker *a, struct route_plan *out)
{
	struct routes r = { .msg = a->msg, .header = a->msg->first[HDR_ROUTE] };
	struct route_plan here = { .has_token = false };
	struct name_addr last;

	if ((out->uri.scheme != URI_SIP && out->uri.scheme != URI_SIPS) || !out->uri.user.len || r.header < 0 ||
	    !inspect_host_is_ours(a->img, out->uri.host))
		return;
	switch (read_token(a, out->uri.user, &here)) {
	case TOKEN_VALID:
		break;
	case TOKEN_EXPIRED:
		out->refusal = REFUSAL_TOKEN;
		return;
	case TOKEN_FORGED:
	case TOKEN_NOT_OURS:
		return; /* a user of ours, who is called something */
	}
	while (next_route(&r, &last))
		;
	out->strict = out->has_token = true;
	out->token = here.token;
	out->token_key = here.token_key;
	out->uri = last.uri;
}

/* One Route that names us: removed, or the reason why the request is refused. */
static enum refusal take_own_route(const struct asker *a, const struct name_addr *route, struct route_plan *out, bool *more)
{
	struct route_plan here = { .has_token = false };

	switch (read_token(a, route->uri.user, &here)) {
	case TOKEN_FORGED:
	case TOKEN_EXPIRED:
		return REFUSAL_TOKEN;
	case TOKEN_VALID:
		/* A dialog that passes us twice: the next Route is for when it comes back. */
		if (out->has_token && !same_dialog(out, &here.token)) {
			*more = false;
			return REFUSAL_NONE;
		}
		if (!out->has_token) {
			out->has_token = true;
			out->token = here.token;
			out->token_key = here.token_key;
		}
		break;
	case TOKEN_NOT_OURS:
		break;
	}
	out->ours++;
	return REFUSAL_NONE;
}

static void plan(const struct asker *a, struct route_plan *out)
{
	struct routes r = { .msg = a->msg, .header = a->msg->first[HDR_ROUTE] };
	struct name_addr route;
	bool more = true;

	*out = (struct route_plan){ .refusal = REFUSAL_NONE, .uri = a->msg->request_uri };
	undo_strict(a, out);
	for (; next_route(&r, &route); out->routes++) {
		if (out->refusal != REFUSAL_NONE || !more)
			continue;
		if (names_us(a->img, &route)) {
			out->refusal = take_own_route(a, &route, out, &more);
		} else {
			more = false;
			if (a->outside && !out->has_token)
				out->refusal = REFUSAL_ROUTE;
		}
		if (!more)
			out->next = route.uri;
	}
	out->has_next = out->ours + out->strict < out->routes;
}

void route_plan_external(const struct image *img, const struct route_keys *keys, const struct sip_msg *msg,
    uint32_t domain, uint32_t now, struct route_plan *out)
{
	plan(&(struct asker){ img, keys, msg, now, true, domain }, out);
}

void route_plan_internal(const struct image *img, const struct route_keys *keys, const struct sip_msg *msg, uint32_t now,
    struct route_plan *out)
{
	plan(&(struct asker){ img, keys, msg, now, false, IMAGE_NONE }, out);
}

/* ---- Request-URI ---- */

static bool has_host(const struct sip_uri *uri)
{
	return uri->scheme == URI_SIP || uri->scheme == URI_SIPS;
}

enum refusal route_check_uri(const struct image *img, const struct route_plan *plan, bool secure)
{
	const struct sip_uri *uri = &plan->uri;

	if (has_host(uri) && !plan->has_token && img->h->foreign_request_uri != FOREIGN_FORWARD &&
	    !inspect_host_is_ours(img, uri->host))
		return REFUSAL_FOREIGN_URI;
	return uri->scheme == URI_SIPS && !secure ? REFUSAL_NOT_SECURE : REFUSAL_NONE;
}

/* ---- which domain outside ---- */

static enum refusal by_name(const struct image *img, const struct sip_uri *uri, struct route_outside *out)
{
	struct span name;

	if (!has_host(uri))
		return REFUSAL_NO_DOMAIN;
	out->name_len = host_canon(uri->host, out->name);
	name = span_of(out->name, out->name_len);
	if (inspect_host_is_ours(img, uri->host) || image_host_is_local(img, name))
		return REFUSAL_LOCAL_DOMAIN;
	out->domain = image_find_domain(img, name);
	return out->domain == IMAGE_NONE ? REFUSAL_NO_DOMAIN : REFUSAL_NONE;
}

/* A wildcard entry's token does not tell which of its names it was: the Request-URI may, as far as it is one of them. */
static void name_by_token(const struct image *img, const struct route_plan *plan, struct route_outside *out)
{
	if (!(img->domain[out->domain].flags & DOMAIN_WILDCARD) || !has_host(&plan->uri))
		return;
	out->name_len = host_canon(plan->uri.host, out->name);
	if (!image_domain_covers(img, out->domain, span_of(out->name, out->name_len)))
		out->name_len = 0;
}

void route_outside(const struct image *img, const struct sip_msg *msg, const struct route_plan *plan, bool secure,
    struct route_outside *out)
{
	out->refusal = REFUSAL_NONE;
	out->name_len = 0;
	out->flow = 0;
	if (plan->has_token && plan->token.direction == DIALOG_UNTRUSTED) {
		out->domain = IMAGE_NONE;
		out->flow = plan->token.domain;
		return;
	}
	if (plan->has_token) {
		out->domain = image_find_id(img, (uint32_t)plan->token_key, plan->token.domain);
		if (out->domain == IMAGE_NONE)
			out->refusal = REFUSAL_NO_DOMAIN;
		else
			name_by_token(img, plan, out);
	} else {
		out->refusal = by_name(img, img->h->outbound_match_to ? &msg->to.uri : plan->has_next ? &plan->next : &plan->uri, out);
	}
	if (out->refusal == REFUSAL_NONE && !image_domain_usable(img, out->domain))
		out->refusal = REFUSAL_NO_DOMAIN;
	/* RFC 3261 26.2.2, RFC 5630 5.3: TLS on every hop. */
	if (out->refusal == REFUSAL_NONE && plan->uri.scheme == URI_SIPS &&
	    (!secure || image_policy_of(img, out->domain)->protocol != PROTO_TLS))
		out->refusal = REFUSAL_NOT_SECURE;
}

/* ---- which container, which branch ---- */

double route_rank(const struct image *img, const struct route_keys *keys, const struct image_server *server,
    struct span call_id)
{
	struct span id = image_text(img, server->id);
	struct siphash_state s;
	double u;

	if (server->weight == 0)
		return 0;
	begin(&s, keys, FOR_RANK);
	siphash_add_field(&s, id.p, id.len);
	siphash_add_field(&s, call_id.p, call_id.len);
	/* Uniform in (0, 1), never at its ends: the odds of the highest are then as the weights. */
	u = ((double)(siphash_end(&s) >> 12) + 0.5) / (double)(UINT64_C(1) << 52);
	return -(double)server->weight / log(u);
}

static void add_text(struct siphash_state *s, struct span text)
{
	siphash_add_field(s, text.p, text.len);
}

void route_branch(const struct route_keys *keys, const struct sip_msg *msg, uint64_t domain, struct span source,
    char out[static ROUTE_BRANCH_LEN])
{
	struct put o = put_into(out, ROUTE_BRANCH_LEN);
	struct siphash_state s;
	uint64_t hash[2];

	begin(&s, keys, FOR_BRANCH);
	/* A domain's peers may come from several addresses. */
	siphash_add(&s, &domain, sizeof(domain));
	add_text(&s, domain ? SPAN("") : source);
	add_text(&s, msg->via.sent_by);
	if (span_istarts(msg->via.branch, COOKIE)) {
		add_text(&s, msg->via.branch);
	} else { /* RFC 2543's way to tell transactions apart, RFC 3261 17.2.3 */
		uint64_t number = msg->cseq.number;

		add_text(&s, msg->from_tag);
		add_text(&s, msg->call_id);
		siphash_add(&s, &number, sizeof(number));
		add_text(&s, msg->request_uri_text);
	}
	siphash_end_128(&s, hash);
	put_span(&o, COOKIE);
	put_hex(&o, hash[0]);
	put_hex(&o, hash[1]);
}

/* RFC 3261 16.6 4, RFC 6665 4.4, RFC 3515: a NOTIFY that makes one has a To tag already. */
bool route_makes_dialog(const struct sip_msg *msg)
{
	switch (msg->method_id) {
	case METHOD_NOTIFY:
		return true;
	case METHOD_INVITE:
	case METHOD_SUBSCRIBE:
	case METHOD_REFER:
		return !msg->to_tag.p;
	default:
		return false;
	}
}
