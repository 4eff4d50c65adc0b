#include "admin/control_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/blocks.h"
#include "admin/certificates.h"
#include "admin/explain.h"
#include "admin/report.h"
#include "common/clock.h"
#include "common/log.h"

#define LINE_MAX_BYTES 65536
#define PATIENCE (10 * NSEC_PER_SEC)	  /* for a question to arrive, and an answer to be taken */
#define LONG_PATIENCE (330 * NSEC_PER_SEC) /* for a reload to end: longer than the master gives the loader and all children */
#define DOMAINS_SHOWN 1000

struct client {
	int fd; /* -1: free */
	struct ucred who;
	uint64_t ticket;   /* of a question that the master is answering; 0: none */
	uint64_t deadline;
	char *in;
	size_t in_len;
	int pass;	   /* goes out with the first byte; -1: none */
	char *out;	   /* malloc'ed */
	size_t out_len, out_sent;
};

struct clients {
	struct client client[CLIENTS_MAX];
	uint64_t tickets;
};

struct clients *clients_new(void)
{
	struct clients *cs = calloc(1, sizeof(*cs));

	for (int i = 0; cs && i < CLIENTS_MAX; i++)
		cs->client[i].fd = cs->client[i].pass = -1;
	return cs;
}

static void drop(struct client *c)
{
	close(c->fd);
	if (c->pass >= 0)
		close(c->pass);
	free(c->in);
	free(c->out);
	*c = (struct client){ .fd = -1, .pass = -1 };
}

static void answer(struct client *c, json_t *j)
{
	char *s = j ? json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(j);
	if (!s) {
		drop(c);
		return;
	}
	c->out = s;
	c->out_len = strlen(s);
	s[c->out_len++] = '\n'; /* in the place of the terminator: the length counts from here on */
	c->out_sent = 0;
	c->ticket = 0;
	c->deadline = clock_mono_ns() + PATIENCE;
}

static void audit(const struct client *c, const char *command)
{
	struct log_line l;

	log_begin(&l, EVENT_AUDIT);
	log_cstr(&l, "command", command);
	log_num(&l, "uid", (int64_t)c->who.uid);
	log_num(&l, "pid", (int64_t)c->who.pid);
	log_end(&l);
}

static struct ctl_msg question_to_master; /* large */

/* Hand it over; the answer comes by clients_result. */
static void send_question(struct admin *a, struct client *c, const char *command)
{
	audit(c, command);
	question_to_master.arg = ++a->clients->tickets;
	if (ctl_send(a->h->control_fd, &question_to_master) != 0) {
		answer(c, report_error("the master does not answer"));
		return;
	}
	c->ticket = question_to_master.arg;
	c->deadline = clock_mono_ns() + LONG_PATIENCE;
}

static void ask(struct admin *a, struct client *c, uint32_t id, const char *command)
{
	struct ctl_msg *msg = &question_to_master;

	*msg = (struct ctl_msg){ .id = id };
	msg->text_len = (uint32_t)snprintf(msg->text, sizeof(msg->text), "%u", (unsigned)c->who.uid);
	send_question(a, c, command);
}

static void ask_block(struct admin *a, struct client *c, const json_t *question, bool block, const char *command)
{
	struct ctl_msg *msg = &question_to_master;
	struct block row;
	json_t *why_not = blocks_question(a, question, block, &row);

	if (why_not) {
		answer(c, why_not);
		return;
	}
	row.uid = c->who.uid;
	row.pid = (uint32_t)c->who.pid;
	*msg = (struct ctl_msg){ .id = CTL_ASK_BLOCK, .ok = block, .text_len = sizeof(row) };
	memcpy(msg->text, &row, sizeof(row));
	send_question(a, c, command);
}

/* The image in use, for whoever wants to compare: it is sealed, and has no keys. */
static void hand_out_image(struct admin *a, struct client *c, const char *command)
{
	audit(c, command);
	c->pass = dup(a->image_fd);
	if (c->pass < 0)
		answer(c, report_error("there is no descriptor to pass"));
	else
		answer(c, json_pack("{s:b, s:s, s:I}", "ok", 1, "version", SIPWARD_VERSION, "generation",
			      (json_int_t)a->img->h->generation));
}

