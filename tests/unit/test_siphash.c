/* siphash: the reference vectors of the paper (SipHash-2-4, key 00..0f, input 00..). */
#include <criterion/criterion.h>

#include "common/siphash.h"

Test(siphash, reference_vectors)
{
	static const uint64_t want[] = { 0x726fdb47dd0e0e31ULL, 0x74f839c593dc67fdULL, 0x0d6c8009d9a94f5aULL,
		0x85676696d7fb7e2dULL, 0xcf2794e0277187b7ULL, 0x18765564cd99a68dULL, 0xcbc9466e58fee3ceULL,
		0xab0200f58b01d137ULL, 0x93f5f5799a932462ULL, 0x9e0082df0ba9e4b0ULL };
	struct siphash_key key;
	uint8_t in[64];

	for (size_t i = 0; i < 16; i++)
		key.k[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		cr_assert_eq(siphash(&key, in, i), want[i], "length %zu", i);
}

Test(siphash, reference_vectors_of_1_3)
{
	static const uint64_t want[] = { 0xabac0158050fc4dcULL, 0xc9f49bf37d57ca93ULL };
	struct siphash_key key;

	for (size_t i = 0; i < 16; i++)
		key.k[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		cr_assert_eq(siphash_13(&key, "", i), want[i], "length %zu: %llx", i, (unsigned long long)siphash_13(&key, "", i));
}

Test(siphash, parts_give_what_the_whole_gives)
{
	struct siphash_key key = { { 3, 1, 4, 1, 5 } };
	uint8_t data[40];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37);
	for (size_t len = 0; len <= sizeof(data); len++)
		for (size_t a = 0; a <= len; a++) {
			struct siphash_state s;
			size_t b = a + (len - a) / 3;

			siphash_begin(&s, &key);
			siphash_add(&s, data, a);
			siphash_add(&s, data + a, b - a);
			siphash_add(&s, data + b, len - b);
			cr_assert_eq(siphash_end(&s), siphash(&key, data, len), "%zu bytes in parts at %zu and %zu", len, a, b);
		}
}

Test(siphash, fields_keep_their_borders)
{
	struct siphash_key key = { { 3, 1, 4, 1, 5 } };
	struct siphash_state a, b;

	siphash_begin(&a, &key);
	siphash_add_field(&a, "ab", 2);
	siphash_add_field(&a, "c", 1);
	siphash_begin(&b, &key);
	siphash_add_field(&b, "a", 1);
	siphash_add_field(&b, "bc", 2);
	cr_assert_neq(siphash_end(&a), siphash_end(&b));
}

Test(siphash, the_second_half_is_another)
{
	struct siphash_key key = { { 3, 1, 4, 1, 5 } };
	struct siphash_state s;
	uint64_t out[2], other[2];

	siphash_begin(&s, &key);
	siphash_add(&s, "abc", 3);
	siphash_end_128(&s, out);
	cr_assert_eq(out[0], siphash(&key, "abc", 3));
	cr_assert_neq(out[0], out[1]);
	siphash_begin(&s, &key);
	siphash_add(&s, "abd", 3);
	siphash_end_128(&s, other);
	cr_assert_neq(out[1], other[1]);
}
