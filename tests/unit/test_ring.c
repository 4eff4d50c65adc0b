/*
 * ring: real sockets on loopback.  What must hold is counted in events and
 * bytes, never in time.
 */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/leaks.h"
#include "worker/ring.h"

TestSuite(ring, .fini = leaks_check);

#define TURNS_MAX 5000
#define MSEC 1000000ULL

static const struct ring_wait SHORT_WAIT = { .timeout_ns = 20 * MSEC, .batch = 1 };
static const struct ring_wait NO_WAIT = { .timeout_ns = 0, .batch = 1 };

static struct ring *ring_or_skip(unsigned entries, unsigned buffers, unsigned buffer_size)
{
	struct ring_config config = { .entries = entries, .buffers = buffers, .buffer_size = buffer_size };
	const char *why;
	struct ring *r = ring_new(&config, &why);

	if (!r)
		cr_skip_test("no ring here: %s", why);
	return r;
}

/* The next event, waiting for it; the test fails when none comes. */
static struct ring_event must_next(struct ring *r)
{
	struct ring_event ev = { 0 };
	bool got = ring_next(r, &ev);

	for (int turns = 0; !got && turns < TURNS_MAX; turns++) {
		cr_assert_eq(ring_turn(r, &SHORT_WAIT), 0);
		got = ring_next(r, &ev);
	}
	cr_assert(got, "no event came");
	return ev;
}

static void no_event(struct ring *r, const char *why)
{
	struct ring_event ev;

	cr_assert_eq(ring_turn(r, &NO_WAIT), 0);
	cr_assert(!ring_next(r, &ev), "%s: op %d res %d", why, ev.op, ev.res);
}

static void pair(int fds[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* A bound socket on loopback, listening when asked to; its address in *sin. */
static int bound(struct sockaddr_in *sin, bool listening)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*sin = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)sin, sizeof(*sin)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)sin, &len), 0);
	if (listening)
		cr_assert_eq(listen(fd, 256), 0);
	return fd;
}

static int connect_to(const struct sockaddr_in *sin)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(connect(fd, (const struct sockaddr *)sin, sizeof(*sin)), 0);
	return fd;
}

Test(ring, one_accept_takes_many_connections_until_cancelled)
{
	enum { CONNECTIONS = 100 };
	struct ring *r = ring_or_skip(64, 8, 512);
	struct sockaddr_in sin;
	int listener = bound(&sin, true), clients[CONNECTIONS];
	struct ring_event ev;
	int cancelled = 0;

	ring_accept(r, 3, 9, listener);
	for (int i = 0; i < CONNECTIONS; i++)
		clients[i] = connect_to(&sin);
	for (int i = 0; i < CONNECTIONS; i++) {
		ev = must_next(r);
		cr_assert_eq(ev.op, RING_ACCEPT);
		cr_assert_eq(ev.slot, 3);
		cr_assert_eq(ev.generation, 9);
		cr_assert_geq(ev.res, 0, "connection %d: %d", i, ev.res);
		cr_assert(ev.more, "connection %d", i);
		cr_assert_eq(ev.buffer, -1);
		cr_assert_eq(close(ev.res), 0);
		close(clients[i]);
	}
	ring_cancel(r, RING_ACCEPT, 3, 9);
	for (int i = 0; i < 2; i++) {
		ev = must_next(r);
		if (ev.op == RING_ACCEPT) {
			cr_assert_eq(ev.res, -ECANCELED);
			cr_assert(!ev.more);
			cancelled++;
		} else {
			cr_assert_eq(ev.op, RING_CANCEL);
			cr_assert_eq(ev.res, 0);
		}
	}
	cr_assert_eq(cancelled, 1);
	no_event(r, "after the cancellation");
	ring_free(r);
	close(listener);
}

/* Byte n of the stream that the receive tests send. */
static uint8_t pattern(size_t n)
{
	return (uint8_t)(n * 31 + n / 251);
}

static void take(struct ring *r, const struct ring_event *ev, size_t *seen)
{
	const uint8_t *p = ring_buffer(r, ev->buffer);

	for (int i = 0; i < ev->res; i++, ++*seen)
		cr_assert_eq(p[i], pattern(*seen), "byte %zu", *seen);
}

