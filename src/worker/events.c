#include "worker/events.h"

#include <stdio.h>

#include "common/addr.h"
#include "common/log.h"
#include "common/x509/facts.h"
#include "worker/accept.h"
#include "worker/conn_table.h"

static void add_conn(struct log_line *l, struct conn *c)
{
	log_fmt(l, "conn", "%u.%u", c->slot, c->generation);
	log_fmt(l, "peer", addr_is_ipv4(c->addr) ? "%.*s:%u" : "[%.*s]:%u", (int)c->addr_text_len, c->addr_text, c->port);
	if (c->listener)
		log_cstr(l, "listener", c->listener->text);
}

static void add_facts(struct log_line *l, const struct peer_facts *facts)
{
	const struct image_serial *serial;
	char hex[2 * sizeof(serial->bytes) + 1] = "";

	if (!facts)
		return;
	serial = &facts->chain[0].serial;
	log_str(l, "dn", peer_facts_dn_text(facts));
	log_str(l, "issuer", peer_facts_issuer_text(facts));
	for (size_t i = 0; i < serial->len; i++)
		snprintf(hex + 2 * i, 3, "%02x", serial->bytes[i]);
	log_cstr(l, "serial", hex);
}

static void add_domains(struct log_line *l, const struct worker *w, const struct conn *c)
{
	char text[512];
	size_t n = 0;

	/* Right after a reload the indices may still be those of the image before. */
	if (c->judgement.generation != w->img->h->generation)
		return;
	for (uint32_t i = 0; i < c->judgement.domain_count && n < sizeof(text) - 1; i++) {
		const struct image_domain *d = &w->img->domain[c->judgement.domain[i]];
		struct span name = image_ref_text(w->img, d->name);
		int k = snprintf(text + n, sizeof(text) - n, "%s%s%.*s", i ? "," : "", d->flags & DOMAIN_WILDCARD ? "*." : "",
		    SPAN_FMT(name));

		n = MIN(sizeof(text) - 1, n + (size_t)MAX(k, 0));
	}
	if (n)
		log_str(l, "domain", span_of(text, n));
}

static void copy_text(char *dst, size_t cap, struct span s)
{
	size_t n = MIN(s.len, cap - 1);

	memcpy(dst, s.p, n);
	dst[n] = '\0';
}

static struct conn_row *row_of(const struct worker *w, const struct conn *c)
{
	return &w->h->rows[(size_t)w->h->worker * w->h->rows_per_worker + c->slot];
}

static bool is_outside(const struct conn *c)
{
	return c->kind == CONN_EXTERNAL || c->kind == CONN_DOMAIN;
}

static void publish(struct worker *w, struct conn *c)
{
	struct conn_row_text t = {
		.used = 1,
		.side = is_outside(c) ? SIDE_EXTERNAL : SIDE_INTERNAL,
		.outbound = c->kind == CONN_CONTAINER || c->kind == CONN_DOMAIN,
		.trusted = c->judgement.domain_count > 0,
		.tls = c->tls != NULL,
		.peer_port = c->port,
		.slot = c->slot,
		.generation = c->generation,
		.since = c->since,
	};

	copy_text(t.peer, sizeof(t.peer), span_of(c->addr_text, c->addr_text_len));
	if (c->listener)
		copy_text(t.listener, sizeof(t.listener), span_str(c->listener->text));
	if (c->tls) {
		t.resumed = tls_resumed(c->tls);
		copy_text(t.tls_version, sizeof(t.tls_version), span_str(tls_version(c->tls)));
		copy_text(t.cipher, sizeof(t.cipher), span_str(tls_cipher(c->tls)));
	}
	if (c->facts)
		copy_text(t.dn, sizeof(t.dn), peer_facts_dn_text(c->facts));
	if (c->judgement.domain_count)
		copy_text(t.domain, sizeof(t.domain), image_domain_name(w->img, c->judgement.domain[0]));
	conn_row_write(row_of(w, c), &t);
}

