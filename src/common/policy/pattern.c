#include "common/policy/pattern.h"

#include "common/put.h"
#include "common/sip/chars.h"

#define SEPARATORS "-.()" /* RFC 3966 3: visual-separator */

/* ---- reading a text in its one spelling ---- */

/* A place in the pieces of a text.  A pattern being written has '*' of its own, which stay as they are. */
struct cursor {
	const struct pattern_piece *piece, *end;
	struct span rest; /* of the piece in hand */
	char pending[2];  /* the rest of an escape, last character first */
	uint8_t pending_count;
	bool stars_stay;
};

static struct cursor cursor_at(const struct pattern_piece *piece, size_t count)
{
	return (struct cursor){ .piece = piece, .end = piece + count, .rest = count ? piece->text : SPAN_NONE };
}

static unsigned hex_value(char c)
{
	return char_is(c, CHAR_DIGIT) ? (unsigned)(c - '0') : (unsigned)(ascii_lower(c) - 'a') + 10;
}

/* Take one character of a user part or number; *escaped: it was written as %HH. */
static unsigned char take(struct span *text, bool *escaped)
{
	unsigned char c = (unsigned char)text->p[0];

	*escaped = c == '%' && text->len >= 3;
	if (*escaped)
		c = (unsigned char)(hex_value(text->p[1]) << 4 | hex_value(text->p[2]));
	*text = span_from(*text, *escaped ? 3 : 1);
	return c;
}

/* One character of a user part: itself, or the first of its escape. */
static int spell(struct cursor *c, unsigned char b, bool escaped)
{
	bool literal = b > 0x20 && b < 0x7f && b != '%' && b != '*' && b != '@';

	if (literal || (c->stars_stay && b == '*' && !escaped))
		return b;
	c->pending[0] = "0123456789ABCDEF"[b & 15];
	c->pending[1] = "0123456789ABCDEF"[b >> 4];
	c->pending_count = 2;
	return '%';
}

/* The next character, -1 at the end. */
static int next(struct cursor *c)
{
	if (c->pending_count)
		return c->pending[--c->pending_count];
	while (c->piece < c->end) {
		enum pattern_reading how = c->piece->reading;
		unsigned char b;
		bool escaped;

		if (c->rest.len == 0) {
			if (++c->piece < c->end)
				c->rest = c->piece->text;
			continue;
		}
		if (how == READ_PLAIN || how == READ_LOWER) {
			char plain = *c->rest.p;

			c->rest = span_from(c->rest, 1);
			return (unsigned char)(how == READ_LOWER ? ascii_lower(plain) : plain);
		}
		b = take(&c->rest, &escaped);
		if (how == READ_USER)
			return spell(c, b, escaped);
		if (b == ';')
			c->rest = span_from(c->rest, c->rest.len);
		else if (!b || !strchr(SEPARATORS, b))
			return spell(c, (unsigned char)ascii_lower((char)b), escaped);
	}
	return -1;
}

/* ---- matching ---- */

static bool matches(struct span pattern, struct cursor text)
{
	size_t at = 0, star = SIZE_MAX; /* behind the last '*' */
	struct cursor mark = text;	/* what that '*' has not taken yet */

	for (;;) {
		struct cursor ahead = text;
		int c = next(&ahead);

		if (c < 0)
			break;
		if (at < pattern.len && pattern.p[at] == '*') {
			star = ++at;
			mark = text;
		} else if (at < pattern.len && (unsigned char)pattern.p[at] == c) {
			at++;
			text = ahead;
		} else if (star == SIZE_MAX) {
			return false;
		} else { /* the '*' takes one more */
			(void)next(&mark); /* it has one: text is at or behind it */
			text = mark;
			at = star;
		}
	}
	while (at < pattern.len && pattern.p[at] == '*')
		at++;
	return at == pattern.len;
}

bool pattern_matches_text(struct span pattern, struct span value)
{
	const struct pattern_piece piece = { value, READ_LOWER };

	return matches(pattern, cursor_at(&piece, 1));
}

bool pattern_matches_uri(struct span canonical, const struct pattern_uri *uri)
{
	const struct pattern_piece host = { span_of(uri->host, uri->host_len), READ_PLAIN };

	if (canonical.len && canonical.p[0] == '@')
		return uri->host_len && matches(span_from(canonical, 1), cursor_at(&host, 1));
	return matches(canonical, cursor_at(uri->piece, uri->count));
}

/* ---- a URI ---- */

/* "+", then digits, separators, and in a pattern '*', up to the parameters. */
static bool is_number(struct span user, bool stars)
{
	bool escaped;

	if (user.len == 0 || take(&user, &escaped) != '+')
		return false;
	while (user.len) {
		unsigned char c = take(&user, &escaped);

		if (c == ';')
			break;
		if (!char_is((char)c, CHAR_DIGIT) && (!c || !strchr(SEPARATORS, c)) && !(stars && c == '*' && !escaped))
			return false;
	}
	return true;
}

