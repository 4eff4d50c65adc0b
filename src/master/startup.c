#include "master/startup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ctl.h"
#include "common/log.h"
#include "master/arguments.h"
#include "master/diff.h"
#include "master/domain_blocks.h"
#include "master/log_open.h"
#include "master/reload_report.h"
#include "master/restart_only.h"
#include "master/running.h"

#define FILES_RESERVE 256	      /* of a worker's open files: ring, log, control, files of libraries */
#define ROWS_MAX 1000000	      /* the largest limits.connections */
#define ROWS_MIN 64
#define PIPE_SIZE (1 << 20)	      /* log lines that may wait for the admin */
#define BIND_TRIES 10		      /* for a port that is in use */
#define BIND_PAUSE 100		      /* ms between them */
#define START_TIME (60 * NSEC_PER_SEC) /* for all children to be running */

static void say(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("sipward: ", stderr); /* nowhere else to complain */
	(void)vfprintf(stderr, fmt, ap);  /* as above */
	(void)fputc('\n', stderr);	  /* as above */
	va_end(ap);
}

static void say_about(const struct master *m, const char *what)
{
	(void)fprintf(stderr, "%s: %s\n", m->config_path, what); /* nowhere else to complain */
}

/* ---- configuration ---- */

static bool make_secrets(struct load_secrets *s)
{
	return getrandom(s, sizeof(*s), 0) == sizeof(*s);
}

/* What only this system can tell: is there such a user, do so many connections fit? */
static int fits_here(struct master *m, size_t rows)
{
	char why[512];
	char *user = generation_text(&m->current, m->current.img->h->process.user);
	bool ok = user && run_as_find(user, &m->run_as, why);

	free(user);
	if (ok)
		ok = connections_fit(m->current.img, rows, m->current.img->h->process.workers, why);
	if (!ok)
		say_about(m, why);
	return ok ? 0 : EXIT_CONFIG;
}

static size_t rows_for(size_t open_files, uint32_t workers, size_t listeners)
{
	size_t reserve = FILES_RESERVE + 2 * workers * listeners + workers; /* each one's mail wakes it by an eventfd */
	size_t rows = open_files > reserve ? open_files - reserve : 0;

	return MIN(MAX(rows, ROWS_MIN), ROWS_MAX);
}

