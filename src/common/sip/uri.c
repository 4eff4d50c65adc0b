#include <arpa/inet.h>

#include "common/sip/chars.h"
#include "common/sip/uri.h"

/* RFC 3261 25.1: four numbers of one to three digits; more than 255 is no address. */
static bool ipv4_parse(const char *p, const char *end, unsigned char out[static 4])
{
	for (unsigned i = 0; i < 4; i++) {
		const char *from;
		unsigned n = 0;

		if (i > 0 && (p == end || *p++ != '.'))
			return false;
		for (from = p; p < end && p - from < 3 && char_is(*p, CHAR_DIGIT); p++)
			n = n * 10 + (unsigned)(*p - '0');
		if (p == from || n > 255)
			return false;
		out[i] = (unsigned char)n;
	}
	return p == end;
}

/* Text without brackets. */
static bool ipv6_parse(struct span text, struct in6_addr *out)
{
	char copy[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(copy) || memchr(text.p, 0, text.len) != NULL)
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	return inet_pton(AF_INET6, copy, out) == 1;
}

/*
 * RFC 3261 25.1: labels of letters, digits and '-' that begin and end with a
 * letter or digit, the last one beginning with a letter, and one dot may
 * follow; or an IPv4 address.
 */
static const char *name_end(const char *p, const char *end, enum host_kind *kind)
{
	const char *from = p, *last = p;
	unsigned char v4[4];

	for (;;) {
		const char *label = p;

		p = chars_run(p, end, CHAR_LABEL);
		if (p == label && label > from)
			break;
		if (p == label || *label == '-' || p[-1] == '-')
			return NULL;
		last = label;
		if (p == end || *p != '.')
			break;
		p++;
	}
	*kind = char_is(*last, CHAR_ALPHA) ? HOST_NAME : HOST_IPV4;
	return *kind == HOST_NAME || ipv4_parse(from, p, v4) ? p : NULL;
}

const char *host_end(const char *p, const char *end, enum host_kind *kind)
{
	struct in6_addr v6;
	const char *close;

	if (p == end || *p != '[')
		return name_end(p, end, kind);
	close = memchr(p, ']', (size_t)(end - p));
	if (close == NULL || !ipv6_parse(chars_span(p + 1, close), &v6))
		return NULL;
	*kind = HOST_IPV6;
	return close + 1;
}

bool host_parse(struct span text, enum host_kind *kind)
{
	enum host_kind got;

	if (host_end(text.p, span_end(text), &got) != span_end(text) || text.len == 0)
		return false;
	*kind = got;
	return true;
}

/* By hand: it is asked for in every message between addresses, and inet_ntop prints by a format. */
static size_t canon_ipv4(const unsigned char v4[static 4], char out[static HOST_MAX])
{
	char *p = out;

	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			*p++ = '.';
		if (v4[i] >= 100)
			*p++ = (char)('0' + v4[i] / 100);
		if (v4[i] >= 10)
			*p++ = (char)('0' + v4[i] / 10 % 10);
		*p++ = (char)('0' + v4[i] % 10);
	}
	return (size_t)(p - out);
}

static size_t canon_ipv6(const struct in6_addr *v6, char out[static HOST_MAX])
{
	if (IN6_IS_ADDR_V4MAPPED(v6))
		return canon_ipv4(v6->s6_addr + 12, out);
	return inet_ntop(AF_INET6, v6, out, HOST_MAX) ? strlen(out) : 0;
}

size_t host_canon(struct span host, char out[static HOST_MAX])
{
	enum host_kind kind;
	struct in6_addr v6;
	unsigned char v4[4];

	if (!host_parse(host, &kind))
		return 0;
	if (kind == HOST_IPV4)
		return ipv4_parse(host.p, span_end(host), v4) ? canon_ipv4(v4, out) : 0;
	if (kind == HOST_IPV6)
		return ipv6_parse(span_of(host.p + 1, host.len - 2), &v6) ? canon_ipv6(&v6, out) : 0;
	if (host.p[host.len - 1] == '.')
		host.len--;
	if (host.len > HOST_MAX)
		return 0;
	span_lower(host, out);
	return host.len;
}

/* *( ";" pname [ "=" pvalue ] ): the end of the list, NULL when it is none. */
static const char *params_end(const char *p, const char *end)
{
	while (p < end && *p == ';') {
		const char *name = p + 1;

		p = chars_run_escaped(name, end, CHAR_PARAM);
		if (p == name)
			return NULL;
		if (p < end && *p == '=') {
			const char *value = p + 1;

			p = chars_run_escaped(value, end, CHAR_PARAM);
			if (p == value)
				return NULL;
		}
	}
	return p;
}

/* "?" hname "=" hvalue *( "&" ... ): the end, NULL when it is no such list.  *p is '?'. */
static const char *headers_end(const char *p, const char *end)
{
	do {
		const char *name = p + 1;

		p = chars_run_escaped(name, end, CHAR_URI_HEADER);
		if (p == name || p == end || *p != '=')
			return NULL;
		p = chars_run_escaped(p + 1, end, CHAR_URI_HEADER);
	} while (p < end && *p == '&');
	return p;
}

