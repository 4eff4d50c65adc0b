#include "common/dn_internal.h"

const char *dn_status_name(enum dn_status st)
{
	switch (st) {
	case DN_OK:
		return "ok";
	case DN_EMPTY:
		return "empty name";
	case DN_TOO_LONG:
		return "name too long";
	case DN_HAS_NUL:
		return "NUL byte in a value";
	case DN_UNDECODABLE:
		return "value not valid in its encoding";
	case DN_BAD_SYNTAX:
		return "bad syntax";
	case DN_BAD_TYPE:
		return "unknown attribute type";
	case DN_AMBIGUOUS_SN:
		return "SN is ambiguous: write surname or serialNumber";
	}
	return "unknown";
}

/* ---- characters ---- */

bool dn_is_string(unsigned tag)
{
	switch (tag) {
	case DN_UTF8:
	case DN_PRINTABLE:
	case DN_TELETEX:
	case DN_IA5:
	case DN_VISIBLE:
	case DN_UNIVERSAL:
	case DN_BMP:
		return true;
	}
	return false;
}

static bool is_character(uint32_t c)
{
	return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

/* Shortest form only, no surrogates, nothing above U+10FFFF. */
static bool next_utf8(struct span *s, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)s->p[0];
	size_t more = first < 0x80 ? 0 : (first & 0xe0) == 0xc0 ? 1 : (first & 0xf0) == 0xe0 ? 2 : (first & 0xf8) == 0xf0 ? 3 : 4;
	uint32_t v;

	if (more > 3 || s->len <= more)
		return false;
	v = more == 0 ? first : first & (0x3fU >> more);
	for (size_t i = 1; i <= more; i++) {
		unsigned char b = (unsigned char)s->p[i];

		if ((b & 0xc0) != 0x80)
			return false;
		v = v << 6 | (b & 0x3fU);
	}
	if (v < least[more] || !is_character(v))
		return false;
	*s = span_from(*s, more + 1);
	*c = v;
	return true;
}

static bool next_wide(struct span *s, size_t width, uint32_t *c)
{
	uint32_t v = 0;

	if (s->len < width)
		return false;
	for (size_t i = 0; i < width; i++)
		v = v << 8 | (unsigned char)s->p[i];
	if (!is_character(v))
		return false;
	*s = span_from(*s, width);
	*c = v;
	return true;
}

bool dn_next_char(struct span *s, unsigned tag, uint32_t *c)
{
	if (s->len == 0)
		return false;
	if (tag == DN_UTF8)
		return next_utf8(s, c);
	return next_wide(s, tag == DN_BMP ? 2 : tag == DN_UNIVERSAL ? 4 : 1, c);
}

size_t dn_put_utf8(uint32_t c, uint8_t out[static 4])
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* ---- DER ---- */

bool dn_der_next(struct span *s, unsigned *tag, struct span *content, struct span *whole)
{
	const uint8_t *p = (const uint8_t *)s->p;
	size_t len, head = 2;

	if (s->len < 2 || (p[0] & 0x1f) == 0x1f)
		return false;
	len = p[1];
	if (len & 0x80) {
		size_t n = len & 0x7f;

		if (n == 0 || n > 4 || s->len < 2 + n)
			return false;
		len = 0;
		for (size_t i = 0; i < n; i++)
			len = len << 8 | p[2 + i];
		head += n;
	}
	if (s->len - head < len)
		return false;
	*tag = p[0];
	*content = span_of(s->p + head, len);
	*whole = span_of(s->p, head + len);
	*s = span_from(*s, head + len);
	return true;
}

/* ---- writing ---- */

