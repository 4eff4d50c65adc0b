/*
 * names: what a worker believes of host names, and for how long; the resolver
 * is the other end of a socket pair.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/ctl.h"
#include "support/leaks.h"
#include "worker/names.h"

#define ME 0x1122334455667788ULL
#define START (1000 * NSEC_PER_SEC)
#define HOST SPAN("sip.partner.example")

static struct names *names;
static int pair[2];
static struct name_answer got;

static void set_up(void)
{
	cr_assert_eq(ctl_pair(pair), 0);
	names = names_new(pair[0], ME);
	cr_assert_not_null(names);
}

static void tear_down(void)
{
	names_free(names);
	close(pair[0]);
	close(pair[1]);
	leaks_check();
}

TestSuite(names, .init = set_up, .fini = tear_down);

static enum names_status ask(struct span host, uint64_t now)
{
	return names_ask(names, host, 0, PROTO_TLS, now, &got);
}

/* The question that has come; false: none. */
static bool question(struct resolve_question *q)
{
	ssize_t n = recv(pair[1], q, sizeof(*q), MSG_DONTWAIT);

	cr_assert(n < 0 || resolve_question_ok(q, (size_t)n));
	return n > 0;
}

static unsigned questions(void)
{
	struct resolve_question q;
	unsigned n = 0;

	while (question(&q))
		n++;
	return n;
}

static struct resolve_answer found(const struct resolve_question *q, uint32_t ttl, uint8_t last)
{
	struct resolve_answer a = { q->incarnation, q->id, RESOLVE_FOUND, ttl, 1 };

	a.target[0].addr[10] = a.target[0].addr[11] = 0xff;
	a.target[0].addr[12] = 127;
	a.target[0].addr[15] = last;
	a.target[0].port = 5061;
	return a;
}

static struct resolve_answer not_found(const struct resolve_question *q, uint32_t status, uint32_t ttl)
{
	return (struct resolve_answer){ q->incarnation, q->id, status, ttl, 0 };
}

static bool answer(const struct resolve_answer *a, uint64_t now)
{
	cr_assert_eq(send(pair[1], a, sizeof(*a), 0), (ssize_t)sizeof(*a));
	return names_on_event(names, now);
}

/* Ask, and have it answered with 127.0.0.`last`. */
static void learn(uint8_t last, uint32_t ttl, uint64_t now)
{
	struct resolve_question q;
	struct resolve_answer a;

	(void)ask(HOST, now);
	cr_assert(question(&q));
	a = found(&q, ttl, last);
	cr_assert(answer(&a, now));
}

Test(names, an_address_is_its_own_answer)
{
	uint8_t addr[16];

	cr_assert_eq(ask(SPAN("[2001:db8::1]"), START), NAMES_READY);
	cr_assert(addr_parse(SPAN("2001:db8::1"), addr));
	cr_assert_eq(memcmp(got.target[0].addr, addr, 16), 0);
	cr_assert_eq(got.target[0].port, 5061);
	cr_assert_eq(names_ask(names, SPAN("192.0.2.1"), 7, PROTO_UDP, START, &got), NAMES_READY);
	cr_assert_eq(got.target[0].port, 7);
	cr_assert_eq(names_ask(names, SPAN("192.0.2.1"), 0, PROTO_UDP, START, &got), NAMES_READY);
	cr_assert_eq(got.target[0].port, 5060);
	cr_assert_eq(questions(), 0);
}

Test(names, asked_once_and_remembered)
{
	struct resolve_question q;
	struct resolve_answer a;

	cr_assert_eq(ask(HOST, START), NAMES_PENDING);
	cr_assert_eq(ask(HOST, START), NAMES_PENDING);
	cr_assert(question(&q));
	cr_assert_eq(questions(), 0, "one question for both");
	cr_assert_eq(q.incarnation, ME);
	cr_assert(span_eq(span_of(q.host, q.host_len), HOST));
	a = found(&q, 60, 1);
	cr_assert(answer(&a, START));
	cr_assert_eq(ask(HOST, START + 59 * NSEC_PER_SEC), NAMES_READY);
	cr_assert_eq(got.count, 1);
	cr_assert_eq(got.target[0].addr[15], 1);
	cr_assert_eq(questions(), 0);
}

