#include "common/policy/inspect.h"

#include "common/put.h"

static const struct {
	unsigned status;
	const char *name;
	const char *reason;
} rows[REFUSAL_COUNT] = {
#define REFUSAL(id, status, name, reason) [REFUSAL_##id] = { status, name, reason },
#include "common/policy/refusal.def"
#undef REFUSAL
};

unsigned refusal_status(enum refusal r)
{
	return rows[r].status;
}

const char *refusal_name(enum refusal r)
{
	return rows[r].name;
}

const char *refusal_reason(enum refusal r)
{
	return rows[r].reason;
}

bool inspect_host_is_ours(const struct image *img, struct span host)
{
	char canon[HOST_MAX];
	size_t len = host_canon(host, canon);

	return len && image_host_flags(img, span_of(canon, len)) & (HOST_LOCAL_DOMAIN | HOST_OURS);
}

bool inspect_is_for_us(const struct image *img, const struct sip_msg *msg)
{
	const struct sip_uri *uri = &msg->request_uri;

	return (uri->scheme == URI_SIP || uri->scheme == URI_SIPS) && !uri->user.p && inspect_host_is_ours(img, uri->host);
}

/* A header line with a list, cut behind its last whole member; nothing at all when it has none. */
static size_t put_list(struct put *o, struct span name, bool (*next)(void *ctx, struct span *member), void *ctx)
{
	struct span member, before = SPAN(": ");

	put_span(o, name);
	while (next(ctx, &member) && (size_t)(o->end - o->p) >= before.len + member.len + 2) {
		put_span(o, before);
		put_span(o, member);
		before = SPAN(", ");
	}
	if (before.p[0] == ':')
		return 0;
	put_span(o, SPAN("\r\n"));
	return put_done(o).len;
}

struct taken {
	uint32_t methods;
	int next;
};

static bool next_taken(void *ctx, struct span *out)
{
	static const struct span names[METHOD_COUNT] = {
		[METHOD_INVITE] = { "INVITE", 6 },   [METHOD_ACK] = { "ACK", 3 },
		[METHOD_BYE] = { "BYE", 3 },	     [METHOD_CANCEL] = { "CANCEL", 6 },
		[METHOD_OPTIONS] = { "OPTIONS", 7 }, [METHOD_REGISTER] = { "REGISTER", 8 },
		[METHOD_PRACK] = { "PRACK", 5 },     [METHOD_UPDATE] = { "UPDATE", 6 },
		[METHOD_INFO] = { "INFO", 4 },	     [METHOD_SUBSCRIBE] = { "SUBSCRIBE", 9 },
		[METHOD_NOTIFY] = { "NOTIFY", 6 },   [METHOD_REFER] = { "REFER", 5 },
		[METHOD_MESSAGE] = { "MESSAGE", 7 }, [METHOD_PUBLISH] = { "PUBLISH", 7 },
	};
	struct taken *t = ctx;

	while (t->next < METHOD_COUNT) {
		int method = t->next++;

		if (method != METHOD_OTHER && t->methods & 1u << method) {
			*out = names[method];
			return true;
		}
	}
	return false;
}

struct wanted {
	const struct sip_msg *msg;
	int header; /* the next to look at, -1: none */
	struct span rest;
};

/* The next option tag that Proxy-Require asks for; what is no token can't be named in Unsupported. */
static bool next_wanted(void *ctx, struct span *out)
{
	struct wanted *w = ctx;

	for (;;) {
		while (span_cut(&w->rest, ',', out)) {
			*out = span_trim(*out);
			if (token_valid(*out))
				return true;
		}
		if (w->header < 0)
			return false;
		w->rest = w->msg->header[w->header].value;
		w->header = msg_next_header(w->msg, HDR_PROXY_REQUIRE, (size_t)w->header + 1);
	}
}

/* RFC 3261 16.3 5: does any Proxy-Require hold anything at all?  We know no option tag. */
static bool wants_extension(const struct sip_msg *msg)
{
	for (int i = msg->first[HDR_PROXY_REQUIRE]; i >= 0; i = msg_next_header(msg, HDR_PROXY_REQUIRE, (size_t)i + 1))
		if (msg->header[i].value.len)
			return true;
	return false;
}

enum refusal inspect_request(const struct image *img, uint32_t methods, const struct sip_msg *msg, char *extra,
    size_t cap, size_t *extra_len)
{
	struct put o = put_into(extra, cap);

	*extra_len = 0;
	if (!(methods & 1u << msg->method_id)) {
		struct taken t = { .methods = methods };

		*extra_len = put_list(&o, SPAN("Allow"), next_taken, &t);
		return REFUSAL_METHOD;
	}
	if (msg->request_uri.scheme == URI_OTHER)
		return REFUSAL_SCHEME;
	if (msg->max_forwards == 0 && !(msg->method_id == METHOD_OPTIONS && inspect_is_for_us(img, msg)))
		return REFUSAL_MAX_FORWARDS;
	if (wants_extension(msg)) {
		struct wanted w = { .msg = msg, .header = msg->first[HDR_PROXY_REQUIRE] };

		*extra_len = put_list(&o, SPAN("Unsupported"), next_wanted, &w);
		return REFUSAL_EXTENSION;
	}
	return REFUSAL_NONE;
}
