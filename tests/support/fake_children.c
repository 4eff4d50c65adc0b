/*
 * fake_children - a worker, an admin and a resolver that do nothing but talk with the
 * master, linked in place of the real ones into sipward-fake: so that the
 * master's supervision and reload can be tried against children that are
 * slow, refuse or die.
 *
 * How they behave stands in the files of the folder $FAKE_DIR, read at each
 * step; a file that is not there means: well.
 *
 *	start-N    "slow MS", "refuse" or "die": what worker N does before RUNNING (N = "admin", "resolver": these)
 *	prepare-N  "slow MS", "refuse", "die" or "silent": what it does when a generation is complete
 *	commit-N   "die" or "silent"
 *	stop-N     "silent": goes on at STOP and DRAIN
 *
 * A fake worker accepts on its own sockets and on adopted ones, answers each
 * connection one line "worker N generation G incarnation I sockets S" and
 * closes it.  The fake admin takes single letters at its control socket: r
 * asks for a reload and answers its result, s stop, d drain, t tells the
 * state; p the ports.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/confine.h"
#include "common/ctl.h"
#include "common/handover.h"
#include "common/heritage.h"
#include "common/image.h"
#include "common/log.h"

#define SOCKETS_MAX 64
#define CLIENTS 16

struct fake {
	const struct heritage *h;
	char name[16];
	bool worker;
	uint64_t generation;
	struct handover next;
	struct heritage_socket sockets[SOCKETS_MAX];
	size_t count;
	bool adopted[WORKERS_MAX];
	bool draining;
	int client[CLIENTS]; /* admin: who waits for ticket i */
};

static struct ctl_msg msg;

/* ---- behaviour ---- */

static bool told(const struct fake *f, const char *step, const char *what, int *ms)
{
	const char *dir = getenv("FAKE_DIR");
	char path[4096], text[64] = "";
	FILE *in;

	(void)snprintf(path, sizeof(path), "%s/%s-%s", dir ? dir : ".", step, f->name);
	in = fopen(path, "r");
	if (!in)
		return false;
	if (!fgets(text, sizeof(text), in))
		text[0] = '\0';
	(void)fclose(in); /* only read */
	if (strncmp(text, what, strlen(what)) != 0)
		return false;
	if (ms)
		*ms = (int)strtol(text + strlen(what), NULL, 10);
	return true;
}

static void say(const struct fake *f, uint32_t id, uint64_t generation, uint64_t arg, const char *text)
{
	msg = (struct ctl_msg){ .id = id, .ok = 1, .generation = generation, .arg = arg };
	msg.text_len = (uint32_t)snprintf(msg.text, sizeof(msg.text), "%s", text);
	if (ctl_send(f->h->control_fd, &msg) != 0)
		exit(3);
}

static void act_badly(const struct fake *f, const char *step, uint32_t refuse_id)
{
	int ms = 0;

	if (told(f, step, "die", NULL))
		abort();
	if (told(f, step, "slow ", &ms))
		(void)poll(NULL, 0, ms); /* a sleep */
	if (refuse_id && told(f, step, "refuse", NULL)) {
		say(f, refuse_id, f->next.generation, 0, "the fake refuses");
		if (!f->generation)
			exit(1);
	}
}

/* ---- what the master tells ---- */

static void prepare(struct fake *f)
{
	int rc;

	if (msg.arg == 0)
		handover_drop(&f->next);
	rc = handover_take(&f->next, &msg, f->worker);
	if (rc < 0)
		exit(4);
	if (rc == 0 || told(f, "prepare", "silent", NULL))
		return;
	act_badly(f, "prepare", CTL_REFUSED);
	if (!told(f, "prepare", "refuse", NULL))
		say(f, CTL_READY, f->next.generation, 0, "");
}

static int held(const struct fake *f, uint64_t id, uint32_t worker)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->sockets[i].id == id && f->sockets[i].worker == worker)
			return f->sockets[i].fd;
	return -1;
}

/* The new table is in use; fds of sockets that are gone are closed. */
static void take_table(struct fake *f, struct heritage_socket *rows, size_t count)
{
	if (count > SOCKETS_MAX)
		exit(5);
	for (size_t i = 0; i < count; i++)
		if (rows[i].fd < 0)
			rows[i].fd = held(f, rows[i].id, rows[i].worker);
	for (size_t i = 0; i < f->count; i++) {
		bool kept = false;

		for (size_t j = 0; j < count; j++)
			kept = kept || rows[j].fd == f->sockets[i].fd;
		if (!kept)
			close(f->sockets[i].fd);
	}
	if (count)
		memcpy(f->sockets, rows, count * sizeof(*rows));
	f->count = count;
	for (size_t i = 0; i < count; i++)
		rows[i].fd = -1;
}

static void commit(struct fake *f)
{
	if (told(f, "commit", "die", NULL))
		abort();
	if (told(f, "commit", "silent", NULL))
		return;
	take_table(f, f->next.sockets, f->next.count);
	f->generation = f->next.generation;
	handover_drop(&f->next);
	if (f->worker)
		atomic_store(&f->h->states[f->h->worker].generation, f->generation);
	say(f, CTL_COMMITTED, f->generation, 0, "");
}

static void result(struct fake *f)
{
	int *client = &f->client[msg.arg % CLIENTS];

	if (*client < 0)
		return;
	dprintf(*client, "%s %s\n", msg.ok ? "ok" : "failed", msg.text);
	close(*client);
	*client = -1;
}

