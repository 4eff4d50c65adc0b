#include "common/sip/reply.h"

#include "common/put.h"
#include "common/sip/chars.h"
#include "common/sip/feedback.h"

const char *reply_phrase(unsigned status)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} rows[] = {
		{ 100, "Trying" },
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 407, "Proxy Authentication Required" },
		{ 408, "Request Timeout" },
		{ 416, "Unsupported URI Scheme" },
		{ 420, "Bad Extension" },
		{ 480, "Temporarily Unavailable" },
		{ 482, "Loop Detected" },
		{ 483, "Too Many Hops" },
		{ 500, "Server Internal Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Server Time-out" },
		{ 505, "Version Not Supported" },
		{ 513, "Message Too Large" },
	};
	static const char *const by_class[] = { "Trying", "OK", "Multiple Choices", "Bad Request", "Server Internal Error",
						"Decline" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].status == status)
			return rows[i].phrase;
	return status >= 100 && status < 700 ? by_class[status / 100 - 1] : "Unknown";
}

/* RFC 3261 25.1, Reason-Phrase: what is not reserved, unreserved or a blank leaves escaped. */
static void put_reason(struct put *o, struct span reason)
{
	static const char marks[] = ";/?:@&=+$,-_.!~*'()% ";

	for (size_t i = 0; i < reason.len; i++) {
		char c = reason.p[i];

		if (char_is(c, CHAR_ALPHA | CHAR_DIGIT) || (c && strchr(marks, c))) {
			put_char(o, c);
		} else {
			put_char(o, '%');
			put_char(o, "0123456789ABCDEF"[(unsigned char)c >> 4]);
			put_char(o, "0123456789ABCDEF"[(unsigned char)c & 15]);
		}
	}
}

/* ---- Via ---- */

/* The first parameter of a list that via_parse took; *rest gets those behind it. */
static struct span first_param(struct span params, struct span *rest)
{
	size_t i = span_find(params, ';');
	bool quoted = false;

	if (span_find(span_head(params, i), '"') < i) /* hardly ever: the ';' may stand in quotes */
		for (i = 0; i < params.len && (quoted || params.p[i] != ';'); i++) {
			if (params.p[i] == '"')
				quoted = !quoted;
			else if (quoted && params.p[i] == '\\')
				i++;
		}
	*rest = span_from(params, i + 1);
	return span_trim(span_head(params, i));
}

/* One spelling of the source address, which comes without brackets. */
static size_t source_canon(struct span source, char out[static HOST_MAX])
{
	char text[HOST_MAX + 2];
	struct put o = put_into(text, sizeof(text));

	if (span_find(source, ':') == source.len)
		return host_canon(source, out);
	put_char(&o, '[');
	put_span(&o, source);
	put_char(&o, ']');
	return host_canon(put_done(&o), out);
}

/* RFC 3261 18.2.1: does sent-by name the address that the request came from? */
static bool sent_by_source(const struct via *via, struct span source)
{
	char host[HOST_MAX], from[HOST_MAX];
	size_t host_len, from_len;

	if (span_eq(via->host, source))
		return true;
	host_len = host_canon(via->host, host);
	from_len = source_canon(source, from);
	return host_len && span_eq(span_of(host, host_len), span_of(from, from_len));
}

size_t reply_via(const struct via *via, struct span source, uint16_t port, struct span feedback, char *out, size_t cap)
{
	struct put o = put_into(out, cap);
	struct span rest = via->params;

	put_span(&o, span_of(via->whole.p, (size_t)(via->sent_by.p + via->sent_by.len - via->whole.p)));
	while (rest.len) {
		struct span param = first_param(rest, &rest);
		struct span name = span_trim(span_head(param, span_find(param, '=')));

		if (span_ieq(name, SPAN("received")) || span_ieq(name, SPAN("rport")) ||
		    (feedback.len && feedback_is_param(name)))
			continue;
		put_char(&o, ';');
		put_span(&o, param);
	}
	if (via->has_rport || via->has_received || !sent_by_source(via, source)) {
		put_span(&o, SPAN(";received="));
		put_span(&o, source);
	}
	if (via->has_rport) {
		put_span(&o, SPAN(";rport="));
		put_uint(&o, port);
	}
	put_span(&o, feedback);
	return put_done(&o).len;
}

/* ---- the answer ---- */

/* May the value be sent back?  No control byte, and nothing that some reader takes for a header of its own. */
static bool harmless(const struct reply *reply, struct span value)
{
	static const struct hdr_set none = { .count = 0 };

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return !hdr_hidden(reply->identity ? reply->identity : &none, value);
}

static void put_via(struct put *o, const struct sip_msg *request, const struct reply *reply, size_t index)
{
	bool top = (int)index == request->first[HDR_VIA] && request->via.whole.p;

	put_span(o, SPAN("Via: "));
	if (top) {
		size_t len = reply_via(&request->via, reply->received, reply->rport, reply->feedback, o->p,
		    (size_t)(o->end - o->p));

		o->full |= len == 0;
		o->p += len;
		if (request->via_rest.p) {
			put_span(o, SPAN(", "));
			put_span(o, span_trim(request->via_rest));
		}
	} else {
		put_span(o, request->header[index].value);
	}
	put_span(o, SPAN("\r\n"));
}

/* The header is copied if it is there, the first if there are two. */
static void put_copy(struct put *o, const struct sip_msg *request, const struct reply *reply, enum hdr_id id)
{
	struct span value;

	if (request->first[id] < 0)
		return;
	value = request->header[request->first[id]].value;
	if (!harmless(reply, value))
		return;
	put_span(o, hdr_name(id));
	put_span(o, SPAN(": "));
	put_span(o, value);
	/* RFC 3261 8.2.6.2.  A To that does not parse goes back as it came. */
	if (id == HDR_TO && request->to.whole.p && !request->to_tag.p) {
		put_span(o, SPAN(";tag="));
		put_hex(o, reply->tag);
	}
	put_span(o, SPAN("\r\n"));
}

size_t reply_build(const struct sip_msg *request, const struct reply *reply, char *out, size_t cap)
{
	static const enum hdr_id copied[] = { HDR_FROM, HDR_TO, HDR_CALL_ID, HDR_CSEQ };
	struct put o = put_into(out, cap);

	put_span(&o, SPAN("SIP/2.0 "));
	put_uint(&o, reply->status);
	put_char(&o, ' ');
	put_reason(&o, reply->reason.len ? reply->reason : span_str(reply_phrase(reply->status)));
	put_span(&o, SPAN("\r\n"));
	for (size_t i = 0; i < request->header_count; i++)
		if (request->header[i].id == HDR_VIA && harmless(reply, request->header[i].value))
			put_via(&o, request, reply, i);
	for (size_t i = 0; i < ARRAY_LEN(copied); i++)
		put_copy(&o, request, reply, copied[i]);
	put_span(&o, reply->extra);
	put_span(&o, SPAN("Content-Length: 0\r\n\r\n"));
	return put_done(&o).len;
}
