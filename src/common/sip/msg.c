#include "common/sip/msg.h"

#include "common/sip/chars.h"
#include "common/sip/msg_check.h"

#define START_LINE SPAN("start-line") /* what a fault there is said to be in */

/* One line of the head, its CRLF not included. */
struct line {
	const char *p, *end;
};

enum method method_lookup(struct span name)
{
	static const struct span names[METHOD_COUNT] = {
	    [METHOD_INVITE] = {"INVITE", 6},   [METHOD_ACK] = {"ACK", 3},
	    [METHOD_BYE] = {"BYE", 3},	       [METHOD_CANCEL] = {"CANCEL", 6},
	    [METHOD_OPTIONS] = {"OPTIONS", 7}, [METHOD_REGISTER] = {"REGISTER", 8},
	    [METHOD_PRACK] = {"PRACK", 5},     [METHOD_UPDATE] = {"UPDATE", 6},
	    [METHOD_INFO] = {"INFO", 4},       [METHOD_SUBSCRIBE] = {"SUBSCRIBE", 9},
	    [METHOD_NOTIFY] = {"NOTIFY", 6},   [METHOD_REFER] = {"REFER", 5},
	    [METHOD_MESSAGE] = {"MESSAGE", 7}, [METHOD_PUBLISH] = {"PUBLISH", 7},
	};

	for (int i = METHOD_OTHER + 1; i < METHOD_COUNT; i++)
		if (span_eq(name, names[i]))
			return (enum method)i;
	return METHOD_OTHER;
}

/* "SIP/" 1*DIGIT "." 1*DIGIT, in any case (RFC 3261 7.1); only 2.0 is ours. */
static enum fault version_check(struct span text)
{
	const char *end = text.p + text.len;
	const char *major, *minor, *p;

	if (span_ieq(text, SPAN("SIP/2.0")))
		return FAULT_NONE;
	if (!span_istarts(text, SPAN("SIP/")))
		return FAULT_START_LINE;
	major = text.p + 4;
	p = chars_run(major, end, CHAR_DIGIT);
	if (p == major || p == end || *p != '.')
		return FAULT_START_LINE;
	minor = p + 1;
	p = chars_run(minor, end, CHAR_DIGIT);
	return p > minor && p == end ? FAULT_VERSION : FAULT_START_LINE;
}

/* The first word of *rest, which must be followed by exactly one SP. */
static bool word_cut(struct span *rest, struct span *word)
{
	return span_cut(rest, ' ', word) && rest->p && rest->len && rest->p[0] != ' ';
}

/* METHOD SP URI SP VERSION */
static void request_line(struct msg_parser *ps, struct span text)
{
	struct sip_msg *out = ps->out;
	const char *end = text.p + text.len;
	struct span rest = text, method;
	enum fault code;

	/* The method is kept also from a bad line: an ACK is never answered. */
	out->method = chars_span(text.p, chars_run(text.p, end, CHAR_TOKEN));
	out->method_id = method_lookup(out->method);
	if (!word_cut(&rest, &method) || method.len == 0 || method.len != out->method.len ||
	    !word_cut(&rest, &out->request_uri_text)) {
		msg_note(ps, FAULT_START_LINE, HDR_OTHER, START_LINE, text.p);
		return;
	}
	code = version_check(rest);
	if (code != FAULT_NONE)
		msg_note(ps, code, HDR_OTHER, START_LINE, rest.p);
	if (code == FAULT_START_LINE)
		return;
	if (out->request_uri_text.len > MSG_URI_MAX)
		msg_note(ps, FAULT_URI_TOO_LONG, HDR_OTHER, START_LINE, out->request_uri_text.p);
	else if (!uri_parse(out->request_uri_text, &out->request_uri))
		msg_note(ps, FAULT_REQUEST_URI, HDR_OTHER, START_LINE, out->request_uri_text.p);
}

/* VERSION SP 3DIGIT SP reason */
static void status_line(struct msg_parser *ps, struct span text)
{
	struct sip_msg *out = ps->out;
	struct span rest = text, version, status;
	uint64_t n;
	enum fault code;

	if (!span_cut(&rest, ' ', &version) || !span_cut(&rest, ' ', &status) || rest.p == NULL || status.len != 3 ||
	    !span_u64(status, 699, &n) || n < 100) {
		msg_note(ps, FAULT_START_LINE, HDR_OTHER, START_LINE, text.p);
		return;
	}
	out->status = (unsigned)n;
	out->reason = rest;
	code = version_check(version);
	if (code != FAULT_NONE)
		msg_note(ps, code, HDR_OTHER, START_LINE, text.p);
}

