#include "common/sip/value.h"

#include "common/sip/chars.h"

bool token_char(unsigned char c)
{
	return char_is((char)c, CHAR_TOKEN);
}

bool token_valid(struct span text)
{
	return text.len > 0 && chars_run(text.p, span_end(text), CHAR_TOKEN) == span_end(text);
}

/* The byte behind a quoted-string that begins at p; NULL when it has no end or holds what it may not. */
static const char *quoted_end(const char *p, const char *end)
{
	for (p++;; p += 2) {
		p = chars_run(p, end, CHAR_QUOTED);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p + 1;
		/* quoted-pair: a backslash and one ASCII character; control bytes are refused everywhere. */
		if (*p != '\\' || end - p < 2 || (unsigned char)p[1] >= 0x7f || (p[1] != '\t' && p[1] < ' '))
			return NULL;
	}
}

/* One generic-param.  value.p is NULL when it has no '='; a quoted value keeps its quotes. */
struct param {
	struct span name, value;
};

/* gen-value: token / host / quoted-string; received may be an IPv6 address without brackets (RFC 3261 25.1). */
static const char *param_value_end(const char *p, const char *end, struct span name)
{
	const char *from = p;
	enum host_kind kind;

	if (p < end && *p == '"')
		return quoted_end(p, end);
	if (p < end && *p == '[')
		return host_end(p, end, &kind);
	p = chars_run(p, end, CHAR_TOKEN);
	if (p < end && *p == ':' && span_ieq(name, SPAN("received")))
		while (p < end && (char_is(*p, CHAR_HEX) || *p == ':' || *p == '.'))
			p++;
	return p > from ? p : NULL;
}

/* What follows a ';': the byte behind the parameter and its blanks, or NULL. */
static const char *param_parse(const char *p, const char *end, struct param *out)
{
	const char *name = chars_blanks(p, end);

	p = chars_run(name, end, CHAR_TOKEN);
	if (p == name)
		return NULL;
	out->name = chars_span(name, p);
	out->value = SPAN_NONE;
	p = chars_blanks(p, end);
	if (p < end && *p == '=') {
		const char *value = chars_blanks(p + 1, end);

		p = param_value_end(value, end, out->name);
		if (p == NULL)
			return NULL;
		out->value = chars_span(value, p);
		p = chars_blanks(p, end);
	}
	return p;
}

bool value_param(struct span params, struct span name, struct span *value)
{
	const char *end = span_end(params);
	struct param one;

	for (const char *p = params.p; p && p < end; p++) {
		p = param_parse(p, end, &one);
		if (p == NULL)
			return false;
		if (span_ieq(one.name, name)) {
			*value = one.value.p ? one.value : span_of(one.name.p + one.name.len, 0);
			return true;
		}
		if (p < end && *p != ';')
			return false;
	}
	return false;
}

/* The end of a value that goes from `from` to p, blanks behind it left out; *rest gets what follows a comma. */
static bool value_end(const char *from, const char *p, const char *end, struct span *whole, struct span *rest)
{
	if (p < end && *p != ',')
		return false;
	*whole = span_trim(chars_span(from, p));
	*rest = p < end ? chars_span(p + 1, end) : SPAN_NONE;
	return true;
}

/* Keep `value` as the one of its kind; false when there was one already. */
static bool take_once(bool *seen)
{
	bool again = *seen;

	*seen = true;
	return !again;
}

/* Is what param_parse took for a value a token, neither quoted nor an IPv6 address? */
static bool plain_token(struct span value)
{
	return value.p && char_is(value.p[0], CHAR_TOKEN);
}

/* The parameters sipward reads or writes stand at most once (RFC 3261 7.3.1); branch is a token (20.42). */
static bool via_param(const struct param *one, struct via *v)
{
	if (one->name.len == 6 && span_ieq(one->name, SPAN("branch"))) {
		if (v->branch.p || !plain_token(one->value))
			return false;
		v->branch = one->value;
	} else if (one->name.len == 5 && span_ieq(one->name, SPAN("rport"))) {
		return take_once(&v->has_rport);
	} else if (one->name.len == 8 && span_ieq(one->name, SPAN("received"))) {
		return one->value.p && take_once(&v->has_received);
	}
	return true;
}

/* SP and HTAB may surround the slashes: "SIP / 2.0 / TLS".  The byte behind the transport, or NULL. */
static const char *sent_protocol(const char *p, const char *end, struct span *transport)
{
	static const char plain[] = {'S', 'I', 'P', '/', '2', '.', '0', '/'};
	static const struct span part[] = {{"SIP", 3}, {"2.0", 3}};
	const char *from;

	if (end - p > (ptrdiff_t)sizeof(plain) && memcmp(p, plain, sizeof(plain)) == 0) {
		p += sizeof(plain);
	} else {
		for (size_t i = 0; i < ARRAY_LEN(part); i++) {
			from = p;
			p = chars_run(p, end, CHAR_TOKEN);
			if (!span_ieq(chars_span(from, p), part[i]))
				return NULL;
			p = chars_blanks(p, end);
			if (p == end || *p != '/')
				return NULL;
			p = chars_blanks(p + 1, end);
		}
	}
	from = chars_blanks(p, end);
	p = chars_run(from, end, CHAR_TOKEN);
	*transport = chars_span(from, p);
	return p > from ? p : NULL;
}