Test(ring, recv_ends_without_buffers_and_goes_on_when_rearmed)
{
	enum { BUFFERS = 4, SIZE = 512, BYTES = 64 * 1024 };
	struct ring *r = ring_or_skip(8, BUFFERS, SIZE);
	static uint8_t data[BYTES];
	int fds[2], held[BUFFERS], count = 0;
	size_t seen = 0;
	struct ring_event ev;
	bool armed = true;

	for (size_t i = 0; i < BYTES; i++)
		data[i] = pattern(i);
	pair(fds);
	cr_assert_eq(write(fds[1], data, BYTES), BYTES);
	close(fds[1]);
	ring_recv(r, 1, 1, fds[0]);
	for (count = 0; count < BUFFERS; count++) {
		ev = must_next(r);
		cr_assert_eq(ev.op, RING_RECV);
		cr_assert_eq(ev.res, SIZE);
		cr_assert(ev.more);
		held[count] = ev.buffer;
		take(r, &ev, &seen);
	}
	ev = must_next(r);
	cr_assert_eq(ev.res, -ENOBUFS, "all buffers are out");
	cr_assert(!ev.more);
	cr_assert_eq(ev.buffer, -1);
	cr_assert_eq(ring_buffers_out(r), BUFFERS);
	for (int i = 0; i < BUFFERS; i++)
		ring_buffer_put(r, held[i]);
	cr_assert_eq(ring_buffers_out(r), 0);

	ring_recv(r, 1, 1, fds[0]);
	for (int events = 0; armed && events < 4 * BYTES / SIZE; events++) {
		ev = must_next(r);
		if (ev.res > 0) {
			take(r, &ev, &seen);
			ring_buffer_put(r, ev.buffer);
		}
		if (ev.res == 0)
			break;
		armed = ev.more;
		if (!armed) {
			cr_assert(ev.res > 0 || ev.res == -ENOBUFS, "%d", ev.res);
			ring_recv(r, 1, 1, fds[0]);
			armed = true;
		}
	}
	cr_assert_eq(ev.res, 0, "end of stream");
	cr_assert(!ev.more);
	cr_assert_eq(ev.buffer, -1);
	cr_assert_eq(seen, BYTES);
	cr_assert_eq(ring_buffers_out(r), 0);
	ring_free(r);
	close(fds[0]);
}

Test(ring, old_generation_is_recognised)
{
	struct ring *r = ring_or_skip(8, 4, 512);
	const uint32_t slot = (1U << 24) - 1;
	int old[2], new[2];
	bool ended = false, came = false;

	pair(old);
	pair(new);
	ring_recv(r, slot, UINT32_MAX, old[0]);
	cr_assert_eq(ring_turn(r, &NO_WAIT), 0);
	ring_cancel(r, RING_RECV, slot, UINT32_MAX);
	ring_recv(r, slot, 0, new[0]);
	cr_assert_eq(write(new[1], "x", 1), 1);
	for (int i = 0; i < 3; i++) {
		struct ring_event ev = must_next(r);

		cr_assert_eq(ev.slot, slot);
		if (ev.op == RING_CANCEL)
			continue;
		cr_assert_eq(ev.op, RING_RECV);
		if (ev.generation == UINT32_MAX) {
			cr_assert_eq(ev.res, -ECANCELED);
			ended = true;
		} else {
			cr_assert_eq(ev.generation, 0);
			cr_assert_eq(ev.res, 1);
			ring_buffer_put(r, ev.buffer);
			came = true;
		}
	}
	cr_assert(ended && came);
	ring_cancel(r, RING_RECV, slot, 77);
	cr_assert_eq(must_next(r).res, -ENOENT, "nothing has that word");
	ring_free(r);
}

Test(ring, connect_succeeds_and_is_refused)
{
	struct ring *r = ring_or_skip(8, 4, 512);
	struct sockaddr_in open_at, closed_at;
	int listener = bound(&open_at, true), deaf = bound(&closed_at, false);
	int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM, 0);
	struct ring_event ev;

	ring_connect(r, 1, 1, a, (struct sockaddr *)&open_at, sizeof(open_at));
	ev = must_next(r);
	cr_assert_eq(ev.op, RING_CONNECT);
	cr_assert_eq(ev.res, 0);
	ring_connect(r, 2, 1, b, (struct sockaddr *)&closed_at, sizeof(closed_at));
	ev = must_next(r);
	cr_assert_eq(ev.slot, 2);
	cr_assert_eq(ev.res, -ECONNREFUSED);
	ring_free(r);
	close(listener);
	close(deaf);
}

