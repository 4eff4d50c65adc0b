#include "master/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define DATAGRAM_BUFFER (4 * 1024 * 1024)

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

/* ---- pure ---- */

static bool same_place(const struct listener *a, const struct listener *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool is_datagram(const struct listener *l)
{
	return l->protocol == PROTO_UDP;
}

void listeners_match(const struct listener *want, size_t want_count, const struct listener *old, size_t old_count,
    size_t *match)
{
	for (size_t i = 0; i < want_count; i++) {
		match[i] = SIZE_MAX;
		for (size_t j = 0; j < old_count && match[i] == SIZE_MAX; j++) {
			bool taken = false;

			for (size_t k = 0; k < i; k++)
				taken = taken || match[k] == j;
			if (!taken && same_place(&want[i], &old[j]) && want[i].side == old[j].side &&
			    want[i].protocol == old[j].protocol)
				match[i] = j;
		}
	}
}

size_t listeners_twice(const struct listener *l, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (l[i].port != 0 && same_place(&l[i], &l[j]) && is_datagram(&l[i]) == is_datagram(&l[j]))
				return i;
	return count;
}

/* ---- sockets ---- */

/* "host:port" as people write it. */
static void explain(char why[static 512], const struct listener *l, const char *what)
{
	bool v6 = strchr(l->host, ':') != NULL && l->host[0] != '[';

	(void)snprintf(why, 512, "cannot listen on %s%s%s:%u: %s", v6 ? "[" : "", l->host, v6 ? "]" : "", l->port, what);
}

static int resolve(const struct listener *l, union address *out, socklen_t *len, char why[static 512])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found;
	char host[LISTEN_HOST_MAX];
	size_t n = strlen(l->host);
	int rc;

	if (n >= 2 && l->host[0] == '[' && l->host[n - 1] == ']')
		(void)snprintf(host, sizeof(host), "%.*s", (int)(n - 2), l->host + 1);
	else
		(void)snprintf(host, sizeof(host), "%s", l->host);
	rc = getaddrinfo(host, "0", &hints, &found);
	if (rc != 0) {
		explain(why, l, gai_strerror(rc));
		return -EADDRNOTAVAIL;
	}
	*len = MIN(found->ai_addrlen, (socklen_t)sizeof(*out));
	memcpy(out, found->ai_addr, *len);
	freeaddrinfo(found);
	return 0;
}

static void set_port(union address *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET6)
		a->in6.sin6_port = htons(port);
	else
		a->in.sin_port = htons(port);
}

/* All peers share one socket, and what finds no room in it is lost: the usual buffer holds a hundred messages. */
static void widen(int fd)
{
	static const int names[] = { SO_RCVBUFFORCE, SO_RCVBUF, SO_SNDBUFFORCE, SO_SNDBUF };
	static const int size = DATAGRAM_BUFFER;

	/* Without the privilege to force it, as much as the system allows. */
	for (size_t i = 0; i < ARRAY_LEN(names); i += 2)
		if (setsockopt(fd, SOL_SOCKET, names[i], &size, sizeof(size)) != 0)
			(void)setsockopt(fd, SOL_SOCKET, names[i + 1], &size, sizeof(size));
}

/* A bound socket, or -errno. */
static int bind_one(const union address *a, socklen_t len, bool datagram, bool share)
{
	static const int on = 1;
	bool v6 = a->sa.sa_family == AF_INET6;
	int fd = socket(a->sa.sa_family, (datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return -errno;
	/* A datagram's own address is asked for, so that its answer comes from there.  SO_REUSEADDR would share UDP ports. */
	if ((datagram ? setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof(on))
		      : setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))) == 0 &&
	    (!share || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    (!v6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, &a->sa, len) == 0) {
		if (datagram)
			widen(fd);
		return fd;
	}
	rc = -errno;
	(void)close(fd); /* the first error is the one that counts */
	return rc;
}

static int bound_port(int fd, uint16_t *port)
{
	union address a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.sa, &len) != 0)
		return -errno;
	*port = ntohs(a.sa.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port);
	return 0;
}

/* Do we listen on this port ourselves?  Then a probe would only find us. */
static bool ours(const struct listeners *old, uint16_t port, bool datagram)
{
	for (size_t i = 0; i < old->count; i++)
		if (old->listener[i].bound == port && is_datagram(&old->listener[i]) == datagram)
			return true;
	return false;
}

static int probe(const union address *a, socklen_t len, bool datagram)
{
	int fd = bind_one(a, len, datagram, false);

	if (fd < 0)
		return fd;
	(void)close(fd); /* it was only to see whether it can be bound */
	return 0;
}

static void close_sockets(struct listener *l, uint32_t workers)
{
	for (uint32_t w = 0; l->fds && w < workers; w++)
		if (l->fds[w] >= 0)
			(void)close(l->fds[w]); /* nothing can be done about a failure */
	free(l->fds);
	l->fds = NULL;
}