static void start_line(struct msg_parser *ps, const struct line *l)
{
	struct span text = chars_span(l->p, l->end);

	ps->out->start_line = text;
	ps->out->is_request = !span_istarts(text, SPAN("SIP/"));
	if (ps->out->is_request)
		request_line(ps, text);
	else
		status_line(ps, text);
}

/* Does a name that is not spelt as it must be read as Content-Length to anyone?  Then framing is in doubt. */
static bool confuses_length(struct span name)
{
	static const struct hdr_set none = {.count = 0};

	return hdr_confusing(&none, name);
}

/* A line whose name is no token, or that has no colon at all. */
static void bad_name(struct msg_parser *ps, const struct line *l)
{
	struct span text = chars_span(l->p, l->end);
	struct span name = span_trim(span_head(text, span_find(text, ':')));
	bool blank = text.len && char_is(text.p[0], CHAR_BLANK);

	if (span_find(text, ':') == text.len)
		msg_note(ps, blank ? FAULT_LEADING_BLANK : FAULT_NO_COLON, HDR_OTHER, SPAN_NONE, l->p);
	else if (confuses_length(name) || (blank && hdr_lookup(name) == HDR_CONTENT_LENGTH))
		msg_note(ps, FAULT_CONFUSING_LENGTH, HDR_OTHER, name, l->p);
	else
		msg_note(ps, blank ? FAULT_LEADING_BLANK : FAULT_BAD_NAME, HDR_OTHER, name, l->p);
}

/* A name that is a token, but neither known nor plain: '_', '%' and the like. */
static void check_odd_name(struct msg_parser *ps, struct span name)
{
	if (confuses_length(name))
		msg_note(ps, FAULT_CONFUSING_LENGTH, HDR_OTHER, name, name.p);
	else if (hdr_confusing(ps->rules->identity, name))
		msg_note(ps, FAULT_CONFUSING_NAME, HDR_OTHER, name, name.p);
}

/* A header is in the array: is it the only one of its kind, if it must be, and is its value right? */
static void take_header(struct msg_parser *ps, int index)
{
	struct sip_msg *out = ps->out;
	const struct msg_header *h = &out->header[index];

	if (h->id == HDR_OTHER)
		return;
	if (out->first[h->id] < 0) {
		out->first[h->id] = (int16_t)index;
	} else if (hdr_flags(h->id) & HDR_F_ONCE) {
		msg_note(ps, h->id == HDR_CONTENT_LENGTH ? FAULT_DUP_LENGTH : FAULT_DUPLICATE, h->id, h->name,
			 h->name.p);
		return;
	}
	msg_check_value(ps, h);
}

/*
 * The name of a header that hdr_lookup does not know as it stands before the
 * colon: an unknown one, or one with blanks behind it.  False: it is none.
 */
static bool other_name(struct msg_parser *ps, const struct line *l, const char *colon, struct msg_header *h)
{
	const char *p = l->p;
	unsigned seen = 0;

	for (; p < colon && char_is(*p, CHAR_TOKEN); p++)
		seen |= char_classes[(unsigned char)*p];
	/* Blanks before the colon are legal, RFC 3261 7.3.1. */
	if (p == l->p || colon == l->end || chars_blanks(p, colon) != colon)
		return false;
	h->name = chars_span(l->p, p);
	h->id = p < colon ? hdr_lookup(h->name) : HDR_OTHER;
	h->identity = hdr_set_has(ps->rules->identity, h->name);
	if (seen & CHAR_ODD && h->id == HDR_OTHER && !h->identity)
		check_odd_name(ps, h->name);
	return true;
}

static struct span trimmed(const char *p, const char *end)
{
	p = chars_blanks(p, end);
	while (end > p && char_is(end[-1], CHAR_BLANK))
		end--;
	return chars_span(p, end);
}

