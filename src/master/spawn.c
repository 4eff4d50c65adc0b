#include "master/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ctl.h"
#include "master/proctitle.h"

/* ---- in the child ---- */

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Close everything but what the heritage names. */
static int close_others(const struct heritage *h)
{
	size_t n = 0, max = h->socket_count + 2 * (size_t)h->workers + 10;
	int *keep = malloc(max * sizeof(*keep));
	unsigned from = STDERR_FILENO + 1;

	if (!keep)
		return -ENOMEM;
	keep[n++] = h->control_fd;
	keep[n++] = h->log_fd;
	keep[n++] = h->log_pipe_fd;
	keep[n++] = h->image_fd;
	keep[n++] = h->keys_fd;
	keep[n++] = h->control_socket_fd;
	keep[n++] = h->admin_fd;
	keep[n++] = h->resolver_fd;
	for (size_t i = 0; h->question_fds && i < h->workers; i++)
		keep[n++] = h->question_fds[i];
	for (size_t i = 0; i < h->socket_count; i++)
		keep[n++] = h->sockets[i].fd;
	for (uint32_t i = 0; h->mail_fds && i < h->workers; i++)
		keep[n++] = h->mail_fds[i];
	qsort(keep, n, sizeof(*keep), by_number);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue; /* none, or twice the same */
		if ((unsigned)keep[i] > from && close_range(from, (unsigned)keep[i] - 1, 0) != 0)
			break;
		from = (unsigned)keep[i] + 1;
	}
	free(keep);
	return close_range(from, ~0U, 0) == 0 ? 0 : -errno;
}

/* TERM ends a child that somebody aims at; the others are the master's, also when a terminal sends them to all. */
static void set_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN); /* cannot fail */
	(void)sigemptyset(&none);		   /* cannot fail */
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail */
}

/* What a taken-over child must not find, and what would keep an old generation's memory. */
static void forget(struct master *m)
{
	explicit_bzero(&m->secrets, sizeof(m->secrets));
	image_free(m->current.img);
	m->current.img = NULL;
	image_free(m->reload.next.img);
	m->reload.next.img = NULL;
	image_free(m->reload.fading.img);
	m->reload.fading.img = NULL;
	for (size_t i = 0; i < m->child_count; i++)
		outbox_clear(&m->children[i].outbox);
}

/* Nobody can write what is not his own, and the resolver, who reads what strangers answer, sees none of it. */
static int limit_shared(struct master *m, const struct child *c)
{
	if (c->process->kind == PROCESS_RESOLVER) {
		shared_drop(&m->shared);
		return 0;
	}
	return shared_narrow(&m->shared, child_is_worker(c) ? c->index : UINT32_MAX);
}

static const char *prepare(struct master *m, const struct child *c, const struct heritage *h, pid_t master)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != master)
		return "the master is gone";
	set_signals();
	if (child_is_worker(c))
		proctitle_set("sipward: %s %u", c->process->name, c->index);
	else
		proctitle_set("sipward: %s", c->process->name);
	if (child_is_worker(c))
		shared_clean(&m->shared, c->index);
	if (limit_shared(m, c) != 0)
		return "the shared memory cannot be mapped read-only";
	forget(m);
	if (close_others(h) != 0)
		return "the master's descriptors cannot be closed";
	return NULL;
}

NORETURN static void run(struct master *m, const struct child *c, const struct heritage *h, pid_t master)
{
	static struct ctl_msg msg;
	const char *why = prepare(m, c, h, master);

	if (!why)
		c->process->entry(h);
	msg = (struct ctl_msg){ .id = CTL_REFUSED };
	msg.text_len = (uint32_t)snprintf(msg.text, sizeof(msg.text), "%s", why ? why : "its entry point returned");
	_exit(ctl_send(h->control_fd, &msg) == 0 ? 1 : 2);
}

/* ---- in the master ---- */

