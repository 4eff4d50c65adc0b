#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/buckets.h"
#include "common/clock.h"
#include "common/confine.h"
#include "common/heritage.h"
#include "common/log.h"
#include "worker/accept.h"
#include "worker/answer.h"
#include "worker/blocked.h"
#include "worker/conn.h"
#include "worker/conn_table.h"
#include "worker/control.h"
#include "worker/dial.h"
#include "worker/keepalive.h"
#include "worker/links.h"
#include "worker/names.h"
#include "worker/overload.h"
#include "worker/post.h"
#include "worker/told.h"
#include "worker/upstream.h"

#define RING_ENTRIES 4096
#define RING_ENTRIES_MIN 256
#define RING_ENTRY_BYTES 128 /* with its four completions */
#define RECV_BUFFERS 512
#define RECV_BUFFER_SIZE 16384
#define HEADERS_MAX 4096	  /* upper bound of limits.header_fields */
#define UNFOLDED_MAX (1048576 + 2) /* upper bound of limits.header_bytes, and an empty line */
#define HANDSHAKE_STEPS 4	  /* in one turn: a storm of new peers must not delay established calls */
#define SWEEP_SLICE 64		  /* connections looked at in one turn when all are judged again */
#define SWEEP_TIME (3 * NSEC_PER_MSEC / 10) /* ... unless this has passed: to close one takes longer than to find it good */
#define LOG_LINES 1000		  /* about single messages and refusals, in one second */

/*
 * Newer kernels charge the rings of all workers to one limit, and those of the
 * dead for a while: each takes its share of a quarter.
 */
static unsigned ring_entries(const struct worker *w)
{
	unsigned entries = RING_ENTRIES;
	struct rlimit lim;

	if (getrlimit(RLIMIT_MEMLOCK, &lim) != 0)
		return entries;
	while (entries > RING_ENTRIES_MIN && (rlim_t)entries * RING_ENTRY_BYTES * w->h->workers > lim.rlim_cur / 4)
		entries /= 2;
	return entries;
}

static int start(struct worker *w, char why[static 256])
{
	struct ring_config config = { ring_entries(w), RECV_BUFFERS, RECV_BUFFER_SIZE };
	const char *ring_why = NULL;

	w->now = clock_mono_ns();
	w->wall = clock_wall_s();
	w->plain = malloc(PLAIN_MAX);
	w->unfolded = malloc(UNFOLDED_MAX);
	w->answer = malloc(ANSWER_MAX);
	w->sources = calloc(SOURCES, sizeof(*w->sources));
	w->headers = calloc(HEADERS_MAX, sizeof(*w->headers));
	w->header_max = HEADERS_MAX;
	w->wheel = timer_wheel_new(w->now);
	w->conns = conn_table_new((uint32_t)w->h->rows_per_worker);
	w->names = names_new(w->h->resolver_fd, w->h->incarnation);
	if (!w->names || !w->plain || !w->unfolded || !w->answer || !w->headers || !w->sources || !w->wheel || !w->conns) {
		snprintf(why, 256, "out of memory");
		return -1;
	}
	counts_clear(w->h->buckets, w->h->worker);
	if (tls_init() != 0) {
		snprintf(why, 256, "the TLS library cannot be set up");
		return -1;
	}
	if (control_first_generation(w, why) != 0)
		return -1;
	w->ring = ring_new(&config, &ring_why);
	if (!w->ring) {
		snprintf(why, 256, "%s", ring_why);
		return -1;
	}
	ring_poll(w->ring, RING_POLL_NAMES, 0, w->h->resolver_fd);
	if (control_new(w) != 0 || post_new(w) != 0 || listeners_new(w) != 0 || upstreams_new(w) != 0 || links_new(w) != 0) {
		snprintf(why, 256, "out of memory");
		return -1;
	}
	return 0;
}

/* Whom a poll waits for. */
static int polled_fd(const struct worker *w, uint32_t slot)
{
	switch (slot) {
	case RING_POLL_NAMES:
		return w->h->resolver_fd;
	case RING_POLL_MAIL:
		return w->h->mail_fds[w->h->worker];
	default:
		return w->h->control_fd;
	}
}

/* The master, the resolver or another worker has something to say. */
static void on_poll(struct worker *w, const struct ring_event *e)
{
	if (e->slot >= RING_POLL_DATAGRAM) {
		listeners_on_poll(w, e);
		return;
	}
	if (e->slot == RING_POLL_MAIL)
		post_on_event(w);
	else if (e->slot == RING_POLL_CONTROL)
		control_on_event(w);
	else if (names_on_event(w->names, w->now))
		links_names_changed(w);
	if (!e->more && !w->stopping)
		ring_poll(w->ring, e->slot, 0, polled_fd(w, e->slot));
}

