#include "common/siphash.h"

#include <string.h>

static inline uint64_t rotl(uint64_t x, int n)
{
	return (x << n) | (x >> (64 - n));
}

static inline void round_once(struct siphash_state *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x; /* the reference is little-endian, and so is every machine we build for */
}

/* `rounds` is known when this is compiled. */
static inline void absorb_by(struct siphash_state *s, uint64_t word, int rounds)
{
	s->v3 ^= word;
	for (int i = 0; i < rounds; i++)
		round_once(s);
	s->v0 ^= word;
}

static inline void absorb(struct siphash_state *s, uint64_t word)
{
	absorb_by(s, word, 2);
}

void siphash_begin(struct siphash_state *s, const struct siphash_key *key)
{
	uint64_t k0 = load64(key->k), k1 = load64(key->k + 8);

	*s = (struct siphash_state){ k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL, k0 ^ 0x6c7967656e657261ULL,
				     k1 ^ 0x7465646279746573ULL, 0, 0 };
}

/* The 0-7 bytes at p as the low bytes of a word: words that may overlap, rather than one by one. */
static inline uint64_t load_few(const uint8_t *p, size_t len)
{
	uint32_t low, high;

	if (len >= 4) {
		memcpy(&low, p, sizeof(low));
		memcpy(&high, p + len - sizeof(high), sizeof(high));
		return low | (uint64_t)high << (8 * (len - sizeof(high)));
	}
	if (len == 0)
		return 0;
	return p[0] | (uint64_t)p[len / 2] << (8 * (len / 2)) | (uint64_t)p[len - 1] << (8 * (len - 1));
}

/* On a copy of the state, which then stays in registers. */
static inline struct siphash_state added(struct siphash_state s, const void *data, size_t len)
{
	const uint8_t *p = data;
	unsigned held = 8 * (unsigned)(s.len & 7); /* bits in the tail */
	uint64_t word;

	s.len += len;
	for (; len >= 8; len -= 8, p += 8) {
		word = load64(p);
		absorb(&s, s.tail | word << held);
		s.tail = held ? word >> (64 - held) : 0;
	}
	word = load_few(p, len);
	s.tail |= word << held;
	if (held + 8 * len >= 64) {
		absorb(&s, s.tail);
		s.tail = word >> (64 - held); /* held is not 0: len is below 8 */
	}
	return s;
}

void siphash_add(struct siphash_state *s, const void *data, size_t len)
{
	*s = added(*s, data, len);
}

void siphash_add_field(struct siphash_state *s, const void *data, size_t len)
{
	uint64_t n = len;

	siphash_add(s, &n, sizeof(n));
	siphash_add(s, data, len);
}

static inline uint64_t finish(struct siphash_state *s, uint64_t mark, int rounds)
{
	s->v2 ^= mark;
	for (int i = 0; i < rounds; i++)
		round_once(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t siphash_end(struct siphash_state *s)
{
	absorb(s, s->tail | s->len << 56);
	return finish(s, 0xff, 4);
}

void siphash_end_128(struct siphash_state *s, uint64_t out[static 2])
{
	out[0] = siphash_end(s);
	s->v1 ^= 0xdd;
	out[1] = finish(s, 0, 4);
}

uint64_t siphash_13(const struct siphash_key *key, const void *data, size_t len)
{
	const uint8_t *p = data;
	struct siphash_state s;
	size_t left = len;

	siphash_begin(&s, key);
	for (; left >= 8; left -= 8, p += 8)
		absorb_by(&s, load64(p), 1);
	absorb_by(&s, load_few(p, left) | (uint64_t)len << 56, 1);
	return finish(&s, 0xff, 3);
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
	struct siphash_state s;

	siphash_begin(&s, key);
	s = added(s, data, len);
	return siphash_end(&s);
}