static void fill_regions(const struct master *m, struct heritage *h)
{
	h->counters = shared_counters(&m->shared);
	h->rows = shared_rows(&m->shared);
	h->rows_per_worker = m->shared.rows_per_worker;
	h->states = shared_states(&m->shared);
	h->mail = m->shared.region[SHARED_MAIL].p;
	h->mail_each = m->shared.region[SHARED_MAIL].each;
	h->presence = (struct presence *)(void *)m->shared.region[SHARED_PRESENCE].p;
	h->buckets = m->shared.region[SHARED_BUCKETS].p;
	h->sessions = m->shared.region[SHARED_SESSIONS].p;
	h->sessions_size = m->shared.region[SHARED_SESSIONS].size;
	h->nonces = m->shared.region[SHARED_NONCES].p;
	h->nonces_size = m->shared.region[SHARED_NONCES].size;
	h->blocks = shared_blocks(&m->shared);
	h->master = shared_master(&m->shared);
}

static int fill_questions(const struct master *m, struct heritage *h)
{
	h->question_fds = malloc(m->workers * sizeof(*h->question_fds));
	if (!h->question_fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->workers; i++)
		h->question_fds[i] = m->questions[i][1];
	return 0;
}

/* heritage_done is due in any case. */
static int fill_heritage(const struct master *m, const struct child *c, int control_fd, struct heritage *h)
{
	bool worker = child_is_worker(c), admin = child_is_admin(c);
	int rc = 0;

	*h = (struct heritage){
		.worker = worker ? c->index : 0,
		.workers = m->workers,
		.control_fd = control_fd,
		.log_fd = admin ? m->log_fd : m->log_pipe[1],
		.log_pipe_fd = admin ? m->log_pipe[0] : -1,
		.image_fd = m->current.image_fd,
		.keys_fd = worker ? m->current.keys_fd : -1,
		.control_socket_fd = admin ? m->control_socket_fd : -1,
		.admin_fd = admin ? m->admin_fd : -1,
		.resolver_fd = worker ? m->questions[c->index][0] : -1,
		.mail_fds = worker ? m->mail_fds : NULL,
		.uid = m->run_as.uid,
		.gid = m->run_as.gid,
		.drop = m->run_as.drop,
	};
	if (c->process->kind == PROCESS_RESOLVER)
		rc = fill_questions(m, h);
	else
		fill_regions(m, h);
	if (getrandom(&h->incarnation, sizeof(h->incarnation), 0) != sizeof(h->incarnation))
		return -EIO;
	if (rc == 0)
		rc = listeners_table(&m->current.listeners, &h->sockets, NULL, &h->socket_count);
	for (size_t i = 0; rc == 0 && !worker && i < h->socket_count; i++)
		h->sockets[i].fd = -1;
	return rc;
}

static void heritage_done(struct heritage *h)
{
	free(h->sockets);
	free(h->question_fds);
}

static void note_start(struct master *m, struct child *c, pid_t pid, int control_fd)
{
	struct worker_state *state = &shared_states(&m->shared)[c->index];

	c->pid = pid;
	c->control_fd = control_fd;
	c->state = CHILD_STARTING;
	c->start_at = NEVER;
	c->reload = TOLD_NOTHING;
	c->refusal[0] = '\0';
	if (!child_is_worker(c))
		return;
	if (atomic_load(&state->started))
		atomic_fetch_add(&state->restarts, 1);
	atomic_store(&state->started, (uint64_t)clock_wall_s());
	atomic_store(&state->pid, pid);
}

int spawn_child(struct master *m, struct child *c)
{
	struct heritage h;
	pid_t master = getpid(), pid;
	int pair[2];
	int rc = ctl_pair(pair);

	if (rc != 0)
		return rc;
	rc = fill_heritage(m, c, pair[1], &h);
	if (rc == 0) {
		pid = fork();
		if (pid == 0)
			run(m, c, &h, master);
		rc = pid < 0 ? -errno : 0;
	}
	heritage_done(&h);
	(void)close(pair[1]); /* the child's */
	if (rc == 0)
		note_start(m, c, pid, pair[0]);
	else
		(void)close(pair[0]); /* the first error is the one that counts */
	return rc;
}
