#include <stdio.h>

#include "common/dn_internal.h"

/* Text that is being printed; `full` once something did not fit. */
struct out {
	char *p;
	size_t len, cap;
	bool full;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (o->full || n > o->cap - o->len) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->len, s, n);
	o->len += n;
}

static void put_hex(struct out *o, const char *before, uint8_t byte)
{
	static const char digits[] = "0123456789ABCDEF";
	char two[2] = { digits[byte >> 4], digits[byte & 15] };

	put(o, before, strlen(before));
	put(o, two, 2);
}

static void put_der(struct out *o, struct span der)
{
	put(o, "#", 1);
	for (size_t i = 0; i < der.len; i++)
		put_hex(o, "", (uint8_t)der.p[i]);
}

static void put_dotted(struct out *o, struct span oid)
{
	uint64_t arc = 0;
	bool first = true;
	char text[48];

	for (size_t i = 0; i < oid.len; i++) {
		uint8_t b = (uint8_t)oid.p[i];

		if (arc > UINT64_MAX >> 7) {
			o->full = true; /* an arc that no text form of ours can hold */
			return;
		}
		arc = arc << 7 | (b & 0x7f);
		if (b & 0x80)
			continue;
		if (first) {
			uint64_t top = arc < 80 ? arc / 40 : 2;

			put(o, text, (size_t)snprintf(text, sizeof(text), "%llu.%llu", (unsigned long long)top,
					 (unsigned long long)(arc - top * 40)));
		} else {
			put(o, text, (size_t)snprintf(text, sizeof(text), ".%llu", (unsigned long long)arc));
		}
		first = false;
		arc = 0;
	}
}

static void put_type(struct out *o, struct span oid)
{
	const struct dn_keyword *k = dn_keyword_of_oid(oid);

	if (k)
		put(o, k->name, strlen(k->name));
	else
		put_dotted(o, oid);
	put(o, "=", 1);
}

/* RFC 4514 2.4; controls, and blanks at the ends, as hex pairs. */
static void put_string(struct out *o, struct span value, unsigned tag)
{
	bool first = true;
	uint32_t c;

	while (value.len && dn_next_char(&value, tag, &c)) {
		uint8_t utf8[4];
		size_t n = dn_put_utf8(c, utf8);
		bool edge = first || value.len == 0;

		if (c < 0x20 || c == 0x7f || (c == ' ' && edge))
			put_hex(o, "\\", (uint8_t)c);
		else if ((c == '#' && first) || (c < 0x80 && memchr(",+\"\\<>;=", (int)c, 8)))
			put(o, "\\", 1), put(o, (char *)utf8, n);
		else if (c >= 0x80 && c < 0xa0) /* C1 controls, U+0085 among them, end lines for some readers */
			put_hex(o, "\\", utf8[0]), put_hex(o, "\\", utf8[1]);
		else
			put(o, (char *)utf8, n);
		first = false;
	}
}

static bool decodable(struct span value, unsigned tag)
{
	uint32_t c;

	while (value.len)
		if (!dn_next_char(&value, tag, &c))
			return false;
	return true;
}

static void put_ava(struct out *o, const struct dn_ava *a)
{
	put_type(o, a->oid);
	if (dn_is_string(a->tag) && decodable(a->value, a->tag))
		put_string(o, a->value, a->tag);
	else
		put_der(o, a->der);
}

size_t dn_print_avas(const struct dn_ava *ava, size_t count, char *out, size_t cap)
{
	struct out o = { .p = out, .cap = cap };

	/* The last RDN stands first; inside one the order is the certificate's. */
	for (size_t end = count; end > 0;) {
		size_t begin = end - 1;

		while (begin > 0 && ava[begin - 1].set == ava[end - 1].set)
			begin--;
		if (end != count)
			put(&o, ",", 1);
		for (size_t i = begin; i < end; i++) {
			if (i > begin)
				put(&o, "+", 1);
			put_ava(&o, &ava[i]);
		}
		end = begin;
	}
	return o.full ? 0 : o.len;
}

/* All attributes of a canonical form, at most `max`. */
static size_t collect(const uint8_t *canonical, size_t len, struct dn_item *items, size_t max)
{
	struct dn_reader r = dn_read(canonical, len);
	size_t n = 0;

	while (n < max && dn_read_next(&r, &items[n]))
		n++;
	return n;
}

static void put_item(struct out *o, const struct dn_item *item)
{
	put_type(o, item->oid);
	if (item->string)
		put_string(o, item->value, DN_UTF8);
	else
		put_der(o, item->value);
}