Test(names, port_and_protocol_are_part_of_the_question)
{
	cr_assert_eq(names_ask(names, HOST, 5061, PROTO_TLS, START, &got), NAMES_PENDING);
	cr_assert_eq(names_ask(names, HOST, 0, PROTO_TLS, START, &got), NAMES_PENDING);
	cr_assert_eq(names_ask(names, HOST, 0, PROTO_TCP, START, &got), NAMES_PENDING);
	cr_assert_eq(questions(), 3);
}

Test(names, an_old_answer_serves_until_the_new_one_comes)
{
	struct resolve_question q;
	struct resolve_answer a;
	uint64_t now = START + 61 * NSEC_PER_SEC, due;

	learn(1, 60, START);
	cr_assert_eq(ask(HOST, now), NAMES_READY);
	cr_assert_eq(got.target[0].addr[15], 1);
	cr_assert(question(&q), "it has run out: asked anew");
	a = not_found(&q, RESOLVE_FAILED, 5);
	cr_assert_not(answer(&a, now), "nothing that a caller would notice");
	cr_assert_eq(ask(HOST, now + NSEC_PER_SEC), NAMES_READY);
	cr_assert_eq(questions(), 0, "not so soon");
	now += 6 * NSEC_PER_SEC;
	cr_assert_eq(ask(HOST, now), NAMES_READY);
	cr_assert_eq(questions(), 1);
	/* Nobody answers this one. */
	cr_assert_not(names_tick(names, now + NAMES_TIMEOUT_NS, &due));
	cr_assert_eq(due, UINT64_MAX);
	now += 3600 * NSEC_PER_SEC;
	cr_assert_eq(ask(HOST, now), NAMES_READY, "for ever");
	cr_assert(question(&q));
	a = found(&q, 60, 2);
	cr_assert(answer(&a, now));
	cr_assert_eq(ask(HOST, now), NAMES_READY);
	cr_assert_eq(got.target[0].addr[15], 2);
}

Test(names, the_same_answer_again_is_no_change)
{
	struct resolve_question q;
	struct resolve_answer a;

	learn(1, 60, START);
	(void)ask(HOST, START + 61 * NSEC_PER_SEC);
	cr_assert(question(&q));
	a = found(&q, 60, 1);
	cr_assert_not(answer(&a, START));
}

Test(names, a_name_that_is_not_there)
{
	struct resolve_question q;
	struct resolve_answer a;

	(void)ask(HOST, START);
	cr_assert(question(&q));
	a = not_found(&q, RESOLVE_NONE, 20);
	cr_assert(answer(&a, START), "who waits is to be told");
	cr_assert_eq(ask(HOST, START + 19 * NSEC_PER_SEC), NAMES_FAILED);
	cr_assert_eq(questions(), 0);
	cr_assert_eq(ask(HOST, START + 21 * NSEC_PER_SEC), NAMES_PENDING, "perhaps it is there by now");
	cr_assert_eq(questions(), 1);
}

Test(names, a_silent_resolver_is_asked_again_and_then_given_up)
{
	uint64_t due;
	struct resolve_question first, second;

	cr_assert_eq(ask(HOST, START), NAMES_PENDING);
	cr_assert(question(&first));
	cr_assert_not(names_tick(names, START + 1, &due));
	cr_assert_eq(due, START + NAMES_RESEND_NS);
	cr_assert_not(names_tick(names, due, &due));
	cr_assert(question(&second));
	cr_assert_eq(second.id, first.id, "the same question: one answer will do");
	cr_assert_eq(due, START + 2 * NAMES_RESEND_NS);
	cr_assert(names_tick(names, START + NAMES_TIMEOUT_NS, &due), "who waits is to be told");
	cr_assert_eq(due, UINT64_MAX);
	cr_assert_eq(ask(HOST, START + NAMES_TIMEOUT_NS), NAMES_FAILED);
	cr_assert_eq(questions(), 0);
	cr_assert_eq(ask(HOST, START + NAMES_TIMEOUT_NS + NAMES_RETRY_NS), NAMES_PENDING);
	cr_assert_eq(questions(), 1);
}

