#include "common/dn_internal.h"

#define ID_AT "\x55\x04"
#define PILOT "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01"
#define PKCS9 "\x2a\x86\x48\x86\xf7\x0d\x01\x09"
#define MS_JURISDICTION "\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01"

#define ROW(name, oid) { name, oid, sizeof(oid) - 1 }

static const struct dn_keyword keywords[] = {
	ROW("CN", ID_AT "\x03"), ROW("commonName", ID_AT "\x03"),
	ROW("C", ID_AT "\x06"), ROW("countryName", ID_AT "\x06"),
	ROW("L", ID_AT "\x07"), ROW("localityName", ID_AT "\x07"),
	ROW("ST", ID_AT "\x08"), ROW("S", ID_AT "\x08"), ROW("stateOrProvinceName", ID_AT "\x08"),
	ROW("STREET", ID_AT "\x09"), ROW("streetAddress", ID_AT "\x09"),
	ROW("O", ID_AT "\x0a"), ROW("organizationName", ID_AT "\x0a"),
	ROW("OU", ID_AT "\x0b"), ROW("organizationalUnitName", ID_AT "\x0b"),
	ROW("surname", ID_AT "\x04"),
	ROW("serialNumber", ID_AT "\x05"),
	ROW("title", ID_AT "\x0c"),
	ROW("description", ID_AT "\x0d"),
	ROW("businessCategory", ID_AT "\x0f"),
	ROW("postalAddress", ID_AT "\x10"),
	ROW("postalCode", ID_AT "\x11"),
	ROW("postOfficeBox", ID_AT "\x12"),
	ROW("physicalDeliveryOfficeName", ID_AT "\x13"),
	ROW("telephoneNumber", ID_AT "\x14"),
	ROW("telexNumber", ID_AT "\x15"),
	ROW("facsimileTelephoneNumber", ID_AT "\x17"),
	ROW("x121Address", ID_AT "\x18"),
	ROW("internationaliSDNNumber", ID_AT "\x19"),
	ROW("registeredAddress", ID_AT "\x1a"),
	ROW("destinationIndicator", ID_AT "\x1b"),
	ROW("member", ID_AT "\x1f"), ROW("owner", ID_AT "\x20"),
	ROW("roleOccupant", ID_AT "\x21"), ROW("seeAlso", ID_AT "\x22"),
	ROW("name", ID_AT "\x29"),
	ROW("GN", ID_AT "\x2a"), ROW("givenName", ID_AT "\x2a"),
	ROW("initials", ID_AT "\x2b"),
	ROW("generationQualifier", ID_AT "\x2c"),
	ROW("x500UniqueIdentifier", ID_AT "\x2d"),
	ROW("dnQualifier", ID_AT "\x2e"),
	ROW("distinguishedName", ID_AT "\x31"),
	ROW("uniqueMember", ID_AT "\x32"),
	ROW("houseIdentifier", ID_AT "\x33"),
	ROW("dmdName", ID_AT "\x36"),
	ROW("pseudonym", ID_AT "\x41"),
	ROW("role", ID_AT "\x48"),
	ROW("organizationIdentifier", ID_AT "\x61"),
	ROW("c3", ID_AT "\x62"), ROW("countryCode3c", ID_AT "\x62"),
	ROW("n3", ID_AT "\x63"), ROW("countryCode3n", ID_AT "\x63"),
	ROW("dnsName", ID_AT "\x64"),
	ROW("DC", PILOT "\x19"), ROW("domainComponent", PILOT "\x19"),
	ROW("UID", PILOT "\x01"), ROW("userId", PILOT "\x01"),
	ROW("mail", PILOT "\x03"), ROW("rfc822Mailbox", PILOT "\x03"),
	ROW("info", PILOT "\x04"),
	ROW("roomNumber", PILOT "\x06"),
	ROW("userClass", PILOT "\x08"),
	ROW("host", PILOT "\x09"),
	ROW("associatedDomain", PILOT "\x25"),
	ROW("friendlyCountryName", PILOT "\x2b"),
	ROW("uniqueIdentifier", PILOT "\x2c"), /* which OpenSSL prints as uid: that is userId here, RFC 4514 3 */
	ROW("organizationalStatus", PILOT "\x2d"),
	ROW("buildingName", PILOT "\x30"),
	ROW("emailAddress", PKCS9 "\x01"), ROW("E", PKCS9 "\x01"), ROW("Email", PKCS9 "\x01"),
	ROW("unstructuredName", PKCS9 "\x02"),
	ROW("unstructuredAddress", PKCS9 "\x08"),
	ROW("jurisdictionL", MS_JURISDICTION "\x01"), ROW("jurisdictionLocalityName", MS_JURISDICTION "\x01"),
	ROW("jurisdictionST", MS_JURISDICTION "\x02"), ROW("jurisdictionStateOrProvinceName", MS_JURISDICTION "\x02"),
	ROW("jurisdictionC", MS_JURISDICTION "\x03"), ROW("jurisdictionCountryName", MS_JURISDICTION "\x03"),
};

