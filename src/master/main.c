/*
 * sipward - the program: arguments, the process table, the order of start-up.
 *
 * The master goes on as root when it was started so; each child gives up what
 * it does not need as the last line of its own start (confine.h).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "master/arguments.h"
#include "master/loop.h"
#include "master/proctitle.h"
#include "master/startup.h"

/* Workers come first: the index of a worker is its place. */
static const struct process processes[] = {
	/* name        kind	       entry */
	{ "worker",   PROCESS_WORKER,   worker_main },
	{ "resolver", PROCESS_RESOLVER, resolver_main },
	{ "admin",    PROCESS_ADMIN,    admin_main },
};

/* Whatever can be refused is refused before the first child is forked. */
static int start(struct master *m, int *pid_fd)
{
	size_t open_files = surroundings_open_files();
	int rc = startup_load(m);

	surroundings_locked_memory();
	if (rc == 0)
		rc = startup_user(m);
	if (rc == 0)
		rc = startup_pid_file(m, pid_fd);
	if (rc == 0)
		rc = startup_log(m);
	if (rc == 0)
		rc = startup_regions(m, open_files);
	if (rc == 0)
		rc = startup_blocks(m);
	if (rc == 0)
		rc = startup_listeners(m);
	if (rc == 0)
		rc = startup_control_socket(m);
	if (rc == 0)
		rc = startup_admin_socket(m);
	if (rc == 0)
		rc = startup_questions(m);
	if (rc == 0)
		rc = startup_children(m, processes, ARRAY_LEN(processes));
	if (rc == 0) {
		m->signal_fd = loop_signals();
		rc = m->signal_fd < 0 ? EXIT_FAILURE : 0;
	}
	return rc;
}

static int run(const char *config_path)
{
	static struct master m;
	int pid_fd = -1;
	int rc;

	m = (struct master){
		.config_path = config_path,
		.current = { .image_fd = -1, .keys_fd = -1 },
		.control_socket_fd = -1,
		.admin_fd = -1,
		.log_fd = -1,
		.reload = { .loader = { .fd = -1, .result = { -1, -1 } }, .next = { .image_fd = -1, .keys_fd = -1 },
			.fading = { .image_fd = -1, .keys_fd = -1 }, .fade_at = NEVER, .log_fd = -1, .deadline = NEVER },
	};
	rc = start(&m, &pid_fd);
	if (rc == 0) {
		rc = loop_run(&m);
		log_text(EVENT_STOPPED, "exit code %d", rc);
	}
	startup_undo(&m, pid_fd);
	return rc;
}

int main(int argc, char **argv)
{
	struct arguments a;
	int rc;

	if (proctitle_init(argc, argv) != 0 || surroundings_std_fds() != 0)
		return EXIT_FAILURE;
	if (!arguments_parse(argc, argv, &a, &rc))
		return rc;
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail, nor can these */
	(void)signal(SIGCHLD, SIG_DFL); /* ignored by who started us, the loader could not be waited for */
	(void)signal(SIGHUP, SIG_IGN);	/* until loop_signals: a reload asked for too early must not end us */
	(void)signal(SIGUSR1, SIG_IGN);
	if (a.check)
		return startup_check(&a);
	/* The title is written over argv. */
	a.config_path = strdup(a.config_path);
	if (!a.config_path)
		return EXIT_FAILURE;
	proctitle_set("sipward: master");
	return run(a.config_path);
}
