#include "master/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ctl.h"
#include "common/log.h"
#include "master/domain_blocks.h"
#include "master/leave.h"
#include "master/reload.h"
#include "master/supervise.h"

#define MESSAGES 512 /* of one child in one turn: more than its channel holds, so that it cannot keep us from the others */

enum { POLL_SIGNALS, POLL_LOADER, POLL_CHILDREN };

/* ---- start-up: it has failed as soon as one child has ---- */

static void start_failed(struct master *m, const struct child *c, const char *why)
{
	(void)fprintf(stderr, "sipward: %s cannot start: %s\n", child_name(c), why); /* stderr is all we have */
	leave_stop(m, EXIT_FAILURE);
}

static void started_if_all_run(struct master *m)
{
	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].state != CHILD_RUNNING)
			return;
	m->phase = PHASE_SERVING;
	m->deadline = NEVER;
	log_text(EVENT_STARTED, "%u workers, generation %llu, pid %ld", m->workers,
	    (unsigned long long)m->current.number, (long)getpid());
}

static uint64_t start_tick(struct master *m, uint64_t now)
{
	if (m->phase != PHASE_STARTING)
		return NEVER;
	for (size_t i = 0; i < m->child_count && m->deadline <= now; i++)
		if (m->children[i].state != CHILD_RUNNING) {
			start_failed(m, &m->children[i], "it took too long");
			return NEVER;
		}
	return m->deadline;
}

/* ---- messages from children ---- */

static void on_message(struct master *m, struct child *c, const struct ctl_msg *msg)
{
	switch (msg->id) {
	case CTL_RUNNING:
		if (c->state != CHILD_STARTING)
			break;
		supervise_running(m, c);
		if (m->phase == PHASE_STARTING)
			started_if_all_run(m);
		break;
	case CTL_REFUSED:
		(void)snprintf(c->refusal, sizeof(c->refusal), "%.500s", msg->text); /* cut */
		reload_answer(m, c, msg);
		break;
	case CTL_READY:
	case CTL_COMMITTED:
		reload_answer(m, c, msg);
		break;
	case CTL_ASK_RELOAD:
		if (child_is_admin(c))
			reload_ask(m, c, msg->arg);
		break;
	case CTL_ASK_BLOCK:
		if (child_is_admin(c))
			domain_blocks_ask(m, c, msg);
		break;
	case CTL_ASK_STOP:
		if (child_is_admin(c))
			leave_stop(m, 0);
		break;
	case CTL_ASK_DRAIN:
		if (child_is_admin(c))
			leave_drain(m);
		break;
	default: /* ctl_recv lets nothing else through */
		break;
	}
}

static void hear(struct master *m, struct child *c)
{
	static struct ctl_msg msg; /* large */
	int rc = c->control_fd < 0 ? 0 : 1;

	for (int i = 0; rc > 0 && i < MESSAGES; i++) {
		rc = ctl_recv(c->control_fd, CTL_FROM, &msg);
		if (rc > 0)
			on_message(m, c, &msg);
	}
	if (rc >= 0)
		return;
	/* Its channel has ended, or it says what none of ours says: it is not to go on. */
	if (rc != -EPIPE)
		log_text(EVENT_SYSTEM, "%s is ended: bad message: %s", child_name(c), strerror(-rc));
	(void)close(c->control_fd); /* nothing can be done about a failure */
	c->control_fd = -1;
	outbox_clear(&c->outbox);
	child_kill(c);
}

/* ---- signals ---- */

static void died(struct master *m, struct child *c, pid_t pid, int status)
{
	bool start_failure = m->phase == PHASE_STARTING && !c->was_running;
	char why[600];

	hear(m, c); /* its last words */
	reload_death(m, c);
	if (WIFSIGNALED(status))
		(void)snprintf(why, sizeof(why), "it was ended by signal %d", WTERMSIG(status)); /* fits */
	else
		(void)snprintf(why, sizeof(why), "it has left with exit code %d", WEXITSTATUS(status)); /* fits */
	if (c->refusal[0])
		(void)snprintf(why, sizeof(why), "%s", c->refusal); /* fits */
	supervise_death(m, c, pid, status);
	if (start_failure && m->phase == PHASE_STARTING)
		start_failed(m, c, why);
}