size_t dn_print(const uint8_t *canonical, size_t len, char *out, size_t cap)
{
	struct dn_item items[DN_AVA_MAX];
	size_t count = collect(canonical, len, items, DN_AVA_MAX);
	struct out o = { .p = out, .cap = cap };

	for (size_t end = count; end > 0;) {
		size_t begin = end - 1;

		while (begin > 0 && !items[begin].first)
			begin--;
		if (end != count)
			put(&o, ",", 1);
		for (size_t i = begin; i < end; i++) {
			if (i > begin)
				put(&o, "+", 1);
			put_item(&o, &items[i]);
		}
		end = begin;
	}
	return o.full ? 0 : o.len;
}

/* ---- differences ---- */

static bool same_type(const struct dn_item *a, const struct dn_item *b)
{
	return span_eq(a->oid, b->oid);
}

static bool same(const struct dn_item *a, const struct dn_item *b)
{
	return same_type(a, b) && a->string == b->string && span_eq(a->value, b->value);
}

/* Pair equal attributes of both; the marks tell which are paired.  Returns how many pairs. */
static unsigned pair_up(const struct dn_item *a, size_t a_count, bool *a_paired, const struct dn_item *b, size_t b_count,
    bool *b_paired)
{
	unsigned pairs = 0;

	for (size_t i = 0; i < a_count; i++)
		for (size_t j = 0; j < b_count && !a_paired[i]; j++)
			if (!b_paired[j] && same(&a[i], &b[j])) {
				a_paired[i] = b_paired[j] = true;
				pairs++;
			}
	return pairs;
}

unsigned dn_common_attributes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	struct dn_item ai[DN_AVA_MAX], bi[DN_AVA_MAX];
	bool ap[DN_AVA_MAX] = { false }, bp[DN_AVA_MAX] = { false };

	return pair_up(ai, collect(a, a_len, ai, DN_AVA_MAX), ap, bi, collect(b, b_len, bi, DN_AVA_MAX), bp);
}

static void say(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

/* An attribute of the configuration that the peer does not have as it is. */
static void say_unmatched(struct out *o, const struct dn_item *want, const struct dn_item *seen, size_t seen_count,
    bool *seen_paired)
{
	if (o->len)
		say(o, "; ");
	for (size_t i = 0; i < seen_count; i++) {
		if (seen_paired[i] || !same_type(want, &seen[i]))
			continue;
		seen_paired[i] = true;
		say(o, "has ");
		put_item(o, &seen[i]);
		say(o, ", configured is ");
		put_item(o, want);
		return;
	}
	put_item(o, want);
	say(o, " is configured and missing");
}

/* Attributes of the RDN that begins at i. */
static size_t rdn_size(const struct dn_item *items, size_t i, size_t count)
{
	size_t n = 1;

	while (i + n < count && !items[i + n].first)
		n++;
	return n;
}

/* RDN by RDN: inside one there is no order to reverse. */
static bool is_reverse(const struct dn_item *a, const struct dn_item *b, size_t count)
{
	for (size_t i = 0, end = count; i < count;) {
		size_t n = rdn_size(a, i, count);

		if (n > end || !b[end - n].first || rdn_size(b, end - n, count) != n)
			return false;
		for (end -= n; n; n--, i++)
			if (!same(&a[i], &b[end + rdn_size(b, end, count) - n]))
				return false;
	}
	return true;
}

size_t dn_explain_difference(const uint8_t *seen, size_t seen_len, const uint8_t *configured, size_t configured_len,
    char *out, size_t cap)
{
	struct dn_item s[DN_AVA_MAX], c[DN_AVA_MAX];
	bool sp[DN_AVA_MAX] = { false }, cp[DN_AVA_MAX] = { false };
	size_t sn = collect(seen, seen_len, s, DN_AVA_MAX), cn = collect(configured, configured_len, c, DN_AVA_MAX);
	unsigned pairs = pair_up(s, sn, sp, c, cn, cp);
	struct out o = { .p = out, .cap = cap };

	if (seen_len == configured_len && memcmp(seen, configured, seen_len) == 0)
		say(&o, "no difference");
	else if (pairs == sn && pairs == cn)
		say(&o, is_reverse(s, c, sn) ? "the same attributes in reverse order" : "the same attributes in another order or grouping");
	for (size_t i = 0; i < cn; i++)
		if (!cp[i])
			say_unmatched(&o, &c[i], s, sn, sp);
	for (size_t i = 0; i < sn; i++) {
		if (sp[i])
			continue;
		say(&o, o.len ? "; has " : "has ");
		put_item(&o, &s[i]);
		say(&o, ", which is not configured");
	}
	return o.len;
}
