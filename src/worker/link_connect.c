#include "worker/link.h"

#include <stdio.h>

#include "common/addr.h"
#include "common/clock.h"
#include "worker/conn_table.h"
#include "worker/datagram.h"
#include "worker/dial.h"
#include "worker/events.h"
#include "worker/links.h"

#define BACKOFF_MIN (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX (5 * NSEC_PER_SEC)

/* RFC 3261 19.1.2. */
static uint16_t default_port(enum image_protocol protocol)
{
	return protocol == PROTO_TLS ? 5061 : 5060;
}

static const struct image_domain *row_of(struct worker *w, struct link *l)
{
	return &w->img->domain[link_domain(w, l)];
}

/* An entry without hosts is looked up by its own name. */
static unsigned host_count(struct worker *w, struct link *l)
{
	return row_of(w, l)->hosts.count ? (unsigned)row_of(w, l)->hosts.count : 1;
}

/* Addresses of the current host, in order. */
static enum names_status resolve(struct worker *w, struct link *l)
{
	const struct image_domain *d = row_of(w, l);
	const struct image_target *host = image_unit(w->img, d->hosts.at);
	enum image_protocol protocol = image_policy_of(w->img, link_domain(w, l))->protocol;
	uint16_t port = 0;
	struct span name = link_name(w, l);

	if (d->hosts.count) {
		host += l->host;
		name = image_ref_text(w->img, host->host);
		port = host->port;
	}
	if (d->hosts.count && host->literal && addr_parse(name, l->answer.target[0].addr)) {
		l->answer.count = 1;
		l->answer.target[0].port = port ? port : default_port(protocol);
		return NAMES_READY;
	}
	return names_ask(w->names, name, port, protocol, w->now, &l->answer);
}

static void wait_for_name(struct worker *w, struct link *l)
{
	l->state = LINK_RESOLVING;
	l->next_try = w->now + LINK_RESOLVE_POLL;
	link_busy(w, l);
}

static void why(struct link *l, enum refusal refusal, const char *text)
{
	l->refusal = refusal;
	snprintf(l->warning, sizeof(l->warning), "%s", text);
}

static void fail(struct worker *w, struct link *l)
{
	l->state = LINK_FAILED;
	l->next_try = w->now + l->backoff;
	l->backoff = MIN(l->backoff * 2, BACKOFF_MAX);
	l->retry_due = true;
	link_busy(w, l);
	counter_add(&w->counters->link_failures, 1);
}

void link_begin(struct worker *w, struct link *l)
{
	if (l->backoff == 0)
		l->backoff = BACKOFF_MIN;
	l->host = l->target = 0;
	l->answered = false;
	why(l, REFUSAL_DOMAIN_DOWN, "no address known");
	link_step(w, l);
}

/* A resolver that lies must not turn us against our own side, where nothing has to be proved. */
static bool leads_inside(struct worker *w, struct link *l, const uint8_t addr[16])
{
	const struct image_domain *d = row_of(w, l);
	const struct image_target *host = image_unit(w->img, d->hosts.at);
	char text[ADDR_TEXT_MAX];

	if (image_policy_of(w->img, link_domain(w, l))->protocol == PROTO_TLS || (d->hosts.count && host[l->host].literal))
		return false;
	return image_host_flags(w->img, span_of(text, addr_print(addr, text))) & (HOST_OURS | HOST_CONTAINER);
}

