/*
 * post: a message reaches the worker that it is for, and only in the
 * incarnation that it is for; a sleeping one is woken; garbage goes nowhere;
 * one turn takes only so much.
 */
#include <criterion/criterion.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mailbox.h"
#include "common/presence.h"
#include "master/shared.h"
#include "support/leaks.h"
#include "worker/post.h"

TestSuite(post, .fini = leaks_check);

#define WORKERS 3
#define DOMAIN 0x1234u

static struct shared s;
static int fds[WORKERS], report[2]; /* what child workers have got, as bytes */
static unsigned got;
static struct post last;
static char last_text[64];
static bool reporting;

/* In place of the worker's own, which needs connections. */
void conn_mail(struct worker *w, const struct post *p, struct span bytes)
{
	got++;
	last = *p;
	cr_assert_leq(bytes.len, (size_t)1 << 20);
	memcpy(last_text, bytes.p, MIN(bytes.len, sizeof(last_text)));
	if (reporting && write(report[1], bytes.p, bytes.len) < 0)
		_exit(3);
}

static void setup(void)
{
	cr_assert_eq(shared_init(&s, WORKERS, 64), 0);
	for (int i = 0; i < WORKERS; i++)
		cr_assert_geq(fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 0);
	cr_assert_eq(pipe(report), 0);
}

static struct worker *start(uint32_t index, uint64_t incarnation)
{
	struct ring_config config = { 64, 8, 4096 };
	struct heritage *h = calloc(1, sizeof(*h));
	struct worker *w = calloc(1, sizeof(*w));
	const char *why;

	*h = (struct heritage){ .worker = index, .workers = WORKERS, .incarnation = incarnation,
		.counters = shared_counters(&s), .states = shared_states(&s), .mail = s.region[SHARED_MAIL].p,
		.mail_each = s.region[SHARED_MAIL].each, .presence = (void *)s.region[SHARED_PRESENCE].p, .mail_fds = fds };
	atomic_store(&h->states[index].pid, 1);
	w->h = h;
	w->counters = &h->counters[index];
	w->ring = ring_new(&config, &why);
	cr_assert(w->ring, "%s", why);
	cr_assert_eq(post_new(w), 0);
	return w;
}

/* One turn of a worker: as worker.c does it. */
static void turn(struct worker *w, uint64_t wait_ns)
{
	struct ring_wait wait = { .timeout_ns = post_pending(w) ? 0 : wait_ns, .batch = 1 };
	struct ring_event e;

	cr_assert_eq(ring_turn(w->ring, &wait), 0);
	w->turn++;
	while (ring_next(w->ring, &e)) {
		cr_assert(e.op == RING_POLL && e.slot == RING_POLL_MAIL);
		post_on_event(w);
		if (!e.more)
			ring_poll(w->ring, RING_POLL_MAIL, 0, fds[w->h->worker]);
	}
	post_step(w);
	post_flush(w);
}

static struct post to(const struct worker *w, uint32_t worker)
{
	return (struct post){ .kind = POST_REQUEST, .slot = 3, .generation = 4, .domain = DOMAIN,
		.incarnation = post_incarnation(w, worker) };
}

static void end(struct worker *w)
{
	ring_free(w->ring);
	post_free(w);
	free((void *)(uintptr_t)w->h);
	free(w);
}

Test(post, there_and_back)
{
	struct worker *a, *b;
	struct post p;

	setup();
	a = start(0, 11);
	b = start(1, 12);
	p = to(a, 1);
	cr_assert_eq(p.incarnation, 12);
	cr_assert_eq(post_worker(a, 12), 1);
	cr_assert_eq(post_worker(a, 13), -1);
	cr_assert_eq(post_worker(a, 0), -1, "worker 2 has never run");
	cr_assert(post_send(a, 1, &p, SPAN("hello")));
	turn(b, 0);
	cr_assert_eq(got, 0, "not before the end of the turn");
	post_flush(a);
	turn(b, UINT64_MAX);
	cr_assert_eq(got, 1);
	cr_assert(last.kind == POST_REQUEST && last.slot == 3 && last.generation == 4 && last.domain == DOMAIN);
	cr_assert(!memcmp(last_text, "hello", 5));
	p = to(b, 0);
	cr_assert(post_send(b, 0, &p, SPAN("again")));
	post_flush(b);
	turn(a, UINT64_MAX);
	cr_assert_eq(got, 2);
	cr_assert_eq(counter_get(&a->counters->mail_sent), 1);
	cr_assert_eq(counter_get(&a->counters->mail_received), 1);
	end(a);
	end(b);
}

Test(post, refused)
{
	static char big[1 << 20];
	struct worker *a, *b;
	struct post p;

	setup();
	a = start(0, 11);
	b = start(1, 12);
	p = to(a, 1);
	cr_assert(!post_send(a, 1, &p, span_of(big, sizeof(big))), "larger than the queue");
	p.incarnation = 99;
	cr_assert(!post_send(a, 1, &p, SPAN("x")));
	p.incarnation = 11;
	cr_assert(!post_send(a, 0, &p, SPAN("x")), "to oneself");
	cr_assert(!post_send(a, WORKERS, &p, SPAN("x")));
	p.incarnation = 0;
	cr_assert(!post_send(a, 2, &p, SPAN("x")));
	atomic_store(&shared_states(&s)[1].pid, 0);
	cr_assert_eq(post_worker(a, 12), -1, "it died");
	cr_assert_eq(post_incarnation(a, 1), 0);
	cr_assert_eq(counter_get(&a->counters->mail_refused), 5);
	end(a);
	end(b);
}

