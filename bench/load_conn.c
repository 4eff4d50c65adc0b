/* load_conn - a connection of sipward-load: opening it, requests, and their answers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench/load_engine.h"
#include "common/clock.h"

#define DIALOG_MAX 16384

static void watch(struct load_engine *e, struct load_conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	/* Fails for want of memory only; the connection then goes silent and its requests count as lost. */
	(void)epoll_ctl(e->epoll, op, c->stream.fd, &ev);
}

static void mark_dirty(struct load_engine *e, struct load_conn *c)
{
	if (!c->dirty)
		e->dirty[e->dirty_len++] = (uint32_t)(c - e->conn);
	c->dirty = true;
}

/* Requests in flight are lost with their connection. */
static void lose_requests(struct load_engine *e, struct load_conn *c)
{
	for (uint32_t i = 0; i < e->slots; i++) {
		if (c->slot[i].state == LOAD_SLOT_FREE)
			continue;
		c->slot[i].state = LOAD_SLOT_FREE;
		e->stats.lost += c->slot[i].counted;
		e->in_flight--;
	}
}

static void close_conn(struct load_engine *e, struct load_conn *c)
{
	if (c->state == LOAD_CONN_CLOSED)
		return;
	if (c->state == LOAD_CONN_OPEN)
		e->open--;
	else
		e->opening--;
	load_stream_close(&c->stream);
	c->state = LOAD_CONN_CLOSED;
	c->blocked = false;
	c->rest_len = 0;
}

static void fail_conn(struct load_engine *e, struct load_conn *c)
{
	bool was_open = c->state == LOAD_CONN_OPEN;

	if (c->state == LOAD_CONN_CLOSED)
		return;
	if (!e->stats.reason[0])
		load_stream_reason(e->stats.reason, sizeof(e->stats.reason));
	if (was_open)
		e->stats.disconnects++;
	else
		e->stats.handshake_failures++;
	c->failed = true;
	close_conn(e, c);
	if (e->options->mode == LOAD_HANDSHAKE && c->slot[0].state != LOAD_SLOT_FREE) {
		c->slot[0].state = LOAD_SLOT_FREE;
		e->in_flight--;
		load_engine_free_token(e, c, 0);
	}
	lose_requests(e, c);
}

