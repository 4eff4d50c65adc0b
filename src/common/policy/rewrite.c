#include "common/policy/rewrite.h"

#include "common/auth/params.h"
#include "common/put.h"
#include "common/sip/reply.h"

#define VERSION_LEN 7	     /* "SIP/2.0", in whatever case it came */
#define FIRST_MAX_FORWARDS 70 /* RFC 3261 16.6 3 */
#define GROWTH_MAX 256	     /* of what is written anew in lines that were there, and of Content-Length */

/* Output, and the run of untouched lines that is still to be copied: [from, to). */
struct rewriter {
	struct put out;
	const char *from, *to;
};

static void flush(struct rewriter *w)
{
	put_span(&w->out, span_of(w->from, (size_t)(w->to - w->from)));
	w->from = w->to;
}

static void write_line(struct rewriter *w, struct span name, struct span value)
{
	flush(w);
	put_span(&w->out, name);
	put_span(&w->out, SPAN(": "));
	put_span(&w->out, value);
	put_span(&w->out, SPAN("\r\n"));
}

static void write_number(struct rewriter *w, struct span name, uint64_t n)
{
	flush(w);
	put_span(&w->out, name);
	put_span(&w->out, SPAN(": "));
	put_uint(&w->out, n);
	put_span(&w->out, SPAN("\r\n"));
}

/* As it came; blanks before the colon go, since not every reader knows them. */
static void keep_line(struct rewriter *w, const struct msg_header *h)
{
	if (unlikely(h->name.p[h->name.len] != ':')) {
		write_line(w, h->name, h->value);
		return;
	}
	if (w->to != h->line.p) {
		flush(w);
		w->from = h->line.p;
	}
	w->to = h->line.p + h->line.len;
}

/* Our own Content-Length, the end of the head, and the body byte for byte. */
static size_t finish(struct rewriter *w, const struct sip_msg *msg)
{
	write_number(w, hdr_name(HDR_CONTENT_LENGTH), msg->body.len);
	put_span(&w->out, SPAN("\r\n"));
	put_span(&w->out, msg->body);
	return put_done(&w->out).len;
}

/* ---- identity headers that pass ---- */

static bool listed(const struct image *img, struct image_section names, struct span name)
{
	const struct image_str *one = image_at(img, names);

	for (uint64_t i = 0; i < names.count; i++)
		if (span_ieq(image_text(img, one[i]), name))
			return true;
	return false;
}

/* A header that containers are told to believe, whichever domain's setting says so. */
static bool asserts_anywhere(const struct image *img, struct span name)
{
	if (span_ieq(name, SPAN("P-Preferred-Identity")))
		return true;
	for (uint64_t i = 0; i < img->h->identities.count; i++)
		if (span_ieq(image_text(img, img->identity[i].header), name))
			return true;
	return false;
}

/* Is it in `keep` of the judged domain?  Rare, so that the look at all settings costs nothing in the run of things. */
static bool kept_inside(const struct image *img, const struct identity *id, const struct msg_header *h)
{
	if (id->domain == IMAGE_NONE || (id->asserted_len && h->id == HDR_P_ASSERTED_IDENTITY))
		return false;
	return listed(img, img->identity[image_policy_of(img, id->domain)->identity].keep, h->name) &&
	    !asserts_anywhere(img, h->name);
}

/* May this identity header pass? */
static bool kept(const struct image *img, const struct rewrite_identity *how, const struct msg_header *h)
{
	if (how->asserted)
		return kept_inside(img, how->asserted, h);
	return how->keep_asserted && h->id == HDR_P_ASSERTED_IDENTITY;
}

/* What we vouch for, towards a container. */
static void write_assertion(struct rewriter *w, const struct identity *id)
{
	if (!id)
		return;
	if (id->header.len)
		write_line(w, id->header, span_of(id->value, id->value_len));
	if (id->asserted_len)
		write_line(w, hdr_name(HDR_P_ASSERTED_IDENTITY), span_of(id->value, id->asserted_len));
}

static size_t assertion_bound(const struct identity *id)
{
	return id ? id->header.len + id->value_len + id->asserted_len : 0;
}

/* ---- a request ---- */

static void write_via(struct rewriter *w, const struct sip_msg *msg, const struct rewrite_request *how)
{
	struct put *o = &w->out;
	size_t len;

	flush(w);
	put_span(o, SPAN("Via: "));
	len = reply_via(&msg->via, how->source, how->source_port, SPAN_NONE, o->p, (size_t)(o->end - o->p));
	o->full |= len == 0;
	o->p += len;
	if (msg->via_rest.p) {
		put_span(o, SPAN(", "));
		put_span(o, span_trim(msg->via_rest));
	}
	put_span(o, SPAN("\r\n"));
}

/* Which Route values stay: `skip` go, then `keep` stay, and the rest goes. */
struct route_cut {
	unsigned skip, keep;
};