/* The configured name that the refused one was probably meant to be, and how it differs. */
static void add_nearest(struct log_line *l, const struct worker *w, const struct peer_facts *facts)
{
	struct span dn = peer_facts_dn(facts);
	const struct image_key *k = image_nearest_dn(w->img, (const uint8_t *)dn.p, dn.len);
	char text[512];
	size_t n;

	if (!k)
		return;
	n = dn_print(k->bytes, k->len, text, sizeof(text));
	log_str(l, "nearest", span_of(text, n));
	n = dn_explain_difference((const uint8_t *)dn.p, dn.len, k->bytes, k->len, text, sizeof(text));
	log_str(l, "difference", span_of(text, n));
}

/* `enforce: false`: what would have become of the peer. */
static void tell_observed(struct worker *w, struct conn *c)
{
	struct log_line l;

	log_begin(&l, EVENT_PEER_OBSERVED);
	add_conn(&l, c);
	log_cstr(&l, "would_be", c->judgement.verdict == PEER_OBSERVED ? "trusted" : "refused");
	log_cstr(&l, "reason", peer_verdict_name(c->judgement.verdict));
	add_facts(&l, c->facts);
	if (l.wanted && c->facts && c->judgement.verdict == PEER_DN_UNKNOWN)
		add_nearest(&l, w, c->facts);
	log_end(&l);
}

void events_accepted(struct worker *w, struct conn *c)
{
	struct log_line l;

	publish(w, c);
	if (c->kind == CONN_CONTAINER)
		return; /* events_container says it */
	if (c->kind == CONN_EXTERNAL && c->judgement.domain_count == 0) {
		counter_add(&w->counters->peers_untrusted, 1);
		counter_add(&w->counters->verdict[c->judgement.verdict], 1);
	}
	log_begin(&l, c->kind == CONN_DOMAIN ? EVENT_CONN_OPENED : EVENT_CONN_ACCEPTED);
	add_conn(&l, c);
	if (is_outside(c)) {
		log_cstr(&l, "trust", c->judgement.domain_count ? "trusted" : "untrusted");
		if (c->judgement.domain_count == 0)
			log_cstr(&l, "reason", peer_verdict_name(c->judgement.verdict));
		add_domains(&l, w, c);
	}
	add_facts(&l, c->facts);
	if (c->tls) {
		log_cstr(&l, "tls", tls_version(c->tls));
		log_cstr(&l, "cipher", tls_cipher(c->tls));
		log_cstr(&l, "resumed", tls_resumed(c->tls) ? "yes" : "no");
	}
	log_end(&l);
	if (c->judgement.observed)
		tell_observed(w, c);
}

void events_closed(struct worker *w, struct conn *c)
{
	struct log_line l;

	if (c->state == CONN_OPEN) {
		conn_row_clear(row_of(w, c));
		if (c->kind != CONN_CONTAINER) {
			log_begin(&l, EVENT_CONN_CLOSED);
			add_conn(&l, c);
			add_domains(&l, w, c);
			log_cstr(&l, "reason", c->close_reason);
			log_num(&l, "messages", (int64_t)c->messages);
			log_num(&l, "seconds", w->wall - c->since);
			log_end(&l);
		}
	}
	counter_add(&w->counters->closed, 1);
}

uint32_t *source_of(struct worker *w, const uint8_t addr[16])
{
	return &w->sources[siphash(&w->way_back_key, addr, addr_is_ipv4(addr) ? 16 : 8) % SOURCES];
}

void events_handshake_begun(struct worker *w, struct conn *c)
{
	c->counted_handshake = true;
	counter_add(&w->counters->handshakes_now, 1);
	++*source_of(w, c->addr);
}

void events_handshake_over(struct worker *w, struct conn *c)
{
	if (!c->counted_handshake)
		return;
	c->counted_handshake = false;
	--*source_of(w, c->addr);
	counter_add(&w->counters->handshakes_now, (uint64_t)-1);
}

void events_handshake_done(struct worker *w, struct conn *c)
{
	events_handshake_over(w, c);
	counter_add(&w->counters->handshakes, 1);
	if (tls_resumed(c->tls))
		counter_add(&w->counters->resumed, 1);
}

