#include "common/sip/token.h"

/*
 * Text: four characters that say whose and of which kind it is, then base64url
 * of the fields, little-endian, and the MAC.  The fields fill whole groups of
 * three bytes, so that each value has one spelling only.
 */
#define PREFIX_LEN 4
#define MAC_LEN 8
#define BACK_FIELDS (1 + 8 + 4 + 4 + 8 + 8 + 4)
#define DATAGRAM_FIELDS (1 + 8 + 16 + 16 + 2 + 8 + 4)
#define DIALOG_FIELDS (1 + 1 + 8 + 8 + 4)
#define BACK_LEN (BACK_FIELDS + MAC_LEN)
#define DATAGRAM_LEN (DATAGRAM_FIELDS + MAC_LEN)
#define DIALOG_LEN (DIALOG_FIELDS + MAC_LEN)

_Static_assert(BACK_LEN % 3 == 0 && DATAGRAM_LEN % 3 == 0 && DIALOG_LEN % 3 == 0, "no bits to spare in the text");
_Static_assert(PREFIX_LEN + DATAGRAM_LEN / 3 * 4 <= TOKEN_TEXT_MAX, "the text fits");

static const char back_prefix[PREFIX_LEN] = { 's', 'w', '1', 'b' };
static const char datagram_prefix[PREFIX_LEN] = { 's', 'w', '1', 'u' };
static const char dialog_prefix[PREFIX_LEN] = { 's', 'w', '1', 'd' };

/* One key serves three purposes: what is hashed for one must never be what is hashed for another. */
enum purpose { FOR_NAME = 'n', FOR_WAY_BACK = 'b', FOR_DATAGRAM = 'u', FOR_DIALOG = 'd' };

static void begin(struct siphash_state *s, const struct siphash_key *key, enum purpose purpose)
{
	uint8_t first = (uint8_t)purpose;

	siphash_begin(s, key);
	siphash_add(s, &first, 1);
}

uint64_t token_name_id(const struct token_keys *keys, size_t key_index, struct span name)
{
	struct siphash_state s;
	uint64_t id;

	begin(&s, &keys->key[key_index].key, FOR_NAME);
	siphash_add(&s, name.p, name.len);
	id = siphash_end(&s);
	return id ? id : 1;
}

/* ---- base64url, RFC 4648 5 ---- */

static void encode(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t n = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

		*out++ = digits[n >> 18];
		*out++ = digits[n >> 12 & 63];
		*out++ = digits[n >> 6 & 63];
		*out++ = digits[n & 63];
	}
}

/* Value of a digit, plus one; 0: none. */
static const uint8_t digit_values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['-'] = 63,
	['_'] = 64,
};

static inline uint32_t digit_value(char c)
{
	return digit_values[(unsigned char)c] - 1u;
}

/* What is none has high bits, which are looked for once, at the end. */
static bool decode(struct span text, uint8_t *out)
{
	uint32_t all = 0;

	for (size_t i = 0; i < text.len; i += 4) {
		uint32_t a = digit_value(text.p[i]), b = digit_value(text.p[i + 1]);
		uint32_t c = digit_value(text.p[i + 2]), d = digit_value(text.p[i + 3]);
		uint32_t n = a << 18 | b << 12 | c << 6 | d;

		all |= a | b | c | d;
		*out++ = (uint8_t)(n >> 16);
		*out++ = (uint8_t)(n >> 8);
		*out++ = (uint8_t)n;
	}
	return all < 64;
}

/* ---- bytes and text ---- */

static size_t wrap(const char prefix[static PREFIX_LEN], const uint8_t *bytes, size_t len, char *out)
{
	memcpy(out, prefix, PREFIX_LEN);
	encode(bytes, len, out + PREFIX_LEN);
	return PREFIX_LEN + len / 3 * 4;
}

/*
 * TOKEN_VALID: decoded, the MAC still to be checked.  What begins as ours does,
 * or is as long and of the same digits, was meant for a token of ours: a change
 * of any one character must not make it pass for something else.
 */