static int bind_all(struct listener *l, uint32_t workers, const struct listeners *old, char why[static 512])
{
	union address a = { .storage = { 0 } };
	socklen_t len;
	int rc;

	rc = resolve(l, &a, &len, why);
	if (rc != 0)
		return rc;
	l->fds = malloc(workers * sizeof(*l->fds));
	if (!l->fds) {
		explain(why, l, strerror(ENOMEM));
		return -ENOMEM;
	}
	for (uint32_t w = 0; w < workers; w++)
		l->fds[w] = -1;
	l->fresh = true;
	l->bound = l->port;
	set_port(&a, l->port);
	if (l->port != 0 && !ours(old, l->port, is_datagram(l)))
		rc = probe(&a, len, is_datagram(l));
	for (uint32_t w = 0; w < workers && rc == 0; w++) {
		l->fds[w] = bind_one(&a, len, is_datagram(l), true);
		rc = l->fds[w] < 0 ? l->fds[w] : 0;
		if (rc == 0 && w == 0) {
			rc = bound_port(l->fds[0], &l->bound);
			set_port(&a, l->bound);
		}
	}
	if (rc != 0)
		explain(why, l, strerror(-rc));
	return rc;
}

/* ---- generations ---- */

/* What the image wants, without sockets. */
static int read_image(const struct image *img, struct listeners *out, char why[static 512])
{
	out->count = img->h->listeners.count;
	out->listener = calloc(out->count ? out->count : 1, sizeof(*out->listener));
	if (!out->listener) {
		(void)snprintf(why, 512, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	for (size_t i = 0; i < out->count; i++) {
		struct listener *l = &out->listener[i];
		struct span host = image_text(img, img->listener[i].host);

		(void)snprintf(l->host, sizeof(l->host), "%.*s", SPAN_FMT(host)); /* longer ones do not resolve */
		l->port = img->listener[i].port;
		l->side = img->listener[i].side;
		l->protocol = img->listener[i].protocol;
	}
	return 0;
}

int listeners_prepare(const struct image *img, const struct listeners *old, uint32_t workers, struct listeners *out,
    char why[static 512])
{
	struct listeners l = { .workers = workers, .next_id = old->next_id };
	size_t *match = NULL;
	size_t twice;
	int rc = read_image(img, &l, why);

	if (rc == 0) {
		twice = listeners_twice(l.listener, l.count);
		if (twice < l.count) {
			explain(why, &l.listener[twice], "another listener has the same host and port");
			rc = -EINVAL;
		}
		match = calloc(l.count ? l.count : 1, sizeof(*match));
		if (!match) {
			(void)snprintf(why, 512, "%s", strerror(ENOMEM));
			rc = -ENOMEM;
		}
	}
	if (rc == 0)
		listeners_match(l.listener, l.count, old->listener, old->count, match);
	for (size_t i = 0; i < l.count && rc == 0; i++) {
		if (match[i] != SIZE_MAX) {
			l.listener[i] = old->listener[match[i]];
			l.listener[i].fresh = false;
		} else {
			l.listener[i].id = ++l.next_id;
			rc = bind_all(&l.listener[i], workers, old, why);
		}
	}
	free(match);
	if (rc == 0)
		*out = l;
	else
		listeners_cancel(&l);
	return rc;
}

int listeners_listen(const struct listeners *l, char why[static 512])
{
	for (size_t i = 0; i < l->count; i++)
		for (uint32_t w = 0; l->listener[i].fresh && !is_datagram(&l->listener[i]) && w < l->workers; w++)
			if (listen(l->listener[i].fds[w], BACKLOG) != 0) {
				explain(why, &l->listener[i], strerror(errno));
				return -1;
			}
	return 0;
}

void listeners_cancel(struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->listener[i].fresh)
			close_sockets(&l->listener[i], l->workers);
	free(l->listener);
	*l = (struct listeners){ 0 };
}

void listeners_retire(struct listeners *old, struct listeners *next)
{
	for (size_t i = 0; i < old->count; i++) {
		struct listener *l = &old->listener[i];
		bool goes_on = false;

		for (size_t j = 0; j < next->count; j++)
			goes_on = goes_on || next->listener[j].id == l->id;
		for (uint32_t w = 0; !goes_on && w < old->workers; w++)
			(void)shutdown(l->fds[w], SHUT_RDWR); /* closing it is what counts here */
		if (!goes_on)
			close_sockets(l, old->workers);
	}
	for (size_t j = 0; j < next->count; j++)
		next->listener[j].fresh = false;
	free(old->listener);
	*old = (struct listeners){ 0 };
}

void listeners_shutdown(struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		for (uint32_t w = 0; w < l->workers; w++)
			(void)shutdown(l->listener[i].fds[w], SHUT_RDWR); /* not connected: it stops listening all the same */
}

int listeners_table(const struct listeners *l, struct heritage_socket **table, bool **fresh, size_t *count)
{
	size_t n = l->count * l->workers;
	struct heritage_socket *rows = calloc(n ? n : 1, sizeof(*rows));
	bool *marks = calloc(n ? n : 1, sizeof(*marks));

	if (!rows || !marks) {
		free(rows);
		free(marks);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct listener *from = &l->listener[i / l->workers];
		uint32_t worker = (uint32_t)(i % l->workers);

		rows[i] = (struct heritage_socket){ .fd = from->fds[worker], .listener = (uint32_t)(i / l->workers),
			.worker = worker, .port = from->bound, .id = from->id };
		marks[i] = from->fresh;
	}
	*table = rows;
	*count = n;
	if (fresh)
		*fresh = marks;
	else
		free(marks);
	return 0;
}