static void command(struct admin *a, struct client *c, const json_t *question)
{
	const char *name = json_string_value(json_object_get(question, "command"));
	const char *dn = json_string_value(json_object_get(question, "dn"));

	blocks_follow(a);
	if (!name)
		answer(c, report_error("a question is {\"command\": NAME, ...}"));
	else if (strcmp(name, "status") == 0)
		answer(c, report_status(a));
	else if (strcmp(name, "connections") == 0)
		answer(c, report_connections(a, json_string_value(json_object_get(question, "domain"))));
	else if (strcmp(name, "domains") == 0)
		answer(c, report_domains(a, "", DOMAINS_SHOWN));
	else if (strcmp(name, "lookup") == 0)
		answer(c, dn ? report_lookup(a, dn) : report_error("lookup wants \"dn\""));
	else if (strcmp(name, "certificates") == 0)
		answer(c, certificates_report(a));
	else if (strcmp(name, "explain") == 0)
		answer(c, explain_certificate(a, question));
	else if (strcmp(name, "domain blocks") == 0)
		answer(c, blocks_report(a));
	else if (strcmp(name, "domain block") == 0)
		ask_block(a, c, question, true, name);
	else if (strcmp(name, "domain unblock") == 0)
		ask_block(a, c, question, false, name);
	else if (strcmp(name, "image") == 0)
		hand_out_image(a, c, name);
	else if (strcmp(name, "reload") == 0)
		ask(a, c, CTL_ASK_RELOAD, name);
	else if (strcmp(name, "stop") == 0)
		ask(a, c, CTL_ASK_STOP, name);
	else if (strcmp(name, "drain") == 0)
		ask(a, c, CTL_ASK_DRAIN, name);
	else
		answer(c, report_error("unknown command"));
}

void clients_result(struct admin *a, uint64_t ticket, bool ok, struct span text)
{
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &a->clients->client[i];

		if (c->fd >= 0 && c->ticket && c->ticket == ticket)
			answer(c, report_result(ok, text));
	}
}

static void welcome(struct admin *a)
{
	int fd = accept4(a->h->control_socket_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (fd < 0)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &a->clients->client[i];

		if (c->fd >= 0)
			continue;
		*c = (struct client){ .fd = fd, .pass = -1, .who = { .uid = (uid_t)-1 }, .deadline = clock_mono_ns() + PATIENCE,
			.in = malloc(LINE_MAX_BYTES) };
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
			c->who = cred;
		if (!c->in)
			drop(c);
		return;
	}
	close(fd);
}

static void take(struct admin *a, struct client *c)
{
	ssize_t n = read(c->fd, c->in + c->in_len, LINE_MAX_BYTES - c->in_len);
	json_error_t error;
	json_t *question;
	char *end;

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			drop(c);
		return;
	}
	c->in_len += (size_t)n;
	end = memchr(c->in, '\n', c->in_len);
	if (!end) {
		if (c->in_len == LINE_MAX_BYTES)
			drop(c);
		return;
	}
	question = json_loadb(c->in, (size_t)(end - c->in), JSON_REJECT_DUPLICATES, &error);
	c->in_len = 0;
	if (question)
		command(a, c, question);
	else
		answer(c, report_error("not a line of JSON"));
	json_decref(question);
}

/* The next bytes, the first with the descriptor that is to be passed. */
static ssize_t send_some(struct client *c)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .buf = { 0 } };
	struct iovec iov = { c->out + c->out_sent, c->out_len - c->out_sent };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *head = &control.align;
	ssize_t n;

	if (c->pass >= 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &c->pass, sizeof(int));
	}
	n = sendmsg(c->fd, &mh, MSG_NOSIGNAL);
	if (n >= 0 && c->pass >= 0) {
		close(c->pass);
		c->pass = -1;
	}
	return n;
}

static void give(struct client *c)
{
	ssize_t n = send_some(c);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		drop(c);
		return;
	}
	c->out_sent += (size_t)n;
	c->deadline = clock_mono_ns() + PATIENCE;
	if (c->out_sent == c->out_len) {
		free(c->out);
		c->out = NULL;
	}
}

size_t clients_poll(const struct admin *a, struct pollfd *fds)
{
	fds[0] = (struct pollfd){ .fd = a->h->control_socket_fd, .events = POLLIN };
	for (int i = 0; i < CLIENTS_MAX; i++) {
		const struct client *c = &a->clients->client[i];

		fds[i + 1] = (struct pollfd){ .fd = c->fd, .events = c->out ? POLLOUT : POLLIN };
	}
	return CLIENTS_MAX + 1;
}

void clients_run(struct admin *a, const struct pollfd *fds, size_t count)
{
	uint64_t now = clock_mono_ns();

	for (size_t i = 1; i < count; i++) {
		struct client *c = &a->clients->client[i - 1];

		if (c->fd < 0 || c->fd != fds[i].fd)
			continue;
		if (fds[i].revents & POLLOUT)
			give(c);
		else if (fds[i].revents)
			take(a, c);
		if (c->fd >= 0 && c->deadline < now)
			drop(c);
	}
	if (fds[0].revents & POLLIN)
		welcome(a);
}
