/* scan - cut a byte stream into SIP messages, and each head into its lines. */
#include "bench/scan.h"

static const struct {
	struct span name;
	char compact;
} names[SCAN_NAME_COUNT] = {
	[SCAN_VIA] = { SPAN("via"), 'v' },
	[SCAN_FROM] = { SPAN("from"), 'f' },
	[SCAN_TO] = { SPAN("to"), 't' },
	[SCAN_CALL_ID] = { SPAN("call-id"), 'i' },
	[SCAN_CSEQ] = { SPAN("cseq"), '\0' },
	[SCAN_RECORD_ROUTE] = { SPAN("record-route"), '\0' },
	[SCAN_CONTACT] = { SPAN("contact"), 'm' },
	[SCAN_CONTENT_TYPE] = { SPAN("content-type"), 'c' },
	[SCAN_CONTENT_LENGTH] = { SPAN("content-length"), 'l' },
};

static enum scan_name lookup(struct span name)
{
	for (unsigned i = SCAN_OTHER + 1; i < SCAN_NAME_COUNT; i++) {
		if (name.len == names[i].name.len && span_ieq(name, names[i].name))
			return i;
		if (name.len == 1 && names[i].compact && ascii_lower(name.p[0]) == names[i].compact)
			return i;
	}
	return SCAN_OTHER;
}

/* Length of the line at the start of `in`, its CRLF not counted. */
static enum scan_status cut_line(struct span in, size_t *len)
{
	const char *cr = in.len ? memchr(in.p, '\r', in.len) : NULL;
	size_t text = cr ? (size_t)(cr - in.p) : in.len;

	if (text && (memchr(in.p, '\n', text) || memchr(in.p, '\0', text)))
		return SCAN_BAD;
	if (!cr || text + 1 == in.len)
		return in.len > SCAN_HEAD_MAX ? SCAN_BAD : SCAN_MORE;
	if (cr[1] != '\n')
		return SCAN_BAD;
	*len = text;
	return SCAN_MESSAGE;
}

/* One header line into the message. */
static bool add_line(struct span text, struct scan_message *out)
{
	size_t colon = span_find(text, ':');
	struct scan_line *line = &out->line[out->count];

	if (out->count == SCAN_LINES_MAX || colon == text.len || text.p[0] == ' ' || text.p[0] == '\t')
		return false;
	line->whole = span_of(text.p, text.len + 2);
	line->name = span_trim(span_head(text, colon));
	line->value = span_trim(span_from(text, colon + 1));
	line->id = lookup(line->name);
	if (!line->name.len)
		return false;
	if (out->first[line->id] < 0)
		out->first[line->id] = (int16_t)out->count;
	else if (line->id == SCAN_CONTENT_LENGTH)
		return false;
	out->count++;
	return true;
}

static enum scan_status line_ends(struct span in)
{
	if (in.len >= 4 && memcmp(in.p, "\r\n\r\n", 4) == 0)
		return SCAN_PING;
	if (memcmp(in.p, "\r\n\r\n", MIN(in.len, 4)) == 0)
		return SCAN_MORE;
	return in.len >= 2 && in.p[1] == '\n' ? SCAN_CRLF : SCAN_BAD;
}

enum scan_status scan_next(struct span in, struct scan_message *out)
{
	size_t at = 0, len = 0;
	enum scan_status st;
	uint64_t body;

	if (!in.len)
		return SCAN_MORE;
	if (in.p[0] == '\r')
		return line_ends(in);
	out->count = 0;
	memset(out->first, 0xff, sizeof(out->first));
	st = cut_line(in, &len);
	if (st != SCAN_MESSAGE)
		return st;
	out->start = span_head(in, len);
	for (at = len + 2;; at += len + 2) {
		st = cut_line(span_from(in, at), &len);
		if (st == SCAN_MESSAGE && at + len > SCAN_HEAD_MAX)
			st = SCAN_BAD;
		if (st != SCAN_MESSAGE)
			return st;
		if (!len)
			break;
		if (!add_line(span_of(in.p + at, len), out))
			return SCAN_BAD;
	}
	at += 2;
	if (out->first[SCAN_CONTENT_LENGTH] < 0 || !span_u64(scan_value(out, SCAN_CONTENT_LENGTH), SCAN_BODY_MAX, &body))
		return SCAN_BAD;
	if (in.len - at < body)
		return SCAN_MORE;
	out->body = span_of(in.p + at, (size_t)body);
	out->whole = span_head(in, at + (size_t)body);
	return SCAN_MESSAGE;
}

struct span scan_value(const struct scan_message *msg, enum scan_name id)
{
	return msg->first[id] < 0 ? SPAN_NONE : msg->line[msg->first[id]].value;
}

unsigned scan_response_status(const struct scan_message *msg)
{
	struct span start = msg->start;
	uint64_t status;

	if (start.len < 12 || memcmp(start.p, "SIP/2.0 ", 8) != 0 || start.p[11] != ' ')
		return 0;
	if (!span_u64(span_of(start.p + 8, 3), 699, &status) || status < 100)
		return 0;
	return (unsigned)status;
}

struct span scan_method(const struct scan_message *msg)
{
	struct span rest = msg->start, method, uri;

	if (!span_cut(&rest, ' ', &method) || !span_cut(&rest, ' ', &uri))
		return SPAN_NONE;
	if (!method.len || !uri.len || !span_eq(rest, SPAN("SIP/2.0")))
		return SPAN_NONE;
	return method;
}

/* Where the parameters of a value begin: behind a closing '>', quotes passed over. */
static size_t params_start(struct span value)
{
	size_t start = 0;
	bool quoted = false;

	for (size_t i = 0; i < value.len; i++) {
		if (quoted && value.p[i] == '\\')
			i++;
		else if (value.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && value.p[i] == '>')
			start = i + 1;
	}
	return start;
}

struct span scan_param(struct span value, struct span name)
{
	struct span rest = span_from(value, params_start(value)), part, key;
	bool first = true;

	while (span_cut(&rest, ';', &part)) {
		struct span text = part;

		if (!first && span_cut(&text, '=', &key) && span_ieq(span_trim(key), name))
			return text.p ? span_trim(text) : span_of("", 0);
		first = false;
	}
	return SPAN_NONE;
}
