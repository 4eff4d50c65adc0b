#include "master/leave.h"

#include "common/clock.h"
#include "common/log.h"
#include "master/listen.h"
#include "master/reload.h"
#include "master/supervise.h"

#define STOP_TIME (800 * NSEC_PER_MSEC) /* of the one second that the contract gives */
#define SHUT_AFTER (100 * NSEC_PER_MSEC) /* for workers to take what has come already */

void leave_stop(struct master *m, int exit_code)
{
	if (m->phase == PHASE_STOPPING)
		return;
	log_text(EVENT_STOPPING, "closing all connections");
	m->phase = PHASE_STOPPING;
	m->exit_code = exit_code;
	m->deadline = clock_mono_ns() + STOP_TIME;
	reload_abandon(m);
	for (size_t i = 0; i < m->child_count; i++)
		child_tell(&m->children[i], CTL_STOP, 0, 0);
	listeners_shutdown(&m->current.listeners);
}

void leave_drain(struct master *m)
{
	uint64_t now = clock_mono_ns();

	if (leaving(m))
		return;
	log_text(EVENT_DRAINING, "until all is done, at most %.1f s",
	    (double)m->current.img->settings->drain_timeout / 1000);
	m->phase = PHASE_DRAINING;
	m->deadline = now + m->current.img->settings->drain_timeout * NSEC_PER_MSEC;
	m->shut_at = now + SHUT_AFTER;
	atomic_store(&shared_master(&m->shared)->draining, 1);
	reload_abandon(m);
	for (size_t i = 0; i < m->child_count; i++)
		if (child_is_worker(&m->children[i]))
			child_tell(&m->children[i], CTL_DRAIN, 0, 0);
}

static size_t living(const struct master *m, bool workers_only)
{
	size_t n = 0;

	for (size_t i = 0; i < m->child_count; i++)
		n += m->children[i].pid > 0 && (!workers_only || child_is_worker(&m->children[i]));
	return n;
}

static uint64_t tick_drain(struct master *m, uint64_t now)
{
	if (living(m, true) == 0 || m->deadline <= now) {
		leave_stop(m, 0);
		return m->deadline;
	}
	if (m->shut_at > now)
		return MIN(m->shut_at, m->deadline);
	if (m->shut_at) {
		/* Workers hold the sockets too: only this makes the kernel refuse newcomers at once. */
		listeners_shutdown(&m->current.listeners);
		m->shut_at = 0;
	}
	return m->deadline;
}

static uint64_t tick_stop(struct master *m, uint64_t now)
{
	if (living(m, false) == 0) {
		m->done = true;
		return now;
	}
	if (m->deadline > now)
		return m->deadline;
	for (size_t i = 0; i < m->child_count; i++)
		child_kill(&m->children[i]);
	m->deadline = NEVER; /* SIGCHLD will come */
	return NEVER;
}

uint64_t leave_tick(struct master *m, uint64_t now)
{
	uint64_t next = NEVER;

	if (m->phase == PHASE_DRAINING)
		next = tick_drain(m, now);
	if (m->phase == PHASE_STOPPING)
		next = tick_stop(m, now);
	return next;
}