/* [ userinfo "@" ]: what stands behind it; p itself when there is none. */
static const char *userinfo(const char *p, const char *end, struct sip_uri *u)
{
	const char *user_end = chars_run_escaped(p, end, CHAR_USER);
	const char *at = user_end;

	if (at < end && *at == ':')
		at = chars_run_escaped(at + 1, end, CHAR_PASSWORD);
	if (at == end || *at != '@')
		return p;
	u->user = chars_span(p, user_end);
	if (at > user_end)
		u->password = chars_span(user_end + 1, at);
	return at + 1;
}

/* host [ ":" port ]; NULL when it does not parse. */
static const char *hostport(const char *p, const char *end, struct sip_uri *u)
{
	const char *host = p;
	uint64_t port;

	p = host_end(host, end, &u->host_kind);
	if (p == NULL)
		return NULL;
	u->host = chars_span(host, p);
	if (p < end && *p == ':') {
		const char *digits = p + 1;

		p = chars_run(digits, end, CHAR_DIGIT);
		if (!span_u64(chars_span(digits, p), 65535, &port) || port == 0)
			return NULL;
		u->port = (uint16_t)port;
	}
	return p;
}

/* RFC 3261 19.1.1, behind "sip:". */
static bool sip_parse(const char *p, const char *end, struct sip_uri *u)
{
	const char *params;

	p = userinfo(p, end, u);
	if (u->user.p && u->user.len == 0)
		return false;
	p = hostport(p, end, u);
	if (p == NULL)
		return false;
	params = p;
	p = params_end(p, end);
	if (p == NULL)
		return false;
	u->params = params < p ? chars_span(params + 1, p) : chars_span(p, p);
	u->headers = chars_span(p, p);
	if (p < end && *p == '?') {
		u->headers.p = p + 1;
		p = headers_end(p, end);
		if (p == NULL)
			return false;
		u->headers.len = (size_t)(p - u->headers.p);
	}
	return p == end;
}

/*
 * RFC 3966 3, behind "tel:".  A local number without phone-context is taken:
 * RFC 3966 wants one, but many senders leave it out.
 */
static bool tel_parse(const char *p, const char *end, struct sip_uri *u)
{
	const char *number = p;
	const char *params;
	bool digit = false;

	if (p < end && *p == '+')
		p++;
	for (; p < end && char_is(*p, CHAR_PHONE); p++) {
		bool decimal = char_is(*p, CHAR_DIGIT);

		digit |= decimal || (*number != '+' && (*p == '*' || *p == '#' || char_is(*p, CHAR_HEX)));
		if (*number == '+' && !decimal && (*p == '*' || *p == '#' || char_is(*p, CHAR_HEX)))
			return false;
	}
	if (!digit)
		return false;
	u->user = chars_span(number, p);
	params = p;
	p = params_end(p, end);
	if (p != end)
		return false;
	u->params = params < p ? chars_span(params + 1, p) : chars_span(p, p);
	u->headers = chars_span(p, p);
	return true;
}

/* RFC 2396 3: anything printable, but for what delimits a URI in a header; '%' only as an escape. */
static bool other_parse(const char *p, const char *end)
{
	return p < end && chars_run_escaped(p, end, CHAR_OTHER) == end;
}

static enum uri_scheme scheme_of(struct span text)
{
	if (text.len == 3 && span_ieq(text, SPAN("sip")))
		return URI_SIP;
	if (text.len == 4 && span_ieq(text, SPAN("sips")))
		return URI_SIPS;
	if (text.len == 3 && span_ieq(text, SPAN("tel")))
		return URI_TEL;
	return URI_OTHER;
}

static bool scheme_rest_parse(const char *p, const char *end, struct sip_uri *u)
{
	switch (u->scheme) {
	case URI_SIP:
	case URI_SIPS:
		return sip_parse(p, end, u);
	case URI_TEL:
		return tel_parse(p, end, u);
	case URI_OTHER:
		return other_parse(p, end);
	}
	return false;
}

bool uri_parse(struct span text, struct sip_uri *out)
{
	const char *end = span_end(text);
	const char *colon = chars_run(text.p, end, CHAR_SCHEME);
	struct sip_uri u = {.whole = text};

	if (colon == text.p || colon == end || *colon != ':' || !char_is(*text.p, CHAR_ALPHA))
		return false;
	u.scheme_text = chars_span(text.p, colon);
	u.scheme = scheme_of(u.scheme_text);
	if (!scheme_rest_parse(colon + 1, end, &u))
		return false;
	*out = u;
	return true;
}

bool uri_param(struct span params, struct span name, struct span *value)
{
	struct span one;

	while (span_cut(&params, ';', &one)) {
		size_t eq = span_find(one, '=');

		if (!span_ieq(span_head(one, eq), name))
			continue;
		*value = span_from(one, eq + 1);
		return true;
	}
	return false;
}