const struct dn_keyword *dn_keyword_of(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (span_ieq(name, span_str(keywords[i].name)))
			return &keywords[i];
	return NULL;
}

const struct dn_keyword *dn_keyword_of_oid(struct span oid)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (span_eq(oid, span_of(keywords[i].oid, keywords[i].oid_len)))
			return &keywords[i];
	return NULL;
}

/* ---- attribute types ---- */

#define OID_MAX 64

static bool put_arc(uint64_t arc, uint8_t *out, size_t *len)
{
	uint8_t digits[10];
	size_t n = 0;

	do {
		digits[n++] = arc & 0x7f;
		arc >>= 7;
	} while (arc);
	if (*len + n > OID_MAX)
		return false;
	while (n--)
		out[(*len)++] = digits[n] | (n ? 0x80 : 0);
	return true;
}

/* "2.5.4.3" to DER content octets; 0: it is no OID. */
static size_t dotted_oid(struct span text, uint8_t out[static OID_MAX])
{
	struct span part;
	uint64_t arc, first = 0;
	size_t len = 0, n = 0;

	for (; span_cut(&text, '.', &part); n++) {
		if (!span_u64(part, UINT64_MAX - 80, &arc) || (part.len > 1 && part.p[0] == '0'))
			return 0;
		if (n == 0) {
			if (arc > 2)
				return 0;
			first = arc;
		} else if (n == 1) {
			if (first < 2 && arc > 39)
				return 0;
			if (!put_arc(first * 40 + arc, out, &len))
				return 0;
		} else if (!put_arc(arc, out, &len)) {
			return 0;
		}
	}
	return n >= 2 ? len : 0;
}

/* The type before '='; *oid points into the table or into `room`. */
static enum dn_status read_type(struct span name, uint8_t room[static OID_MAX], struct span *oid)
{
	const struct dn_keyword *k;
	size_t len;

	if (span_ieq(name, SPAN("SN")))
		return DN_AMBIGUOUS_SN;
	k = dn_keyword_of(name);
	if (k) {
		*oid = span_of(k->oid, k->oid_len);
		return DN_OK;
	}
	if (span_istarts(name, SPAN("OID.")))
		name = span_from(name, 4);
	len = dotted_oid(name, room);
	*oid = span_of(room, len);
	return len ? DN_OK : DN_BAD_TYPE;
}

/* ---- values ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_pair(struct span s, uint8_t *out)
{
	int hi, lo;

	if (s.len < 2 || (hi = hex_digit(s.p[0])) < 0 || (lo = hex_digit(s.p[1])) < 0)
		return false;
	*out = (uint8_t)(hi << 4 | lo);
	return true;
}

/* State of one text; positions are offsets, for the complaint. */
struct parser {
	struct span text;
	size_t at;
	struct dn_writer w;
	uint8_t value[DN_MAX]; /* the value being read, unescaped */
};

