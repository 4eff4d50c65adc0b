#include "worker/hop.h"

#include "common/put.h"
#include "common/sip/feedback.h"

enum image_protocol hop_protocol(const struct conn *c)
{
	return c->tls ? PROTO_TLS : c->datagram ? PROTO_UDP : PROTO_TCP;
}

const struct listener *hop_listener(const struct worker *w, const struct conn *c)
{
	enum image_side side = c->kind == CONN_EXTERNAL || c->kind == CONN_DOMAIN ? SIDE_EXTERNAL : SIDE_INTERNAL;

	return c->listener ? c->listener : listeners_first(w, side, hop_protocol(c));
}

struct hop_end hop_end_of(const struct worker *w, const struct conn *c)
{
	return (struct hop_end){ .protocol = hop_protocol(c), .listener = hop_listener(w, c) };
}

struct hop_end hop_end_elsewhere(const struct worker *w, enum image_protocol protocol)
{
	return (struct hop_end){ .protocol = protocol, .listener = listeners_first(w, SIDE_EXTERNAL, protocol) };
}

static void put_shown(struct put *o, const struct listener *l)
{
	put_span(o, span_of(l->shown, l->shown_len));
}

size_t hop_via(struct worker *w, const struct conn *from, struct hop_end to, struct span branch, struct span back,
    char *out, size_t cap)
{
	static const struct span transport[] = {
		[PROTO_TLS] = { "Via: SIP/2.0/TLS ", 17 },
		[PROTO_TCP] = { "Via: SIP/2.0/TCP ", 17 },
		[PROTO_UDP] = { "Via: SIP/2.0/UDP ", 17 },
	};
	const struct listener *shown = to.listener;
	struct put o = put_into(out, cap);

	if (!shown)
		shown = hop_listener(w, from);
	if (!shown)
		return 0;
	put_span(&o, transport[to.protocol]);
	put_shown(&o, shown);
	put_span(&o, SPAN(";branch="));
	put_span(&o, branch);
	put_span(&o, SPAN(";" HOP_BACK "="));
	put_span(&o, back);
	if ((from->kind == CONN_INTERNAL || from->kind == CONN_CONTAINER) && to.protocol != PROTO_UDP)
		put_span(&o, SPAN(";alias"));
	if (to.feedback)
		put_span(&o, SPAN(FEEDBACK_OFFER));
	put_span(&o, SPAN("\r\n"));
	return put_done(&o).len;
}

static void put_record_route(struct put *o, const struct listener *l, struct span token, bool secure)
{
	static const struct span transport[] = {
		[PROTO_TLS] = { ";transport=tls", 14 },
		[PROTO_TCP] = { ";transport=tcp", 14 },
		[PROTO_UDP] = { ";transport=udp", 14 },
	};

	if (!l)
		return;
	put_span(o, secure ? SPAN("Record-Route: <sips:") : SPAN("Record-Route: <sip:"));
	put_span(o, token);
	put_char(o, '@');
	put_shown(o, l);
	put_span(o, transport[l->row.protocol]);
	put_span(o, SPAN(";lr>\r\n"));
}

size_t hop_record_route(struct worker *w, const struct conn *from, struct hop_end to,
    const struct dialog_token *t, struct span call_id, bool secure, char *out, size_t cap)
{
	struct put o = put_into(out, cap);
	char text[TOKEN_TEXT_MAX];
	struct span token = span_of(text, dialog_token_write(&w->keys.tokens, t, call_id, text));

	put_record_route(&o, to.listener, token, secure);
	put_record_route(&o, hop_listener(w, from), token, secure);
	return put_done(&o).len;
}