/* One target: true, its connect is under way. */
static bool try_target(struct worker *w, struct link *l)
{
	const struct image_policy *p = image_policy_of(w->img, link_domain(w, l));
	struct dial_to to = {
		.port = l->answer.target[l->target].port,
		.tls = p->protocol == PROTO_TLS ? p->tls : IMAGE_NONE,
		.sni = p->sni.len ? image_text(w->img, p->sni) : link_name(w, l),
		.expect = { .kind = EXPECT_DOMAIN, .id = l->id, .name = link_name(w, l) },
	};
	const char *reason = "";

	memcpy(to.addr, l->answer.target[l->target].addr, 16);
	l->target++;
	if (leads_inside(w, l, to.addr)) {
		why(l, REFUSAL_DOMAIN_DOWN, "its host has an address of ours");
		return false;
	}
	if (p->protocol == PROTO_TLS && p->tls == IMAGE_NONE) {
		why(l, REFUSAL_DOMAIN_DOWN, "no TLS profile to connect with");
		return false;
	}
	l->dialing = dial(w, CONN_DOMAIN, &to, &reason);
	if (!l->dialing) {
		why(l, REFUSAL_DOMAIN_DOWN, reason);
		return false;
	}
	l->dialing->domain_link = l;
	l->state = LINK_CONNECTING;
	counter_add(&w->counters->link_connects, 1);
	return true;
}

void link_step(struct worker *w, struct link *l)
{
	while (link_domain(w, l) != IMAGE_NONE && l->host < host_count(w, l)) {
		if (!l->answered) {
			switch (resolve(w, l)) {
			case NAMES_PENDING:
				wait_for_name(w, l);
				return;
			case NAMES_FAILED:
				why(l, REFUSAL_DOMAIN_DOWN, "its host has no address");
				l->answer.count = 0;
				break;
			case NAMES_READY:
				break;
			}
			l->answered = true;
			l->target = 0;
		}
		while (l->target < l->answer.count)
			if (try_target(w, l))
				return;
		l->host++;
		l->answered = false;
	}
	fail(w, l);
}

void link_attempt_failed(struct worker *w, struct link *l, struct conn *c)
{
	char text[sizeof(l->warning)];

	l->dialing = NULL;
	if (c->tls && tls_judgement(c->tls)->verdict != PEER_TRUSTED && !tls_judgement(c->tls)->observed) {
		(void)tls_warning(c->tls, text, sizeof(text)); /* cut: it is for people */
		why(l, REFUSAL_DOMAIN_DN, text);
	} else if (l->refusal != REFUSAL_DOMAIN_DN) { /* what a first host proved says more than that a second is down */
		why(l, REFUSAL_DOMAIN_DOWN, c->close_reason);
	}
	l->step_due = true; /* later: a message may be in the middle of being handled */
	link_busy(w, l);
}

/* The peer that stands for the address, made anew when that has become another. */
static struct conn *peer_of(struct worker *w, struct link *l)
{
	struct conn *c = conn_table_get(w->conns, l->peer_slot, l->peer_generation);

	if (c && c->domain_link == l && c->state == CONN_OPEN && c->port == l->answer.target[0].port &&
	    memcmp(c->addr, l->answer.target[0].addr, 16) == 0)
		return c;
	link_drop_peer(w, l);
	c = datagram_peer(w, CONN_DOMAIN, l->answer.target[0].addr, l->answer.target[0].port);
	if (!c)
		return NULL;
	c->domain_link = l;
	l->peer_slot = c->slot;
	l->peer_generation = c->generation;
	return c;
}

void link_drop_peer(struct worker *w, struct link *l)
{
	struct conn *c = conn_table_get(w->conns, l->peer_slot, l->peer_generation);

	if (c && c->domain_link == l)
		conn_kill(w, c, "not used any more");
}

struct conn *link_datagram(struct worker *w, struct link *l)
{
	why(l, REFUSAL_DOMAIN_DOWN, "its host has no address");
	for (l->host = 0; l->host < host_count(w, l); l->host++) {
		enum names_status st = resolve(w, l);

		if (st == NAMES_PENDING) {
			wait_for_name(w, l);
			return NULL;
		}
		if (st == NAMES_READY && l->answer.count && !leads_inside(w, l, l->answer.target[0].addr)) {
			l->state = LINK_IDLE;
			return peer_of(w, l);
		}
	}
	l->state = LINK_IDLE;
	return NULL;
}
