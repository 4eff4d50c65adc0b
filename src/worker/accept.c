#include "worker/accept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/log.h"
#include "worker/conn_table.h"
#include "worker/datagram.h"
#include "worker/events.h"
#include "worker/upstream.h"

#define PAUSE (50 * NSEC_PER_MSEC) /* without descriptors: try again after this */

/* One listening socket, ours or another worker's. */
struct socket_slot {
	int fd; /* -1: free */
	uint32_t worker;
	uint32_t generation; /* of the slot, for the completion word */
	struct listener *listener;
	bool armed;
	bool adopted;
	bool waiting; /* for descriptors */
	struct conn *datagram; /* UDP: what serves it */
};

struct listeners {
	struct listener *first;
	struct socket_slot *slot;
	uint32_t count;
	uint64_t retry_at; /* 0: nobody waits */
	bool stopped;
};

static const char *const side_name[] = { [SIDE_EXTERNAL] = "external", [SIDE_INTERNAL] = "internal" };
static const char *const protocol_name[] = { [PROTO_TLS] = "TLS", [PROTO_TCP] = "TCP", [PROTO_UDP] = "UDP" };

int listeners_new(struct worker *w)
{
	w->listeners = calloc(1, sizeof(*w->listeners));
	return w->listeners ? 0 : -ENOMEM;
}

static struct listener *find(struct worker *w, uint64_t id)
{
	struct listener *l;

	for (l = w->listeners->first; l; l = l->next)
		if (l->id == id)
			return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->id = id;
	l->index = IMAGE_NONE;
	l->next = w->listeners->first;
	w->listeners->first = l;
	return l;
}

/* A literal IPv6 address gets its brackets. */
static int print_host(char *out, size_t cap, struct span host, uint16_t port)
{
	bool bare = host.len && host.p[0] != '[' && span_find(host, ':') < host.len;

	return snprintf(out, cap, bare ? "[%.*s]:%u" : "%.*s:%u", SPAN_FMT(host), port);
}

static void refresh(struct worker *w, struct listener *l, const struct heritage_socket *s)
{
	const struct image_listener *row = &w->img->listener[s->listener];
	struct span host = image_text(w->img, row->advertise_host.len ? row->advertise_host : row->host);
	int n;

	l->index = s->listener;
	l->row = *row;
	l->port = s->port;
	if (row->tls != IMAGE_NONE)
		l->client_certificate = w->img->tls[row->tls].client_certificate;
	n = print_host(l->shown, sizeof(l->shown), host, row->advertise_port ? row->advertise_port : s->port);
	l->shown_len = MIN((size_t)MAX(n, 0), sizeof(l->shown) - 1);
	n = snprintf(l->text, sizeof(l->text), "%s %s ", side_name[l->row.side], protocol_name[l->row.protocol]);
	print_host(l->text + n, sizeof(l->text) - (size_t)n, image_text(w->img, row->host), s->port);
}

/* Nobody is accepted here: it goes on while the worker drains, for answers come this way. */
static void arm_datagrams(struct worker *w, uint32_t i)
{
	struct socket_slot *s = &w->listeners->slot[i];

	if (!s->datagram)
		s->datagram = datagram_open(w, s->listener, s->fd);
	s->waiting = !s->datagram;
	if (!s->datagram) {
		w->listeners->retry_at = w->now + PAUSE;
		return;
	}
	ring_poll(w->ring, RING_POLL_DATAGRAM + i, s->generation, s->fd);
	s->armed = true;
	datagram_read(w, s->datagram); /* what came before the poll */
}

static void disarm_datagrams(struct worker *w, uint32_t i)
{
	struct socket_slot *s = &w->listeners->slot[i];

	if (s->armed)
		ring_cancel(w->ring, RING_POLL, RING_POLL_DATAGRAM + i, s->generation);
	if (s->datagram)
		datagram_close(w, s->datagram);
	s->datagram = NULL;
	s->armed = false;
	s->generation++;
}

static void arm(struct worker *w, uint32_t i)
{
	struct socket_slot *s = &w->listeners->slot[i];
	bool wanted = (s->worker == w->h->worker || s->adopted) && s->listener->index != IMAGE_NONE;

	if (s->fd < 0 || s->armed || !wanted)
		return;
	if (s->listener->row.protocol == PROTO_UDP) {
		arm_datagrams(w, i);
		return;
	}
	if (w->listeners->stopped)
		return;
	ring_accept(w->ring, i, s->generation, s->fd);
	s->armed = true;
	s->waiting = false;
}

static void disarm(struct worker *w, uint32_t i)
{
	struct socket_slot *s = &w->listeners->slot[i];

	if (s->datagram)
		disarm_datagrams(w, i);
	else if (s->armed)
		ring_cancel(w->ring, RING_ACCEPT, i, s->generation);
}

