#include "worker/conn.h"

#include <errno.h>

#include "common/clock.h"
#include "worker/datagram.h"
#include "worker/events.h"

#define TURN_BYTES (64 * 1024)  /* one connection's share of a turn */
#define HOLD_MAX (256 * 1024)   /* held input at which receiving is stopped */
#define CHUNK 16384

static void arm(struct worker *w, struct conn *c)
{
	if (c->recv_armed || c->eof)
		return;
	ring_recv(w->ring, c->slot, c->generation, c->fd);
	c->recv_armed = true;
	c->recv_stopping = false;
	c->in_flight++;
}

static void stop_receiving(struct worker *w, struct conn *c)
{
	if (!c->recv_armed || c->recv_stopping)
		return;
	ring_cancel(w->ring, RING_RECV, c->slot, c->generation);
	c->recv_stopping = true;
}

void conn_start(struct worker *w, struct conn *c)
{
	arm(w, c);
}

/* ---- sending ---- */

char *conn_room(struct conn *c, size_t n)
{
	return (char *)buf_reserve(c->tls ? &c->plain : &c->out, n);
}

void conn_written(struct worker *w, struct conn *c, size_t n)
{
	buf_commit(c->tls ? &c->plain : &c->out, n);
	if (c->datagram) {
		datagram_send(w, c);
		return;
	}
	conn_list_add(w, LIST_DIRTY, c);
}

size_t conn_queued(const struct conn *c)
{
	return c->plain.len + c->out.len + c->flight.len;
}

static void send_flight(struct worker *w, struct conn *c)
{
	ring_send(w->ring, c->slot, c->generation, c->fd, buf_bytes(&c->flight), c->flight.len);
	c->sending = true;
	c->send_begun = w->now;
	c->in_flight++;
}

void conn_flush(struct worker *w, struct conn *c)
{
	if (c->state == CONN_CLOSING) {
		conn_settle(w, c);
		return;
	}
	if (c->sending || c->state == CONN_CONNECTING || c->state == CONN_LINGER)
		return;
	if (c->tls && c->plain.len && c->state == CONN_OPEN) {
		if (!tls_write(c->tls, buf_bytes(&c->plain), c->plain.len)) {
			conn_kill(w, c, "encryption failed");
			return;
		}
		buf_clear(&c->plain);
	}
	if (c->out.len) {
		c->flight = c->out;
		c->out = (struct buf){ 0 };
		send_flight(w, c);
	} else if (c->state == CONN_FLUSHING) {
		conn_flushed(w, c);
	}
}

void conn_on_send(struct worker *w, struct conn *c, const struct ring_event *e)
{
	c->in_flight--;
	c->sending = false;
	if (e->res < 0) {
		conn_kill(w, c, "send failed");
	} else {
		counter_add(&w->counters->bytes_out, (uint64_t)e->res);
		buf_consume(&c->flight, (size_t)e->res);
		if (c->flight.len && c->state != CONN_CLOSING)
			send_flight(w, c);
		else if (c->plain.len || c->out.len || c->state == CONN_FLUSHING)
			conn_list_add(w, LIST_DIRTY, c);
	}
	if (conn_queued(c) <= w->img->settings->queue_bytes / 4)
		conn_resume(w, c);
	conn_settle(w, c);
}

/* ---- receiving ---- */

/*
 * After input: run the timer for a message that has come in part, the idle
 * timer else.  `another`: what is there in part is not what was there before;
 * a busy peer's input may end inside a message every time.
 */
static void watch_message(struct worker *w, struct conn *c, bool another)
{
	bool partial = c->in.len > 2 && !c->paused; /* a lone CRLF is a keep-alive, not a message */

	if (c->state != CONN_OPEN || (partial == c->message_timer && !(partial && another)))
		return;
	c->message_timer = partial;
	if (partial)
		timer_set(w->wheel, &c->timer, w->now + w->img->settings->message_timeout * NSEC_PER_MSEC);
	else if (c->kind == CONN_EXTERNAL)
		timer_set(w->wheel, &c->timer, w->now + w->img->settings->idle_timeout * NSEC_PER_MSEC);
	else
		timer_clear(w->wheel, &c->timer);
}