void load_conn_open(struct load_engine *e, struct load_conn *c)
{
	c->failed = false;
	c->state = LOAD_CONN_CONNECTING;
	e->opening++;
	errno = 0;
	if (!load_stream_open(&c->stream, &e->tls, e->options, c->session)) {
		fail_conn(e, c);
		return;
	}
	watch(e, c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
	c->blocked = true;
}

static void count_handshake(struct load_engine *e, struct load_conn *c)
{
	SSL *ssl = c->stream.ssl;

	if (!ssl)
		return;
	e->stats.handshakes++;
	e->stats.resumed += SSL_session_reused(ssl) == 1;
	if (!e->stats.tls[0]) {
		snprintf(e->stats.tls, sizeof(e->stats.tls), "%s", SSL_get_version(ssl));
		snprintf(e->stats.cipher, sizeof(e->stats.cipher), "%s", SSL_get_cipher_name(ssl));
	}
}

/* Handshake mode: one is done. */
static void finish_handshake(struct load_engine *e, struct load_conn *c)
{
	struct load_slot *slot = &c->slot[0];

	count_handshake(e, c);
	if (slot->counted) {
		e->stats.made++;
		e->stats.last_ns = e->now;
		load_stats_latency(&e->stats, e->now - slot->due);
	}
	if (e->options->resume) {
		SSL_SESSION_free(c->session);
		c->session = SSL_get1_session(c->stream.ssl);
	}
	slot->state = LOAD_SLOT_FREE;
	e->in_flight--;
	close_conn(e, c);
	load_engine_free_token(e, c, 0);
}

static void become_open(struct load_engine *e, struct load_conn *c)
{
	if (e->options->mode == LOAD_HANDSHAKE) {
		c->state = LOAD_CONN_PINGING;
		if (e->options->no_ping)
			finish_handshake(e, c);
		else
			load_conn_ping(e, c);
		return;
	}
	count_handshake(e, c);
	c->state = LOAD_CONN_OPEN;
	e->opening--;
	e->open++;
	for (uint32_t i = 0; i < e->slots; i++)
		load_engine_free_token(e, c, i);
}

static void put(struct load_engine *e, struct load_conn *c, const char *bytes, size_t len)
{
	if (!load_stream_put(&c->stream, bytes, len))
		fail_conn(e, c);
	else
		mark_dirty(e, c);
}

void load_conn_ping(struct load_engine *e, struct load_conn *c)
{
	put(e, c, "\r\n\r\n", 4);
}

void load_conn_request(struct load_engine *e, struct load_conn *c, uint32_t slot, uint64_t due)
{
	struct load_slot *s = &c->slot[slot];
	struct load_id id = { e->run, c->index, slot, ++e->seq };

	*s = (struct load_slot){ .due = due, .seq = id.seq, .state = LOAD_SLOT_REQUEST,
		.counted = due >= e->measure_from && due < e->measure_to };
	e->in_flight++;
	e->stats.sent += s->counted;
	load_template_write(e->template, &id, e->request);
	put(e, c, e->request, e->template->len);
}

/* The final answer to an INVITE: acknowledge it, and end the call.  False: it lacks what is needed for that. */
static bool acknowledge(struct load_engine *e, struct load_conn *c, struct load_slot *s, const struct scan_message *msg, bool ok)
{
	char text[DIALOG_MAX];
	size_t len = load_dialog_write(e->template, msg, "ACK", 1, text, sizeof(text));

	if (!len)
		return false;
	put(e, c, text, len);
	e->stats.acks += s->counted;
	if (!e->options->calls || !ok)
		return true;
	len = load_dialog_write(e->template, msg, "BYE", 2, text, sizeof(text));
	if (!len || c->state != LOAD_CONN_OPEN)
		return false;
	s->state = LOAD_SLOT_BYE;
	s->due = e->now;
	e->stats.sent += s->counted;
	put(e, c, text, len);
	return true;
}

static void count_answer(struct load_engine *e, const struct load_slot *s, unsigned status)
{
	unsigned expect = e->options->expect;

	if (!s->counted)
		return;
	e->stats.received++;
	e->stats.status[status]++;
	e->stats.unexpected += expect ? status != expect : status < 200 || status > 299;
	e->stats.calls += s->state == LOAD_SLOT_BYE;
	e->stats.last_ns = e->now;
	load_stats_latency(&e->stats, e->now > s->due ? e->now - s->due : 0);
}

static bool fits(const struct load_engine *e, const struct load_slot *s, uint32_t cseq, struct span method)
{
	if (s->state == LOAD_SLOT_BYE)
		return cseq == 2 && span_eq(method, SPAN("BYE"));
	return s->state == LOAD_SLOT_REQUEST && cseq == 1 && span_eq(method, span_str(e->options->method));
}

static void on_answer(struct load_engine *e, struct load_conn *c, const struct scan_message *msg)
{
	unsigned status = scan_response_status(msg);
	struct load_id id;
	struct span method;
	struct load_slot *s;
	uint32_t cseq;

	if (!status || load_match(msg, e->run, &id, &cseq, &method) != LOAD_MATCH_OK || id.conn != c->index || id.slot >= e->slots ||
	    c->slot[id.slot].seq != id.seq || !fits(e, &c->slot[id.slot], cseq, method)) {
		e->stats.wrong++;
		return;
	}
	s = &c->slot[id.slot];
	if (status < 200) {
		e->stats.provisional += s->counted;
		return;
	}
	count_answer(e, s, status);
	if (s->state == LOAD_SLOT_REQUEST && span_eq(method, SPAN("INVITE"))) {
		if (!acknowledge(e, c, s, msg, status < 300))
			e->stats.wrong++;
		if (c->state != LOAD_CONN_OPEN || s->state == LOAD_SLOT_BYE)
			return;
	}
	s->state = LOAD_SLOT_FREE;
	e->in_flight--;
	load_engine_free_token(e, c, id.slot);
}

/* Work through the decrypted bytes; returns how many were used up, or SIZE_MAX when the stream makes no sense. */
static size_t take_messages(struct load_engine *e, struct load_conn *c, struct span in)
{
	static _Thread_local struct scan_message msg;
	size_t used = 0;

	while (used < in.len && c->state >= LOAD_CONN_PINGING) {
		struct span left = span_from(in, used);
		enum scan_status st;

		if (left.len >= 2 && memcmp(left.p, "\r\n", 2) == 0) {
			used += 2;
			e->stats.pongs++;
			if (c->state == LOAD_CONN_PINGING)
				finish_handshake(e, c);
			continue;
		}
		st = scan_next(left, &msg);
		if (st == SCAN_MORE)
			break;
		if (st != SCAN_MESSAGE)
			return SIZE_MAX;
		on_answer(e, c, &msg);
		used += msg.whole.len;
	}
	return used;
}

static bool keep_rest(struct load_conn *c, struct span left)
{
	if (left.len > c->rest_cap) {
		char *p = realloc(c->rest, left.len * 2);

		if (!p)
			return false;
		c->rest = p;
		c->rest_cap = left.len * 2;
	}
	if (left.len)
		memcpy(c->rest, left.p, left.len);
	c->rest_len = left.len;
	return true;
}

/* Everything that the last receive brought. */
static void read_all(struct load_engine *e, struct load_conn *c)
{
	size_t have = c->rest_len, need = have + LOAD_RECEIVE_MAX, len, used;
	enum load_io io = LOAD_IO_WANT;
	char *p;

	if (need > e->plain_cap) {
		p = realloc(e->plain, need);
		if (!p) {
			fail_conn(e, c);
			return;
		}
		e->plain = p;
		e->plain_cap = need;
	}
	if (have)
		memcpy(e->plain, c->rest, have);
	while (have < e->plain_cap && (io = load_stream_read(&c->stream, e->plain + have, e->plain_cap - have, &len)) == LOAD_IO_OK)
		have += len;
	used = take_messages(e, c, span_of(e->plain, have));
	if (used == SIZE_MAX) {
		e->stats.wrong++;
		errno = EPROTO;
		io = LOAD_IO_END;
		used = have;
	}
	if (c->state == LOAD_CONN_CLOSED)
		return;
	if (!keep_rest(c, span_of(e->plain + used, have - used)) || io == LOAD_IO_END)
		fail_conn(e, c);
}

static void on_writable(struct load_engine *e, struct load_conn *c)
{
	c->blocked = false;
	if (c->state == LOAD_CONN_CONNECTING) {
		if (!load_stream_connected(&c->stream)) {
			fail_conn(e, c);
			return;
		}
		c->state = LOAD_CONN_SHAKING;
		watch(e, c, EPOLL_CTL_MOD, EPOLLIN);
		return;
	}
	watch(e, c, EPOLL_CTL_MOD, EPOLLIN);
	mark_dirty(e, c);
}

/* Take the handshake as far as it goes.  True: it is over, and the connection still there. */
static bool shake(struct load_engine *e, struct load_conn *c)
{
	enum load_io io = load_stream_handshake(&c->stream);

	if (io == LOAD_IO_END) {
		fail_conn(e, c);
		return false;
	}
	if (load_stream_pending(&c->stream))
		mark_dirty(e, c);
	if (io == LOAD_IO_OK)
		become_open(e, c);
	return io == LOAD_IO_OK && c->state != LOAD_CONN_CLOSED;
}

void load_conn_event(struct load_engine *e, struct load_conn *c, uint32_t events)
{
	enum load_io io = LOAD_IO_WANT;

	if (c->state == LOAD_CONN_CLOSED)
		return;
	errno = 0;
	if ((events & (EPOLLOUT | EPOLLERR)) && c->blocked)
		on_writable(e, c);
	if (c->state < LOAD_CONN_SHAKING)
		return;
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		io = load_stream_receive(&c->stream, &e->tls);
	if (c->state == LOAD_CONN_SHAKING) {
		if (!shake(e, c))
			return;
	}
	if (io != LOAD_IO_WANT)
		read_all(e, c);
}

void load_conn_flush_all(struct load_engine *e)
{
	for (uint32_t i = 0; i < e->dirty_len; i++) {
		struct load_conn *c = &e->conn[e->dirty[i]];
		enum load_io io;

		c->dirty = false;
		if (c->state == LOAD_CONN_CLOSED || c->blocked)
			continue;
		errno = 0;
		io = load_stream_flush(&c->stream);
		if (io == LOAD_IO_WANT) {
			c->blocked = true;
			watch(e, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
		} else if (io == LOAD_IO_END) {
			fail_conn(e, c);
		}
	}
	e->dirty_len = 0;
}

void load_conn_done(struct load_engine *e, struct load_conn *c)
{
	lose_requests(e, c);
	close_conn(e, c);
	SSL_SESSION_free(c->session);
	c->session = NULL;
	free(c->rest);
	c->rest = NULL;
}
