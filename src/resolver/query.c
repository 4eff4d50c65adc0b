#include "resolver/query.h"

#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "common/addr.h"

#define TIMEOUT_MS 700 /* of the first try; doubled with each round through the servers */
#define TRIES 3	       /* at each server: a burst of questions loses some on its way */
#define CLASS_IN 1

struct query_channel {
	ares_channel channel;
	struct pollfd fds[QUERY_FDS_MAX];
	size_t fd_count;
};

/* c-ares wants this of the socket from now on; neither: it is about to be closed. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct query_channel *q = arg;
	short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
	size_t i;

	for (i = 0; i < q->fd_count && q->fds[i].fd != fd; i++)
		;
	if (!events) {
		if (i < q->fd_count)
			q->fds[i] = q->fds[--q->fd_count];
		return;
	}
	if (i == QUERY_FDS_MAX)
		return; /* more than our servers can need; were it so, the query would time out */
	q->fds[i] = (struct pollfd){ .fd = fd, .events = events };
	q->fd_count = MAX(q->fd_count, i + 1);
}

struct query_channel *query_new(void)
{
	struct query_channel *q = calloc(1, sizeof(*q));
	char lookups[] = "b"; /* DNS alone: files are the image's matter */
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = TIMEOUT_MS,
		.tries = TRIES,
		.ndots = 1,
		.lookups = lookups,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = q,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;

	if (q && ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS &&
	    ares_init_options(&q->channel, &options, mask) == ARES_SUCCESS)
		return q;
	free(q);
	return NULL;
}

int query_servers(struct query_channel *q, const struct image_resolver *server, size_t count)
{
	struct ares_addr_port_node node[RESOLVERS_MAX] = { 0 };
	int rc;

	for (size_t i = 0; i < MIN(count, RESOLVERS_MAX); i++) {
		node[i].udp_port = node[i].tcp_port = server[i].port;
		node[i].next = i + 1 < MIN(count, RESOLVERS_MAX) ? &node[i + 1] : NULL;
		if (addr_is_ipv4(server[i].addr)) {
			node[i].family = AF_INET;
			memcpy(&node[i].addr.addr4, server[i].addr + 12, 4);
		} else {
			node[i].family = AF_INET6;
			memcpy(&node[i].addr.addr6, server[i].addr, 16);
		}
	}
	rc = ares_set_servers_ports(q->channel, count ? node : NULL);
	return rc == ARES_SUCCESS ? 0 : -ENOMEM;
}

/* ---- one query ---- */

struct query {
	query_done done;
	void *arg;
};

static void on_answer(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
	struct query *one = arg;
	enum query_status s = QUERY_FAILED;

	if (status == ARES_SUCCESS)
		s = QUERY_ANSWER;
	else if (status == ARES_ENODATA || status == ARES_ENOTFOUND)
		s = QUERY_NOTHING;
	else if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION)
		s = QUERY_CANCELLED;
	one->done(one->arg, s, msg, msg && len > 0 ? (size_t)len : 0);
	free(one);
}

void query_ask(struct query_channel *q, const char *name, enum dns_type type, query_done done, void *arg)
{
	struct query *one = malloc(sizeof(*one));

	if (!one) {
		done(arg, QUERY_FAILED, NULL, 0);
		return;
	}
	*one = (struct query){ done, arg };
	ares_query(q->channel, name, CLASS_IN, (int)type, on_answer, one);
}

void query_cancel(struct query_channel *q)
{
	ares_cancel(q->channel);
}

/* ---- waiting ---- */

size_t query_poll(const struct query_channel *q, struct pollfd *fds)
{
	memcpy(fds, q->fds, q->fd_count * sizeof(*fds));
	return q->fd_count;
}

int query_timeout(struct query_channel *q, int most)
{
	struct timeval longest = { most / 1000, most % 1000 * 1000 }, got, *left = ares_timeout(q->channel, &longest, &got);

	/* Rounded up, so that it is never a little too early. */
	return (int)MIN(left->tv_sec * 1000 + (left->tv_usec + 999) / 1000, most);
}

void query_run(struct query_channel *q, const struct pollfd *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i].revents)
			ares_process_fd(q->channel, fds[i].revents & ~POLLOUT ? fds[i].fd : ARES_SOCKET_BAD,
			    fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
	ares_process_fd(q->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* time-outs */
}