/* A connected TCP pair whose path holds only a few kilobytes. */
static void narrow_pair(int *sender, int *reader)
{
	int small = 4096;
	struct sockaddr_in sin;
	int listener = bound(&sin, true);

	cr_assert_eq(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	*sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(setsockopt(*sender, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	cr_assert_eq(connect(*sender, (struct sockaddr *)&sin, sizeof(sin)), 0);
	*reader = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(*reader, 0);
	close(listener);
}

static uint8_t bulk[1 << 20];

Test(ring, send_completes_once_and_in_full_when_the_reader_is_late)
{
	struct ring *r = ring_or_skip(8, 4, 512);
	static uint8_t got[8192];
	int sender, reader;
	size_t seen = 0;
	struct ring_event ev;
	bool done = false;

	for (size_t i = 0; i < sizeof(bulk); i++)
		bulk[i] = pattern(i);
	narrow_pair(&sender, &reader);
	ring_send(r, 1, 1, sender, bulk, sizeof(bulk));
	for (int i = 0; i < 3; i++)
		no_event(r, "nobody has read yet");
	for (int turns = 0; seen < sizeof(bulk) && turns < TURNS_MAX * 10; turns++) {
		ssize_t n = recv(reader, got, sizeof(got), MSG_DONTWAIT);

		for (ssize_t i = 0; i < n; i++, seen++)
			cr_assert_eq(got[i], pattern(seen), "byte %zu", seen);
		cr_assert_eq(ring_turn(r, n > 0 ? &NO_WAIT : &SHORT_WAIT), 0);
		while (ring_next(r, &ev)) {
			cr_assert(!done, "a second completion");
			cr_assert_eq(ev.op, RING_SEND);
			cr_assert_eq(ev.res, (int)sizeof(bulk), "sent in full");
			done = true;
		}
	}
	cr_assert_eq(seen, sizeof(bulk));
	if (!done)
		cr_assert_eq(must_next(r).res, (int)sizeof(bulk));
	ring_free(r);
	close(sender);
	close(reader);
}

Test(ring, a_send_that_is_cut_off_says_how_far_it_came)
{
	struct ring *r = ring_or_skip(8, 4, 512);
	int sender, reader;
	struct ring_event ev;
	bool sent = false;

	narrow_pair(&sender, &reader);
	ring_send(r, 1, 1, sender, bulk, sizeof(bulk));
	no_event(r, "the path is full");
	ring_cancel(r, RING_SEND, 1, 1);
	for (int i = 0; i < 2; i++) {
		ev = must_next(r);
		if (ev.op != RING_SEND)
			continue;
		cr_assert(ev.res > 0 && ev.res < (int)sizeof(bulk), "cancelled in the middle: %d", ev.res);
		sent = true;
	}
	cr_assert(sent);
	close(reader);
	ring_send(r, 1, 2, sender, bulk, sizeof(bulk));
	ev = must_next(r);
	cr_assert(ev.res == -EPIPE || ev.res == -ECONNRESET, "the reader is gone: %d", ev.res);
	ring_free(r);
	close(sender);
}

/* More operations in one turn than the queue takes, more completions than the other one does: none is lost. */
Test(ring, full_queues_lose_nothing)
{
	enum { MANY = 200 };
	struct ring *r = ring_or_skip(4, 4, 512);
	int fds[MANY], seen[MANY] = { 0 };

	for (int i = 0; i < MANY; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC);
		cr_assert_geq(fds[i], 0);
		ring_poll(r, (uint32_t)i, 5, fds[i]);
	}
	for (int n = 0; n < MANY; n++) {
		struct ring_event ev = must_next(r);

		cr_assert_eq(ev.op, RING_POLL);
		cr_assert_eq(ev.generation, 5);
		cr_assert_lt(ev.slot, MANY);
		cr_assert(ev.res > 0 && (ev.res & POLLIN), "%d", ev.res);
		cr_assert_eq(seen[ev.slot]++, 0, "slot %u twice", ev.slot);
	}
	no_event(r, "each was ready once");
	ring_free(r);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
}

Test(ring, poll_wakes_again_and_again)
{
	struct ring *r = ring_or_skip(8, 4, 512);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t n;

	ring_poll(r, 1, 1, fd);
	no_event(r, "not written yet");
	for (int i = 0; i < 5; i++) {
		struct ring_event ev;

		cr_assert_eq(eventfd_write(fd, 1), 0);
		ev = must_next(r);
		cr_assert(ev.more);
		cr_assert_eq(read(fd, &n, sizeof(n)), (ssize_t)sizeof(n));
	}
	ring_free(r);
	close(fd);
}

struct wait_row {
	const char *why;
	struct ring_wait wait;
	int ready;	/* events that are there before the turn */
	bool later;	/* one more is made by another process meanwhile */
	int want;
};

Test(ring, waits_end_with_what_there_is)
{
	static const struct wait_row rows[] = {
		{ "nothing, no wait", { 0, 1, 0 }, 0, false, 0 },
		{ "nothing, short wait", { 5 * MSEC, 1, 0 }, 0, false, 0 },
		{ "one, endless wait", { UINT64_MAX, 1, 0 }, 1, false, 1 },
		{ "full batch, endless wait", { UINT64_MAX, 4, 3600000 * MSEC }, 4, false, 4 },
		{ "batch not reached, endless wait", { UINT64_MAX, 8, 5 * MSEC }, 2, false, 2 },
		{ "batch not reached, long wait", { 3600000 * MSEC, 8, 5 * MSEC }, 2, false, 2 },
		{ "nothing within the batch's time: the first one after it", { UINT64_MAX, 8, MSEC }, 0, true, 1 },
		{ "batch time below a microsecond counts as none", { UINT64_MAX, 8, 1 }, 1, false, 1 },
		{ "time-out shorter than the batch's time", { 5 * MSEC, 8, 3600000 * MSEC }, 2, false, 2 },
		{ "nothing within a batch, short wait", { 5 * MSEC, 8, MSEC }, 0, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct wait_row *row = &rows[i];
		struct ring *r = ring_or_skip(16, 4, 512);
		int fds[8], got = 0;
		pid_t child = -1;
		struct ring_event ev;

		for (int k = 0; k < 8; k++) {
			fds[k] = eventfd(k < row->ready, EFD_CLOEXEC);
			ring_poll(r, (uint32_t)k, 1, fds[k]);
		}
		if (row->later && (child = fork()) == 0) {
			usleep(30000);
			_exit(eventfd_write(fds[0], 1) != 0);
		}
		cr_assert_eq(ring_turn(r, &row->wait), 0, "%s", row->why);
		while (ring_next(r, &ev))
			got++;
		cr_assert_eq(got, row->want, "%s: %d events", row->why, got);
		if (child > 0)
			cr_assert_eq(waitpid(child, NULL, 0), child);
		ring_free(r);
		for (int k = 0; k < 8; k++)
			close(fds[k]);
	}
}

Test(ring, a_send_is_told_with_what_comes_next_or_soon)
{
	static const struct ring_wait endless = { .timeout_ns = UINT64_MAX, .batch = 1 };
	struct ring *r = ring_or_skip(16, 4, 512);
	struct ring_event ev;
	int sv[2], ready = eventfd(0, EFD_CLOEXEC), got = 0;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	ring_poll(r, 1, 1, ready);
	ring_send(r, 2, 1, sv[0], "a", 1);
	cr_assert_eq(ring_turn(r, &endless), 0, "nothing else comes: it ends all the same");
	cr_assert(ring_next(r, &ev) && ev.op == RING_SEND && ev.res == 1);
	cr_assert(!ring_next(r, &ev));
	ring_send(r, 2, 1, sv[0], "b", 1);
	cr_assert_eq(eventfd_write(ready, 1), 0);
	cr_assert_eq(ring_turn(r, &endless), 0);
	while (ring_next(r, &ev))
		got++;
	cr_assert_eq(got, 2, "both in one turn: %d", got);
	ring_free(r);
	close(sv[0]);
	close(sv[1]);
	close(ready);
}

Test(ring, a_buffer_given_back_twice_is_our_mistake, .signal = SIGABRT)
{
	struct ring *r = ring_or_skip(8, 4, 512);
	int fds[2];
	struct ring_event ev;

	pair(fds);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	ring_recv(r, 1, 1, fds[0]);
	ev = must_next(r);
	ring_buffer_put(r, ev.buffer);
	ring_buffer_put(r, ev.buffer);
}
