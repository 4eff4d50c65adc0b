/*
 * timer: against a plain array of deadlines that is searched in full, with
 * thousands of random operations; then the borders of the wheel.
 */
#include <criterion/criterion.h>

#include "support/leaks.h"
#include "worker/timer.h"

TestSuite(timer, .fini = leaks_check);

#define GRANULARITY (1ULL << 24)
#define TURN (4096 * GRANULARITY)
#define TIMERS 300
#define STEPS 20000

static uint64_t random_state = 0x9e3779b97f4a7c15ULL;

/* xorshift64: the same sequence in each run, so that a failure comes again. */
static uint64_t rnd(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

struct model {
	struct timer timer;
	bool set;
	uint64_t deadline;
};

static struct model models[TIMERS];

static uint64_t random_deadline(uint64_t now)
{
	switch (rnd(8)) {
	case 0:
		return rnd(2) ? now : now - rnd(now + 1);
	case 1:
		return now + rnd(3 * GRANULARITY);
	case 2:
		return now / GRANULARITY * GRANULARITY + rnd(4) * GRANULARITY;
	case 3:
		return now + TURN - GRANULARITY + rnd(2 * GRANULARITY);
	case 4:
		return now + rnd(5 * TURN);
	case 5:
		return rnd(20) ? now + rnd(TURN) : UINT64_MAX - rnd(2);
	default:
		return now + rnd(TURN);
	}
}

static uint64_t random_step(void)
{
	switch (rnd(20)) {
	case 0:
		return rnd(3 * TURN);
	case 1:
		return rnd(2) * TURN;
	case 2:
	case 3:
		return 0;
	default:
		return rnd(20 * GRANULARITY);
	}
}

/* Take all that has expired; then nothing may be overdue, and the next wake-up must come in time. */
static void check(struct timer_wheel *w, uint64_t now, int step)
{
	struct timer *t;
	uint64_t next;
	bool any = false;

	for (int n = 0; (t = timer_expired(w, now)) != NULL; n++) {
		struct model *m = CONTAINER_OF(t, struct model, timer);

		cr_assert(n < TIMERS, "step %d: a timer came twice", step);
		cr_assert(m->set, "step %d: fired, but it was not set", step);
		cr_assert(!timer_is_set(t), "step %d: fired, but not cleared", step);
		cr_assert_leq(m->deadline, now, "step %d: early", step);
		m->set = false;
	}
	next = timer_next(w, now);
	for (int i = 0; i < TIMERS; i++) {
		struct model *m = &models[i];

		cr_assert_eq(timer_is_set(&m->timer), m->set, "step %d: timer %d", step, i);
		if (!m->set)
			continue;
		any = true;
		cr_assert(m->deadline + GRANULARITY > now || m->deadline > UINT64_MAX - GRANULARITY, "step %d: late", step);
		cr_assert(next <= m->deadline - MIN(now, m->deadline) + GRANULARITY, "step %d: would wake late", step);
	}
	if (any)
		cr_assert_gt(next, 0, "step %d: a loop that waits would spin", step);
	else
		cr_assert_eq(next, UINT64_MAX, "step %d: nothing is set", step);
}

Test(timer, agrees_with_a_list_over_random_operations)
{
	uint64_t now = 7 * TURN + 12345;
	struct timer_wheel *w = timer_wheel_new(now);
	int fired_or_cleared = 0;

	cr_assert_not_null(w);
	for (int step = 0; step < STEPS; step++) {
		for (uint64_t n = rnd(4); n > 0; n--) {
			struct model *m = &models[rnd(TIMERS)];

			if (rnd(4) == 0) {
				timer_clear(w, &m->timer);
				fired_or_cleared += m->set;
				m->set = false;
			} else {
				m->deadline = random_deadline(now);
				timer_set(w, &m->timer, m->deadline);
				m->set = true;
			}
		}
		now += random_step();
		check(w, now, step);
	}
	cr_assert_gt(fired_or_cleared, 100, "the random walk must exercise clearing");
	timer_wheel_free(w);
}

struct border_row {
	const char *why;
	uint64_t start, deadline;
};

/* Waiting as long as timer_next says, again and again, reaches each deadline, and not before it. */
Test(timer, waiting_for_next_reaches_each_deadline)
{
	static const struct border_row rows[] = {
		{ "in the past", 5 * GRANULARITY, 1 },
		{ "now", 5 * GRANULARITY, 5 * GRANULARITY },
		{ "the next ns", 5 * GRANULARITY, 5 * GRANULARITY + 1 },
		{ "end of the tick", 5 * GRANULARITY, 6 * GRANULARITY - 1 },
		{ "the next tick", 5 * GRANULARITY + 1, 6 * GRANULARITY },
		{ "last slot of the turn", 0, TURN - GRANULARITY },
		{ "the slot we are in, one turn on", 0, TURN },
		{ "just past one turn", 0, TURN + 1 },
		{ "many turns on", 3 * TURN + 777, 40 * TURN + 5 },
		{ "first word of the bitmap again", 63 * 64 * GRANULARITY, TURN + 3 * GRANULARITY },
		{ "same word, lower bit", 130 * GRANULARITY, TURN + 129 * GRANULARITY },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct border_row *r = &rows[i];
		struct timer_wheel *w = timer_wheel_new(r->start);
		uint64_t now = r->start;
		struct timer t = { 0 }, *got = NULL;

		cr_assert_not_null(w);
		timer_set(w, &t, r->deadline);
		for (int wakes = 0; wakes < 60 && !got; wakes++) {
			now += timer_next(w, now);
			got = timer_expired(w, now);
		}
		cr_assert_eq(got, &t, "%s", r->why);
		cr_assert_geq(now, r->deadline, "%s: early", r->why);
		cr_assert_lt(now, MAX(r->deadline, r->start) + GRANULARITY, "%s: late", r->why);
		cr_assert_eq(timer_next(w, now), UINT64_MAX, "%s", r->why);
		timer_wheel_free(w);
	}
}

Test(timer, cleared_while_due_and_set_anew_from_a_callback)
{
	struct timer_wheel *w = timer_wheel_new(0);
	struct timer a = { 0 }, b = { 0 };
	struct timer *first, *other;

	cr_assert_not_null(w);
	timer_set(w, &a, 100);
	timer_set(w, &b, 200);
	first = timer_expired(w, GRANULARITY);
	other = first == &a ? &b : &a;
	cr_assert(timer_is_set(other));
	timer_clear(w, other);
	cr_assert_null(timer_expired(w, GRANULARITY), "cleared after it was found due");
	timer_set(w, first, 2 * GRANULARITY);
	cr_assert_null(timer_expired(w, 2 * GRANULARITY - 1));
	cr_assert_eq(timer_expired(w, 2 * GRANULARITY), first);
	timer_clear(w, first);
	timer_wheel_free(w);
	timer_wheel_free(NULL);
}