/* Why a handshake failed, counted and begun to be told; a flood of them does not become a flood of lines. */
static void begin_refused(struct worker *w, struct conn *c, enum log_event event, struct log_line *l)
{
	const struct peer_judgement *j = tls_judgement(c->tls);

	if (w->log_budget)
		w->log_budget--;
	log_begin(l, event);
	l->wanted = l->wanted && w->log_budget;
	add_conn(l, c);
	if (j->verdict != PEER_TRUSTED) {
		counter_add(&w->counters->peers_refused, 1);
		counter_add(&w->counters->verdict[j->verdict], 1);
		log_cstr(l, "reason", peer_verdict_name(j->verdict));
	} else {
		log_cstr(l, "reason", "handshake");
	}
	log_cstr(l, "detail", tls_error(c->tls));
}

void events_handshake_failed(struct worker *w, struct conn *c)
{
	const struct peer_judgement *j = tls_judgement(c->tls);
	const struct peer_facts *facts = tls_facts(c->tls);
	struct log_line l;

	events_handshake_over(w, c);
	counter_add(&w->counters->handshakes_failed, 1);
	if (tls_expected(c->tls)) {
		events_server_refused(w, c);
		return;
	}
	begin_refused(w, c, EVENT_CONN_REFUSED, &l);
	add_facts(&l, facts);
	if (l.wanted && facts && j->verdict == PEER_DN_UNKNOWN)
		add_nearest(&l, w, facts);
	log_end(&l);
}

#define EXPECTED_SHOWN 3 /* of the DNs that would have done */
#define EXPECTED_MAX 16  /* that are compared */

/* The names of the certificate by which a server without configured DN is known. */
static void add_names(struct log_line *l, const struct peer_facts *facts)
{
	char text[512];
	size_t n = 0, at = 0;
	struct span name;

	while (n < sizeof(text) - 1 && peer_facts_next_name(facts, &at, &name)) {
		int k = snprintf(text + n, sizeof(text) - n, "%s%.*s", n ? "," : "", SPAN_FMT(name));

		n = MIN(sizeof(text) - 1, n + (size_t)MAX(k, 0));
	}
	log_str(l, "names", span_of(text, n));
}

/* The DNs that would have done, and how the nearest of them differs. */
static void add_dns(struct log_line *l, const struct span *dns, unsigned count, const struct peer_facts *facts)
{
	struct span seen = facts ? peer_facts_dn(facts) : SPAN_NONE, nearest = SPAN_NONE;
	char text[512], expected[2048];
	unsigned most = 0;
	size_t n, len = 0;

	for (unsigned i = 0; i < count; i++) {
		struct span dn = dns[i];
		unsigned common = dn_common_attributes((const uint8_t *)dn.p, dn.len, (const uint8_t *)seen.p, seen.len);

		if (i < EXPECTED_SHOWN) {
			n = dn_print((const uint8_t *)dn.p, dn.len, text, sizeof(text));
			len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%s%.*s", i ? " or " : "", (int)n, text);
		}
		if (!nearest.p || common > most) {
			nearest = dn;
			most = common;
		}
	}
	log_str(l, "expected", span_of(expected, len));
	if (!seen.len || span_eq(seen, nearest))
		return;
	n = dn_explain_difference((const uint8_t *)seen.p, seen.len, (const uint8_t *)nearest.p, nearest.len, text, sizeof(text));
	log_str(l, "difference", span_of(text, n));
}

static unsigned dns_of_server(const struct worker *w, const struct image_server *s, struct span dns[static EXPECTED_MAX])
{
	const struct image_str *row = image_at(w->img, s->dns);
	unsigned n = 0;

	for (; n < s->dns.count && n < EXPECTED_MAX; n++)
		dns[n] = image_text(w->img, row[n]);
	return n;
}

static unsigned dns_of_domain(const struct worker *w, const struct image_domain *d, struct span dns[static EXPECTED_MAX])
{
	unsigned n = 0;

	for (; n < d->dns.count && n < EXPECTED_MAX; n++)
		dns[n] = image_domain_dn(w->img, d, n);
	return n;
}

