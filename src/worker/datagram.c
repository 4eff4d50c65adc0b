#include "worker/datagram.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/x509/judge.h"
#include "worker/accept.h"
#include "worker/conn_table.h"
#include "worker/upstream.h"

#define TURN_DATAGRAMS 256 /* of one socket */

/* Address of ours that a datagram came to, or is to leave from. */
union own_address {
	struct in_pktinfo v4;
	struct in6_pktinfo v6;
};

union own_control {
	struct cmsghdr head; /* for its alignment */
	char room[CMSG_SPACE(sizeof(union own_address))];
};

/* ---- sockets and peers ---- */

static struct conn *make(struct worker *w, enum conn_kind kind, struct listener *l, int fd, const uint8_t addr[16], uint16_t port)
{
	struct sockaddr_storage ss;
	int own = dup(fd);
	struct conn *c;

	(void)addr_to_sockaddr(addr, port, &ss);
	c = own < 0 ? NULL : conn_new(w, kind, own, (struct sockaddr *)&ss);
	if (!c) {
		if (own >= 0)
			close(own);
		return NULL;
	}
	c->datagram = true;
	c->state = CONN_OPEN;
	c->listener = l;
	return c;
}

struct conn *datagram_open(struct worker *w, struct listener *l, int fd)
{
	static const uint8_t nobody[16];
	struct conn *c = make(w, l->row.side == SIDE_EXTERNAL ? CONN_EXTERNAL : CONN_INTERNAL, l, fd, nobody, 0);

	if (c)
		c->socket = true;
	return c;
}

void datagram_close(struct worker *w, struct conn *c)
{
	c->socket = false;
	conn_kill(w, c, "no longer listening");
}

void datagram_close_peers(struct worker *w, const struct listener *l)
{
	for (uint32_t i = 0; i < conn_table_top(w->conns); i++) {
		struct conn *c = conn_table_at(w->conns, i);

		if (c && c->datagram && !c->socket && c->listener == l)
			conn_kill(w, c, "no longer listening");
	}
}

struct conn *datagram_peer(struct worker *w, enum conn_kind kind, const uint8_t addr[16], uint16_t port)
{
	struct conn *s = listeners_datagram(w, kind == CONN_DOMAIN ? SIDE_EXTERNAL : SIDE_INTERNAL);

	return s ? make(w, kind, s->listener, s->fd, addr, port) : NULL;
}

void datagram_came_from(struct worker *w, struct conn *c, const uint8_t addr[16], uint16_t port, const uint8_t local[16])
{
	memcpy(c->addr, addr, 16);
	memcpy(c->local, local, 16);
	c->port = port;
	c->addr_text_len = (uint8_t)addr_print(c->addr, c->addr_text);
	if (c->kind == CONN_EXTERNAL)
		judge_address(w->img, c->addr, true, &c->judgement);
}

struct conn *datagram_aim(struct worker *w, uint64_t listener, const uint8_t addr[16], uint16_t port,
    const uint8_t local[16])
{
	struct conn *c = listeners_datagram_of(w, listener);

	if (c)
		datagram_came_from(w, c, addr, port, local);
	return c;
}

uint16_t datagram_reply_port(const struct conn *c, const struct via *via)
{
	if (via->has_rport)
		return c->port;
	return via->port ? via->port : 5060;
}

/* ---- receiving ---- */

static void own_address(struct msghdr *m, uint8_t out[static 16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memset(out, 0, 16);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		union own_address a;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&a.v4, CMSG_DATA(c), sizeof(a.v4));
			memcpy(out, mapped, sizeof(mapped));
			memcpy(out + 12, &a.v4.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&a.v6, CMSG_DATA(c), sizeof(a.v6));
			memcpy(out, &a.v6.ipi6_addr, 16);
		}
	}
}

/* Who may speak to a socket inside; outside everybody may. */
static bool may_speak(struct worker *w, const struct conn *c, const uint8_t addr[16])
{
	const struct image_listener *row = &c->listener->row;

	if (row->side == SIDE_EXTERNAL || upstream_is_address(w->img, addr) || image_cidr_has(w->img, row->allow, addr))
		return true;
	counter_add(&w->counters->refused_source, 1);
	return false;
}

/* One datagram; false: there is none. */
static bool receive(struct worker *w, struct conn *c)
{
	struct sockaddr_storage from;
	union own_control control;
	struct iovec room = { w->plain, PLAIN_MAX };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &room, .msg_iovlen = 1,
		.msg_control = control.room, .msg_controllen = sizeof(control.room) };
	ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT);
	uint8_t addr[16], local[16];
	uint16_t port;

	if (n < 0)
		return errno != EAGAIN && errno != EINTR; /* an earlier one's ICMP error: it says nothing of the next */
	counter_add(&w->counters->bytes_in, (uint64_t)n);
	counter_add(&w->counters->datagrams_in, 1);
	port = addr_from_sockaddr((struct sockaddr *)&from, addr);
	own_address(&m, local);
	if (m.msg_flags & MSG_TRUNC || port == 0) {
		counter_add(&w->counters->datagrams_dropped, 1);
		return true;
	}
	if (!may_speak(w, c, addr))
		return true;
	c->last_active = w->now;
	datagram_came_from(w, c, addr, port, local);
	conn_datagram(w, c, span_of(w->plain, (size_t)n));
	return true;
}

void datagram_read(struct worker *w, struct conn *c)
{
	unsigned n = 0;

	w->receives++;
	while (n < TURN_DATAGRAMS && c->state == CONN_OPEN && receive(w, c))
		n++;
	if (n == TURN_DATAGRAMS)
		conn_list_add(w, LIST_AGAIN, c);
}

/* ---- sending ---- */

static void put_own_address(struct msghdr *m, union own_control *control, const struct conn *c)
{
	bool v4 = addr_is_ipv4(c->local);
	union own_address a = { .v6 = { .ipi6_ifindex = 0 } };
	size_t len = v4 ? sizeof(a.v4) : sizeof(a.v6);
	struct cmsghdr *head;

	*control = (union own_control){ .room = { 0 } };
	m->msg_control = control->room;
	m->msg_controllen = CMSG_SPACE(len);
	head = CMSG_FIRSTHDR(m);
	head->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	head->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
	head->cmsg_len = CMSG_LEN(len);
	if (v4) {
		a.v4 = (struct in_pktinfo){ .ipi_ifindex = 0 };
		memcpy(&a.v4.ipi_spec_dst, c->local + 12, 4);
	} else {
		memcpy(&a.v6.ipi6_addr, c->local, 16);
	}
	memcpy(CMSG_DATA(head), &a, len);
}

void datagram_send(struct worker *w, struct conn *c)
{
	static const uint8_t nowhere[16];
	struct sockaddr_storage to;
	union own_control control;
	struct iovec bytes = { (void *)(uintptr_t)buf_bytes(&c->out), c->out.len };
	struct msghdr m = { .msg_name = &to, .msg_iov = &bytes, .msg_iovlen = 1 };

	m.msg_namelen = addr_to_sockaddr(c->addr, c->port, &to);
	if (memcmp(c->local, nowhere, sizeof(nowhere)) != 0)
		put_own_address(&m, &control, c);
	if (sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		counter_add(&w->counters->datagrams_dropped, 1);
	else
		counter_add(&w->counters->bytes_out, c->out.len);
	buf_clear(&c->out);
}