static uint64_t tick_names(struct worker *w)
{
	uint64_t due;

	if (names_tick(w->names, w->now, &due))
		links_names_changed(w);
	return due;
}

static void dispatch(struct worker *w, const struct ring_event *e)
{
	struct conn *c;

	w->completions++;
	switch (e->op) {
	case RING_ACCEPT:
		listeners_on_accept(w, e);
		return;
	case RING_POLL:
		on_poll(w, e);
		return;
	case RING_NONE:
	case RING_CANCEL:
	case RING_OP_COUNT:
		return;
	case RING_RECV:
	case RING_SEND:
	case RING_CONNECT:
		break;
	}
	c = conn_table_get(w->conns, e->slot, e->generation);
	if (!c) { /* cannot be: a slot is freed at zero in flight; but a buffer must never be lost */
		if (e->buffer >= 0)
			ring_buffer_put(w->ring, e->buffer);
		return;
	}
	if (e->op == RING_RECV)
		conn_on_recv(w, c, e);
	else if (e->op == RING_SEND)
		conn_on_send(w, c, e);
	else
		dial_on_connect(w, c, e->res);
}

/*
 * As many as were on the list when the turn began; who puts itself back waits
 * for the next turn.  By number: the one that was last may leave the list
 * while another one's turn closes it.
 */
static void run_list(struct worker *w, enum conn_list_id id, void (*step)(struct worker *, struct conn *))
{
	struct conn *c;
	size_t n = 0;

	for (c = w->lists[id].first; c; c = c->link[id].next)
		n++;
	while (n-- && (c = conn_list_take(w, id)) != NULL)
		step(w, c);
}

static void flush_all(struct worker *w)
{
	struct conn *c;

	while ((c = conn_list_take(w, LIST_DIRTY)) != NULL)
		conn_flush(w, c);
}

static void run_timers(struct worker *w)
{
	struct timer *t;

	while ((t = timer_expired(w->wheel, w->now)) != NULL)
		conn_on_timer(w, CONTAINER_OF(t, struct conn, timer));
}

/* A connection with nothing under way may go when the worker drains. */
static bool idle_enough(const struct conn *c)
{
	return c->state == CONN_OPEN && c->kind != CONN_CONTAINER && c->outstanding == 0 && c->in.len == 0 &&
	       c->hold.len == 0 && conn_queued(c) == 0;
}

/* A container that takes nothing holds up all peers that feed it: better without it. */
static bool is_stuck(const struct worker *w, const struct conn *c)
{
	return c->kind == CONN_CONTAINER && c->sending &&
	       c->send_begun + w->img->settings->message_timeout * NSEC_PER_MSEC < w->now;
}

/* Look at a slice of all connections: judge again after a reload and once a second by the clock; drain. */
static void sweep(struct worker *w)
{
	uint32_t top = conn_table_top(w->conns), n = 0;
	uint64_t begun = w->reloaded ? clock_cpu_ns() : 0, end;

	if (w->sweep == UINT32_MAX) {
		if (w->now < w->sweep_next)
			return;
		w->sweep = 0;
	}
	end = clock_mono_ns() + SWEEP_TIME;
	for (; w->sweep < top && n < SWEEP_SLICE && clock_mono_ns() < end; w->sweep++, n++) {
		struct conn *c = conn_table_at(w->conns, w->sweep);

		if (!c || c->state != CONN_OPEN || c->socket)
			continue;
		if (is_stuck(w, c)) {
			conn_kill(w, c, "does not read");
			continue;
		}
		keepalive_check(w, c);
		if (c->state != CONN_OPEN)
			continue;
		told_again(w, c);
		if (conn_judge_again(w, c) && w->draining && idle_enough(c))
			conn_close(w, c, "draining");
	}
	if (w->reloaded)
		control_took(w, begun);
	if (w->sweep >= top) {
		w->reloaded = false;
		w->sweep = UINT32_MAX;
		w->sweep_next = w->now + NSEC_PER_SEC / (w->draining ? 20 : 1);
	}
}

/* Only connections to containers are left. */
static bool drained(const struct worker *w)
{
	for (uint32_t i = 0; i < conn_table_top(w->conns); i++) {
		const struct conn *c = conn_table_at(w->conns, i);

		if (c && c->kind != CONN_CONTAINER && !c->socket)
			return false;
	}
	return true;
}

