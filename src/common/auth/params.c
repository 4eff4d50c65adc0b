#include "common/auth/params.h"

#include "common/sip/chars.h"

/* One parameter as it stands. */
struct param {
	struct span name, value; /* value without its quotes */
	bool quoted, escaped;
};

enum known { USERNAME, REALM, NONCE, URI, RESPONSE, ALGORITHM, CNONCE, QOP, NC, OPAQUE, USERHASH, KNOWN_COUNT };

/* RFC 7616 3.4: which are quoted, and which must be there. */
static const struct {
	struct span name;
	bool quoted, needed, escapes;
} known[KNOWN_COUNT] = {
	[USERNAME] = { { "username", 8 }, true, true, true },
	[REALM] = { { "realm", 5 }, true, true, true },
	[NONCE] = { { "nonce", 5 }, true, true, false },
	[URI] = { { "uri", 3 }, true, true, false },
	[RESPONSE] = { { "response", 8 }, true, true, false },
	[ALGORITHM] = { { "algorithm", 9 }, false, false, false },
	[CNONCE] = { { "cnonce", 6 }, true, true, false },
	[QOP] = { { "qop", 3 }, false, true, false },
	[NC] = { { "nc", 2 }, false, true, false },
	[OPAQUE] = { { "opaque", 6 }, true, false, true },
	[USERHASH] = { { "userhash", 8 }, false, false, false },
};

/* The closing quote of a string whose opening one is before p; NULL: there is none. */
static const char *quoted_end(const char *p, const char *end, bool *escaped)
{
	for (*escaped = false;;) {
		p = chars_run(p, end, CHAR_QUOTED);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p;
		if (*p != '\\' || end - p < 2 || (unsigned char)p[1] > 0x7f || p[1] == '\r' || p[1] == '\n' || p[1] == '\0')
			return NULL;
		*escaped = true;
		p += 2;
	}
}

/* name EQUAL (token / quoted-string); the byte behind it, or NULL. */
static const char *read_param(const char *p, const char *end, struct param *out)
{
	const char *from = p;

	*out = (struct param){ 0 };
	p = chars_run(p, end, CHAR_TOKEN);
	out->name = chars_span(from, p);
	p = chars_blanks(p, end);
	if (out->name.len == 0 || p == end || *p != '=')
		return NULL;
	p = chars_blanks(p + 1, end);
	from = p;
	if (p < end && *p == '"') {
		p = quoted_end(++from, end, &out->escaped);
		if (!p)
			return NULL;
		out->quoted = true;
		out->value = chars_span(from, p);
		return p + 1;
	}
	p = chars_run(p, end, CHAR_TOKEN);
	out->value = chars_span(from, p);
	return out->value.len ? p : NULL;
}

/* Names are compared without case; each stands there once, one that we do not know too. */
static bool doubled(const struct param *p, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_ieq(p[i].name, p[count].name))
			return true;
	return false;
}

/* How many; 0: not by grammar. */
static size_t read_all(struct span rest, struct param list[static AUTH_PARAMS_MAX])
{
	const char *p = chars_blanks(rest.p, span_end(rest)), *end = span_end(rest);
	size_t count = 0;

	for (;;) {
		if (count == AUTH_PARAMS_MAX)
			return 0;
		p = read_param(p, end, &list[count]);
		if (!p || doubled(list, count))
			return 0;
		count++;
		p = chars_blanks(p, end);
		if (p == end)
			return count;
		if (*p != ',')
			return 0;
		p = chars_blanks(p + 1, end);
	}
}

static bool unescape(struct span s, char *out, size_t cap, size_t *len)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++; /* what follows is there: the grammar has been checked */
		if (n == cap)
			return false;
		out[n++] = s.p[i];
	}
	*len = n;
	return true;
}

static bool hex_lower(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!char_is(s.p[i], CHAR_DIGIT) && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	return s.len > 0;
}

/* nc-value = 8LHEX; capitals do no harm, since what came is hashed. */
static bool read_nc(struct span s, uint32_t *out)
{
	uint32_t n = 0;

	if (s.len != 8)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = ascii_lower(s.p[i]);

		if (!char_is(c, CHAR_HEX))
			return false;
		n = n << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out = n;
	return n > 0;
}

/* Put the known ones into their places; false: one has the wrong form. */
static bool sort_out(const struct param *list, size_t count, const struct param *found[static KNOWN_COUNT])
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < KNOWN_COUNT; k++)
			if (span_ieq(list[i].name, known[k].name)) {
				if (list[i].quoted != known[k].quoted || (list[i].escaped && !known[k].escapes))
					return false;
				found[k] = &list[i];
			}
	for (size_t k = 0; k < KNOWN_COUNT; k++)
		if (known[k].needed && !found[k])
			return false;
	return true;
}

enum auth_params_status auth_params_parse(struct span value, struct span realm, struct auth_params *out)
{
	const char *end = chars_run(value.p, span_end(value), CHAR_TOKEN);
	const struct param *found[KNOWN_COUNT] = { NULL };
	struct param list[AUTH_PARAMS_MAX];
	char name[AUTH_NAME_MAX];
	struct auth_params a = { 0 };
	size_t count, len;

	if (!span_ieq(chars_span(value.p, end), SPAN("Digest")))
		return AUTH_PARAMS_FOREIGN;
	if (end == span_end(value) || !char_is(*end, CHAR_BLANK))
		return AUTH_PARAMS_BAD;
	count = read_all(chars_span(end, span_end(value)), list);
	for (size_t i = 0; i < count; i++) /* another's are not ours to find fault with */
		if (span_ieq(list[i].name, SPAN("realm")) && list[i].quoted &&
		    (!unescape(list[i].value, name, sizeof(name), &len) || !span_eq(span_of(name, len), realm)))
			return AUTH_PARAMS_FOREIGN;
	if (count == 0 || !sort_out(list, count, found) || !unescape(found[USERNAME]->value, a.username, sizeof(a.username), &a.username_len) ||
	    !span_ieq(found[QOP]->value, SPAN("auth")) || !read_nc(found[NC]->value, &a.nc) || !hex_lower(found[RESPONSE]->value) ||
	    found[CNONCE]->value.len == 0 || (found[USERHASH] && !span_ieq(found[USERHASH]->value, SPAN("false"))))
		return AUTH_PARAMS_BAD;
	a.nonce = found[NONCE]->value;
	a.uri = found[URI]->value;
	a.cnonce = found[CNONCE]->value;
	a.response = found[RESPONSE]->value;
	a.nc_text = found[NC]->value;
	a.algorithm = found[ALGORITHM] ? found[ALGORITHM]->value : SPAN_NONE;
	*out = a;
	return AUTH_PARAMS_READY;
}