static bool at_end(const struct parser *p)
{
	return p->at >= p->text.len;
}

static char peek(const struct parser *p)
{
	return at_end(p) ? '\0' : p->text.p[p->at];
}

static void skip_blanks(struct parser *p)
{
	while (!at_end(p) && (peek(p) == ' ' || peek(p) == '\t'))
		p->at++;
}

/* '#' and hex digits: the DER of the value. */
static enum dn_status hex_value(struct parser *p, struct span oid)
{
	struct span der, rest, content, whole;
	size_t len = 0;
	unsigned tag;

	for (p->at++; !at_end(p) && hex_digit(peek(p)) >= 0; p->at += 2)
		if (len == DN_MAX || !hex_pair(span_from(p->text, p->at), &p->value[len++]))
			return DN_BAD_SYNTAX;
	der = rest = span_of(p->value, len);
	if (!dn_der_next(&rest, &tag, &content, &whole) || rest.len)
		return DN_BAD_SYNTAX;
	skip_blanks(p);
	return dn_is_string(tag) ? dn_write_string(&p->w, oid, tag, content) : dn_write_der(&p->w, oid, der);
}

/* Behind a backslash: a hex pair, or a character taken as it is. */
static enum dn_status escaped(struct parser *p, uint8_t *c)
{
	p->at++;
	if (at_end(p))
		return DN_BAD_SYNTAX;
	if (hex_pair(span_from(p->text, p->at), c)) {
		p->at += 2;
		return DN_OK;
	}
	if (!memchr(" \"#+,;<=>\\/", peek(p), 11))
		return DN_BAD_SYNTAX;
	*c = (uint8_t)peek(p);
	p->at++;
	return DN_OK;
}

/* RFC 4514 value, or one in quotes (RFC 2253); blanks around it do not count. */
static enum dn_status text_value(struct parser *p, struct span oid)
{
	bool quoted = peek(p) == '"';
	enum dn_status st;
	size_t len = 0;

	p->at += quoted;
	while (!at_end(p) && (quoted ? peek(p) != '"' : !memchr(",;+", peek(p), 3))) {
		uint8_t c = (uint8_t)peek(p);

		if (len == DN_MAX)
			return DN_TOO_LONG;
		if (c == '\\') {
			st = escaped(p, &c);
			if (st != DN_OK)
				return st;
		} else if (!quoted && memchr("\"<>", c, 3)) {
			return DN_BAD_SYNTAX;
		} else {
			p->at++;
		}
		p->value[len++] = c;
	}
	if (quoted) {
		if (at_end(p))
			return DN_BAD_SYNTAX;
		p->at++;
		skip_blanks(p);
	}
	return dn_write_string(&p->w, oid, DN_UTF8, span_of(p->value, len));
}

/* type '=' value */
static enum dn_status attribute(struct parser *p)
{
	uint8_t room[OID_MAX];
	struct span rest, oid;
	enum dn_status st;
	size_t eq;

	skip_blanks(p);
	rest = span_from(p->text, p->at);
	eq = span_find(rest, '=');
	if (eq == rest.len)
		return DN_BAD_SYNTAX;
	st = read_type(span_trim(span_head(rest, eq)), room, &oid);
	if (st != DN_OK)
		return st;
	p->at += eq + 1;
	skip_blanks(p);
	return peek(p) == '#' ? hex_value(p, oid) : text_value(p, oid);
}

/* The comma form names the last RDN first: turn the records round. */
static void reverse(struct dn_writer *w, struct dn *out)
{
	const uint8_t *p = w->bytes;
	size_t at = w->len;

	out->len = w->len;
	while (p < w->bytes + w->len) {
		size_t n = 2 + ((size_t)p[0] << 8 | p[1]);

		at -= n;
		memcpy(out->bytes + at, p, n);
		p += n;
	}
}

static enum dn_status comma_form(struct parser *p, struct dn *out)
{
	enum dn_status st = DN_OK;

