/* nonces: known to whom they are made for while they live; each count is taken once, and what gave way is refused. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "common/auth/nonces.h"
#include "support/guard.h"

#define REALM SPAN("example.org")
#define NOW 5000u
#define LIFETIME 300u

static const struct siphash_key branch = { { 1, 2, 3 } };
static const struct nonce_bond bond = { { "example.org", 11 }, 7, { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } };

static struct span make(uint64_t unique, char out[static NONCE_LEN])
{
	struct siphash_key key = nonce_key(&branch);

	nonce_write(&key, &bond, NOW, unique, out);
	return guard_copy(out, NONCE_LEN);
}

static bool take(void *region, size_t bytes, struct span nonce, uint32_t made, uint32_t count)
{
	struct siphash_key key = nonce_key(&branch);

	return nonces_take(region, bytes, &key, &(struct nonces_use){ nonce, made, count, SPAN_NONE });
}

Test(auth_nonces, bonds)
{
	static const struct {
		const char *why;
		struct nonce_bond bond;
		uint32_t now;
		enum nonce_status want;
	} rows[] = {
		{ "at once", { { "example.org", 11 }, 7, { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } }, NOW, NONCE_VALID },
		{ "at the end", { { "example.org", 11 }, 7, { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } }, NOW + 300, NONCE_VALID },
		{ "later", { { "example.org", 11 }, 7, { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } }, NOW + 301, NONCE_OLD },
		{ "by a worker that is ahead", { { "example.org", 11 }, 7, { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } }, NOW - 2, NONCE_VALID },
		{ "too early", { { "example.org", 11 }, 7, { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } }, NOW - 3, NONCE_OLD },
		{ "realm", { { "example.com", 11 }, 7, { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } }, NOW, NONCE_FOREIGN },
		{ "listener", { { "example.org", 11 }, 8, { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } }, NOW, NONCE_FOREIGN },
		{ "source", { { "example.org", 11 }, 7, { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 2 } }, NOW, NONCE_FOREIGN },
	};
	struct siphash_key key = nonce_key(&branch), other = nonce_key(&(struct siphash_key){ { 9 } });
	char text[NONCE_LEN];
	struct span s = make(1, text);
	uint32_t made = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(nonce_read(&key, &rows[i].bond, rows[i].now, LIFETIME, s, &made), rows[i].want, "%s", rows[i].why);
	cr_assert_eq(made, NOW);
	cr_assert_eq(nonce_read(&other, &bond, NOW, LIFETIME, s, &made), NONCE_FOREIGN, "another master's");
}

Test(auth_nonces, any_change_is_foreign)
{
	struct siphash_key key = nonce_key(&branch);
	char text[NONCE_LEN];
	uint32_t made = 77;

	(void)make(1, text);
	for (size_t len = 0; len < NONCE_LEN; len++)
		cr_assert_eq(nonce_read(&key, &bond, NOW, LIFETIME, guard_copy(text, len), &made), NONCE_FOREIGN);
	for (size_t at = 0; at < NONCE_LEN; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			text[at] ^= (char)(1 << bit);
			cr_assert_eq(nonce_read(&key, &bond, NOW, LIFETIME, span_of(text, NONCE_LEN), &made), NONCE_FOREIGN);
			text[at] ^= (char)(1 << bit);
		}
	cr_assert_eq(made, 77, "untouched on failure");
}

Test(auth_nonces, no_two_are_the_same)
{
	char a[NONCE_LEN], b[NONCE_LEN];

	(void)make(1, a);
	(void)make(2, b);
	cr_assert_neq(memcmp(a, b, NONCE_LEN), 0);
}

Test(auth_nonces, each_count_once)
{
	static struct nonces_set sets[64];
	char text[NONCE_LEN];
	struct span s = make(1, text);

	for (uint32_t nc = 20; nc > 0; nc--)
		cr_assert(take(sets, sizeof(sets), s, NOW, nc), "out of order: %u", nc);
	for (uint32_t nc = 20; nc > 0; nc--)
		cr_assert_not(take(sets, sizeof(sets), s, NOW, nc), "again: %u", nc);
	cr_assert(take(sets, sizeof(sets), make(2, text), NOW, 1), "another nonce");
}

/* One set only: what has given way, and all as old, is refused for good. */
Test(auth_nonces, what_is_forgotten_is_refused)
{
	static struct nonces_set set;
	char text[NONCE_LEN];
	struct span s = make(1, text);

	for (uint32_t i = 0; i < NONCES_WAYS; i++)
		cr_assert(take(&set, sizeof(set), s, NOW + i, i + 1));
	cr_assert_not(take(&set, sizeof(set), s, NOW, 100), "as old as the oldest");
	cr_assert(take(&set, sizeof(set), s, NOW + 50, 101), "newer: the oldest gives way");
	cr_assert_eq(atomic_load(&set.floor), NOW);
	cr_assert_not(take(&set, sizeof(set), s, NOW, 1), "what gave way");
	cr_assert_not(take(&set, sizeof(set), s, NOW, 102), "as old as what gave way");
	cr_assert_not(take(&set, 0, s, NOW, 1), "no room at all");
	cr_assert_not(take(NULL, 64, s, NOW, 1), "no region");
}

/* Whatever stands in the region, a call ends, and reads nothing else. */
Test(auth_nonces, rubbish_in_the_window)
{
	static struct nonces_set sets[3];
	char text[NONCE_LEN];

	for (unsigned fill = 0; fill < 256; fill++) {
		memset(sets, (int)fill, sizeof(sets));
		for (uint32_t nc = 1; nc < 20; nc++)
			(void)!take(sets, sizeof(sets), make(fill, text), NOW, nc);
	}
}

static struct nonces_set shared_sets[4];
static _Atomic unsigned taken[2000];

static void *taker(void *arg)
{
	for (uint32_t i = 0; i < ARRAY_LEN(taken); i++)
		if (take(shared_sets, sizeof(shared_sets), SPAN("nonce"), NOW + i / 8, i + 1))
			atomic_fetch_add(&taken[i], 1);
	return arg;
}

Test(auth_nonces, never_twice_whoever_asks)
{
	pthread_t thread[4];
	unsigned some = 0;

	for (size_t i = 0; i < ARRAY_LEN(thread); i++)
		cr_assert_eq(pthread_create(&thread[i], NULL, taker, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(thread); i++)
		pthread_join(thread[i], NULL);
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		cr_assert_leq(taken[i], 1, "%zu", i);
		some += taken[i];
	}
	cr_assert_gt(some, 0);
}

/* Over UDP the same message may come again, and nothing else with its count. */
Test(auth_nonces, retransmissions)
{
	static struct nonces_set sets[64];
	struct siphash_key key = nonce_key(&branch);
	struct nonces_use use = { SPAN("nonce"), NOW, 1, SPAN("message") }, other = { SPAN("nonce"), NOW, 1, SPAN("messagE") };

	cr_assert(nonces_take(sets, sizeof(sets), &key, &use));
	cr_assert(nonces_take(sets, sizeof(sets), &key, &use), "again");
	cr_assert_not(nonces_take(sets, sizeof(sets), &key, &other), "another message");
	cr_assert_not(nonces_take(sets, sizeof(sets), &key, &other), "another message, again");
	other.message = SPAN_NONE;
	cr_assert_not(nonces_take(sets, sizeof(sets), &key, &other), "over a stream");
}
