/* mailbox: between two processes nothing is lost, torn, or another incarnation's. */
#include <criterion/criterion.h>

#include <sys/wait.h>
#include <unistd.h>

#include "support/leaks.h"
#include "support/two_boxes.h"

TestSuite(mailbox_processes, .fini = leaks_check);

#define MESSAGES 1000000u

static size_t length_of(uint32_t n)
{
	return n % 1000 == 0 ? 100000 + n % 77777 : n * 2654435761u >> 24;
}

static uint8_t byte_of(uint32_t n, size_t i)
{
	return (uint8_t)(n * 31 + i);
}

/* The child sends them all, however often it has to wait. */
static void send_all(uint64_t to)
{
	char *text = malloc(1 << 18);

	for (uint32_t n = 0; n < MESSAGES; n++) {
		size_t len = length_of(n);

		for (size_t i = 0; i < len; i += len > 300 ? 997 : 1)
			text[i] = (char)byte_of(n, i);
		for (uint64_t tries = 0; !mailbox_send(&a, B, to, span_of(&n, sizeof(n)), span_of(text, len)); tries++) {
			if (tries > 1000000000)
				_exit(2);
			usleep(0);
		}
	}
	_exit(0);
}

Test(mailbox_processes, a_million_between_processes, .timeout = 280)
{
	uint32_t number = 0;
	struct span got;
	pid_t pid;
	int status;

	setup();
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0)
		send_all(b.incarnation);
	for (uint64_t idle = 0; number < MESSAGES; idle++) {
		enum mail_status st = take(&got);
		uint32_t n;

		cr_assert_neq(st, MAIL_BROKEN);
		cr_assert_lt(idle, 10000000000ull);
		if (st == MAIL_NONE) {
			usleep(0);
			continue;
		}
		memcpy(&n, got.p, sizeof(n));
		cr_assert_eq(n, number, "%u for %u", n, number);
		got = span_from(got, sizeof(n));
		cr_assert_eq(got.len, length_of(n));
		for (size_t i = 0; i < got.len; i += got.len > 300 ? 997 : 1)
			if ((uint8_t)got.p[i] != byte_of(n, i))
				cr_assert_fail("message %u, byte %zu", n, i);
		number++;
	}
	cr_assert_eq(take(&got), MAIL_NONE);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	done();
}

/* Each child writes as many as it can, one incarnation after the other: none is ever torn or another's. */
Test(mailbox_processes, restarts_between_processes, .timeout = 280)
{
	struct span got;
	unsigned received = 0;
	pid_t pid;
	int status;

	setup();
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		static uint64_t words[64];
		unsigned sent = 0;

		for (int round = 0; round < 20000; round++) {
			open_as(&a, A);
			for (size_t i = 0; i < ARRAY_LEN(words); i++)
				words[i] = a.incarnation;
			for (int n = 0; n < round % 40; n++)
				sent += mailbox_send(&a, B, b.incarnation, span_of(words, (size_t)(round + n) % 64 * 8 + 8), SPAN_NONE);
		}
		_exit(sent ? 0 : 1);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		enum mail_status st = take(&got);
		uint64_t first, word;

		cr_assert_neq(st, MAIL_BROKEN);
		if (st != MAIL_READY)
			continue;
		received++;
		memcpy(&first, got.p, sizeof(first));
		for (size_t i = 0; i < got.len; i += sizeof(word)) {
			memcpy(&word, got.p + i, sizeof(word));
			cr_assert_eq(word, first, "of two incarnations");
		}
	}
	cr_assert_eq(status, 0);
	cr_assert_gt(received, 0);
	done();
}