void pattern_uri_of(const struct sip_uri *uri, struct pattern_uri *out)
{
	bool sip = uri->scheme == URI_SIP || uri->scheme == URI_SIPS;

	*out = (struct pattern_uri){ .host_len = 0 };
	out->piece[out->count++] = (struct pattern_piece){ uri->scheme_text, READ_LOWER };
	out->piece[out->count++] = (struct pattern_piece){ SPAN(":"), READ_PLAIN };
	if (uri->scheme == URI_TEL)
		out->piece[out->count++] = (struct pattern_piece){ uri->user, READ_NUMBER };
	if (uri->scheme == URI_OTHER)
		out->piece[out->count++] = (struct pattern_piece){ span_from(uri->whole, uri->scheme_text.len + 1), READ_USER };
	if (sip && uri->user.p) {
		out->piece[out->count++] = (struct pattern_piece){ uri->user, is_number(uri->user, false) ? READ_NUMBER : READ_USER };
		out->piece[out->count++] = (struct pattern_piece){ SPAN("@"), READ_PLAIN };
	}
	if (sip) {
		out->host_len = host_canon(uri->host, out->host);
		out->piece[out->count++] = (struct pattern_piece){ span_of(out->host, out->host_len), READ_PLAIN };
	}
}

/* ---- a configured pattern ---- */

static bool has_star(struct span s)
{
	return span_find(s, '*') < s.len;
}

/* The host of a pattern in its one spelling; false: no host can be that. */
static bool put_host(struct put *o, struct span host)
{
	char canonical[HOST_MAX];
	size_t len;

	if (!has_star(host)) {
		len = host_canon(host, canonical);
		put_span(o, span_of(canonical, len));
		return len > 0;
	}
	if (host.len && host.p[host.len - 1] == '.')
		host.len--;
	for (size_t i = 0; i < host.len; i++)
		if (!char_is(host.p[i], CHAR_LABEL) && host.p[i] != '*' && host.p[i] != '.' && host.p[i] != ':')
			return false;
	put_lower(o, host);
	return true;
}

/* Characters that a user part or number may have, and '*'. */
static bool is_user(struct span user, unsigned classes)
{
	const char *p = user.p, *end = span_end(user);

	while (p < end && (p = chars_run_escaped(p, end, classes)) < end && *p == '*')
		p++;
	return user.len && p == end;
}

static void put_user(struct put *o, struct span user, enum pattern_reading reading)
{
	const struct pattern_piece piece = { user, reading };
	struct cursor c = cursor_at(&piece, 1);
	int b;

	c.stars_stay = true;
	while ((b = next(&c)) >= 0)
		put_char(o, (char)b);
}

/* What stands behind "sip:", "sips:", "*:" or, as in "*@a.example", behind nothing. */
static bool put_sip(struct put *o, struct span rest)
{
	size_t at = span_find(rest, '@');
	struct span user = span_head(rest, at), host = span_from(rest, at + 1);

	if (at == rest.len) {
		if (span_eq(rest, SPAN("*"))) {
			put_char(o, '*');
			return true;
		}
		/* "sip:alice*" may mean a user as well as a host: whoever writes it must say which. */
		return (!has_star(rest) || span_istarts(rest, SPAN("*."))) && put_host(o, rest);
	}
	if (!is_user(user, CHAR_USER))
		return false;
	put_user(o, user, is_number(user, true) ? READ_NUMBER : READ_USER);
	put_char(o, '@');
	return put_host(o, host);
}

static bool put_tel(struct put *o, struct span number)
{
	if (!is_user(number, CHAR_PHONE) && !(number.len > 1 && number.p[0] == '+' && is_user(span_from(number, 1), CHAR_PHONE)))
		return false;
	put_user(o, number, READ_NUMBER);
	return true;
}

/* A host that stands alone: IPv6 has colons too, but brackets around. */
static bool is_host_alone(struct span text)
{
	return span_find(text, '@') == text.len && (span_find(text, ':') == text.len || text.p[0] == '[');
}

size_t pattern_canon(struct span text, char out[static PATTERN_MAX + 1])
{
	struct put o = put_into(out, PATTERN_MAX + 1);
	size_t colon = span_find(span_head(text, span_find(text, '@')), ':');
	struct span scheme = span_head(text, colon), rest = span_from(text, colon + 1);
	bool good;

	if (text.len == 0 || text.len > PATTERN_MAX)
		return 0;
	if (span_eq(text, SPAN("*"))) {
		put_char(&o, '*');
		good = true;
	} else if (is_host_alone(text)) {
		put_char(&o, '@');
		good = put_host(&o, text);
	} else if (colon == span_find(text, '@')) {
		good = text.p[0] == '*' && put_sip(&o, text);
	} else {
		put_lower(&o, scheme);
		put_char(&o, ':');
		if (span_ieq(scheme, SPAN("tel")))
			good = put_tel(&o, rest);
		else
			good = (span_ieq(scheme, SPAN("sip")) || span_ieq(scheme, SPAN("sips")) || span_eq(scheme, SPAN("*"))) &&
			    put_sip(&o, rest);
	}
	return good ? put_done(&o).len : 0;
}