static void put16(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static size_t get16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

void dn_rdn_begin(struct dn_writer *w)
{
	w->rdn = w->len;
	w->len += 2; /* its length, when it is known */
	w->avas = 0;
}

/* Bytes of the attribute that begins at p. */
static size_t ava_size(const uint8_t *p)
{
	return 1 + (size_t)p[0] + 1 + 2 + get16(p + 1 + p[0] + 1);
}

static int ava_compare(const uint8_t *a, const uint8_t *b)
{
	size_t a_len = ava_size(a), b_len = ava_size(b);
	int c = memcmp(a, b, MIN(a_len, b_len));

	return c ? c : a_len < b_len ? -1 : a_len > b_len;
}

/* Attributes of one RDN are a set: bring them into one order, whatever the certificate's. */
static void sort_rdn(struct dn_writer *w)
{
	const uint8_t *at[DN_AVA_MAX], *p = w->bytes + w->rdn + 2;
	uint8_t copy[DN_MAX];
	size_t len = 0;

	for (size_t i = 0; i < w->avas; i++, p += ava_size(p)) {
		size_t j = i;

		for (; j > 0 && ava_compare(at[j - 1], p) > 0; j--)
			at[j] = at[j - 1];
		at[j] = p;
	}
	for (size_t i = 0; i < w->avas; i++) {
		memcpy(copy + len, at[i], ava_size(at[i]));
		len += ava_size(at[i]);
	}
	memcpy(w->bytes + w->rdn + 2, copy, len);
}

enum dn_status dn_rdn_end(struct dn_writer *w)
{
	if (w->len > DN_MAX)
		return DN_TOO_LONG;
	if (w->avas > 1)
		sort_rdn(w);
	put16(w->bytes + w->rdn, w->len - w->rdn - 2);
	return DN_OK;
}

/* OID and kind; where the value's length goes, or NULL: too long. */
static uint8_t *begin_ava(struct dn_writer *w, struct span oid, uint8_t kind)
{
	uint8_t *p;

	if (oid.len == 0 || oid.len > 255 || w->total >= DN_AVA_MAX || w->len + oid.len + 4 > DN_MAX)
		return NULL;
	p = w->bytes + w->len;
	*p++ = (uint8_t)oid.len;
	memcpy(p, oid.p, oid.len);
	p += oid.len;
	*p++ = kind;
	w->len += oid.len + 4;
	w->avas++;
	w->total++;
	return p;
}

static bool is_space(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

enum dn_status dn_write_string(struct dn_writer *w, struct span oid, unsigned tag, struct span value)
{
	uint8_t *length = begin_ava(w, oid, DN_STRING);
	size_t start = w->len;
	bool space = false;
	uint32_t c;

	if (!length)
		return DN_TOO_LONG;
	while (value.len) {
		if (!dn_next_char(&value, tag, &c))
			return DN_UNDECODABLE;
		if (c == 0)
			return DN_HAS_NUL;
		if (is_space(c)) {
			space = true;
			continue;
		}
		if (w->len + 5 > DN_MAX)
			return DN_TOO_LONG;
		if (space && w->len > start)
			w->bytes[w->len++] = ' ';
		space = false;
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		w->len += dn_put_utf8(c, w->bytes + w->len);
	}
	put16(length, w->len - start);
	return DN_OK;
}

enum dn_status dn_write_der(struct dn_writer *w, struct span oid, struct span der)
{
	uint8_t *length = begin_ava(w, oid, DN_DER);

	if (!length || w->len + der.len > DN_MAX)
		return DN_TOO_LONG;
	put16(length, der.len);
	memcpy(w->bytes + w->len, der.p, der.len);
	w->len += der.len;
	return DN_OK;
}

enum dn_status dn_from_avas(const struct dn_ava *ava, size_t count, struct dn *out)
{
	struct dn_writer w = { .bytes = out->bytes };
	enum dn_status st = count ? DN_OK : DN_EMPTY;

	for (size_t i = 0; i < count && st == DN_OK; i++) {
		if (i == 0 || ava[i].set != ava[i - 1].set)
			dn_rdn_begin(&w);
		if (w.len > DN_MAX)
			return DN_TOO_LONG;
		if (dn_is_string(ava[i].tag))
			st = dn_write_string(&w, ava[i].oid, ava[i].tag, ava[i].value);
		else if (ava[i].tag == DN_NUMERIC && memchr(ava[i].value.p, '\0', ava[i].value.len))
			st = DN_HAS_NUL;
		else
			st = dn_write_der(&w, ava[i].oid, ava[i].der);
		if (st == DN_OK && (i + 1 == count || ava[i + 1].set != ava[i].set))
			st = dn_rdn_end(&w);
	}
	if (st == DN_OK)
		out->len = w.len;
	return st;
}

/* ---- reading ---- */

struct dn_reader dn_read(const uint8_t *canonical, size_t len)
{
	return (struct dn_reader){ canonical, canonical + len, canonical };
}

bool dn_read_next(struct dn_reader *r, struct dn_item *item)
{
	size_t oid_len;

	item->first = r->p == r->rdn_end;
	if (item->first) {
		if (r->end - r->p < 2 || (size_t)(r->end - r->p) - 2 < get16(r->p))
			return false;
		r->rdn_end = r->p + 2 + get16(r->p);
		r->p += 2;
	}
	/* The image is checked by offsets only, so nothing here is taken on trust. */
	if (r->rdn_end - r->p < 4)
		return false;
	oid_len = r->p[0];
	if ((size_t)(r->rdn_end - r->p) < oid_len + 4 || (size_t)(r->rdn_end - r->p) < ava_size(r->p))
		return false;
	item->oid = span_of(r->p + 1, oid_len);
	item->string = r->p[1 + oid_len] == DN_STRING;
	item->value = span_of(r->p + oid_len + 4, get16(r->p + oid_len + 2));
	r->p += ava_size(r->p);
	return true;
}