/* Close a socket that is no longer served; connections in its queue are another holder's. */
static void drop(struct worker *w, uint32_t i)
{
	struct socket_slot *s = &w->listeners->slot[i];

	disarm(w, i);
	if (s->listener->row.protocol == PROTO_UDP && s->worker == w->h->worker)
		datagram_close_peers(w, s->listener);
	close(s->fd);
	s->fd = -1;
	s->armed = false;
	s->generation++; /* the cancelled accept's last completion is an old one */
}

static struct socket_slot *free_slot(struct worker *w)
{
	struct listeners *ls = w->listeners;
	struct socket_slot *p;

	for (uint32_t i = 0; i < ls->count; i++)
		if (ls->slot[i].fd < 0)
			return &ls->slot[i];
	p = realloc(ls->slot, (ls->count + 1) * sizeof(*p));
	if (!p)
		return NULL;
	ls->slot = p;
	p[ls->count] = (struct socket_slot){ .fd = -1 };
	return &p[ls->count++];
}

static bool is_known(struct worker *w, const struct heritage_socket *s)
{
	for (uint32_t i = 0; i < w->listeners->count; i++) {
		const struct socket_slot *have = &w->listeners->slot[i];

		if (have->fd >= 0 && have->worker == s->worker && have->listener->id == s->id)
			return true;
	}
	return false;
}

void listeners_update(struct worker *w, const struct heritage_socket *sockets, size_t count)
{
	struct listeners *ls = w->listeners;

	for (struct listener *l = ls->first; l; l = l->next)
		l->index = IMAGE_NONE;
	for (size_t i = 0; i < count; i++) {
		struct listener *l = sockets[i].listener == IMAGE_NONE ? NULL : find(w, sockets[i].id);

		if (l)
			refresh(w, l, &sockets[i]);
		if (l && !is_known(w, &sockets[i]) && sockets[i].fd >= 0) {
			struct socket_slot *s = free_slot(w);

			if (!s) {
				close(sockets[i].fd); /* no memory: this worker goes without it */
				continue;
			}
			s->fd = sockets[i].fd;
			s->worker = sockets[i].worker;
			s->listener = l;
			s->adopted = s->waiting = false;
		}
	}
	for (uint32_t i = 0; i < ls->count; i++) {
		if (ls->slot[i].fd >= 0 && ls->slot[i].listener->index == IMAGE_NONE)
			drop(w, i);
		arm(w, i);
	}
}

void listeners_adopt(struct worker *w, uint32_t worker)
{
	for (uint32_t i = 0; i < w->listeners->count; i++)
		if (w->listeners->slot[i].worker == worker) {
			w->listeners->slot[i].adopted = true;
			arm(w, i);
		}
}

void listeners_release(struct worker *w, uint32_t worker)
{
	for (uint32_t i = 0; i < w->listeners->count; i++)
		if (w->listeners->slot[i].worker == worker && worker != w->h->worker) {
			w->listeners->slot[i].adopted = false;
			disarm(w, i);
		}
}

void listeners_stop(struct worker *w)
{
	w->listeners->stopped = true;
	for (uint32_t i = 0; i < w->listeners->count; i++)
		if (!w->listeners->slot[i].datagram)
			disarm(w, i);
}

void listeners_on_poll(struct worker *w, const struct ring_event *e)
{
	uint32_t i = e->slot - RING_POLL_DATAGRAM;
	struct socket_slot *s = i < w->listeners->count ? &w->listeners->slot[i] : NULL;

	if (!s || !s->datagram || s->generation != e->generation)
		return; /* of a socket that is served no more */
	if (!e->more) {
		s->armed = false;
		arm(w, i);
	} else {
		datagram_read(w, s->datagram);
	}
}

struct conn *listeners_datagram_of(const struct worker *w, uint64_t id)
{
	for (uint32_t i = 0; i < w->listeners->count; i++) {
		const struct socket_slot *s = &w->listeners->slot[i];

		if (s->datagram && s->worker == w->h->worker && s->listener->id == id)
			return s->datagram;
	}
	return NULL;
}

struct conn *listeners_datagram(const struct worker *w, enum image_side side)
{
	const struct listener *l = listeners_first(w, side, PROTO_UDP);

	return l && l->row.protocol == PROTO_UDP ? listeners_datagram_of(w, l->id) : NULL;
}

const struct listener *listeners_first(const struct worker *w, enum image_side side, enum image_protocol protocol)
{
	const struct listener *best = NULL;

	for (const struct listener *l = w->listeners->first; l; l = l->next) {
		bool fits = l->row.protocol == protocol;

		if (l->row.side != side || l->index == IMAGE_NONE)
			continue;
		if (!best || fits > (best->row.protocol == protocol) ||
		    (fits == (best->row.protocol == protocol) && l->index < best->index))
			best = l;
	}
	return best;
}

/* ---- one new connection ---- */

/* May this address talk to an internal listener? */
static bool inside_allowed(const struct worker *w, const struct image_listener *row, const uint8_t addr[16])
{
	return upstream_is_address(w->img, addr) || image_cidr_has(w->img, row->allow, addr);
}

