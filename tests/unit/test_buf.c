/* buf: bytes come out as they went in, whatever is reserved, consumed and moved in between. */
#include <criterion/criterion.h>
#include <string.h>

#include "worker/buf.h"

static const struct {
	const char *why;
	size_t put, take, put_again;
} rows[] = {
	{ "nothing", 0, 0, 0 },
	{ "one byte", 1, 0, 1 },
	{ "to the last byte of a block", 16384, 0, 0 },
	{ "one beyond a block", 16384, 0, 1 },
	{ "room in front is used again", 16384, 16000, 10000 },
	{ "what is left is longer than the room in front", 16384, 100, 200 },
	{ "everything is taken", 5000, 5000, 5000 },
	{ "several doublings at once", 10, 5, 1000000 },
};

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void put(struct buf *b, size_t *written, size_t n)
{
	uint8_t *room = buf_reserve(b, n);

	cr_assert(n == 0 || room);
	for (size_t i = 0; i < n; i++)
		room[i] = byte_at((*written)++);
	buf_commit(b, n);
}

Test(buf, rows)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = { 0 };
		size_t written = 0;

		put(&b, &written, rows[i].put);
		buf_consume(&b, rows[i].take);
		put(&b, &written, rows[i].put_again);
		cr_assert_eq(b.len, rows[i].put - rows[i].take + rows[i].put_again, "%s", rows[i].why);
		for (size_t j = 0; j < b.len; j++)
			cr_assert_eq(buf_bytes(&b)[j], byte_at(rows[i].take + j), "%s: byte %zu", rows[i].why, j);
		buf_clear(&b);
		cr_assert(!b.p && b.len == 0 && b.cap == 0, "%s", rows[i].why);
	}
}

Test(buf, memory_goes_back_with_the_last_byte)
{
	struct buf b = { 0 };

	cr_assert(buf_append(&b, "abc", 3));
	cr_assert_not_null(b.p);
	buf_consume(&b, 2);
	cr_assert(b.len == 1 && buf_bytes(&b)[0] == 'c');
	buf_consume(&b, 1);
	cr_assert_null(b.p);
}

Test(buf, nothing_to_append_needs_no_memory)
{
	struct buf b = { 0 };

	cr_assert(buf_append(&b, NULL, 0));
	cr_assert_null(b.p);
}

Test(buf, sizes_that_overflow_are_refused)
{
	struct buf b = { 0 };

	cr_assert(buf_append(&b, "abc", 3));
	cr_assert_null(buf_reserve(&b, SIZE_MAX));
	cr_assert_null(buf_reserve(&b, SIZE_MAX / 2));
	cr_assert(b.len == 3 && memcmp(buf_bytes(&b), "abc", 3) == 0, "and nothing changes");
	buf_clear(&b);
}

Test(buf, more_blocks_than_are_kept)
{
	static struct buf many[300];

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(many); i++)
			cr_assert(buf_append(&many[i], &i, sizeof(i)));
		for (size_t i = 0; i < ARRAY_LEN(many); i++) {
			cr_assert_eq(memcmp(buf_bytes(&many[i]), &i, sizeof(i)), 0, "no two share a block");
			buf_clear(&many[i]);
		}
	}
}
