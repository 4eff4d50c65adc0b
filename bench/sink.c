/*
 * sipward-sink - a SIP container for demonstrations, tests and measurements.
 *
 * One thread, one epoll: per wake-up of a connection one receive, all the
 * messages in it, and one send.  `sipward-sink --help` tells how to use it.
 */
#include "bench/sink.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bench/sink_listen.h"
#include "common/clock.h"

#define EVENTS 256
#define RECEIVE_MAX 262144
#define UNSENT_MAX 4194304 /* above it a connection is not read until the other side takes its answers */

struct conn {
	struct conn *next, **link; /* of all; link is what points here */
	int fd;
	bool watching_out;
	char *rest; /* the part of a message that has come */
	size_t rest_len;
	struct sink_out out;
	uint32_t references; /* delayed answers that will go here */
	char contact[SINK_ADDRESS_LEN], from[SINK_ADDRESS_LEN];
};

/* An answer that is to leave later; they are due in the order in which they were made. */
struct delayed {
	struct delayed *next;
	struct conn *conn;
	uint64_t due;
	struct sink_out out;
};

struct sink {
	struct sink_options options;
	struct sink_counts counts;
	int epoll, signals;
	int listener[SINK_LISTENERS_MAX];
	struct delayed *first, **last;
	struct conn *conns;
	char *buffer;
	size_t buffer_cap;
	bool stopping;
};

static void release(struct conn *c)
{
	if (c->fd >= 0 || c->references)
		return;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	free(c->rest);
	free(c->out.p);
	free(c);
}

/* Close; true: gone. */
static bool drop(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	release(c);
	return true;
}

static void watch(struct sink *k, struct conn *c)
{
	bool out = c->out.len > c->out.sent;
	struct epoll_event ev = { .events = out ? EPOLLOUT : EPOLLIN, .data.ptr = c };

	if (out && c->out.len - c->out.sent < UNSENT_MAX)
		ev.events |= EPOLLIN;
	if (out || c->watching_out)
		(void)epoll_ctl(k->epoll, EPOLL_CTL_MOD, c->fd, &ev); /* of a socket that is in it: cannot fail */
	c->watching_out = out;
}

/* True: the connection is gone. */
static bool flush(struct sink *k, struct conn *c)
{
	ssize_t n = 0;

	if (c->out.len > c->out.sent)
		n = send(c->fd, c->out.p + c->out.sent, c->out.len - c->out.sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return drop(c);
	c->out.sent += n > 0 ? (size_t)n : 0;
	if (c->out.sent == c->out.len)
		c->out.len = c->out.sent = 0;
	watch(k, c);
	return false;
}

static bool delay_answer(struct sink *k, struct conn *c, const struct scan_message *msg)
{
	struct delayed *d = calloc(1, sizeof(*d));

	if (!d || !sink_answer(&k->counts, &k->options, msg, c->contact, SINK_FINAL, &d->out)) {
		free(d);
		return false;
	}
	if (!d->out.len) {
		free(d);
		return true;
	}
	d->conn = c;
	d->due = clock_mono_ns() + k->options.delay_ms * NSEC_PER_MSEC;
	c->references++;
	*k->last = d;
	k->last = &d->next;
	return true;
}

static bool on_message(struct sink *k, struct conn *c, const struct scan_message *msg)
{
	sink_count(&k->counts, &k->options, msg);
	if (k->options.show)
		sink_show(&k->counts, msg, c->from);
	if (!k->options.delay_ms)
		return sink_answer(&k->counts, &k->options, msg, c->contact, SINK_PROVISIONAL | SINK_FINAL, &c->out);
	return sink_answer(&k->counts, &k->options, msg, c->contact, SINK_PROVISIONAL, &c->out) && delay_answer(k, c, msg);
}

/* All messages in `in`; false: the stream can't be followed, or there is no memory.  *used tells how far it got. */
static bool take_messages(struct sink *k, struct conn *c, struct span in, size_t *used)
{
	static struct scan_message msg;

	for (*used = 0;;) {
		switch (scan_next(span_from(in, *used), &msg)) {
		case SCAN_MESSAGE:
			if (!on_message(k, c, &msg))
				return false;
			*used += msg.whole.len;
			break;
		case SCAN_PING:
			k->counts.pings++;
			if (!sink_out_put(&c->out, SPAN("\r\n")))
				return false;
			*used += 4;
			break;
		case SCAN_CRLF:
			*used += 2;
			break;
		case SCAN_MORE:
			return true;
		case SCAN_BAD:
			k->counts.bad++;
			return false;
		}
	}
}

/* Room for what is left of the time before, and one receive behind it. */
static bool make_room(struct sink *k, size_t need)
{
	char *p;

	if (need <= k->buffer_cap)
		return true;
	p = realloc(k->buffer, need);
	if (!p)
		return false;
	k->buffer = p;
	k->buffer_cap = need;
	return true;
}

static bool keep_rest(struct conn *c, const char *p, size_t len)
{
	char *rest = len ? malloc(len) : NULL;

	free(c->rest);
	c->rest = rest;
	c->rest_len = rest ? len : 0;
	if (rest)
		memcpy(rest, p, len);
	return rest || !len;
}

static void on_readable(struct sink *k, struct conn *c)
{
	size_t have = c->rest_len, used;
	ssize_t n;

	if (!make_room(k, have + RECEIVE_MAX)) {
		drop(c);
		return;
	}
	n = recv(c->fd, k->buffer + have, RECEIVE_MAX, 0);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			drop(c);
		return;
	}
	if (have)
		memcpy(k->buffer, c->rest, have);
	have += (size_t)n;
	if (!take_messages(k, c, span_of(k->buffer, have), &used)) {
		if (!flush(k, c))
			drop(c);
		return;
	}
	if ((used < have || c->rest) && !keep_rest(c, k->buffer + used, have - used)) {
		drop(c);
		return;
	}
	if (c->out.len && !c->watching_out)
		flush(k, c);
}