static bool print_diff(const struct diff *d, bool json)
{
	json_t *j;
	bool ok;

	if (!json) {
		diff_print(d, stdout);
		return fflush(stdout) == 0;
	}
	j = diff_json(d);
	ok = j && json_dumpf(j, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF && fflush(stdout) == 0;
	json_decref(j);
	return ok;
}

/* What would change if the running sipward took this configuration; the exit code. */
static int check_diff(const struct generation *next, const struct arguments *a)
{
	char *path = a->socket_path ? strdup(a->socket_path) : generation_text(next, next->img->h->process.control_socket);
	char why[512] = "out of memory";
	struct image *running = path ? running_image(path, why) : NULL;
	struct diff *d = running ? diff_new(running, next->img) : NULL;
	bool ok = d && print_diff(d, a->json);

	if (!running)
		say("%s", why);
	else if (!ok)
		say("the comparison cannot be made or written");
	diff_free(d);
	image_free(running);
	free(path);
	return ok ? 0 : EXIT_FAILURE;
}

int startup_check(const struct arguments *a)
{
	struct master m = { .config_path = a->config_path, .current = { .image_fd = -1, .keys_fd = -1 } };
	struct load_result result = { -1, -1 };
	struct complaints *c = complaints_new();
	int rc = EXIT_CONFIG;

	if (!c || !make_secrets(&m.secrets)) {
		say("out of memory or randomness");
		complaints_free(c);
		return EXIT_FAILURE;
	}
	if (load_configuration(a->config_path, 1, &m.secrets, NULL, c, &result) == 0) {
		m.current.image_fd = result.image_fd;
		m.current.keys_fd = result.keys_fd;
		m.current.img = image_attach(result.image_fd);
		rc = m.current.img ? 0 : EXIT_FAILURE;
	}
	complaints_print(c, stderr);
	complaints_free(c);
	if (rc == EXIT_FAILURE)
		say("the image cannot be used: %s", strerror(errno));
	if (rc == 0) {
		const struct image_header *h = m.current.img->h;

		rc = fits_here(&m, rows_for(surroundings_open_files(), h->process.workers, h->listeners.count));
	}
	if (rc == 0 && a->diff)
		rc = check_diff(&m.current, a);
	generation_done(&m.current);
	return rc;
}

static void wait_for_loader(struct loader *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	do {
		(void)poll(&p, 1, -1); /* loader_read does not mind being called too often */
	} while (loader_read(l) == 0);
}

int startup_load(struct master *m)
{
	struct reload *r = &m->reload;
	int rc;

	if (!make_secrets(&m->secrets)) {
		say("no randomness: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	rc = loader_start(&r->loader, m->config_path, 1, &m->secrets, NULL);
	if (rc != 0) {
		say("the loader cannot be started: %s", strerror(-rc));
		return EXIT_FAILURE;
	}
	wait_for_loader(&r->loader);
	if (r->loader.text)
		(void)fputs(r->loader.text, stderr); /* nowhere else to complain */
	if (!r->loader.ok)
		return EXIT_CONFIG;
	m->current.image_fd = r->loader.result.image_fd;
	m->current.keys_fd = r->loader.result.keys_fd;
	r->loader.result = (struct load_result){ -1, -1 };
	loader_done(&r->loader);
	m->current.img = image_attach(m->current.image_fd);
	if (!m->current.img) {
		say("the image cannot be used: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	m->current.number = r->last_number = m->current.img->h->generation;
	m->workers = m->current.img->h->process.workers;
	return 0;
}

/* ---- what the system gives ---- */

int startup_user(struct master *m)
{
	size_t rows = rows_for(surroundings_open_files(), m->workers, m->current.img->h->listeners.count);
	int rc = fits_here(m, rows);

	if (rc == 0 && m->run_as.warning[0])
		say("warning: %s", m->run_as.warning);
	return rc;
}

int startup_pid_file(struct master *m, int *pid_fd)
{
	char *path = generation_text(&m->current, m->current.img->h->process.pid_file);
	char why[512] = "out of memory";

	if (path && path[0] == '\0') {
		free(path);
		return 0;
	}
	*pid_fd = path ? pid_file_take(path, why) : -1;
	free(path);
	if (*pid_fd >= 0)
		return 0;
	say("%s", why);
	return EXIT_FAILURE;
}

int startup_log(struct master *m)
{
	const struct image_log *log = &m->current.img->h->log;
	char *to = generation_text(&m->current, log->to);

	m->log_fd = to ? log_open(to) : -ENOMEM;
	if (m->log_fd < 0)
		say("the log %s cannot be opened: %s", to ? to : "", strerror(-m->log_fd));
	free(to);
	if (m->log_fd < 0)
		return EXIT_FAILURE;
	log_setup(m->log_fd, "master", log->format == LOG_JSON, (enum log_level)log->level);
	if (pipe2(m->log_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
		say("no pipe for the log: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	(void)fcntl(m->log_pipe[1], F_SETPIPE_SZ, PIPE_SIZE); /* smaller is not wrong, only drops sooner */
	return 0;
}

/* One for each worker, for all workers: whoever has written into its mailbox wakes it. */
static int make_mail_fds(struct master *m)
{
	for (uint32_t i = 0; i < m->workers; i++) {
		m->mail_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (m->mail_fds[i] < 0)
			return -errno;
	}
	return 0;
}

int startup_regions(struct master *m, size_t open_files)
{
	size_t listeners = m->current.img->h->listeners.count;
	int rc = shared_init(&m->shared, m->workers, rows_for(open_files, m->workers, listeners));
	struct master_state *state;

	if (rc == 0)
		rc = make_mail_fds(m);
	if (rc != 0) {
		say("no shared memory: %s", strerror(-rc));
		return EXIT_FAILURE;
	}
	state = shared_master(&m->shared);
	atomic_store(&state->pid, getpid());
	atomic_store(&state->started, (uint64_t)clock_wall_s());
	atomic_store(&state->generation, m->current.number);
	return 0;
}

int startup_blocks(struct master *m)
{
	char why[512];

	if (domain_blocks_load(m, why) == 0)
		return 0;
	say("what is blocked at run time cannot be known: %s; repair the file, or remove it and block anew", why);
	return EXIT_FAILURE;
}

int startup_listeners(struct master *m)
{
	struct listeners none = { .workers = m->workers };
	struct listeners *l = &m->current.listeners;
	char why[512];
	int rc;

	/* The rings of workers that were killed a moment ago hold their sockets until the kernel has cleaned up. */
	for (int i = 0; (rc = listeners_prepare(m->current.img, &none, m->workers, l, why)) == -EADDRINUSE; i++) {
		if (i == BIND_TRIES)
			break;
		(void)poll(NULL, 0, BIND_PAUSE); /* a sleep */
	}
	if (rc != 0 || listeners_listen(l, why) != 0) {
		say("%s", why);
		return EXIT_FAILURE;
	}
	reload_listeners(l);
	listeners_retire(&none, l); /* there was nothing before: they are no longer fresh */
	return 0;
}

int startup_control_socket(struct master *m)
{
	const struct image_process *p = &m->current.img->h->process;
	char *path = generation_text(&m->current, p->control_socket);
	char why[512] = "out of memory";

	m->control_socket_fd = path ? control_socket_open(path, why) : -1;
	free(path);
	if (m->control_socket_fd >= 0)
		return 0;
	say("%s%s", p->control_socket_given ? "" : "warning: ", why);
	return p->control_socket_given ? EXIT_FAILURE : 0;
}

int startup_admin_socket(struct master *m)
{
	const struct image_process *p = &m->current.img->h->process;
	char *host = generation_text(&m->current, p->admin_host);
	char why[512] = "out of memory";

	if (host && !host[0]) {
		free(host);
		return 0;
	}
	m->admin_fd = host ? admin_socket_open(host, p->admin_port, why) : -1;
	free(host);
	if (m->admin_fd >= 0)
		return 0;
	say("%s", why);
	return EXIT_FAILURE;
}

int startup_questions(struct master *m)
{
	int rc = 0;

	m->questions = calloc(m->workers, sizeof(*m->questions));
	if (!m->questions)
		rc = -ENOMEM;
	for (uint32_t i = 0; i < m->workers && rc == 0; i++)
		rc = ctl_pair(m->questions[i]);
	if (rc == 0)
		return 0;
	say("no channels to the resolver: %s", strerror(-rc));
	return EXIT_FAILURE;
}

int startup_children(struct master *m, const struct process *table, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += table[i].kind == PROCESS_WORKER ? m->workers : 1;
	m->children = calloc(n, sizeof(*m->children));
	if (!m->children) {
		say("out of memory");
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < (table[i].kind == PROCESS_WORKER ? m->workers : 1); k++)
			m->children[m->child_count++] = (struct child){ .process = &table[i], .index = k,
				.control_fd = -1, .slow_at = NEVER, .adopter = NO_CHILD };
	m->deadline = clock_mono_ns() + START_TIME;
	return 0;
}

/* ---- the end ---- */

static void remove_control_socket(struct master *m)
{
	char *path;

	if (m->control_socket_fd < 0)
		return;
	path = generation_text(&m->current, m->current.img->h->process.control_socket);
	if (path)
		(void)unlink(path); /* a left-over one is replaced at the next start */
	free(path);
	(void)close(m->control_socket_fd); /* nobody serves it any more */
}

void startup_undo(struct master *m, int pid_fd)
{
	char *path = m->current.img ? generation_text(&m->current, m->current.img->h->process.pid_file) : NULL;
	struct listeners none = { .count = 0 };

	remove_control_socket(m);
	listeners_retire(&m->current.listeners, &none);
	if (path)
		pid_file_remove(path, pid_fd);
	free(path);
	loader_done(&m->reload.loader);
	generation_done(&m->current);
	free(m->children);
	free(m->questions);
	explicit_bzero(&m->secrets, sizeof(m->secrets));
}