static void plain_input(struct worker *w, struct conn *c, const uint8_t *data, size_t len)
{
	size_t done;

	if (c->in.len == 0 && !c->paused) {
		done = conn_messages(w, c, span_of(data, len));
		if (c->state == CONN_OPEN && done < len && !buf_append(&c->in, data + done, len - done))
			conn_kill(w, c, "out of memory");
	} else {
		struct buf in;

		if (!buf_append(&c->in, data, len)) {
			conn_kill(w, c, "out of memory");
			return;
		}
		if (c->paused)
			return;
		/* Taken out meanwhile: a message may end the connection, and with it its buffers. */
		in = c->in;
		c->in = (struct buf){ 0 };
		done = conn_messages(w, c, span_of(buf_bytes(&in), in.len));
		buf_consume(&in, done);
		if (c->state == CONN_OPEN)
			c->in = in;
		else
			buf_clear(&in);
	}
	watch_message(w, c, done > 0);
}

static void decrypt(struct worker *w, struct conn *c)
{
	while (c->state == CONN_OPEN) {
		size_t n = 0;

		switch (tls_read(c->tls, w->plain, PLAIN_MAX, &n)) {
		case TLS_OK:
			plain_input(w, c, w->plain, n);
			break;
		case TLS_WANT:
			if (c->out.len)
				conn_list_add(w, LIST_DIRTY, c); /* a key update is answered */
			return;
		case TLS_CLOSED:
			c->eof = true;
			if (!c->paused) /* else when what came before the end has been handled: conn_again */
				conn_close(w, c, "closed by peer");
			return;
		case TLS_FAILED:
			conn_close(w, c, "TLS error");
			return;
		}
	}
}

void conn_handshake(struct worker *w, struct conn *c)
{
	if (w->handshake_steps)
		w->handshake_steps--;
	switch (tls_handshake(c->tls)) {
	case TLS_OK:
		events_handshake_done(w, c);
		conn_opened(w, c);
		break;
	case TLS_WANT:
		break;
	case TLS_CLOSED:
	case TLS_FAILED:
		events_handshake_failed(w, c);
		conn_close(w, c, "handshake failed");
		return;
	}
	conn_list_add(w, LIST_DIRTY, c);
}

static void process(struct worker *w, struct conn *c, const uint8_t *data, size_t len)
{
	c->turn_bytes += len;
	if (!c->tls) {
		plain_input(w, c, data, len);
		return;
	}
	tls_feed(c->tls, data, len);
	if (c->state == CONN_HANDSHAKE)
		conn_handshake(w, c);
	if (c->state == CONN_OPEN)
		decrypt(w, c);
	tls_feed(c->tls, NULL, 0); /* a connection that ends may leave some */
}

/* May it use more of this turn? */
static bool has_share(struct worker *w, struct conn *c)
{
	if (c->turn != w->turn) {
		c->turn = w->turn;
		c->turn_bytes = 0;
	}
	return c->turn_bytes < TURN_BYTES && (c->state != CONN_HANDSHAKE || w->handshake_steps > 0);
}

static void take_input(struct worker *w, struct conn *c, const uint8_t *data, size_t len)
{
	counter_add(&w->counters->bytes_in, len);
	if (c->state >= CONN_FLUSHING)
		return;
	c->last_active = w->now;
	w->receives++;
	if (!c->paused && c->hold.len == 0 && has_share(w, c)) {
		process(w, c, data, len);
		return;
	}
	if (!c->paused)
		counter_add(&w->counters->budget_spent, 1);
	if (!buf_append(&c->hold, data, len)) {
		conn_kill(w, c, "out of memory");
		return;
	}
	if (c->hold.len > HOLD_MAX)
		stop_receiving(w, c);
	if (!c->paused)
		conn_list_add(w, LIST_AGAIN, c);
}

