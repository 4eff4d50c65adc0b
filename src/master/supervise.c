#include "master/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "master/spawn.h"

#define SLOW (200 * NSEC_PER_MSEC)   /* then another worker accepts on its sockets (contract, section 2) */
#define RETRY (200 * NSEC_PER_MSEC)  /* after a fork that failed */

const char *child_name(const struct child *c)
{
	static char name[32];

	if (child_is_worker(c))
		(void)snprintf(name, sizeof(name), "%s %u", c->process->name, c->index); /* fits */
	else
		(void)snprintf(name, sizeof(name), "%s", c->process->name); /* fits */
	return name;
}

void child_kill(struct child *c)
{
	if (c->pid > 0)
		(void)kill(c->pid, SIGKILL); /* not reaped yet: the pid is ours */
}

void child_send(struct child *c, const struct ctl_msg *msg)
{
	int rc;

	if (c->control_fd < 0)
		return; /* dead, or its channel has ended: its replacement needs none of this */
	rc = outbox_send(&c->outbox, c->control_fd, msg);
	if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
		return; /* sent, kept, or it is gone and will be reaped */
	log_text(EVENT_SYSTEM, "%s cannot be told \"%s\" (%s): it is ended", child_name(c), ctl_name(msg->id),
	    strerror(-rc));
	child_kill(c);
}

void child_tell(struct child *c, enum ctl_id id, uint64_t generation, uint64_t arg)
{
	static struct ctl_msg msg; /* large */

	msg = (struct ctl_msg){ .id = id, .generation = generation, .arg = arg };
	child_send(c, &msg);
}

/* ---- who accepts for whom ---- */

static void give_back(struct master *m, struct child *c)
{
	if (c->adopter != NO_CHILD)
		child_tell(&m->children[c->adopter], CTL_RELEASE, 0, c->index);
	c->adopter = NO_CHILD;
}

/* The next running worker behind it takes over; none: as soon as one runs. */
static void give_away(struct master *m, struct child *c)
{
	for (uint32_t i = 1; i < m->workers; i++) {
		struct child *other = &m->children[(c->index + i) % m->workers];

		if (other->state != CHILD_RUNNING)
			continue;
		child_tell(other, CTL_ADOPT, 0, c->index);
		c->adopter = other->index;
		log_text(EVENT_WORKER_SLOW, "worker %u is not back yet: worker %u accepts in its place", c->index,
		    other->index);
		return;
	}
}

void supervise_running(struct master *m, struct child *c)
{
	c->state = CHILD_RUNNING;
	c->was_running = true;
	c->slow_at = NEVER;
	if (child_is_worker(c))
		give_back(m, c);
	log_text(EVENT_WORKER_STARTED, "%s runs, pid %ld", child_name(c), (long)c->pid);
}

/* ---- deaths ---- */

static void log_death(const struct master *m, const struct child *c, pid_t pid, int status)
{
	enum log_event event = child_is_worker(c) ? EVENT_WORKER_DIED : EVENT_PROCESS_DIED;
	const char *sep = c->refusal[0] ? ": " : "";

	if (m->phase == PHASE_STOPPING || (m->phase == PHASE_DRAINING && WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return; /* it was told to */
	if (WIFSIGNALED(status))
		log_text(event, "%s, pid %ld, was ended by signal %d (%s)%s%s", child_name(c), (long)pid,
		    WTERMSIG(status), strsignal(WTERMSIG(status)), sep, c->refusal);
	else
		log_text(event, "%s, pid %ld, has left with exit code %d%s%s", child_name(c), (long)pid,
		    WEXITSTATUS(status), sep, c->refusal);
}

/* Those for which it accepted need somebody else, at once. */
static void orphan(struct master *m, const struct child *dead)
{
	for (uint32_t i = 0; child_is_worker(dead) && i < m->workers; i++)
		if (m->children[i].adopter == dead->index)
			m->children[i].adopter = NO_CHILD;
}

void supervise_death(struct master *m, struct child *c, pid_t pid, int status)
{
	uint64_t now = clock_mono_ns();

	log_death(m, c, pid, status);
	c->state = CHILD_ABSENT;
	if (c->control_fd >= 0)
		(void)close(c->control_fd); /* its other end is gone */
	c->control_fd = -1;
	outbox_clear(&c->outbox);
	if (child_is_worker(c))
		atomic_store(&shared_states(&m->shared)[c->index].pid, 0);
	orphan(m, c);
	if (leaving(m)) {
		c->start_at = NEVER;
		return;
	}
	c->start_at = now + backoff_death(&c->backoff, now);
	if (child_is_worker(c) && c->slow_at == NEVER)
		c->slow_at = now + SLOW;
}

/* ---- time ---- */

static void start(struct master *m, struct child *c, uint64_t now)
{
	int rc = spawn_child(m, c);

	if (rc == 0)
		return;
	log_text(EVENT_SYSTEM, "%s cannot be started: %s", child_name(c), strerror(-rc));
	c->start_at = now + RETRY;
}

uint64_t supervise_tick(struct master *m, uint64_t now)
{
	uint64_t next = NEVER;

	if (leaving(m))
		return NEVER;
	for (size_t i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];

		if (c->state == CHILD_ABSENT && c->start_at <= now)
			start(m, c, now);
		if (c->state == CHILD_ABSENT)
			next = MIN(next, c->start_at);
		if (c->slow_at == NEVER || c->adopter != NO_CHILD)
			continue;
		if (c->slow_at <= now)
			give_away(m, c);
		else
			next = MIN(next, c->slow_at);
	}
	return next;
}