	for (bool more = true; more;) {
		char end;

		dn_rdn_begin(&p->w);
		if (p->w.len > DN_MAX)
			return DN_TOO_LONG;
		do {
			st = attribute(p);
			end = peek(p);
			p->at += st == DN_OK && end == '+';
		} while (st == DN_OK && end == '+');
		if (st == DN_OK)
			st = dn_rdn_end(&p->w);
		if (st != DN_OK)
			return st;
		if (!at_end(p) && end != ',' && end != ';')
			return DN_BAD_SYNTAX;
		more = !at_end(p);
		p->at += more;
	}
	reverse(&p->w, out);
	return DN_OK;
}

/* ---- the slash form ---- */

/* Does an attribute begin at this '/' or '+'?  Only before a known keyword or an OID, and '='. */
static bool begins_attribute(struct span s)
{
	uint8_t room[OID_MAX];
	struct span oid;
	size_t eq;

	if (s.len == 0 || (s.p[0] != '/' && s.p[0] != '+'))
		return false;
	s = span_from(s, 1);
	eq = span_find(s, '=');
	if (eq == s.len)
		return false;
	return read_type(span_head(s, eq), room, &oid) != DN_BAD_TYPE;
}

/* Up to the '/' or '+' that begins the next attribute; \xHH is a byte. */
static enum dn_status slash_value(struct parser *p, struct span oid)
{
	size_t len = 0;

	while (!at_end(p) && !begins_attribute(span_from(p->text, p->at))) {
		struct span rest = span_from(p->text, p->at);
		uint8_t c = (uint8_t)rest.p[0];

		if (len == DN_MAX)
			return DN_TOO_LONG;
		if (rest.len >= 4 && rest.p[0] == '\\' && rest.p[1] == 'x' && hex_pair(span_from(rest, 2), &c))
			p->at += 3;
		else if (rest.len >= 2 && rest.p[0] == '\\')
			c = (uint8_t)p->text.p[++p->at];
		p->at++;
		p->value[len++] = c;
	}
	return dn_write_string(&p->w, oid, DN_UTF8, span_of(p->value, len));
}

/* type '=' value, behind its '/' or '+' */
static enum dn_status slash_attribute(struct parser *p)
{
	struct span rest = span_from(p->text, p->at + 1), oid;
	uint8_t room[OID_MAX];
	size_t eq = span_find(rest, '=');
	enum dn_status st;

	if (eq == rest.len)
		return DN_BAD_SYNTAX;
	st = read_type(span_head(rest, eq), room, &oid);
	if (st != DN_OK)
		return st;
	p->at += eq + 2;
	return slash_value(p, oid);
}

static enum dn_status slash_form(struct parser *p, struct dn *out)
{
	enum dn_status st = DN_OK;

	while (!at_end(p) && st == DN_OK) {
		dn_rdn_begin(&p->w);
		if (p->w.len > DN_MAX)
			return DN_TOO_LONG;
		do
			st = slash_attribute(p);
		while (st == DN_OK && peek(p) == '+');
		if (st == DN_OK)
			st = dn_rdn_end(&p->w);
	}
	if (st == DN_OK) {
		memcpy(out->bytes, p->w.bytes, p->w.len);
		out->len = p->w.len;
	}
	return st;
}

enum dn_status dn_from_text(struct span text, struct dn *out, size_t *where)
{
	uint8_t bytes[DN_MAX + 8];
	struct parser p = { .text = text, .w = { .bytes = bytes } };
	enum dn_status st;

	if (span_trim(text).len == 0)
		st = DN_EMPTY;
	else if (text.len > DN_TEXT_MAX)
		st = DN_TOO_LONG;
	else if (text.p[0] == '/')
		st = slash_form(&p, out);
	else
		st = comma_form(&p, out);
	if (where)
		*where = MIN(p.at, text.len);
	return st;
}

bool dn_looks_reversed(struct span text)
{
	text = span_trim(text);
	return span_istarts(text, SPAN("C=")) || span_istarts(text, SPAN("C ="));
}