static enum token_status unwrap(const char prefix[static PREFIX_LEN], struct span text, size_t len, uint8_t *bytes)
{
	bool ours = text.len >= PREFIX_LEN && memcmp(text.p, prefix, PREFIX_LEN) == 0;
	bool fits = text.len == PREFIX_LEN + len / 3 * 4;
	uint8_t ignored[3];

	if (!fits)
		return ours ? TOKEN_FORGED : TOKEN_NOT_OURS;
	if (!decode(span_from(text, PREFIX_LEN), bytes))
		return ours ? TOKEN_FORGED : TOKEN_NOT_OURS;
	if (ours)
		return TOKEN_VALID;
	return decode(span_head(text, PREFIX_LEN), ignored) ? TOKEN_FORGED : TOKEN_NOT_OURS;
}

static uint8_t *store32(uint8_t *p, uint32_t n)
{
	memcpy(p, &n, sizeof(n));
	return p + sizeof(n);
}

static uint8_t *store64(uint8_t *p, uint64_t n)
{
	memcpy(p, &n, sizeof(n));
	return p + sizeof(n);
}

static uint32_t load32(const uint8_t **p)
{
	uint32_t n;

	memcpy(&n, *p, sizeof(n));
	*p += sizeof(n);
	return n;
}

static uint64_t load64(const uint8_t **p)
{
	uint64_t n;

	memcpy(&n, *p, sizeof(n));
	*p += sizeof(n);
	return n;
}

/* Compared as one word, which takes the same time whatever it holds. */
static bool mac_fits(const uint8_t *at, uint64_t mac)
{
	uint64_t got;

	memcpy(&got, at, sizeof(got));
	return got == mac;
}

/* ---- the way back ---- */

static uint64_t back_mac(const struct siphash_key *key, enum purpose purpose, const uint8_t *fields, size_t len)
{
	struct siphash_state s;

	begin(&s, key, purpose);
	siphash_add(&s, fields, len);
	return siphash_end(&s);
}

size_t way_back_write(const struct siphash_key *key, const struct way_back *wb, char out[static TOKEN_TEXT_MAX])
{
	uint8_t bytes[BACK_LEN], *p = bytes;

	*p++ = wb->kind;
	p = store64(p, wb->incarnation);
	p = store32(p, wb->slot);
	p = store32(p, wb->generation);
	p = store64(p, wb->domain);
	p = store64(p, wb->container);
	p = store32(p, wb->time);
	store64(p, back_mac(key, FOR_WAY_BACK, bytes, BACK_FIELDS));
	return wrap(back_prefix, bytes, sizeof(bytes), out);
}

enum token_status way_back_read(const struct siphash_key *key, struct span text, struct way_back *out)
{
	uint8_t bytes[BACK_LEN];
	const uint8_t *p = bytes;
	enum token_status st = unwrap(back_prefix, text, sizeof(bytes), bytes);

	if (st != TOKEN_VALID)
		return st;
	if (!mac_fits(bytes + BACK_FIELDS, back_mac(key, FOR_WAY_BACK, bytes, BACK_FIELDS)))
		return TOKEN_FORGED;
	out->kind = *p++;
	out->incarnation = load64(&p);
	out->slot = load32(&p);
	out->generation = load32(&p);
	out->domain = load64(&p);
	out->container = load64(&p);
	out->time = load32(&p);
	return TOKEN_VALID;
}

/* ---- the way back of a datagram ---- */

static uint8_t *store(uint8_t *p, const void *bytes, size_t len)
{
	memcpy(p, bytes, len);
	return p + len;
}

static void load(const uint8_t **p, void *out, size_t len)
{
	memcpy(out, *p, len);
	*p += len;
}