/* One by one by pid: the loader is reaped elsewhere. */
static void reap(struct master *m)
{
	for (size_t i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];
		pid_t pid = c->pid;
		int status;

		if (pid <= 0 || waitpid(pid, &status, WNOHANG) != pid)
			continue;
		c->pid = 0; /* from here on the number may be anybody's */
		died(m, c, pid, status);
	}
}

static void on_signal(struct master *m, uint32_t number)
{
	switch (number) {
	case SIGCHLD:
		reap(m);
		break;
	case SIGHUP:
		reload_ask(m, NULL, 0);
		break;
	case SIGTERM:
	case SIGINT:
		leave_stop(m, 0);
		break;
	case SIGQUIT:
		leave_drain(m);
		break;
	case SIGUSR1:
		reload_reopen_log(m);
		break;
	default: /* not in the set */
		break;
	}
}

static void read_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == sizeof(info))
		on_signal(m, info.ssi_signo);
}

int loop_signals(void)
{
	static const int wanted[] = { SIGCHLD, SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1 };
	sigset_t set;
	int fd;

	(void)sigemptyset(&set); /* cannot fail */
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		(void)sigaddset(&set, wanted[i]); /* cannot fail */
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -errno;
	/* A shell starts background jobs with INT and QUIT ignored, and what is ignored never gets to a signalfd. */
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		(void)signal(wanted[i], SIG_DFL); /* cannot fail */
	(void)signal(SIGUSR2, SIG_IGN); /* nothing yet; by default it would end us */
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* ---- waiting ---- */

static void fill(const struct master *m, struct pollfd *p)
{
	p[POLL_SIGNALS] = (struct pollfd){ .fd = m->signal_fd, .events = POLLIN };
	p[POLL_LOADER] = (struct pollfd){
		.fd = m->reload.state == RELOAD_LOADING ? m->reload.loader.fd : -1, .events = POLLIN };
	for (size_t i = 0; i < m->child_count; i++) {
		const struct child *c = &m->children[i];

		p[POLL_CHILDREN + i] = (struct pollfd){
			.fd = c->control_fd, .events = c->outbox.first ? POLLIN | POLLOUT : POLLIN };
	}
}

/* Until something comes, or it is `until`; rounded up, so that it never wakes a little too early. */
static int wait_for(struct master *m, struct pollfd *p, uint64_t now, uint64_t until)
{
	uint64_t ms = until <= now ? 0 : (until - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;

	fill(m, p);
	return poll(p, POLL_CHILDREN + m->child_count, until == NEVER ? -1 : (int)MIN(ms, 3600000));
}

static void dispatch(struct master *m, const struct pollfd *p)
{
	for (size_t i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];
		short got = p[POLL_CHILDREN + i].revents;

		/* Errors show up in hear: all that it sent is read before its channel counts as ended. */
		if ((got & POLLOUT) && c->control_fd >= 0 && outbox_flush(&c->outbox, c->control_fd) != 0)
			outbox_clear(&c->outbox);
		if (got & (POLLIN | POLLHUP | POLLERR))
			hear(m, c);
	}
	if (p[POLL_LOADER].revents && m->reload.state == RELOAD_LOADING)
		reload_loaded(m);
	if (p[POLL_SIGNALS].revents)
		read_signals(m);
}

int loop_run(struct master *m)
{
	struct pollfd *p = calloc(POLL_CHILDREN + m->child_count, sizeof(*p));

	if (!p)
		return EXIT_FAILURE;
	while (!m->done) {
		uint64_t now = clock_mono_ns();
		uint64_t next = start_tick(m, now);

		next = MIN(next, supervise_tick(m, now));
		next = MIN(next, reload_tick(m, now));
		next = MIN(next, leave_tick(m, now));
		next = MIN(next, domain_blocks_tick(m, now));
		if (m->done)
			break;
		if (wait_for(m, p, now, next) > 0)
			dispatch(m, p);
	}
	free(p);
	return m->exit_code;
}