Test(names, a_full_channel_is_tried_again)
{
	static const char filler[sizeof(struct resolve_question)];
	uint64_t due;

	while (send(pair[0], filler, sizeof(filler), MSG_DONTWAIT) > 0)
		;
	cr_assert_eq(ask(HOST, START), NAMES_PENDING);
	while (recv(pair[1], &(struct resolve_question){ 0 }, sizeof(filler), MSG_DONTWAIT) > 0)
		;
	cr_assert_eq(ask(SPAN("second.example"), START), NAMES_PENDING);
	cr_assert_eq(questions(), 1, "there was room for the second one");
	cr_assert_not(names_tick(names, START, &due));
	cr_assert_lt(due, START + NSEC_PER_SEC, "soon, not after as long as for an answer");
	cr_assert_not(names_tick(names, due, &due));
	cr_assert_eq(questions(), 1, "the first one");
	cr_assert_eq(due, START + NAMES_RESEND_NS);
}

Test(names, answers_that_are_none)
{
	struct resolve_question q;
	struct resolve_answer good, a;

	(void)ask(HOST, START);
	cr_assert(question(&q));
	good = found(&q, 60, 1);

	a = good, a.incarnation++;
	cr_assert_not(answer(&a, START), "for a worker that has died");
	a = good, a.id += 4096;
	cr_assert_not(answer(&a, START), "for another question");
	a = good, a.id = 0;
	cr_assert_not(answer(&a, START), "for no question");
	a = good, a.count = RESOLVE_TARGETS_MAX + 1;
	cr_assert_not(answer(&a, START), "more targets than there are");
	a = good, a.count = 0;
	cr_assert_not(answer(&a, START), "found nothing");
	a = good, a.status = RESOLVE_NONE;
	cr_assert_not(answer(&a, START), "not found, with a target");
	a = good, a.status = 77;
	cr_assert_not(answer(&a, START), "no status");
	a = good, a.target[0].port = 0;
	cr_assert_not(answer(&a, START), "no port");
	a = good, a.ttl = 0;
	cr_assert_not(answer(&a, START), "no time to live");
	a = good, a.ttl = RESOLVE_TTL_MAX + 1;
	cr_assert_not(answer(&a, START), "lives too long");
	cr_assert_eq(send(pair[1], &good, sizeof(good) - 1, 0), (ssize_t)sizeof(good) - 1);
	cr_assert_not(names_on_event(names, START), "too short");
	cr_assert_eq(ask(HOST, START), NAMES_PENDING);
	cr_assert(answer(&good, START));
	cr_assert_not(answer(&good, START), "twice");
}

Test(names, names_that_cannot_be_asked)
{
	char tall[RESOLVE_NAME_MAX + 1];

	memset(tall, 'a', sizeof(tall));
	cr_assert_eq(ask(span_of(tall, sizeof(tall)), START), NAMES_FAILED);
	cr_assert_eq(ask(SPAN(""), START), NAMES_FAILED);
	cr_assert_eq(ask(span_of(tall, sizeof(tall) - 1), START), NAMES_PENDING);
}

Test(names, the_one_used_least_recently_goes)
{
	char host[32];
	struct resolve_answer a;
	struct resolve_question q = { .incarnation = ME };

	learn(1, 3600, START);
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		if (i == NAMES_MAX / 2)
			cr_assert_eq(ask(HOST, START), NAMES_READY);
		(void)ask(span_of(host, (size_t)snprintf(host, sizeof(host), "h%u.example", i)), START);
		if (i == 0)
			cr_assert(question(&q));
	}
	cr_assert_eq(ask(HOST, START), NAMES_READY, "used in between");
	a = found(&q, 60, 9);
	cr_assert_not(answer(&a, START), "an answer for one that has gone");
	while (questions())
		;
	cr_assert_eq(ask(SPAN("h0.example"), START), NAMES_PENDING, "it has gone");
	cr_assert_eq(questions(), 1);
}