size_t datagram_back_write(const struct siphash_key *key, const struct datagram_back *db, char out[static TOKEN_TEXT_MAX])
{
	uint8_t bytes[DATAGRAM_LEN], *p = bytes;

	*p++ = db->kind;
	p = store64(p, db->listener);
	p = store(p, db->addr, sizeof(db->addr));
	p = store(p, db->local, sizeof(db->local));
	p = store(p, &db->port, sizeof(db->port));
	p = store64(p, db->domain);
	p = store32(p, db->time);
	store64(p, back_mac(key, FOR_DATAGRAM, bytes, DATAGRAM_FIELDS));
	return wrap(datagram_prefix, bytes, sizeof(bytes), out);
}

enum token_status datagram_back_read(const struct siphash_key *key, struct span text, struct datagram_back *out)
{
	uint8_t bytes[DATAGRAM_LEN];
	const uint8_t *p = bytes;
	enum token_status st = unwrap(datagram_prefix, text, sizeof(bytes), bytes);

	if (st != TOKEN_VALID)
		return st;
	if (!mac_fits(bytes + DATAGRAM_FIELDS, back_mac(key, FOR_DATAGRAM, bytes, DATAGRAM_FIELDS)))
		return TOKEN_FORGED;
	out->kind = *p++;
	out->listener = load64(&p);
	load(&p, out->addr, sizeof(out->addr));
	load(&p, out->local, sizeof(out->local));
	load(&p, &out->port, sizeof(out->port));
	out->domain = load64(&p);
	out->time = load32(&p);
	return TOKEN_VALID;
}

/* ---- the dialog token ---- */

static uint64_t dialog_mac(const struct siphash_key *key, const uint8_t *fields, struct span call_id)
{
	struct siphash_state s;

	begin(&s, key, FOR_DIALOG);
	siphash_add(&s, fields, DIALOG_FIELDS);
	siphash_add(&s, call_id.p, call_id.len);
	return siphash_end(&s);
}

size_t dialog_token_write(const struct token_keys *keys, const struct dialog_token *t, struct span call_id,
    char out[static TOKEN_TEXT_MAX])
{
	uint8_t bytes[DIALOG_LEN], *p = bytes;

	*p++ = keys->key[0].id;
	*p++ = t->direction;
	p = store64(p, t->container);
	p = store64(p, t->domain);
	p = store32(p, t->time);
	store64(p, dialog_mac(&keys->key[0].key, bytes, call_id));
	return wrap(dialog_prefix, bytes, sizeof(bytes), out);
}

/* Index of the key that made the MAC; keys->count: none.  Two keys may share an id. */
static size_t find_key(const struct token_keys *keys, const uint8_t *bytes, struct span call_id)
{
	size_t i = 0;

	while (i < keys->count && (keys->key[i].id != bytes[0] ||
				   !mac_fits(bytes + DIALOG_FIELDS, dialog_mac(&keys->key[i].key, bytes, call_id))))
		i++;
	return i;
}

/* Another edge's clock may be ahead of ours: a time of issue to come is no age at all. */
static bool too_old(uint32_t issued, uint32_t now, uint32_t lifetime)
{
	int32_t age = (int32_t)(now - issued);

	return age > 0 && (uint32_t)age > lifetime;
}

enum token_status dialog_token_read(const struct token_keys *keys, struct span text, struct span call_id, uint32_t now,
    uint32_t lifetime, struct dialog_token *out, size_t *key_index)
{
	uint8_t bytes[DIALOG_LEN];
	const uint8_t *p = bytes + 1;
	enum token_status st = unwrap(dialog_prefix, text, sizeof(bytes), bytes);
	struct dialog_token t;
	size_t index;

	if (st != TOKEN_VALID)
		return st;
	index = find_key(keys, bytes, call_id);
	if (index == keys->count)
		return TOKEN_FORGED;
	t.direction = *p++;
	t.container = load64(&p);
	t.domain = load64(&p);
	t.time = load32(&p);
	if (too_old(t.time, now, lifetime))
		return TOKEN_EXPIRED;
	*out = t;
	*key_index = index;
	return TOKEN_VALID;
}
