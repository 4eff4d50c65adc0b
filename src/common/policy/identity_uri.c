#include "common/policy/identity_uri.h"

#include "common/sip/chars.h"

#define DIGITS_MAX 32 /* digits of a number that are looked at; E.164 has 15 */

static unsigned hex_value(char c)
{
	return char_is(c, CHAR_DIGIT) ? (unsigned)(c - '0') : (unsigned)(ascii_lower(c) - 'a') + 10;
}

/* The character at the start of *text, an escape decoded (the URI has parsed: two hex digits follow). */
static char next_char(struct span *text)
{
	char c = text->p[0];

	if (c == '%' && text->len >= 3) {
		c = (char)(hex_value(text->p[1]) << 4 | hex_value(text->p[2]));
		*text = span_from(*text, 3);
	} else {
		*text = span_from(*text, 1);
	}
	return c;
}

static bool hides_control(struct span text)
{
	if (span_find(text, '%') == text.len) /* the URI has parsed: as it stands it holds none */
		return false;
	while (text.len) {
		unsigned char c = (unsigned char)next_char(&text);

		if (c < 0x20 || c == 0x7f)
			return true;
	}
	return false;
}

/* ";name=value" if the URI has it; false: there is a control byte in it. */
static bool put_param(struct put *o, const struct sip_uri *uri, struct span name)
{
	struct span value;

	if (!uri_param(uri->params, name, &value) || value.len == 0)
		return true;
	put_char(o, ';');
	put_span(o, name);
	put_char(o, '=');
	put_span(o, value);
	return !hides_control(value);
}

static bool put_sip(struct put *o, const struct sip_uri *uri)
{
	put_span(o, uri->scheme == URI_SIPS ? SPAN("<sips:") : SPAN("<sip:"));
	if (uri->user.p) {
		put_span(o, uri->user);
		put_char(o, '@');
	}
	put_lower(o, uri->host);
	if (uri->port) {
		put_char(o, ':');
		put_uint(o, uri->port);
	}
	return put_param(o, uri, SPAN("user"));
}

static bool put_tel(struct put *o, const struct sip_uri *uri)
{
	put_span(o, SPAN("<tel:"));
	put_span(o, uri->user);
	return put_param(o, uri, SPAN("phone-context"));
}

bool identity_uri_put(struct put *o, const struct sip_uri *uri)
{
	bool good;

	if (uri->scheme == URI_OTHER || hides_control(uri->user))
		return false;
	good = uri->scheme == URI_TEL ? put_tel(o, uri) : put_sip(o, uri);
	put_char(o, '>');
	return good && !o->full;
}

/* ---- numbers ---- */

/* The digits of a global number ("+49-30/..." without '+' and separators); 0: it is none. */
static size_t e164_digits(struct span user, char out[static DIGITS_MAX])
{
	size_t n = 0;

	if (user.len == 0 || next_char(&user) != '+')
		return 0;
	while (user.len) {
		char c = next_char(&user);

		if (c == ';') /* parameters of a telephone-subscriber in a SIP URI */
			break;
		if (c >= '0' && c <= '9') {
			if (n < DIGITS_MAX)
				out[n++] = c;
		} else if (c != '-' && c != '.' && c != '(' && c != ')') { /* RFC 3966 visual-separator */
			return 0;
		}
	}
	return n;
}

static bool number_vouched(const struct image *img, const struct image_identity *row, struct span user)
{
	const struct image_str *prefix = image_at(img, row->numbers);
	char text[DIGITS_MAX];
	struct span digits = span_of(text, e164_digits(user, text));

	for (uint64_t i = 0; i < row->numbers.count; i++)
		if (digits.len && span_istarts(digits, image_text(img, prefix[i])))
			return true;
	return false;
}

/* Does the URI name a telephone number: by scheme, by user=phone, or by being written as one? */
static bool is_number(const struct sip_uri *uri)
{
	char digits[DIGITS_MAX];
	struct span kind;

	if (uri->scheme == URI_TEL || e164_digits(uri->user, digits))
		return true;
	return uri_param(uri->params, SPAN("user"), &kind) && span_ieq(kind, SPAN("phone"));
}

/* ---- hosts ---- */

/* Two entries of one name (for two certificates, say) are one domain. */
static bool same_name(const struct image *img, uint32_t a, uint32_t b)
{
	return (img->domain[a].flags & DOMAIN_WILDCARD) == (img->domain[b].flags & DOMAIN_WILDCARD) &&
	    span_eq(image_domain_name(img, a), image_domain_name(img, b));
}

/* Without `vouches_for`: anybody, but neither we nor somebody else who is configured. */
static bool host_is_free(const struct image *img, uint32_t domain, struct span host)
{
	uint32_t other;

	if (image_host_flags(img, host) || image_host_is_local(img, host))
		return false;
	other = image_find_domain(img, host);
	return other == IMAGE_NONE || other == domain || same_name(img, other, domain);
}

static bool host_listed(const struct image *img, const struct image_identity *row, uint32_t domain, struct span host)
{
	const struct image_str *vouches = image_at(img, row->vouches);

	if (img->domain[domain].flags & DOMAIN_VOUCHES_OWN && image_domain_covers(img, domain, host))
		return true;
	for (uint64_t i = 0; i < row->vouches.count; i++) {
		struct span pattern = image_text(img, vouches[i]);

		if (span_eq(pattern, host))
			return true;
		if (pattern.len && pattern.p[0] == '.' && host.len > pattern.len && span_iends(host, pattern))
			return true;
	}
	return false;
}

bool identity_uri_vouched(const struct image *img, uint32_t domain, const struct sip_uri *uri)
{
	const struct image_identity *row = &img->identity[image_policy_of(img, domain)->identity];
	char text[HOST_MAX];
	struct span host;

	if (row->numbers.count && is_number(uri) && !number_vouched(img, row, uri->user))
		return false;
	if (uri->scheme == URI_TEL)
		return true;
	host = span_of(text, host_canon(uri->host, text));
	if (host.len == 0)
		return false;
	return row->vouches_default ? host_is_free(img, domain, host) : host_listed(img, row, domain, host);
}