/* False: there is no room for another header. */
static bool header_line(struct msg_parser *ps, const struct line *l)
{
	struct sip_msg *out = ps->out;
	struct msg_header *h = &out->header[out->header_count];
	const char *colon = chars_near(l->p, l->end, ':');

	if (out->header_count == ps->header_max) {
		msg_note(ps, FAULT_TOO_MANY_FIELDS, HDR_OTHER, SPAN_NONE, l->p);
		return false;
	}
	h->name = chars_span(l->p, colon);
	h->id = hdr_lookup(h->name);
	h->identity = h->id == HDR_OTHER ? false : hdr_set_has(ps->rules->identity, h->name);
	if (colon == l->end || (h->id == HDR_OTHER && !other_name(ps, l, colon, h))) {
		bad_name(ps, l);
		return true;
	}
	h->line = chars_span(l->p, l->end + 2);
	h->value = trimmed(colon + 1, l->end);
	take_header(ps, (int)out->header_count++);
	return true;
}

/* A fault that is somewhere in the line that begins at p, so that the header's name must be looked for. */
static void note_in_line(struct msg_parser *ps, enum fault code, const char *p, const char *at)
{
	struct span name = chars_span(p, chars_run(p, at, CHAR_TOKEN));

	if (p == ps->out->head.p)
		msg_note(ps, code, HDR_OTHER, START_LINE, at);
	else
		msg_note(ps, code, hdr_lookup(name), name, at);
}

/*
 * The CRLF that ends the line at p; other control bytes on the way are noted.
 * The text ends with CRLF, so that there is one.  A bare CR or LF does not end
 * a line here: it is a fault that closes, and the line goes on.
 */
static const char *line_end(struct msg_parser *ps, struct chars_scan *scan, const char *p)
{
	for (;;) {
		const char *hit = chars_scan_control(scan);
		bool bare = *hit == '\r' || *hit == '\n';

		if (*hit == '\r' && hit[1] == '\n') {
			(void)chars_scan_control(scan); /* its LF */
			return hit;
		}
		/* Asked first: a line may hold very many of them. */
		if (ps->fault->code == FAULT_NONE || (bare && !fault_closes(ps->fault->code)))
			note_in_line(ps, bare ? FAULT_BARE_LINE_END : FAULT_CONTROL_BYTE, p, hit);
	}
}

static void parse_lines(struct msg_parser *ps)
{
	struct span head = ps->out->head;
	const char *end = head.p + head.len - 2; /* where the empty line begins */
	const char *p = head.p;
	struct chars_scan scan = chars_scan_of(p, end);

	while (p < end) {
		struct line l = {.p = p};

		scan.high = scan.block_high;
		l.end = line_end(ps, &scan, p);
		if (l.end == p) { /* an empty line before the last: frame would not have cut here */
			msg_note(ps, FAULT_NOT_SIP, HDR_OTHER, SPAN_NONE, p);
			return;
		}
		if (p == head.p)
			start_line(ps, &l);
		else if (!header_line(ps, &l))
			return;
		/* A line break to some readers, and what they would take for a header behind it? */
		if (scan.high && hdr_hidden(ps->rules->identity, chars_span(p, l.end)))
			note_in_line(ps, FAULT_HIDDEN_HEADER, p, l.end);
		p = l.end + 2;
	}
}

enum fault msg_parse(struct span head, const struct msg_rules *rules, struct msg_header *header, size_t header_max,
		     struct sip_msg *out, struct msg_fault *fault)
{
	struct msg_parser ps = {.rules = rules, .out = out, .fault = fault};

	ps.header_max = MIN(header_max, (size_t)INT16_MAX); /* first[] holds indexes */
	*fault = (struct msg_fault){.code = FAULT_NONE};
	*out = (struct sip_msg){.head = head, .header = header, .max_forwards = -1};
	for (size_t i = 0; i < HDR_COUNT; i++)
		out->first[i] = -1;
	if (head.len < 5 || memcmp(head.p + head.len - 4, "\r\n\r\n", 4) != 0) {
		msg_note(&ps, FAULT_NOT_SIP, HDR_OTHER, SPAN_NONE, head.p);
		return fault->code;
	}
	parse_lines(&ps);
	msg_check_whole(&ps);
	return fault->code;
}

int msg_next_header(const struct sip_msg *msg, enum hdr_id id, size_t from)
{
	for (size_t i = from; i < msg->header_count; i++)
		if (msg->header[i].id == id)
			return (int)i;
	return -1;
}