#define QUIET 100	/* messages in a second */
#define WORTH_IT 1000 /* messages since the heap was trimmed */

/* What a busy time has left free between what lives on goes back to the system, in the first quiet second. */
static void trim(struct worker *w)
{
	if (w->messages - w->messages_before < QUIET && w->messages - w->messages_trimmed >= WORTH_IT) {
		(void)malloc_trim(0);
		w->messages_trimmed = w->messages;
	}
	w->messages_before = w->messages;
}

static void every_second(struct worker *w)
{
	struct worker_state *state = &w->h->states[w->h->worker];
	int64_t wall = clock_wall_s();
	struct rusage ru;

	if (wall == w->wall)
		return;
	w->wall = wall;
	blocked_follow(w); /* one may have ended */
	upstreams_count(w);
	trim(w);
	w->log_budget = LOG_LINES;
	counter_set(&w->counters->log_dropped, log_dropped());
	if (getrusage(RUSAGE_SELF, &ru) == 0)
		atomic_store(&state->cpu_us, (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 +
						 (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec));
}

/*
 * How long to wait.  While each receive brings many messages, or very many
 * completions come at once, a short wait for more of them makes records and
 * sends larger; a lonely request is never held up, nor are those of a steady
 * rate that a core carries easily.
 */
static struct ring_wait plan_wait(struct worker *w, uint64_t due)
{
	struct ring_wait wait = { .timeout_ns = UINT64_MAX, .batch = 1 };
	bool busy = w->requests > 6 * w->receives || w->completions >= 128;

	if (post_pending(w) || w->lists[LIST_AGAIN].first || w->lists[LIST_PARKED].first || (w->sweep != UINT32_MAX && w->sweep > 0)) {
		wait.timeout_ns = 0;
		return wait;
	}
	wait.timeout_ns = MIN(timer_next(w->wheel, w->now), NSEC_PER_SEC / (w->draining ? 50 : 1));
	wait.timeout_ns = MIN(wait.timeout_ns, due > w->now ? due - w->now : 0);
	if (busy && wait.timeout_ns > 100000) {
		wait.batch = 64;
		wait.batch_ns = 100000;
	}
	return wait;
}

static void begin_turn(struct worker *w)
{
	w->turn++;
	w->now = clock_mono_ns();
	w->handshake_steps = HANDSHAKE_STEPS;
	w->messages += w->requests;
	w->completions = w->receives = w->requests = 0;
	counter_add(&w->counters->turns, 1);
	every_second(w);
}

/* One turn: what waited from the last one, then all completions, then one flush of each connection that has output. */
static uint64_t turn(struct worker *w)
{
	struct ring_event e;
	uint64_t due;

	begin_turn(w);
	run_list(w, LIST_AGAIN, conn_again);
	while (ring_next(w->ring, &e))
		dispatch(w, &e);
	post_step(w);
	run_timers(w);
	sweep(w);
	due = control_step(w) ? w->now : UINT64_MAX;
	due = MIN(due, tick_names(w));
	due = MIN(due, upstreams_tick(w));
	due = MIN(due, links_tick(w));
	due = MIN(due, listeners_tick(w));
	run_list(w, LIST_PARKED, conn_unpark);
	flush_all(w);
	post_flush(w);
	overload_turn(w);
	return due;
}

static void loop(struct worker *w)
{
	while (!w->stopping && !(w->draining && drained(w))) {
		struct ring_wait wait = plan_wait(w, turn(w));
		int err = ring_turn(w->ring, &wait);

		if (err) {
			log_text(EVENT_SYSTEM, "io_uring: %s", strerror(-err));
			exit(1);
		}
	}
}

NORETURN void worker_main(const struct heritage *h)
{
	struct worker w = { .h = h, .counters = &h->counters[h->worker], .sweep = UINT32_MAX, .log_budget = LOG_LINES };
	char who[32], why[256] = "";

	snprintf(who, sizeof(who), "worker %u", h->worker);
	log_setup(h->log_fd, who, false, LOG_INFO);
	if (confine_drop(h->drop, h->uid, h->gid) != 0)
		snprintf(why, sizeof(why), "cannot become the user that workers run as");
	else if (start(&w, why) == 0 && confine(CONFINE_WORKER) != 0)
		snprintf(why, sizeof(why), "cannot be confined");
	if (why[0]) {
		control_say_refused(h, why);
		exit(1);
	}
	listeners_update(&w, h->sockets, h->socket_count);
	control_say_running(&w);
	loop(&w);
	exit(0);
}
