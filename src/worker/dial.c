#include "worker/dial.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "worker/events.h"

#define SNI_MAX 256

/* What must live until the connection is open. */
struct dialing {
	struct sockaddr_storage sockaddr; /* the kernel reads it until the connect completes */
	socklen_t sockaddr_len;
	struct tls_context *ctx; /* ours, counted; NULL: no TLS */
	struct tls_expect expect;
	char sni[SNI_MAX];
	size_t sni_len;
	char name[]; /* what expect.name is a span of: a reload may come before the connect completes */
};

static bool bind_source(struct span text, int fd)
{
	struct sockaddr_storage ss;
	uint8_t addr[16];
	socklen_t len;

	if (text.len == 0)
		return true;
	if (!addr_parse(text, addr))
		return false;
	len = addr_to_sockaddr(addr, 0, &ss);
	return bind(fd, (struct sockaddr *)&ss, len) == 0;
}

static struct dialing *prepare(const struct worker *w, const struct dial_to *to)
{
	struct span name = to->expect.name;
	struct dialing *d = calloc(1, sizeof(*d) + name.len);

	if (!d)
		return NULL;
	d->sockaddr_len = addr_to_sockaddr(to->addr, to->port, &d->sockaddr);
	if (to->tls != IMAGE_NONE)
		d->ctx = tls_context_ref(tls_contexts_get(w->contexts, to->tls));
	d->expect = to->expect;
	if (name.len)
		memcpy(d->name, name.p, name.len);
	d->expect.name = span_of(d->name, name.len);
	if (to->sni.len <= SNI_MAX) {
		memcpy(d->sni, to->sni.p, to->sni.len);
		d->sni_len = to->sni.len;
	}
	return d;
}

static int open_socket(const struct dial_to *to, const struct dialing *d, const char **why)
{
	int fd = socket(d->sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		*why = "no socket";
	} else if (!bind_source(to->source, fd)) {
		close(fd);
		*why = "source_address cannot be bound";
		fd = -1;
	}
	return fd;
}

void dial_done(struct dialing *d)
{
	if (d)
		tls_context_unref(d->ctx);
	free(d);
}

struct conn *dial(struct worker *w, enum conn_kind kind, const struct dial_to *to, const char **why)
{
	struct dialing *d = prepare(w, to);
	int fd = d ? open_socket(to, d, why) : -1;
	struct conn *c;

	if (!d)
		*why = "out of memory";
	if (fd < 0) {
		dial_done(d);
		return NULL;
	}
	c = conn_new(w, kind, fd, (struct sockaddr *)&d->sockaddr);
	if (!c) {
		close(fd);
		dial_done(d);
		*why = "no free connection slot";
		return NULL;
	}
	c->dialing = d;
	c->state = CONN_CONNECTING;
	c->in_flight++;
	timer_set(w->wheel, &c->timer, w->now + w->img->settings->connect_timeout * NSEC_PER_MSEC);
	ring_connect(w->ring, c->slot, c->generation, fd, (struct sockaddr *)&d->sockaddr, d->sockaddr_len);
	return c;
}

/* The first byte that leaves is the ClientHello; SIP waits until the server has proved who it is. */
static void start_tls(struct worker *w, struct conn *c)
{
	struct dialing *d = c->dialing;

	c->tls = tls_connect_new(d->ctx, &d->expect, span_of(d->sni, d->sni_len), &c->out);
	if (!c->tls) {
		conn_kill(w, c, "no memory");
		return;
	}
	c->state = CONN_HANDSHAKE;
	timer_set(w->wheel, &c->timer, w->now + w->img->settings->handshake_timeout * NSEC_PER_MSEC);
	conn_start(w, c);
	conn_handshake(w, c);
}

void dial_on_connect(struct worker *w, struct conn *c, int res)
{
	c->in_flight--;
	if (c->state == CONN_CONNECTING && res < 0) {
		conn_kill(w, c, res == -ECONNREFUSED ? "connection refused" : "connect failed");
	} else if (c->state == CONN_CONNECTING) {
		timer_clear(w->wheel, &c->timer);
		if (c->dialing->ctx) {
			start_tls(w, c);
		} else {
			conn_start(w, c);
			conn_opened(w, c);
		}
	}
	conn_settle(w, c);
}
