/* shared: a worker may write what is its own and nothing else, and begins with clean rows. */
#include <criterion/criterion.h>

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/shared.h"
#include "support/leaks.h"

TestSuite(shared, .fini = leaks_check);

#define WORKERS 3

static struct shared s;

/* Can this byte be written, or be made writable? */
static bool writable(void *p)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char *page = (char *)((uintptr_t)p & ~(uintptr_t)(REGION_PAGE - 1));

		if (mprotect(page, REGION_PAGE, PROT_READ | PROT_WRITE) != 0)
			_exit(errno == EACCES ? 1 : 2);
		*(volatile char *)p = *(volatile char *)p;
		_exit(0);
	}
	cr_assert_gt(pid, 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) < 2, "status %x", status);
	return WEXITSTATUS(status) == 0;
}

Test(shared, narrow_leaves_a_worker_its_own)
{
	cr_assert_eq(shared_init(&s, WORKERS, 100), 0);
	cr_assert_eq(shared_narrow(&s, 1), 0);
	for (uint32_t w = 0; w < WORKERS; w++) {
		cr_assert_eq(writable(&shared_counters(&s)[w]), w == 1, "counters %u", w);
		cr_assert_eq(writable(&shared_states(&s)[w]), w == 1, "state %u", w);
		for (size_t r = SHARED_MAIL; r <= SHARED_PRESENCE; r++) {
			struct shared_region *part = &s.region[r];

			cr_assert_eq(writable(part->p + w * part->each), w == 1, "region %zu, first byte of %u", r, w);
			cr_assert_eq(writable(part->p + (w + 1) * part->each - 1), w == 1, "region %zu, last byte of %u", r, w);
		}
		cr_assert_eq(writable(&shared_rows(&s)[w * s.rows_per_worker]), w == 1, "first row %u", w);
		cr_assert_eq(writable(&shared_rows(&s)[(w + 1) * s.rows_per_worker - 1]), w == 1, "last row %u", w);
	}
	cr_assert(!writable(shared_master(&s)));
	cr_assert(!writable(shared_blocks(&s)));
}

Test(shared, narrow_leaves_others_nothing)
{
	cr_assert_eq(shared_init(&s, WORKERS, 100), 0);
	cr_assert_eq(shared_narrow(&s, UINT32_MAX), 0);
	cr_assert(!writable(&shared_counters(&s)[0]));
	cr_assert(!writable(&shared_rows(&s)[0]));
	cr_assert(!writable(&shared_states(&s)[WORKERS - 1]));
	cr_assert(!writable(shared_master(&s)));
}

Test(shared, drop_leaves_nothing)
{
	void *was;

	cr_assert_eq(shared_init(&s, WORKERS, 100), 0);
	was = shared_counters(&s);
	shared_drop(&s);
	cr_assert_null(shared_counters(&s));
	cr_assert_null(shared_master(&s));
	cr_assert_eq(mprotect(was, REGION_PAGE, PROT_READ), -1, "not mapped");
	cr_assert_eq(errno, ENOMEM);
}

Test(shared, what_is_written_is_seen)
{
	int status;
	pid_t pid;

	cr_assert_eq(shared_init(&s, WORKERS, 100), 0);
	pid = fork();
	if (pid == 0) {
		if (shared_narrow(&s, 2) != 0)
			_exit(1);
		counter_add(&shared_counters(&s)[2].accepted, 5);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(counter_get(&shared_counters(&s)[2].accepted), 5);
}

Test(shared, clean_keeps_counts_and_others)
{
	struct conn_row *rows;

	cr_assert_eq(shared_init(&s, WORKERS, 1000), 0);
	rows = shared_rows(&s);
	for (size_t i = 0; i < WORKERS * s.rows_per_worker; i++)
		rows[i].text.used = 1;
	for (uint32_t w = 0; w < WORKERS; w++) {
		counter_set(&shared_counters(&s)[w].accepted, 10);
		counter_set(&shared_counters(&s)[w].open, 3);
	}
	shared_clean(&s, 1);
	for (size_t i = 0; i < WORKERS * s.rows_per_worker; i++)
		cr_assert_eq(rows[i].text.used, i / s.rows_per_worker == 1 ? 0 : 1, "row %zu", i);
	for (uint32_t w = 0; w < WORKERS; w++) {
		cr_assert_eq(counter_get(&shared_counters(&s)[w].accepted), 10, "worker %u", w);
		cr_assert_eq(counter_get(&shared_counters(&s)[w].open), w == 1 ? 0 : 3, "worker %u", w);
	}
}

Test(shared, rows_fill_pages)
{
	static const size_t wishes[] = { 64, 65, 100, 19744, 1000000 };

	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		struct shared one = { .rows_per_worker = 0 };

		cr_assert_eq(shared_init(&one, 1, wishes[i]), 0);
		cr_assert_leq(one.rows_per_worker, wishes[i]);
		cr_assert_geq(one.rows_per_worker + REGION_PAGE, wishes[i], "hardly less than asked for");
		cr_assert_eq(one.rows_per_worker * sizeof(struct conn_row) % REGION_PAGE, 0, "wish %zu", wishes[i]);
	}
}
