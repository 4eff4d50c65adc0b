/*
 * resolve - the resolver process and a worker's cache of names, without the
 * rest: so that tests can try them against name servers that lie.
 *
 *	sipward-resolve CONFIG
 *
 * forks the resolver with the generation of CONFIG, takes commands from stdin
 * and answers each with one line:
 *
 *	ask HOST PORT PROTOCOL	waits while PENDING; "READY addr port addr port ..." or "FAILED"
 *	look HOST PORT PROTOCOL	the same, without waiting
 *	later SECONDS		the cache's clock is moved on
 *	pid			of the resolver
 *	kill			end the resolver and start another one, as the master does
 *	reload CONFIG		in two phases, as the master does
 *	garbage			messages that are no questions; an old incarnation's question
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/ctl.h"
#include "common/handover.h"
#include "common/heritage.h"
#include "master/complaint.h"
#include "master/loader.h"
#include "worker/names.h"

#define INCARNATION 42

static struct load_result generation;
static uint64_t number;
static int control_fd = -1, questions[2];
static pid_t resolver;
static struct names *names;
static uint64_t later_ns;
static struct ctl_msg msg;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "resolve: %s\n", what);
	exit(2);
}

static struct load_result load(const char *path)
{
	static const struct load_secrets secrets;
	struct complaints *c = complaints_new();
	struct load_result r = { -1, -1 };

	must(c != NULL, "out of memory");
	if (load_configuration(path, ++number, &secrets, NULL, c, &r) != 0)
		complaints_print(c, stderr);
	complaints_free(c);
	must(r.image_fd >= 0, "the configuration is bad");
	return r;
}

static void expect(uint32_t id)
{
	struct pollfd p = { .fd = control_fd, .events = POLLIN };

	must(poll(&p, 1, 10000) == 1 && ctl_recv(control_fd, CTL_FROM, &msg) == 1 && msg.id == id, ctl_name(id));
}

static void start(void)
{
	int pair[2];
	struct heritage h = { .workers = 1, .log_fd = STDERR_FILENO, .image_fd = generation.image_fd, .keys_fd = -1,
		.log_pipe_fd = -1, .control_socket_fd = -1, .admin_fd = -1, .resolver_fd = -1, .question_fds = &questions[1] };

	must(ctl_pair(pair) == 0, "no channel");
	h.control_fd = pair[1];
	resolver = fork();
	if (resolver == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* best effort */
		resolver_main(&h);
	}
	must(resolver > 0, "fork");
	close(pair[1]);
	if (control_fd >= 0)
		close(control_fd);
	control_fd = pair[0];
	expect(CTL_RUNNING);
}

static void reload(const char *path)
{
	struct load_result next = load(path);
	size_t at = 0;

	msg = (struct ctl_msg){ .ok = 0 };
	handover_part(&msg, number, next.image_fd, -1, NULL, NULL, 0, &at);
	must(ctl_send(control_fd, &msg) == 0, "prepare");
	expect(CTL_READY);
	msg = (struct ctl_msg){ .id = CTL_COMMIT, .generation = number };
	must(ctl_send(control_fd, &msg) == 0, "commit");
	expect(CTL_COMMITTED);
	close(generation.image_fd);
	close(generation.keys_fd);
	generation = next;
}

static void garbage(void)
{
	static const char large[65536];
	struct resolve_question q = { .incarnation = 1, .id = 7, .port = 5061, .host_len = 9 };

	memcpy(q.host, "localhost", 9);
	must(send(questions[0], &q, sizeof(q), 0) > 0, "send"); /* its answer is for nobody */
	q.protocol = 77;
	must(send(questions[0], &q, sizeof(q), 0) > 0, "send");
	q.protocol = PROTO_TLS;
	q.host_len = UINT32_MAX;
	must(send(questions[0], &q, sizeof(q), 0) > 0, "send");
	q.host_len = 9;
	memcpy(q.host, "LOCALHOST", 9);
	must(send(questions[0], &q, sizeof(q), 0) > 0, "send");
	memcpy(q.host, "a\0b/../ ;", 9);
	must(send(questions[0], &q, sizeof(q), 0) > 0, "send");
	must(send(questions[0], &q, 5, 0) > 0, "send");
	must(send(questions[0], "", 0, 0) == 0, "send");
	must(send(questions[0], large, sizeof(large), 0) > 0, "send");
	puts("sent");
}

static uint64_t now(void)
{
	return clock_mono_ns() + later_ns;
}

static void ask(const char *host, unsigned port, const char *protocol, bool wait)
{
	enum image_protocol p = strcmp(protocol, "TLS") == 0 ? PROTO_TLS : strcmp(protocol, "TCP") == 0 ? PROTO_TCP : PROTO_UDP;
	struct pollfd pfd = { .fd = questions[0], .events = POLLIN };
	struct name_answer a;
	char text[ADDR_TEXT_MAX];
	enum names_status st;
	uint64_t due;

	(void)poll(&pfd, 1, 0);
	(void)names_on_event(names, now());
	while ((st = names_ask(names, span_str(host), (uint16_t)port, p, now(), &a)) == NAMES_PENDING && wait) {
		(void)poll(&pfd, 1, 100);
		(void)names_on_event(names, now());
		(void)names_tick(names, now(), &due);
	}
	fputs(st == NAMES_READY ? "READY" : st == NAMES_PENDING ? "PENDING" : "FAILED", stdout);
	for (uint32_t i = 0; st == NAMES_READY && i < a.count; i++) {
		(void)addr_print(a.target[i].addr, text);
		printf(" %s %u", text, a.target[i].port);
	}
	putchar('\n');
}

static void obey(char *line)
{
	char host[1024], protocol[8];
	unsigned port;
	int status;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "ask %1023s %u %7s", host, &port, protocol) == 3) {
		ask(host, port, protocol, true);
	} else if (sscanf(line, "look %1023s %u %7s", host, &port, protocol) == 3) {
		ask(host, port, protocol, false);
	} else if (sscanf(line, "later %u", &port) == 1) {
		later_ns += port * NSEC_PER_SEC;
		puts("later");
	} else if (strcmp(line, "pid") == 0) {
		printf("%ld\n", (long)resolver);
	} else if (strcmp(line, "kill") == 0) {
		(void)kill(resolver, SIGKILL);
		must(waitpid(resolver, &status, 0) == resolver, "wait");
		start();
		puts("started");
	} else if (strncmp(line, "reload ", 7) == 0) {
		reload(line + 7);
		puts("reloaded");
	} else if (strcmp(line, "garbage") == 0) {
		garbage();
	} else {
		puts("unknown");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[4096];
	int status = 0;

	must(argc == 2, "expected a configuration");
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail */
	generation = load(argv[1]);
	must(ctl_pair(questions) == 0, "no channel");
	names = names_new(questions[0], INCARNATION);
	must(names != NULL, "out of memory");
	start();
	puts("running");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	msg = (struct ctl_msg){ .id = CTL_STOP };
	must(ctl_send(control_fd, &msg) == 0 && waitpid(resolver, &status, 0) == resolver, "stop");
	names_free(names);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}
