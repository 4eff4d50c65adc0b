#include "common/policy/route.h"

#include <math.h>

#include "common/put.h"

#define COOKIE SPAN("z9hG4bK") /* RFC 3261 8.1.1.7 */

/* One key, several purposes. */
enum purpose { FOR_RANK = 'r', FOR_BRANCH = 'b', FOR_WAY_BACK = 'w' };

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
	put_span(&o, image_text(img, img->domain[domain].name));
	return put_done(&o);
}

uint64_t route_domain_id(const struct image *img, const struct route_keys *keys, size_t key, uint32_t domain)
{
	char text[HOST_MAX + 2];

	return domain == IMAGE_NONE ? 0 : token_name_id(&keys->tokens, key, domain_name(img, domain, text));
}

uint64_t route_back_id(const struct image *img, const struct route_keys *keys, uint32_t domain)
{
	struct siphash_state s;
	char text[HOST_MAX + 2];
	struct span name;
	uint64_t id;

	if (domain == IMAGE_NONE)
		return 0;
	name = domain_name(img, domain, text);
	begin(&s, keys, FOR_WAY_BACK);
	siphash_add(&s, name.p, name.len);
	id = siphash_end(&s);
	return id ? id : 1;
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

/*
 * Read the token of a Route that names us.  TOKEN_FORGED also when it is one
 * of ours, but for another domain than the connection is judged as.
 */
static enum token_status read_token(const struct image *img, const struct route_keys *keys, const struct sip_msg *msg,
    uint32_t domain, uint32_t now, struct span user, struct route_plan *out)
{
	struct dialog_token t;
	size_t key;
	enum token_status st = dialog_token_read(&keys->tokens, user, msg->call_id, now,
	    (uint32_t)img->settings->token_lifetime, &t, &key);

	/* Only we make URIs of ours with a user part for a Route: what is there and does not verify was tampered with. */
	if (st != TOKEN_VALID)
		return st == TOKEN_NOT_OURS && user.len ? TOKEN_FORGED : st;
	if (t.domain != route_domain_id(img, keys, key, domain))
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

void route_plan_external(const struct image *img, const struct route_keys *keys, const struct sip_msg *msg,
    uint32_t domain, uint32_t now, struct route_plan *out)
{
	struct routes r = { .msg = msg, .header = msg->first[HDR_ROUTE] };
	struct name_addr route;

	*out = (struct route_plan){ .refusal = REFUSAL_NONE };
	while (next_route(&r, &route)) {
		struct route_plan here = { .has_token = false };

		if (!names_us(img, &route)) {
			if (!out->has_token)
				out->refusal = REFUSAL_ROUTE;
			return;
		}
		switch (read_token(img, keys, msg, domain, now, route.uri.user, &here)) {
		case TOKEN_FORGED:
		case TOKEN_EXPIRED:
			out->refusal = REFUSAL_TOKEN;
			return;
		case TOKEN_VALID:
			/* A dialog that passes us twice: the next Route is for when it comes back. */
			if (out->has_token && !same_dialog(out, &here.token))
				return;
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
	}
}

/* ---- Request-URI ---- */

enum refusal route_check_uri(const struct image *img, const struct sip_msg *msg, bool has_token)
{
	const struct sip_uri *uri = &msg->request_uri;
	bool has_host = uri->scheme == URI_SIP || uri->scheme == URI_SIPS;

	if (has_host && !has_token && img->h->foreign_request_uri != FOREIGN_FORWARD && !inspect_host_is_ours(img, uri->host))
		return REFUSAL_FOREIGN_URI;
	/* Containers are reached over TCP: the second hop would not be secure (RFC 5630 5.3). */
	if (uri->scheme == URI_SIPS)
		return REFUSAL_NOT_SECURE;
	return REFUSAL_NONE;
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

void route_branch(const struct image *img, const struct route_keys *keys, const struct sip_msg *msg, uint32_t domain,
    struct span source, char out[static ROUTE_BRANCH_LEN])
{
	char text[HOST_MAX + 2];
	struct put o = put_into(out, ROUTE_BRANCH_LEN);
	struct siphash_state s;
	uint64_t hash[2];

	begin(&s, keys, FOR_BRANCH);
	/* A domain's peers may come from several addresses. */
	add_text(&s, domain == IMAGE_NONE ? SPAN("") : domain_name(img, domain, text));
	add_text(&s, domain == IMAGE_NONE ? source : SPAN(""));
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
