#include "common/auth/nonces.h"

#include <string.h>

#include "common/put.h"

#define AHEAD 2 /* s: workers look at the clock once in a turn, so another's may be a little ahead */
#define TRIES 16 /* others may be at work on the same set; then better once too often stale than to wait */

struct siphash_key nonce_key(const struct siphash_key *branch)
{
	uint64_t half[2] = { siphash(branch, "auth nonce 0", 12), siphash(branch, "auth nonce 1", 12) };
	struct siphash_key k;

	memcpy(k.k, half, sizeof(k.k));
	return k;
}

static void sign(const struct siphash_key *key, const struct nonce_bond *bond, struct span fields, struct put *o)
{
	struct siphash_state s;
	uint64_t mac[2];

	siphash_begin(&s, key);
	siphash_add(&s, "n", 1);
	siphash_add_field(&s, fields.p, fields.len);
	siphash_add_field(&s, bond->realm.p, bond->realm.len);
	siphash_add(&s, &bond->listener, sizeof(bond->listener));
	siphash_add(&s, bond->addr, sizeof(bond->addr));
	siphash_end_128(&s, mac);
	put_hex(o, mac[0]);
	put_hex(o, mac[1]);
}

void nonce_write(const struct siphash_key *key, const struct nonce_bond *bond, uint32_t now, uint64_t unique,
    char out[static NONCE_LEN])
{
	struct put o = put_into(out, NONCE_LEN);
	struct siphash_state s;

	siphash_begin(&s, key);
	siphash_add(&s, "u", 1);
	siphash_add(&s, &unique, sizeof(unique));
	put_hex(&o, now);
	put_hex(&o, siphash_end(&s));
	sign(key, bond, span_of(out, NONCE_LEN / 2), &o);
}

static bool same(const char *a, const char *b, size_t len)
{
	unsigned differ = 0;

	for (size_t i = 0; i < len; i++)
		differ |= (unsigned)(unsigned char)a[i] ^ (unsigned char)b[i];
	return differ == 0;
}

/* Of a text that the MAC covers: we wrote it. */
static uint64_t from_hex(const char *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < 16; i++)
		n = n << 4 | (uint64_t)(p[i] <= '9' ? p[i] - '0' : p[i] - 'a' + 10);
	return n;
}

enum nonce_status nonce_read(const struct siphash_key *key, const struct nonce_bond *bond, uint32_t now, uint32_t lifetime,
    struct span text, uint32_t *made)
{
	char mac[NONCE_LEN / 2];
	struct put o = put_into(mac, sizeof(mac));
	uint64_t at;

	if (text.len != NONCE_LEN)
		return NONCE_FOREIGN;
	sign(key, bond, span_head(text, NONCE_LEN / 2), &o);
	if (!same(mac, text.p + NONCE_LEN / 2, sizeof(mac)))
		return NONCE_FOREIGN;
	at = from_hex(text.p);
	if (at > now ? at - now > AHEAD : now - at > lifetime)
		return NONCE_OLD;
	*made = (uint32_t)at;
	return NONCE_VALID;
}

/* ---- the window ---- */

static uint64_t load(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_seq_cst);
}

static bool raise_floor(struct nonces_set *s, uint64_t to)
{
	uint64_t was = load(&s->floor);

	for (unsigned i = 0; was < to; i++)
		if (i == TRIES || atomic_compare_exchange_weak(&s->floor, &was, to))
			return i < TRIES;
	return true;
}

/* How many places hold the word, and which is the oldest. */
static unsigned look(const struct nonces_set *s, uint64_t word, size_t *oldest, uint64_t *oldest_word)
{
	unsigned found = 0;

	*oldest_word = UINT64_MAX;
	for (size_t i = 0; i < NONCES_WAYS; i++) {
		uint64_t w = load(&s->used[i]);

		found += w == word;
		if (w < *oldest_word || i == 0) {
			*oldest = i;
			*oldest_word = w;
		}
	}
	return found;
}

/*
 * The place is taken first, then all is looked at again: of two who take the
 * same at once, in two places, the later sees the earlier.  What has given way
 * meanwhile has raised the floor before.
 */
static bool take(struct nonces_set *s, uint64_t word)
{
	uint64_t made = word >> 32, old;
	size_t at = 0;

	for (unsigned i = 0; i < TRIES; i++) {
		if (look(s, word, &at, &old) || made <= load(&s->floor))
			return false;
		if (old >> 32 >= made) /* all are as new: this one is it that would give way */
			return false;
		if (old && !raise_floor(s, old >> 32))
			return false;
		if (!atomic_compare_exchange_strong(&s->used[at], &old, word))
			continue;
		return look(s, word, &at, &old) == 1 && made > load(&s->floor);
	}
	return false;
}

/* The set of a use, or of a whole message that used it, and the word there. */
static struct nonces_set *place(struct nonces_set *sets, size_t n, const struct siphash_key *key, const struct nonces_use *use,
    struct span message, uint64_t *word)
{
	struct siphash_state s;
	uint64_t h;

	siphash_begin(&s, key);
	siphash_add(&s, message.len ? "m" : "w", 1);
	siphash_add_field(&s, use->nonce.p, use->nonce.len);
	siphash_add(&s, &use->count, sizeof(use->count));
	if (message.len)
		siphash_add(&s, message.p, message.len);
	h = siphash_end(&s);
	*word = (uint64_t)use->made << 32 | (uint32_t)h;
	return &sets[(h >> 32) % n];
}

bool nonces_take(void *region, size_t bytes, const struct siphash_key *key, const struct nonces_use *use)
{
	struct nonces_set *sets = region, *set, *again;
	size_t n = bytes / sizeof(*sets), at;
	uint64_t word, oldest;
	bool taken;

	if (!region || n == 0)
		return false;
	set = place(sets, n, key, use, SPAN_NONE, &word);
	taken = take(set, word);
	if (use->message.len == 0)
		return taken;
	again = place(sets, n, key, use, use->message, &word);
	if (!taken)
		return look(again, word, &at, &oldest) > 0;
	(void)take(again, word); /* then its retransmission is refused */
	return true;
}
