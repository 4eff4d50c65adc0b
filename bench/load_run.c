/* load_run - the phases of a run, and its pace. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/load_engine.h"
#include "common/clock.h"

#define EVENTS 1024
#define TICK_NS (100 * NSEC_PER_MSEC) /* longest sleep: signals, keep-alives and reconnects are looked after */

_Atomic int load_interrupted;

/* When and how often work is begun. */
struct pace {
	double interval_ns; /* 0: closed loop */
	uint64_t start;
	uint64_t begun;	       /* tokens given out */
	uint64_t limit;	       /* of those counted; 0: none */
	uint64_t counted;
};

bool load_engine_init(struct load_engine *e, const struct load_options *o, const struct load_template *t, uint32_t run,
    uint32_t first, uint32_t conns)
{
	bool ok;

	*e = (struct load_engine){ .options = o, .template = t, .run = run, .first = first, .conns = conns, .measure_from = UINT64_MAX };
	e->slots = o->mode == LOAD_MESSAGES ? o->inflight : 1;
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	e->conn = calloc(conns, sizeof(*e->conn));
	e->ring_cap = (size_t)conns * e->slots;
	e->ring = calloc(e->ring_cap, sizeof(*e->ring));
	e->dirty = calloc(conns, sizeof(*e->dirty));
	e->request = malloc(t->len);
	ok = load_tls_init(o, &e->tls) && e->epoll >= 0 && e->conn && e->ring && e->dirty && e->request;
	for (uint32_t i = 0; ok && i < conns; i++) {
		e->conn[i].stream.fd = -1;
		e->conn[i].index = first + i;
		e->conn[i].slot = calloc(e->slots, sizeof(struct load_slot));
		ok = e->conn[i].slot != NULL;
	}
	if (!ok)
		load_engine_done(e);
	return ok;
}

void load_engine_done(struct load_engine *e)
{
	for (uint32_t i = 0; e->conn && i < e->conns; i++) {
		if (e->conn[i].slot)
			load_conn_done(e, &e->conn[i]);
		free(e->conn[i].slot);
	}
	if (e->epoll >= 0)
		close(e->epoll);
	load_tls_done(&e->tls);
	free(e->conn);
	free(e->ring);
	free(e->dirty);
	free(e->plain);
	free(e->request);
	e->conn = NULL;
}

void load_engine_free_token(struct load_engine *e, struct load_conn *c, uint32_t slot)
{
	struct load_slot *s = &c->slot[slot];

	if (s->waiting || s->state != LOAD_SLOT_FREE)
		return;
	s->waiting = true;
	e->ring[(e->ring_head + e->ring_len++) % e->ring_cap] = (struct load_token){ (uint32_t)(c - e->conn), slot };
}

/* The next token that can be used; those of closed connections come back when they open. */
static bool take_token(struct load_engine *e, struct load_token *out)
{
	while (e->ring_len) {
		struct load_token t = e->ring[e->ring_head];
		struct load_conn *c = &e->conn[t.conn];

		e->ring_head = (e->ring_head + 1) % e->ring_cap;
		e->ring_len--;
		c->slot[t.slot].waiting = false;
		if (e->options->mode == LOAD_HANDSHAKE || c->state == LOAD_CONN_OPEN) {
			*out = t;
			return true;
		}
	}
	return false;
}

/* Handle what has happened; sleep until `until` at the longest. */
static void turn(struct load_engine *e, uint64_t until)
{
	static _Thread_local struct epoll_event events[EVENTS];
	uint64_t now = clock_mono_ns();
	uint64_t wait = until > now ? MIN(until - now, TICK_NS) : 0;
	struct timespec ts = { .tv_sec = 0, .tv_nsec = (long)wait };
	int n;

	load_conn_flush_all(e);
	n = epoll_pwait2(e->epoll, events, EVENTS, &ts, NULL);
	e->now = clock_mono_ns();
	if (wait && now >= e->measure_from && now < e->measure_to)
		e->stats.waited_ns += e->now - now;
	for (int i = 0; i < n; i++)
		load_conn_event(e, events[i].data.ptr, events[i].events);
}

void load_engine_connect(struct load_engine *e)
{
	uint32_t next = 0, limit = MAX(e->options->concurrency / e->options->threads, 1);
	uint64_t start = clock_mono_ns();

	if (e->options->mode == LOAD_HANDSHAKE) {
		for (uint32_t i = 0; i < e->conns; i++)
			load_engine_free_token(e, &e->conn[i], 0);
		return;
	}
	while ((next < e->conns || e->opening) && !load_interrupted) {
		while (next < e->conns && e->opening < limit)
			load_conn_open(e, &e->conn[next++]);
		if (e->opening)
			turn(e, UINT64_MAX);
	}
	load_conn_flush_all(e);
	e->stats.connect_ns = clock_mono_ns() - start;
}

static uint64_t due_time(const struct pace *p, uint64_t number)
{
	return p->start + (uint64_t)((double)number * p->interval_ns);
}