/* What a worker in a stranger's hands may put into its ring, honestly framed. */
Test(post, garbage)
{
	static struct mailbox box;
	struct worker *b;
	struct post good;

	setup();
	b = start(1, 12);
	mailbox_open(&box, s.region[SHARED_MAIL].p, WORKERS, 0, 11);
	good = (struct post){ .kind = POST_RESPONSE, .incarnation = 12, .domain_count = PEER_DOMAINS_MAX, .from_outside = 1 };
	for (int i = 0; i < 6; i++) {
		struct post p = good;
		size_t len = sizeof(p);

		switch (i) {
		case 1: p.kind = POST_KINDS; break;
		case 2: p.from_outside = 2; break;
		case 3: p.domain_count = PEER_DOMAINS_MAX + 1; break;
		case 4: p.incarnation = 13; break;
		case 5: len--; break;
		default: break;
		}
		cr_assert(mailbox_send(&box, 1, 12, span_of(&p, len), SPAN_NONE));
	}
	b->wall = 1; /* nobody wakes it: it looks each second */
	turn(b, 0);
	cr_assert_eq(got, 1);
	cr_assert_eq(counter_get(&b->counters->mail_broken), 5);
	end(b);
}

Test(post, a_turn_takes_only_so_much)
{
	struct worker *a, *b, *c;
	struct post p;
	unsigned turns = 0, before = 0;

	setup();
	a = start(0, 11);
	b = start(1, 12);
	c = start(2, 13);
	p = to(a, 1);
	for (int i = 0; i < 1000; i++)
		cr_assert(post_send(a, 1, &p, SPAN("many")));
	cr_assert(post_send(c, 1, &p, SPAN("one")));
	post_flush(a);
	for (; got < 1001; turns++) {
		turn(b, UINT64_MAX);
		cr_assert_lt(got - before, 100);
		before = got;
		cr_assert_lt(turns, 100);
	}
	cr_assert_gt(turns, 10);
	turn(b, 0);
	cr_assert(!post_pending(b));
	end(a);
	end(b);
	end(c);
}

Test(post, find)
{
	struct presence *all;
	struct worker *a, *b;
	struct post p = { 0 };
	uint32_t worker;

	setup();
	a = start(0, 11);
	b = start(2, 12);
	all = (void *)s.region[SHARED_PRESENCE].p;
	cr_assert(!post_find(a, DOMAIN, &worker, &p));
	cr_assert(presence_put(&all[1], DOMAIN, 1, 1), "of one that died");
	cr_assert(!post_find(a, DOMAIN, &worker, &p));
	cr_assert(presence_put(&all[2], DOMAIN, 7, 8));
	cr_assert(post_find(a, DOMAIN, &worker, &p));
	cr_assert(worker == 2 && p.slot == 7 && p.generation == 8 && p.incarnation == 12 && p.domain == DOMAIN);
	shared_clean(&s, 2);
	cr_assert(!post_find(a, DOMAIN, &worker, &p), "a worker begins with nothing told");
	end(a);
	end(b);
}

/* A worker that sleeps until mail comes, for ever, with the right to write what is its own. */
static pid_t run_child(uint32_t index, uint64_t incarnation)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		struct worker *w;

		reporting = true;
		shared_clean(&s, index);
		if (shared_narrow(&s, index) != 0)
			_exit(1);
		w = start(index, incarnation);
		for (;;)
			turn(w, UINT64_MAX);
	}
	return pid;
}

static char next_report(void)
{
	struct pollfd p = { .fd = report[0], .events = POLLIN };
	char c = 0;

	cr_assert_eq(poll(&p, 1, 60000), 1, "nothing came");
	cr_assert_eq(read(report[0], &c, 1), 1);
	return c;
}

static void wait_until_it_runs(const struct worker *w, uint32_t index, uint64_t incarnation)
{
	for (int i = 0; post_incarnation(w, index) != incarnation; i++) {
		cr_assert_lt(i, 60000);
		usleep(1000);
	}
}

Test(post, a_killed_worker_s_replacement_gets_mail)
{
	struct worker *a;
	int status;

	setup();
	a = start(0, 11);
	for (uint64_t round = 0; round < 5; round++) {
		pid_t pid = run_child(1, 100 + round);
		struct post p;

		wait_until_it_runs(a, 1, 100 + round);
		p = to(a, 1);
		for (char c = 'a'; c <= 'e'; c++) {
			cr_assert(post_send(a, 1, &p, span_of(&c, 1)));
			post_flush(a);
			if (c % 2)
				cr_assert_eq(next_report(), c);
			else
				cr_assert_eq(next_report(), c, "sent while it slept");
		}
		kill(pid, SIGKILL);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert(WIFSIGNALED(status));
		cr_assert(post_send(a, 1, &p, SPAN("X")), "nobody has told yet that it died");
		post_flush(a);
		cr_assert_eq(atomic_exchange(&shared_states(&s)[1].pid, 0), 1);
	}
	end(a);
}
