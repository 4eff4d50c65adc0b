/* blocks: names as operators write them, a bounded table, and what readers see of it. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/blocks.h"
#include "support/leaks.h"

TestSuite(blocks, .fini = leaks_check);

static struct block row_of(const char *name, int64_t until)
{
	struct block b = { .since = 1000, .until = until };

	cr_assert(block_set(&b, span_str(name), SPAN("why")), "%s", name);
	return b;
}

Test(blocks, names_have_one_spelling)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} rows[] = {
		{ "partner.example", "partner.example" },
		{ "PARTNER.Example.", "partner.example" },
		{ "*.Partner.example", "*.partner.example" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "[2001:DB8::1]", "2001:db8::1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ ":", NULL },
		{ "", NULL },
		{ "*.", NULL },
		{ "*", NULL },
		{ "*.*.example", NULL },
		{ "a b", NULL },
		{ "a..b", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct block b = { .until = BLOCK_NO_END };
		bool ok = block_set(&b, span_str(rows[i].in), SPAN_NONE);

		cr_assert_eq(ok, rows[i].out != NULL, "'%s'", rows[i].in);
		if (ok)
			cr_assert(span_eq(block_name(&b), span_str(rows[i].out)), "'%s'", rows[i].in);
		if (ok)
			cr_assert(block_is_sound(&b), "'%s'", rows[i].in);
	}
}

Test(blocks, reasons_are_one_line)
{
	char longest[BLOCK_REASON_MAX + 1];
	struct block b = { 0 };

	memset(longest, 'x', sizeof(longest));
	cr_assert(block_set(&b, SPAN("a.example"), span_of(longest, BLOCK_REASON_MAX)));
	cr_assert(!block_set(&b, SPAN("a.example"), span_of(longest, BLOCK_REASON_MAX + 1)));
	cr_assert(!block_set(&b, SPAN("a.example"), SPAN("a\nb")));
	cr_assert(!block_set(&b, SPAN("a.example"), span_of("a\0b", 3)));
	cr_assert(!block_set(&b, SPAN("a.example"), SPAN("\x7f")));
}

/* What comes from another process may be anything. */
Test(blocks, only_sound_rows)
{
	struct block good = row_of("a.example", 2000), b;

	cr_assert(block_is_sound(&good));
	b = good;
	b.name[0] = 'A';
	cr_assert(!block_is_sound(&b), "not canonical");
	b = good;
	b.name_len = BLOCK_NAME_MAX + 1;
	cr_assert(!block_is_sound(&b));
	b = good;
	b.reason_len = BLOCK_REASON_MAX + 1;
	cr_assert(!block_is_sound(&b));
	b = good;
	b.until = b.since + BLOCK_TIME_MAX + 1;
	cr_assert(!block_is_sound(&b));
	b.until = -1;
	cr_assert(!block_is_sound(&b));
	b = good;
	b.since = INT64_MAX;
	cr_assert(!block_is_sound(&b), "an end that does not fit");
}

Test(blocks, put_find_remove_expire)
{
	struct blocks *t = calloc(1, sizeof(*t));
	struct block one = row_of("one.example", 2000), two = row_of("*.two.example", BLOCK_NO_END), again = row_of("one.example", 3000);

	cr_assert_eq(blocks_put(t, &one), 0);
	cr_assert_eq(blocks_put(t, &two), 0);
	cr_assert_eq(blocks_put(t, &again), 0);
	cr_assert_eq(blocks_now(t)->count, 2, "one name stands there once");
	cr_assert_eq(blocks_find(blocks_now(t), SPAN("one.example"))->until, 3000);
	cr_assert_null(blocks_find(blocks_now(t), SPAN("two.example")), "the wildcard entry is another one");
	blocks_expire(t, 2999);
	cr_assert_eq(blocks_now(t)->count, 2);
	blocks_expire(t, 3000);
	cr_assert_eq(blocks_now(t)->count, 1);
	cr_assert(!blocks_remove(t, SPAN("one.example")));
	cr_assert(blocks_remove(t, SPAN("*.two.example")));
	cr_assert_eq(blocks_now(t)->count, 0);
	free(t);
}

Test(blocks, there_is_a_last_one)
{
	struct blocks *t = calloc(1, sizeof(*t));
	struct blocks_copy *all = calloc(1, sizeof(*all));
	struct block more = row_of("more.example", BLOCK_NO_END), known = row_of("d17.example", 5000);

	for (; all->count < BLOCKS_MAX; all->count++) {
		char name[32];

		snprintf(name, sizeof(name), "d%u.example", all->count);
		all->row[all->count] = row_of(name, BLOCK_NO_END);
	}
	blocks_set(t, all);
	cr_assert_eq(blocks_put(t, &more), -ENOSPC);
	cr_assert_null(blocks_find(blocks_now(t), SPAN("more.example")));
	cr_assert_eq(blocks_put(t, &known), 0, "one that is there may be put anew");
	cr_assert(blocks_remove(t, SPAN("d4095.example")));
	cr_assert_eq(blocks_put(t, &more), 0);
	free(all);
	free(t);
}

/* Two rows always say the same; a reader that keeps to the loop never sees them differ. */
Test(blocks, a_reader_sees_whole_tables)
{
	struct blocks *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct blocks_copy *rows = calloc(1, sizeof(*rows));
	pid_t writer;
	int status;

	cr_assert_neq(t, MAP_FAILED);
	rows->count = 2;
	rows->row[0] = rows->row[1] = row_of("a.example", 0);
	blocks_set(t, rows);
	writer = fork();
	for (int64_t i = 0; writer == 0 && i < 200000; i++) {
		rows->row[0].until = rows->row[1].until = i;
		blocks_set(t, rows);
	}
	if (writer == 0)
		_exit(0);
	while (waitpid(writer, &status, WNOHANG) == 0) {
		uint64_t version;
		int64_t a, b;

		do {
			version = blocks_version(t);
			a = blocks_copy(t, version)->row[0].until;
			b = blocks_copy(t, version)->row[1].until;
		} while (blocks_version(t) != version);
		cr_assert_eq(a, b);
	}
	cr_assert_eq(status, 0);
	free(rows);
	munmap(t, sizeof(*t));
}