static void begin(struct load_engine *e, struct load_token t, uint64_t due)
{
	struct load_conn *c = &e->conn[t.conn];
	struct load_slot *s = &c->slot[t.slot];

	if (e->options->mode == LOAD_MESSAGES) {
		load_conn_request(e, c, t.slot, due);
		return;
	}
	*s = (struct load_slot){ .due = due, .state = LOAD_SLOT_REQUEST,
		.counted = due >= e->measure_from && due < e->measure_to };
	e->in_flight++;
	load_conn_open(e, c);
}

/* Begin what is due and finds a token. */
static void begin_due(struct load_engine *e, struct pace *p)
{
	size_t passes = e->ring_len; /* failures give their token back at once: not again in this turn */
	struct load_token t;

	e->now = clock_mono_ns();
	while (passes--) {
		uint64_t due = p->interval_ns > 0 ? due_time(p, p->begun) : e->now;

		if (due > e->now || due >= e->measure_to || (p->limit && p->counted == p->limit) || !take_token(e, &t))
			return;
		p->begun++;
		p->counted += due >= e->measure_from;
		begin(e, t, due);
	}
}

/* Connections that closed are opened again, quiet ones kept alive. */
static void look_after(struct load_engine *e)
{
	const struct load_options *o = e->options;

	for (uint32_t i = 0; i < e->conns; i++) {
		struct load_conn *c = &e->conn[i];

		if (c->state == LOAD_CONN_CLOSED && o->reconnect && o->mode != LOAD_HANDSHAKE && e->opening < o->concurrency) {
			e->stats.reconnects++;
			load_conn_open(e, c);
		} else if (c->state == LOAD_CONN_OPEN && o->mode == LOAD_IDLE && o->ping_interval > 0 && e->now >= c->next_ping) {
			if (c->next_ping)
				load_conn_ping(e, c);
			c->next_ping = e->now + (uint64_t)(o->ping_interval * 1e9);
		}
	}
}

static bool all_begun(const struct load_engine *e, const struct pace *p)
{
	if (p->limit && p->counted == p->limit)
		return true;
	if (e->options->mode == LOAD_IDLE)
		return e->now >= e->measure_to;
	return (p->interval_ns > 0 ? due_time(p, p->begun) : e->now) >= e->measure_to;
}

/* Nothing will ever come again. */
static bool dead(const struct load_engine *e)
{
	return e->options->mode != LOAD_HANDSHAKE && !e->open && !e->opening && !e->options->reconnect;
}

/* When this turn must end at the latest. */
static uint64_t wake_at(const struct load_engine *e, const struct pace *p)
{
	if (!e->ring_len || e->options->mode == LOAD_IDLE)
		return UINT64_MAX;
	if (p->interval_ns > 0)
		return due_time(p, p->begun);
	return e->now;
}

/* After the end: what was due before it but found no token, and answers on their way. */
static void finish(struct load_engine *e, struct pace *p)
{
	uint64_t end = e->now + (uint64_t)(e->options->grace * 1e9);

	while (e->now < end && (e->in_flight || !all_begun(e, p)) && !dead(e) && load_interrupted < 2) {
		if (!load_interrupted)
			begin_due(e, p);
		turn(e, MIN(end, e->ring_len && !all_begun(e, p) ? e->now : UINT64_MAX));
	}
	load_conn_flush_all(e); /* the ACK of the last answer */
	for (; p->interval_ns > 0 && !load_interrupted && !all_begun(e, p); p->begun++) {
		if (due_time(p, p->begun) >= e->measure_from) {
			e->stats.unsent++;
			p->counted++;
		}
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* For whoever reads another process's CPU time: once for all threads. */
static void announce(const struct load_engine *e, const char *what)
{
	if (e->options->announce && e->first == 0)
		fprintf(stderr, "%s\n", what);
}

void load_engine_run(struct load_engine *e, double share)
{
	const struct load_options *o = e->options;
	struct pace p = { .start = clock_mono_ns(), .limit = (uint64_t)((double)o->count * share + 0.5) };
	uint64_t next_look = 0;
	bool announced = false;

	e->now = p.start;
	if (o->rate > 0)
		p.interval_ns = 1e9 / (o->rate * share);
	e->measure_from = p.start + (uint64_t)(o->warmup * 1e9);
	e->measure_to = o->count ? UINT64_MAX : e->measure_from + (uint64_t)(o->duration * 1e9);
	e->stats.from_ns = e->measure_from;
	while (!all_begun(e, &p) && e->now < e->measure_to && !load_interrupted && !dead(e)) {
		if (o->mode != LOAD_IDLE)
			begin_due(e, &p);
		turn(e, MIN(wake_at(e, &p), e->measure_to));
		if (e->now >= next_look) {
			look_after(e);
			next_look = e->now + TICK_NS;
		}
		if (!announced && e->now >= e->measure_from) {
			announce(e, "measuring");
			e->stats.cpu_ns = cpu_ns();
			announced = true;
		}
	}
	announce(e, "measured");
	e->stats.cpu_ns = announced ? cpu_ns() - e->stats.cpu_ns : 0;
	if (o->mode == LOAD_IDLE)
		e->stats.last_ns = e->now;
	finish(e, &p);
	e->stats.open = e->open;
	for (uint32_t i = 0; i < e->conns; i++)
		load_conn_done(e, &e->conn[i]);
}
