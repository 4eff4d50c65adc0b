/* sink_listen - listening sockets of sipward-sink, and addresses in print. */
#include "bench/sink_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void sink_address_print(const struct sockaddr_storage *address, char out[SINK_ADDRESS_LEN])
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	char text[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
		snprintf(out, SINK_ADDRESS_LEN, "[%s]:%u", text, ntohs(six->sin6_port));
	} else {
		inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
		snprintf(out, SINK_ADDRESS_LEN, "%s:%u", text, ntohs(four->sin_port));
	}
}

static int complain(const char *name, const char *what)
{
	fprintf(stderr, "sipward-sink: --listen %s: %s\n", name, what);
	return -1;
}

static int open_socket(const char *name, const struct addrinfo *at)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return complain(name, strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 || bind(fd, at->ai_addr, at->ai_addrlen) != 0 ||
	    listen(fd, 4096) != 0) {
		complain(name, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* Whoever asked for any port must be told which one it is. */
static void announce(int fd, const char *port)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	char text[SINK_ADDRESS_LEN];

	(void)getsockname(fd, (struct sockaddr *)&address, &len); /* it is bound: cannot fail */
	sink_address_print(&address, text);
	fprintf(strcmp(port, "0") == 0 ? stdout : stderr, "listening on %s\n", text);
	fflush(stdout);
}

int sink_listen(const char *name)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found;
	const char *colon = strrchr(name, ':');
	char host[256], *close_bracket;
	int rc, fd;

	if (!colon || (size_t)(colon - name) >= sizeof(host))
		return complain(name, "expected HOST:PORT");
	snprintf(host, sizeof(host), "%.*s", (int)(colon - name), name);
	close_bracket = strchr(host, ']');
	if (host[0] == '[' && close_bracket)
		*close_bracket = '\0';
	rc = getaddrinfo(host[0] == '[' ? host + 1 : host[0] ? host : NULL, colon + 1, &hints, &found);
	if (rc != 0)
		return complain(name, gai_strerror(rc));
	fd = open_socket(name, found);
	freeaddrinfo(found);
	if (fd >= 0)
		announce(fd, colon + 1);
	return fd;
}