/* The Route values that stay, in the line that they came in. */
static void write_route(struct rewriter *w, const struct msg_header *h, struct route_cut *cut)
{
	struct span rest = h->value, left;
	struct name_addr one;

	while (cut->skip && rest.p && name_addr_parse(rest, &one, &rest))
		cut->skip--;
	left = rest;
	while (cut->keep && rest.p && name_addr_parse(rest, &one, &rest))
		cut->keep--;
	if (rest.p && left.p) /* the one that became the Request-URI goes, with the comma before it */
		left = span_trim(span_head(left, (size_t)(rest.p - left.p)));
	if (left.len && left.p[left.len - 1] == ',')
		left = span_trim(span_head(left, left.len - 1));
	if (left.p == h->value.p && left.len == h->value.len)
		keep_line(w, h);
	else if (left.p && left.len)
		write_line(w, h->name, span_trim(left));
}

/* Credentials for us are no one else's: RFC 3261 22.3 lets those of other realms pass. */
static bool spent(const struct rewrite_request *how, const struct msg_header *h)
{
	struct auth_params p;

	return how->realm.p && auth_params_parse(h->value, how->realm, &p) != AUTH_PARAMS_FOREIGN;
}

static void write_request_header(struct rewriter *w, const struct image *img, const struct sip_msg *msg, size_t index,
    const struct rewrite_request *how, struct route_cut *cut)
{
	const struct msg_header *h = &msg->header[index];

	if (unlikely(h->identity && !kept(img, &how->identity, h)))
		return;
	switch (h->id) {
	case HDR_VIA:
		if ((int)index == msg->first[HDR_VIA])
			write_via(w, msg, how);
		else
			keep_line(w, h);
		break;
	case HDR_ROUTE:
		write_route(w, h, cut);
		break;
	case HDR_PROXY_AUTHORIZATION:
		if (!spent(how, h))
			keep_line(w, h);
		break;
	case HDR_MAX_FORWARDS:
		write_number(w, h->name, msg->max_forwards > 0 ? (uint64_t)msg->max_forwards - 1 : 0);
		break;
	case HDR_CONTENT_LENGTH:
		break;
	default:
		keep_line(w, h);
	}
}

/* What we add goes on top of everything: our Via, Record-Route, the assertion. */
static void write_request_top(struct rewriter *w, const struct sip_msg *msg, const struct rewrite_request *how)
{
	if (unlikely(how->plan->strict)) {
		put_span(&w->out, msg->method);
		put_char(&w->out, ' ');
		put_span(&w->out, how->plan->uri.whole);
		put_char(&w->out, ' ');
	} else {
		put_span(&w->out, span_head(msg->start_line, msg->start_line.len - VERSION_LEN));
	}
	put_span(&w->out, SPAN("SIP/2.0\r\n"));
	put_span(&w->out, how->via);
	put_span(&w->out, how->record_route);
	if (msg->max_forwards < 0)
		write_number(w, hdr_name(HDR_MAX_FORWARDS), FIRST_MAX_FORWARDS);
	write_assertion(w, how->identity.asserted);
}

size_t rewrite_request(const struct image *img, const struct sip_msg *msg, const struct rewrite_request *how, char *out,
    size_t cap)
{
	struct rewriter w = { .out = put_into(out, cap) };
	struct route_cut cut = { how->plan->ours, how->plan->routes - how->plan->ours - how->plan->strict };

	write_request_top(&w, msg, how);
	for (size_t i = 0; i < msg->header_count; i++) {
		const struct msg_header *h = &msg->header[i];

		if (likely(h->id == HDR_OTHER && !h->identity))
			keep_line(&w, h);
		else
			write_request_header(&w, img, msg, i, how, &cut);
	}
	return finish(&w, msg);
}

size_t rewrite_bound(const struct sip_msg *msg, const struct rewrite_request *how)
{
	return msg->head.len + msg->body.len + how->via.len + how->record_route.len + how->source.len +
	    assertion_bound(how->identity.asserted) + GROWTH_MAX;
}

/* ---- a response on its way back ---- */

static void write_response_header(struct rewriter *w, const struct image *img, const struct sip_msg *msg, size_t index,
    const struct rewrite_identity *identity)
{
	const struct msg_header *h = &msg->header[index];

	if (h->identity && !kept(img, identity, h))
		return;
	if ((int)index == msg->first[HDR_VIA]) {
		if (msg->via_rest.p)
			write_line(w, hdr_name(HDR_VIA), span_trim(msg->via_rest));
	} else if (h->id != HDR_CONTENT_LENGTH) {
		keep_line(w, h);
	}
}

size_t rewrite_response(const struct image *img, const struct sip_msg *msg, const struct rewrite_identity *identity,
    char *out, size_t cap)
{
	struct rewriter w = { .out = put_into(out, cap) };

	put_span(&w.out, SPAN("SIP/2.0"));
	put_span(&w.out, span_from(msg->start_line, VERSION_LEN));
	put_span(&w.out, SPAN("\r\n"));
	write_assertion(&w, identity->asserted);
	for (size_t i = 0; i < msg->header_count; i++)
		write_response_header(&w, img, msg, i, identity);
	return finish(&w, msg);
}

size_t rewrite_response_bound(const struct sip_msg *msg, const struct rewrite_identity *identity)
{
	return msg->head.len + msg->body.len + assertion_bound(identity->asserted) + GROWTH_MAX;
}
