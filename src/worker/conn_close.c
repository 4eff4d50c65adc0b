#include "worker/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/x509/facts.h"
#include "worker/conn_table.h"
#include "worker/dial.h"
#include "worker/events.h"
#include "worker/links.h"
#include "worker/overload.h"
#include "worker/told.h"
#include "worker/upstream.h"

#define FLUSH_TIME (5 * NSEC_PER_SEC)
#define LINGER_TIME NSEC_PER_SEC

struct conn *conn_new(struct worker *w, enum conn_kind kind, int fd, const struct sockaddr *addr)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c || !conn_table_add(w->conns, c, &c->slot, &c->generation)) {
		free(c);
		return NULL;
	}
	c->fd = fd;
	c->kind = kind;
	c->last_active = w->now;
	c->since = w->wall;
	c->port = addr_from_sockaddr(addr, c->addr);
	c->addr_text_len = (uint8_t)addr_print(c->addr, c->addr_text);
	/* Without it the last small piece of each batch waits for an acknowledgement. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	counter_add(&w->counters->open, 1);
	return c;
}

static void conn_free(struct worker *w, struct conn *c)
{
	for (int id = 0; id < LIST_COUNT; id++)
		conn_list_remove(w, (enum conn_list_id)id, c);
	timer_clear(w->wheel, &c->timer);
	close(c->fd);
	tls_free(c->tls);
	dial_done(c->dialing);
	peer_facts_put(c->facts);
	buf_clear(&c->in);
	buf_clear(&c->hold);
	buf_clear(&c->plain);
	buf_clear(&c->out);
	buf_clear(&c->flight);
	conn_table_remove(w->conns, c->slot);
	counter_set(&w->counters->open, conn_table_count(w->conns));
	free(c);
}

void conn_settle(struct worker *w, struct conn *c)
{
	if (c->state == CONN_CLOSING && c->in_flight == 0)
		conn_free(w, c);
}

/* What must happen once, when a connection stops being one that messages flow on. */
static void leave(struct worker *w, struct conn *c, const char *reason)
{
	if (c->state >= CONN_FLUSHING)
		return;
	c->close_reason = reason;
	if (c->counted_handshake)
		events_handshake_over(w, c);
	events_closed(w, c);
	conn_list_remove(w, LIST_AGAIN, c);
	conn_list_remove(w, LIST_PARKED, c);
	conn_list_remove(w, LIST_PAUSED, c);
	buf_clear(&c->in);
	buf_clear(&c->hold);
	/* Those that were slowed down for its queue would wait for a send that never comes. */
	conn_resume(w, c);
	if (c->upstream)
		upstream_lost(w, c->upstream, c);
	c->upstream = NULL;
	if (c->domain_link || c->members)
		links_lost(w, c);
	told_gone(w, c);
	overload_gone(w, c);
}

void conn_shut(struct worker *w, struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return;
	if (c->state == CONN_CONNECTING)
		ring_cancel(w->ring, RING_CONNECT, c->slot, c->generation);
	c->state = CONN_CLOSING;
	timer_clear(w->wheel, &c->timer);
	conn_list_remove(w, LIST_DIRTY, c);
	if (!c->datagram) /* the socket is others' as well */
		(void)shutdown(c->fd, SHUT_RDWR); /* ends the receive and a send that are under way; a lost peer is no error */
}

void conn_kill(struct worker *w, struct conn *c, const char *reason)
{
	if (c->socket)
		return; /* one peer's trouble is not the others' */
	leave(w, c, reason);
	conn_shut(w, c);
	buf_clear(&c->plain);
	buf_clear(&c->out);
	/* Freed when the caller, or the last completion, settles it. */
	conn_list_add(w, LIST_DIRTY, c);
}

/* Everything queued is out: shut our side, and wait a little for the peer's, so that no reset overtakes our answer. */
void conn_flushed(struct worker *w, struct conn *c)
{
	if (c->eof || !c->recv_armed) {
		conn_shut(w, c);
		conn_list_add(w, LIST_DIRTY, c);
		return;
	}
	c->state = CONN_LINGER;
	(void)shutdown(c->fd, SHUT_WR); /* fails only if the peer is gone already, which the receive will tell */
	timer_set(w->wheel, &c->timer, w->now + LINGER_TIME);
}

void conn_close(struct worker *w, struct conn *c, const char *reason)
{
	if (c->state >= CONN_FLUSHING)
		return;
	if (c->state == CONN_CONNECTING || c->datagram) {
		conn_kill(w, c, reason);
		return;
	}
	leave(w, c, reason);
	if (c->tls && c->plain.len) {
		if (!tls_write(c->tls, buf_bytes(&c->plain), c->plain.len))
			buf_clear(&c->out);
		buf_clear(&c->plain);
	}
	if (c->tls && c->state == CONN_OPEN)
		tls_close(c->tls);
	c->state = CONN_FLUSHING;
	timer_set(w->wheel, &c->timer, w->now + FLUSH_TIME);
	conn_list_add(w, LIST_DIRTY, c);
}

void conn_on_timer(struct worker *w, struct conn *c)
{
	uint64_t idle_until = c->last_active + w->img->settings->idle_timeout * NSEC_PER_MSEC;

	switch (c->state) {
	case CONN_CONNECTING:
		conn_kill(w, c, "connect timed out");
		break;
	case CONN_HANDSHAKE:
		events_handshake_failed(w, c);
		conn_kill(w, c, "handshake timed out");
		break;
	case CONN_OPEN:
		if (c->message_timer)
			conn_close(w, c, "message timed out");
		else if (idle_until > w->now)
			timer_set(w->wheel, &c->timer, idle_until);
		else
			conn_close(w, c, "idle");
		break;
	case CONN_FLUSHING:
	case CONN_LINGER:
		conn_shut(w, c);
		break;
	case CONN_CLOSING:
		break;
	}
	conn_settle(w, c);
}
