/* conn_rows: a reader gets whole rows or none, whatever the writer does. */
#include <criterion/criterion.h>

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/conn_rows.h"
#include "support/leaks.h"

TestSuite(conn_rows, .fini = leaks_check);

Test(conn_rows, written_read_and_cleared)
{
	struct conn_row row = { 0 };
	struct conn_row_text text = { .used = 1, .tls = 1, .peer_port = 5061, .slot = 7, .since = -1,
				      .peer = "192.0.2.1", .dn = "CN=a" };
	struct conn_row_text got = { .slot = 99 };
	uint64_t messages = 99;

	cr_assert(!conn_row_read(&row, &got, &messages), "free");
	conn_row_write(&row, &text);
	atomic_store(&row.messages, 5);
	cr_assert(conn_row_read(&row, &got, &messages));
	cr_assert_eq(memcmp(&got, &text, sizeof(got)), 0);
	cr_assert_eq(messages, 5);
	conn_row_clear(&row);
	got.slot = messages = 99;
	cr_assert(!conn_row_read(&row, &got, &messages));
	cr_assert(got.slot == 99 && messages == 99, "untouched on failure");
	conn_row_write(&row, &text);
	cr_assert(conn_row_read(&row, &got, &messages));
	cr_assert_eq(messages, 0, "counted anew");
}

Test(conn_rows, a_writer_that_died_half_way_is_passed_over_and_succeeded)
{
	struct conn_row row = { 0 };
	struct conn_row_text text = { .used = 1 }, got;
	uint64_t messages;

	conn_row_write(&row, &text);
	atomic_fetch_add(&row.seq, 1);
	cr_assert(!conn_row_read(&row, &got, &messages), "being written, for ever");
	conn_row_write(&row, &text);
	cr_assert(conn_row_read(&row, &got, &messages), "the next worker's row");
}

Test(conn_rows, a_hostile_writer_can_not_make_strings_endless)
{
	struct conn_row row = { 0 };
	struct conn_row_text text, got;
	uint64_t messages;

	memset(&text, 'x', sizeof(text));
	conn_row_write(&row, &text);
	cr_assert(conn_row_read(&row, &got, &messages));
	cr_assert_eq(strnlen(got.peer, sizeof(got.peer)), sizeof(got.peer) - 1);
	cr_assert_eq(strnlen(got.listener, sizeof(got.listener)), sizeof(got.listener) - 1);
	cr_assert_eq(strnlen(got.tls_version, sizeof(got.tls_version)), sizeof(got.tls_version) - 1);
	cr_assert_eq(strnlen(got.cipher, sizeof(got.cipher)), sizeof(got.cipher) - 1);
	cr_assert_eq(strnlen(got.domain, sizeof(got.domain)), sizeof(got.domain) - 1);
	cr_assert_eq(strnlen(got.dn, sizeof(got.dn)), sizeof(got.dn) - 1);
}

/* Two processes on one row: what is read was written by one write, never by two. */
Test(conn_rows, rows_are_never_torn)
{
	enum { WRITES = 20000 };
	struct {
		struct conn_row row;
		_Atomic bool done;
	} *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct conn_row_text got;
	uint64_t messages;
	int reads = 0, status;
	pid_t child;

	cr_assert_neq((void *)shared, MAP_FAILED);
	child = fork();
	if (child == 0) {
		for (uint32_t i = 0; i < WRITES; i++) {
			struct conn_row_text text;

			memset(&text, 'a' + (int)(i % 26), sizeof(text));
			conn_row_write(&shared->row, &text);
			if (i % 64 == 0)
				sched_yield();
		}
		atomic_store(&shared->done, true);
		_exit(0);
	}
	for (int i = 0; i < 5000000 && !atomic_load(&shared->done); i++) {
		if (!conn_row_read(&shared->row, &got, &messages)) {
			sched_yield();
			continue;
		}
		reads++;
		cr_assert_eq(got.dn[0], (char)got.used, "torn");
		for (size_t k = 0; k < sizeof(got.dn) - 1; k++)
			cr_assert_eq(got.dn[k], got.peer[0], "torn at %zu", k);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_assert(conn_row_read(&shared->row, &got, &messages));
	cr_assert_gt(reads, 0);
	cr_assert_eq(got.dn[0], 'a' + (WRITES - 1) % 26, "the last write is there");
}