/* host [ COLON port ], blanks allowed around the colon. */
static const char *sent_by(const char *p, const char *end, struct via *v)
{
	const char *from = p, *colon;
	enum host_kind kind;
	uint64_t port;

	p = host_end(p, end, &kind);
	if (p == NULL)
		return NULL;
	v->host = chars_span(from, p);
	colon = chars_blanks(p, end);
	if (colon < end && *colon == ':') {
		const char *digits = chars_blanks(colon + 1, end);

		p = chars_run(digits, end, CHAR_DIGIT);
		if (!span_u64(chars_span(digits, p), 65535, &port) || port == 0)
			return NULL;
		v->port = (uint16_t)port;
	}
	v->sent_by = chars_span(from, p);
	return chars_blanks(p, end);
}

bool via_parse(struct span value, struct via *out, struct span *rest)
{
	const char *end = span_end(value);
	const char *from = chars_blanks(value.p, end);
	const char *p, *host, *params;
	struct via v = {.port = 0};
	struct param one;

	p = sent_protocol(from, end, &v.transport);
	if (p == NULL)
		return false;
	host = chars_blanks(p, end);
	if (host == p || host == end)
		return false;
	p = sent_by(host, end, &v);
	if (p == NULL)
		return false;
	params = p < end && *p == ';' ? p + 1 : p;
	while (p < end && *p == ';') {
		p = param_parse(p + 1, end, &one);
		if (p == NULL || !via_param(&one, &v))
			return false;
	}
	v.params = span_trim(chars_span(params, p));
	if (!value_end(from, p, end, &v.whole, rest))
		return false;
	*out = v;
	return true;
}

/* quoted-string / *(token LWS): the byte behind it and its blanks, p itself when there is none, NULL when bad. */
static const char *display_name(const char *p, const char *end, struct span *out)
{
	const char *from = p, *last = p;

	if (p < end && *p == '"') {
		p = last = quoted_end(p, end);
		if (p == NULL)
			return NULL;
		p = chars_blanks(p, end);
	} else {
		while (p < end && char_is(*p, CHAR_TOKEN)) {
			p = last = chars_run(p, end, CHAR_TOKEN);
			p = chars_blanks(p, end);
		}
	}
	*out = chars_span(from, last);
	return p;
}

/* "<" addr-spec ">" at p, or an addr-spec without brackets: the byte behind it and its blanks. */
static const char *addr_spec(const char *p, const char *end, struct name_addr *a)
{
	const char *uri_end;

	if (a->brackets) {
		p++;
		uri_end = memchr(p, '>', (size_t)(end - p));
		if (uri_end == NULL)
			return NULL;
	} else {
		uri_end = chars_run(p, end, CHAR_ADDR);
	}
	if (!uri_parse(chars_span(p, uri_end), &a->uri))
		return NULL;
	return chars_blanks(uri_end + a->brackets, end);
}

bool name_addr_parse(struct span value, struct name_addr *out, struct span *rest)
{
	const char *end = span_end(value);
	const char *from = chars_blanks(value.p, end);
	const char *p, *params;
	struct name_addr a = {.brackets = false};
	struct param one;

	p = display_name(from, end, &a.display);
	if (p == NULL || p == end)
		return false;
	a.brackets = *p == '<';
	if (!a.brackets) {
		a.display = span_of(from, 0);
		p = from;
	}
	p = addr_spec(p, end, &a);
	if (p == NULL)
		return false;
	params = p < end && *p == ';' ? p + 1 : p;
	while (p < end && *p == ';') {
		p = param_parse(p + 1, end, &one);
		if (p == NULL)
			return false;
		if (one.name.len == 3 && span_ieq(one.name, SPAN("tag"))) {
			if (a.tag.p || !plain_token(one.value))
				return false;
			a.tag = one.value;
		}
	}
	a.params = span_trim(chars_span(params, p));
	if (!value_end(from, p, end, &a.whole, rest))
		return false;
	*out = a;
	return true;
}

bool cseq_parse(struct span value, struct cseq *out)
{
	const char *end = span_end(value);
	const char *digits_end = chars_run(value.p, end, CHAR_DIGIT);
	const char *method = chars_blanks(digits_end, end);
	uint64_t number;

	if (method == digits_end || !span_u64(chars_span(value.p, digits_end), INT32_MAX, &number))
		return false;
	if (!token_valid(chars_span(method, end)))
		return false;
	out->number = (uint32_t)number;
	out->method = chars_span(method, end);
	return true;
}