static void peer_ended(struct worker *w, struct conn *c)
{
	if (c->state == CONN_LINGER)
		conn_shut(w, c);
	else if (c->state == CONN_HANDSHAKE) {
		events_handshake_failed(w, c);
		conn_kill(w, c, "closed in the handshake");
	} else
		conn_close(w, c, c->in.len > 2 ? "closed by peer inside a message" : "closed by peer");
}

/* The multishot receive has ended; say what next. */
static void receive_ended(struct worker *w, struct conn *c, int res)
{
	if (c->state == CONN_CLOSING)
		return;
	if (res == -ENOBUFS) {
		counter_add(&w->counters->no_buffers, 1);
		conn_list_add(w, LIST_PARKED, c);
	} else if (res == 0) {
		c->eof = true;
		/* Messages that came before the end and still wait for their turn are handled first: conn_again. */
		if ((c->hold.len == 0 && !c->paused) || c->state >= CONN_FLUSHING)
			peer_ended(w, c);
	} else if (res > 0 || res == -ECANCELED) {
		if (!c->paused && c->hold.len == 0)
			arm(w, c);
	} else {
		c->eof = true;
		if (c->state == CONN_HANDSHAKE)
			events_handshake_failed(w, c);
		conn_kill(w, c, res == -ECONNRESET ? "reset by peer" : "receive failed");
	}
}

void conn_on_recv(struct worker *w, struct conn *c, const struct ring_event *e)
{
	if (!e->more) {
		c->recv_armed = false;
		c->in_flight--;
	}
	if (e->buffer >= 0) {
		if (e->res > 0)
			take_input(w, c, ring_buffer(w->ring, e->buffer), (size_t)e->res);
		ring_buffer_put(w->ring, e->buffer);
	}
	if (!e->more)
		receive_ended(w, c, e->res);
	conn_settle(w, c);
}

void conn_again(struct worker *w, struct conn *c)
{
	struct buf held;
	size_t off = 0;

	if (c->socket) {
		datagram_read(w, c);
		return;
	}
	if (c->state >= CONN_FLUSHING || c->paused)
		return;
	if (c->in.len)
		plain_input(w, c, NULL, 0);
	/* Taken out meanwhile, as in plain_input. */
	held = c->hold;
	c->hold = (struct buf){ 0 };
	while (off < held.len && c->state < CONN_FLUSHING && !c->paused && has_share(w, c)) {
		size_t n = MIN((size_t)CHUNK, held.len - off);

		process(w, c, buf_bytes(&held) + off, n);
		off += n;
	}
	if (held.len)
		buf_consume(&held, off);
	if (c->state >= CONN_FLUSHING) {
		buf_clear(&held);
		return;
	}
	c->hold = held;
	if (c->paused)
		return;
	if (c->hold.len)
		conn_list_add(w, LIST_AGAIN, c);
	else if (c->eof)
		peer_ended(w, c);
	else if (!c->link[LIST_PARKED].linked)
		arm(w, c);
}

void conn_unpark(struct worker *w, struct conn *c)
{
	if (c->state != CONN_CLOSING && !c->paused)
		arm(w, c);
}

void conn_pause(struct worker *w, struct conn *c, const struct conn *to)
{
	if (c->paused || c->socket)
		return;
	counter_add(&w->counters->paused, 1);
	c->paused = true;
	c->paused_slot = to->slot;
	c->paused_generation = to->generation;
	conn_list_add(w, LIST_PAUSED, c);
	stop_receiving(w, c);
}

void conn_resume(struct worker *w, const struct conn *to)
{
	struct conn *next;

	for (struct conn *c = w->lists[LIST_PAUSED].first; c; c = next) {
		next = c->link[LIST_PAUSED].next;
		if (c->paused_slot != to->slot || c->paused_generation != to->generation)
			continue;
		conn_list_remove(w, LIST_PAUSED, c);
		c->paused = false;
		conn_list_add(w, LIST_AGAIN, c);
	}
}