static void add_expected(struct log_line *l, const struct worker *w, const struct tls_expect *e,
    const struct peer_facts *facts)
{
	struct span dns[EXPECTED_MAX];
	unsigned count = 0;
	uint32_t domain;

	if (e->kind == EXPECT_CONTAINER && *e->server) {
		log_str(l, "server", image_text(w->img, (*e->server)->id));
		count = dns_of_server(w, *e->server, dns);
	} else if (e->kind == EXPECT_DOMAIN) {
		log_str(l, "domain", e->name);
		domain = image_find_id(w->img, IMAGE_ID_BACK, e->id);
		if (domain != IMAGE_NONE)
			count = dns_of_domain(w, &w->img->domain[domain], dns);
	}
	if (count) {
		add_dns(l, dns, count, facts);
	} else if (e->kind == EXPECT_DOMAIN) {
		log_str(l, "expected", e->name);
		if (facts)
			add_names(l, facts);
	}
}

void events_server_refused(struct worker *w, struct conn *c)
{
	const struct peer_facts *facts = tls_facts(c->tls);
	struct log_line l;

	begin_refused(w, c, EVENT_PEER_SERVER_REFUSED, &l);
	if (l.wanted)
		add_expected(&l, w, tls_expected(c->tls), facts);
	add_facts(&l, facts);
	log_end(&l);
}

void events_peer_refused(struct worker *w, struct conn *c, const char *why)
{
	struct log_line l;

	log_begin(&l, EVENT_CONN_REFUSED);
	add_conn(&l, c);
	log_cstr(&l, "reason", why);
	log_end(&l);
}

void events_judged(struct worker *w, struct conn *c, bool was_trusted)
{
	struct log_line l;

	publish(w, c);
	if (!was_trusted || c->judgement.verdict == PEER_TRUSTED)
		return;
	counter_add(&w->counters->trust_lost, 1);
	counter_add(&w->counters->verdict[c->judgement.verdict], 1);
	log_begin(&l, EVENT_TRUST_LOST);
	add_conn(&l, c);
	log_cstr(&l, "reason", peer_verdict_name(c->judgement.verdict));
	add_facts(&l, c->facts);
	log_end(&l);
}

void events_message(struct worker *w, struct conn *c)
{
	atomic_store_explicit(&row_of(w, c)->messages, ++c->messages, memory_order_relaxed);
}

/* Lines about single messages are limited, so that a flood of bad ones does not become a flood of lines. */
static bool begin_message_line(struct worker *w, struct log_line *l, enum log_event event, struct conn *c,
    const struct sip_msg *msg)
{
	if (w->log_budget == 0)
		return false;
	w->log_budget--;
	log_begin(l, event);
	add_conn(l, c);
	add_domains(l, w, c);
	if (msg->is_request)
		log_str(l, "method", span_head(msg->method, 32));
	else
		log_num(l, "status", msg->status);
	log_str(l, "call_id", span_head(msg->call_id, 128));
	return true;
}

void events_malformed(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct msg_fault *fault)
{
	struct log_line l;
	char reason[128];
	size_t n = msg_fault_reason(fault, reason, sizeof(reason));

	counter_add(&w->counters->faults, 1);
	counter_add(&w->counters->fault[fault->code], 1);
	if (!begin_message_line(w, &l, EVENT_MSG_MALFORMED, c, msg))
		return;
	log_cstr(&l, "reason", fault_name(fault->code));
	log_str(&l, "detail", span_of(reason, n));
	log_num(&l, "offset", (int64_t)fault->offset);
	log_end(&l);
}

void events_refused(struct worker *w, struct conn *c, const struct sip_msg *msg, enum refusal r)
{
	struct log_line l;

	counter_add(&w->counters->refusal[r], 1);
	counter_add(msg->is_request ? &w->counters->refused : &w->counters->dropped, 1);
	if (!begin_message_line(w, &l, msg->is_request ? EVENT_MSG_REFUSED : EVENT_RESPONSE_DROPPED, c, msg))
		return;
	log_cstr(&l, "reason", refusal_name(r));
	if (msg->is_request)
		log_str(&l, "from", span_head(msg->from.uri.whole, 128));
	log_end(&l);
}

void events_container(struct worker *w, bool up, struct span server, const char *reason)
{
	struct log_line l;

	log_begin(&l, up ? EVENT_CONTAINER_UP : EVENT_CONTAINER_DOWN);
	log_str(&l, "server", server);
	log_cstr(&l, "reason", reason);
	log_end(&l);
}