/* All workers together; those to containers count as well. */
static bool connections_full(const struct worker *w)
{
	uint64_t most = w->img->settings->connections, open = 0;

	/* A slot is kept for each container that has none, or a crowd of peers could cut us off from the inside. */
	if (conn_table_count(w->conns) + upstreams_down(w) >= w->h->rows_per_worker)
		return true;
	for (uint32_t i = 0; most && i < w->h->workers; i++)
		open += counter_get(&w->h->counters[i].open);
	return most && open >= most;
}

static const char *refusal_of(struct worker *w, const struct listener *l, const uint8_t addr[16])
{
	const struct settings *s = w->img->settings;
	const char *why = NULL;

	if (l->row.side == SIDE_INTERNAL && !inside_allowed(w, &l->row, addr)) {
		counter_add(&w->counters->refused_source, 1);
		return "source_not_allowed";
	}
	if (connections_full(w))
		why = "too_many_connections";
	else if (l->row.protocol == PROTO_TLS && counter_get(&w->counters->handshakes_now) >= s->handshakes)
		why = "too_many_handshakes";
	else if (l->row.protocol == PROTO_TLS && s->handshakes_per_source && *source_of(w, addr) >= s->handshakes_per_source)
		why = "too_many_handshakes_of_source";
	if (why)
		counter_add(&w->counters->refused_limit, 1);
	return why;
}

static void log_refused(struct worker *w, const struct listener *l, const uint8_t addr[16], const char *why)
{
	struct log_line line;
	char text[ADDR_TEXT_MAX];
	size_t n = addr_print(addr, text);

	if (w->log_budget == 0)
		return;
	w->log_budget--;
	log_begin(&line, EVENT_CONN_REFUSED);
	log_str(&line, "peer", span_of(text, n));
	log_cstr(&line, "listener", l->text);
	log_cstr(&line, "reason", why);
	log_end(&line);
}

static bool start_tls(struct worker *w, struct conn *c)
{
	static const struct siphash_key fixed; /* the same in all workers, and after a reload */
	const struct listener *l = c->listener;
	struct tls_entrance by = { (enum image_side)l->row.side, l->row.enforce, siphash(&fixed, l->text, strlen(l->text)) };

	c->tls = tls_accept_new(tls_contexts_get(w->contexts, l->row.tls), &by, &c->out);
	if (!c->tls)
		return false;
	c->state = CONN_HANDSHAKE;
	events_handshake_begun(w, c);
	timer_set(w->wheel, &c->timer, w->now + w->img->settings->handshake_timeout * NSEC_PER_MSEC);
	return true;
}

/* The address of ours that it came to: a listener may be on all of them. */
static void read_local(struct conn *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(c->fd, (struct sockaddr *)&ss, &len) == 0)
		(void)addr_from_sockaddr((struct sockaddr *)&ss, c->local); /* the port is the listener's */
}

static void welcome(struct worker *w, struct listener *l, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	uint8_t addr[16];
	const char *why;
	struct conn *c;

	if (getpeername(fd, (struct sockaddr *)&ss, &len) != 0) { /* gone again already */
		close(fd);
		return;
	}
	counter_add(&w->counters->accepted, 1);
	(void)addr_from_sockaddr((struct sockaddr *)&ss, addr);
	why = refusal_of(w, l, addr);
	c = why ? NULL
		: conn_new(w, l->row.side == SIDE_EXTERNAL ? CONN_EXTERNAL : CONN_INTERNAL, fd, (struct sockaddr *)&ss);
	if (!c) {
		log_refused(w, l, addr, why ? why : "no_memory");
		close(fd);
		return;
	}
	c->listener = l;
	read_local(c);
	if (l->row.protocol == PROTO_TLS && !start_tls(w, c)) {
		conn_kill(w, c, "no memory");
		return;
	}
	conn_start(w, c);
	if (!c->tls)
		conn_opened(w, c);
}

void listeners_on_accept(struct worker *w, const struct ring_event *e)
{
	struct socket_slot *s = e->slot < w->listeners->count ? &w->listeners->slot[e->slot] : NULL;
	bool current = s && s->fd >= 0 && s->generation == e->generation;

	if (e->res >= 0) {
		/* A listener that a reload removed meanwhile still gave us this one: it was accepted, so refuse it openly. */
		if (current && s->listener->index != IMAGE_NONE && !w->listeners->stopped)
			welcome(w, s->listener, e->res);
		else
			close(e->res);
	}
	if (!current || e->more)
		return;
	s->armed = false;
	if (e->res == -EMFILE || e->res == -ENFILE || e->res == -ENOBUFS || e->res == -ENOMEM) {
		s->waiting = true;
		w->listeners->retry_at = w->now + PAUSE;
	} else {
		arm(w, e->slot);
	}
}

uint64_t listeners_tick(struct worker *w)
{
	struct listeners *ls = w->listeners;

	if (ls->retry_at && ls->retry_at <= w->now) {
		ls->retry_at = 0;
		for (uint32_t i = 0; i < ls->count; i++)
			if (ls->slot[i].waiting)
				arm(w, i);
	}
	return ls->retry_at ? ls->retry_at : UINT64_MAX;
}