static void act(struct fake *f)
{
	switch (msg.id) {
	case CTL_PREPARE:
		prepare(f);
		break;
	case CTL_COMMIT:
		commit(f);
		break;
	case CTL_CANCEL:
		handover_drop(&f->next);
		break;
	case CTL_ADOPT:
		f->adopted[msg.arg % WORKERS_MAX] = true;
		break;
	case CTL_RELEASE:
		f->adopted[msg.arg % WORKERS_MAX] = false;
		break;
	case CTL_RESULT:
		result(f);
		break;
	case CTL_LOG_FD:
		dprintf(msg.fds[0], "fake admin writes to the new log\n");
		close(msg.fds[0]);
		break;
	case CTL_STOP:
	case CTL_DRAIN:
		if (!told(f, "stop", "silent", NULL))
			exit(0);
		f->draining = true;
		break;
	default:
		exit(6);
	}
}

/* ---- serving ---- */

static void serve(const struct fake *f, int fd)
{
	int conn = accept(fd, NULL, NULL);

	if (conn < 0)
		return;
	dprintf(conn, "worker %u generation %llu incarnation %llx sockets %zu\n", f->h->worker,
	    (unsigned long long)f->generation, (unsigned long long)f->h->incarnation, f->count);
	close(conn);
}

static void tell_state(const struct fake *f, int conn)
{
	const struct master_state *s = f->h->master;

	dprintf(conn, "generation %llu reloads %llu failed %llu ok %u draining %u", (unsigned long long)s->generation,
	    (unsigned long long)s->reloads, (unsigned long long)s->reloads_failed, s->last_reload_ok, s->draining);
	for (uint32_t i = 0; i < f->h->workers; i++)
		dprintf(conn, " worker %d %llu %llu", f->h->states[i].pid, (unsigned long long)f->h->states[i].restarts,
		    (unsigned long long)f->h->states[i].generation);
	dprintf(conn, "\n%s\n", s->last_reload_text);
}

static void operate(struct fake *f, int conn)
{
	static uint64_t tickets;
	char what = 0;

	if (read(conn, &what, 1) != 1)
		what = 0;
	if (what == 'r') {
		f->client[++tickets % CLIENTS] = conn;
		say(f, CTL_ASK_RELOAD, 0, tickets, "");
		return;
	}
	if (what == 's')
		say(f, CTL_ASK_STOP, 0, 0, "");
	else if (what == 'd')
		say(f, CTL_ASK_DRAIN, 0, 0, "");
	else if (what == 't')
		tell_state(f, conn);
	else if (what == 'p')
		for (size_t i = 0; i < f->count; i++)
			dprintf(conn, "%u %u %u\n", f->sockets[i].listener, f->sockets[i].worker, f->sockets[i].port);
	close(conn);
}

static bool accepts(const struct fake *f, const struct heritage_socket *s)
{
	return f->worker && !f->draining && (s->worker == f->h->worker || f->adopted[s->worker]);
}

NORETURN static void loop(struct fake *f)
{
	struct pollfd p[SOCKETS_MAX + 2];

	for (;;) {
		p[0] = (struct pollfd){ .fd = f->h->control_fd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = f->h->control_socket_fd, .events = POLLIN };
		for (size_t i = 0; i < f->count; i++)
			p[i + 2] = (struct pollfd){ .fd = accepts(f, &f->sockets[i]) ? f->sockets[i].fd : -1,
				.events = POLLIN };
		if (poll(p, f->count + 2, -1) < 0)
			continue;
		for (size_t i = 0; i < f->count; i++)
			if (p[i + 2].revents)
				serve(f, p[i + 2].fd);
		if (p[1].revents) {
			int conn = accept(f->h->control_socket_fd, NULL, NULL);

			if (conn >= 0)
				operate(f, conn);
		}
		if (p[0].revents) {
			int rc = ctl_recv(f->h->control_fd, CTL_TO, &msg);

			if (rc < 0)
				exit(7);
			if (rc > 0)
				act(f);
		}
	}
}

/* Another's region must be closed to us: not even mprotect opens it. */
static void check_regions(const struct fake *f)
{
	char *state = (char *)f->h->master;

	if (!state)
		return; /* the resolver: it has none */
	if (mprotect(state, REGION_PAGE, PROT_READ | PROT_WRITE) == 0 || errno != EACCES)
		exit(8);
	if (f->worker && f->h->workers > 1) {
		char *other = (char *)&f->h->counters[f->h->worker ? 0 : 1];

		if (mprotect(other, REGION_PAGE, PROT_READ | PROT_WRITE) == 0 || errno != EACCES)
			exit(8);
	}
	if (f->worker)
		counter_add(&f->h->counters[f->h->worker].turns, 1);
}

NORETURN static void run(const struct heritage *h, const char *name)
{
	static struct fake f;

	f = (struct fake){ .h = h, .worker = !name };
	for (size_t i = 0; i < CLIENTS; i++)
		f.client[i] = -1;
	if (f.worker)
		(void)snprintf(f.name, sizeof(f.name), "%u", h->worker);
	else
		(void)snprintf(f.name, sizeof(f.name), "%s", name);
	if (confine_drop(h->drop, h->uid, h->gid) != 0)
		exit(2);
	check_regions(&f);
	act_badly(&f, "start", CTL_REFUSED);
	take_table(&f, h->sockets, h->socket_count);
	struct image *img = image_attach(h->image_fd);

	if (!img)
		exit(9);
	f.generation = img->h->generation;
	image_free(img);
	close(h->image_fd);
	if (h->keys_fd >= 0)
		close(h->keys_fd);
	if (f.worker)
		atomic_store(&h->states[h->worker].generation, f.generation);
	say(&f, CTL_RUNNING, f.generation, 0, "");
	loop(&f);
}

NORETURN void worker_main(const struct heritage *h)
{
	run(h, NULL);
}

NORETURN void admin_main(const struct heritage *h)
{
	run(h, "admin");
}

NORETURN void resolver_main(const struct heritage *h)
{
	run(h, "resolver");
}