static void on_event(struct sink *k, struct conn *c, uint32_t events)
{
	if ((events & EPOLLOUT) && flush(k, c))
		return;
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		on_readable(k, c);
}

static void accept_one(struct sink *k, int listener)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int fd = accept4(listener, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
	struct conn *c = fd < 0 ? NULL : calloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (!c) {
		if (fd >= 0)
			close(fd);
		return;
	}
	c->fd = fd;
	c->next = k->conns;
	c->link = &k->conns;
	if (c->next)
		c->next->link = &c->next;
	k->conns = c;
	sink_address_print(&address, c->from);
	len = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &ev) != 0) {
		drop(c);
		return;
	}
	sink_address_print(&address, c->contact);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* without it it only waits longer */
	k->counts.connections++;
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void on_signal(struct sink *k)
{
	struct signalfd_siginfo info;

	while (read(k->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGUSR1)
			k->stopping = true;
		else if (k->options.count)
			sink_print(&k->counts, cpu_seconds());
	}
}

static void free_delayed(struct delayed *d)
{
	free(d->out.p);
	free(d);
}

/* Send the answers that are due; returns the milliseconds until the next one is, -1: none. */
static int send_delayed(struct sink *k)
{
	uint64_t now = clock_mono_ns();

	while (k->first && k->first->due <= now) {
		struct delayed *d = k->first;
		struct conn *c = d->conn;

		k->first = d->next;
		if (!k->first)
			k->last = &k->first;
		c->references--;
		if (c->fd < 0)
			release(c);
		else if (!sink_out_put(&c->out, span_of(d->out.p, d->out.len)))
			drop(c);
		else if (!c->watching_out)
			flush(k, c);
		free_delayed(d);
	}
	return k->first ? (int)((k->first->due - now) / NSEC_PER_MSEC) + 1 : -1;
}

/* Whose event is it?  Listeners and the signals are known by their place in the struct. */
static bool is_listener(const struct sink *k, const void *ptr)
{
	const int *p = ptr;

	return p >= k->listener && p < k->listener + SINK_LISTENERS_MAX;
}

static void loop(struct sink *k)
{
	struct epoll_event events[EVENTS];

	while (!k->stopping) {
		int n = epoll_wait(k->epoll, events, EVENTS, send_delayed(k));

		for (int i = 0; i < n; i++) {
			void *ptr = events[i].data.ptr;

			if (ptr == &k->signals)
				on_signal(k);
			else if (is_listener(k, ptr))
				accept_one(k, *(int *)ptr);
			else
				on_event(k, ptr, events[i].events);
		}
	}
}

static bool set_up(struct sink *k)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &k->signals };
	struct rlimit files;
	sigset_t set;

	k->last = &k->first;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* if it is too low, peers will notice */
	}
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	k->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (k->epoll < 0 || k->signals < 0 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->signals, &ev) != 0) {
		perror("sipward-sink");
		return false;
	}
	for (size_t i = 0; i < k->options.listeners; i++) {
		k->listener[i] = sink_listen(k->options.listen[i]);
		ev.data.ptr = &k->listener[i];
		if (k->listener[i] < 0 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->listener[i], &ev) != 0)
			return false;
	}
	return true;
}

static void clean_up(struct sink *k)
{
	for (struct delayed *d = k->first, *next; d; d = next) {
		next = d->next;
		d->conn->references--;
		if (d->conn->fd < 0)
			release(d->conn);
		free_delayed(d);
	}
	while (k->conns)
		drop(k->conns);
	free(k->buffer);
}

int main(int argc, char **argv)
{
	static struct sink k;
	int rc;

	if (sink_options_parse(argc, argv, &k.options, &rc) != 0)
		return rc;
	if (!set_up(&k))
		return 1;
	loop(&k);
	if (k.options.count)
		sink_print(&k.counts, cpu_seconds());
	clean_up(&k);
	return k.options.expect_identity && !sink_as_expected(&k.counts) ? 1 : 0;
}
