#include "admin/report.h"

#include <stdio.h>
#include <strings.h>

#include "admin/blocks.h"
#include "admin/certificates.h"
#include "admin/totals.h"
#include "common/clock.h"
#include "common/dn.h"
#include "common/peer.h"

#define DOMAINS_ON_PAGE 500 /* connected ones */
#define BLOCKS_SHOWN 100 /* by status; `domain blocks` shows all */

static const char *const side_name[] = { [SIDE_EXTERNAL] = "external", [SIDE_INTERNAL] = "internal" };
static const char *const protocol_name[] = { [PROTO_TLS] = "TLS", [PROTO_TCP] = "TCP", [PROTO_UDP] = "UDP" };

/* A text that may hold anything; what is not UTF-8 is shown byte by byte. */
static json_t *text(struct span s)
{
	char shown[2048];
	size_t n = 0;
	json_t *j = json_stringn(s.p ? s.p : "", s.len);

	if (j)
		return j;
	for (size_t i = 0; i < s.len && n + 5 < sizeof(shown); i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c < 0x7f)
			shown[n++] = (char)c;
		else
			n += (size_t)snprintf(shown + n, sizeof(shown) - n, "\\x%02x", c);
	}
	return json_stringn(shown, n);
}

json_t *report_error(const char *why)
{
	return json_pack("{s:b, s:o}", "ok", 0, "error", text(span_str(why)));
}

json_t *report_result(bool ok, struct span why)
{
	return json_pack("{s:b, s:o}", "ok", ok, "text", text(why));
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* ---- status ---- */

static json_t *counters(const struct admin *a)
{
	json_t *out = json_object();

	for (size_t i = 0; i < counter_row_count; i++)
		json_object_set_new(out, counter_rows[i].field, number(totals_of(a, counter_rows[i].offset)));
	return out;
}

/* Reasons that have occurred, with how often. */
static json_t *reasons(const struct admin *a)
{
	json_t *out = json_object();

	for (const struct totals_reasons *t = totals_reasons; t < totals_reasons + TOTALS_REASONS; t++) {
		json_t *list = json_object();

		for (int i = 0; i < t->count; i++) {
			uint64_t n = totals_reason(a, t, i);

			if (n)
				json_object_set_new(list, t->name(i), number(n));
		}
		json_object_set_new(out, t->field, list);
	}
	return out;
}

static json_t *workers(const struct admin *a)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < a->h->workers; i++) {
		const struct worker_state *s = &a->h->states[i];
		const struct counters *c = &a->h->counters[i];

		json_array_append_new(out,
		    json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "index", (int)i, "pid", (int)atomic_load(&s->pid),
			"started", (json_int_t)atomic_load(&s->started), "restarts", (json_int_t)atomic_load(&s->restarts),
			"cpu_us", (json_int_t)atomic_load(&s->cpu_us), "generation", (json_int_t)atomic_load(&s->generation),
			"reload_us", (json_int_t)atomic_load(&s->reload_us), "connections", (json_int_t)counter_get(&c->open), "requests", (json_int_t)counter_get(&c->requests_in),
			"responses", (json_int_t)counter_get(&c->responses_in)));
	}
	return out;
}

/* One row per listener: the sockets of the first worker that has it. */
static json_t *listeners(const struct admin *a)
{
	json_t *out = json_array();

	for (size_t i = 0; i < a->socket_count; i++) {
		const struct heritage_socket *s = &a->sockets[i];
		const struct image_listener *l;

		if (s->worker != 0 || s->listener >= a->img->h->listeners.count)
			continue;
		l = &a->img->listener[s->listener];
		json_array_append_new(out, json_pack("{s:s, s:s, s:o, s:i}", "side", side_name[l->side], "protocol",
					       protocol_name[l->protocol], "host", text(image_text(a->img, l->host)), "port",
					       (int)s->port));
	}
	return out;
}

static json_t *last_reload(const struct admin *a)
{
	const struct master_state *m = a->h->master;
	char copy[sizeof(m->last_reload_text)] = "";
	uint64_t at = atomic_load(&m->last_reload);

	if (at == 0)
		return json_null();
	for (int tries = 0; tries < 1000; tries++) {
		uint32_t seq = atomic_load(&m->text_seq);

		memcpy(copy, m->last_reload_text, sizeof(copy));
		atomic_thread_fence(memory_order_acquire);
		if (!(seq & 1) && seq == atomic_load(&m->text_seq))
			break;
	}
	copy[sizeof(copy) - 1] = '\0';
	return json_pack("{s:I, s:b, s:o}", "time", (json_int_t)at, "ok", (int)atomic_load(&m->last_reload_ok), "text",
	    text(span_str(copy)));
}

json_t *report_status(const struct admin *a)
{
	const struct master_state *m = a->h->master;

	return json_pack("{s:b, s:s, s:i, s:I, s:I, s:I, s:I, s:b, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "ok", 1, "version",
	    SIPWARD_VERSION, "pid", (int)atomic_load(&m->pid), "started", (json_int_t)atomic_load(&m->started), "uptime",
	    (json_int_t)((uint64_t)clock_wall_s() - atomic_load(&m->started)), "generation",
	    (json_int_t)atomic_load(&m->generation), "reloads", (json_int_t)atomic_load(&m->reloads), "draining",
	    (int)atomic_load(&m->draining), "last_reload", last_reload(a), "domains", (json_int_t)a->img->h->domains.count,
	    "distinguished_names", (json_int_t)a->img->h->near.count, "listeners", listeners(a), "workers", workers(a),
	    "counters", counters(a), "reasons", reasons(a), "blocked", blocks_list(a, BLOCKS_SHOWN), "next_expiry", certificates_next(a));
}

/* ---- connections ---- */

static json_t *connection(uint32_t worker, const struct conn_row_text *t, uint64_t messages)
{
	char id[32];

	snprintf(id, sizeof(id), "%u.%u.%u", worker, t->slot, t->generation);
	return json_pack("{s:s, s:i, s:s, s:b, s:o, s:i, s:o, s:b, s:o, s:o, s:b, s:o, s:o, s:I, s:I, s:I}", "id", id, "worker",
	    (int)worker, "side", side_name[t->side], "outbound", t->outbound, "peer", text(span_str(t->peer)), "port",
	    (int)t->peer_port, "listener", text(span_str(t->listener)), "trusted", t->trusted, "domain",
	    text(span_str(t->domain)), "dn", text(span_str(t->dn)), "resumed", t->resumed, "tls",
	    text(span_str(t->tls_version)), "cipher", text(span_str(t->cipher)), "age",
	    (json_int_t)(clock_wall_s() - t->since), "messages", (json_int_t)messages, "not_after",
	    (json_int_t)t->not_after);
}

/* Every open connection. */
static void each_row(const struct admin *a, void (*see)(void *ctx, uint32_t worker, const struct conn_row_text *t, uint64_t messages),
    void *ctx)
{
	for (uint32_t w = 0; w < a->h->workers; w++) {
		const struct conn_row *row = &a->h->rows[w * a->h->rows_per_worker];
		uint64_t left = counter_get(&a->h->counters[w].open);

		for (size_t i = 0; i < a->h->rows_per_worker && left; i++) {
			struct conn_row_text t;
			uint64_t messages;

			if (!conn_row_read(&row[i], &t, &messages))
				continue;
			left--;
			see(ctx, w, &t, messages);
		}
	}
}

struct wanted_rows {
	const char *domain; /* NULL: all */
	json_t *rows;
};

static void add_row(void *ctx, uint32_t worker, const struct conn_row_text *t, uint64_t messages)
{
	struct wanted_rows *wanted = ctx;

	if (!wanted->domain || strcasecmp(wanted->domain, t->domain) == 0)
		json_array_append_new(wanted->rows, connection(worker, t, messages));
}

json_t *report_connections(const struct admin *a, const char *domain)
{
	struct wanted_rows wanted = { domain, json_array() };

	each_row(a, add_row, &wanted);
	return json_pack("{s:b, s:o}", "ok", 1, "connections", wanted.rows);
}

/* ---- domains and names ---- */

struct connected_rows {
	size_t most;
	json_t *domains;
};

static void add_number(json_t *to, const char *field, json_int_t n)
{
	json_integer_set(json_object_get(to, field), json_integer_value(json_object_get(to, field)) + n);
}

/* How often it is connected, what came, and when the first certificate that it showed ends. */
static void count_row(void *ctx, uint32_t worker, const struct conn_row_text *t, uint64_t messages)
{
	struct connected_rows *all = ctx;
	json_t *one = json_object_get(all->domains, t->domain);

	if (!t->domain[0] || (!one && json_object_size(all->domains) >= all->most))
		return;
	if (!one) {
		one = json_pack("{s:i, s:i, s:I}", "connections", 0, "messages", 0, "not_after", (json_int_t)t->not_after);
		if (!one || json_object_set_new(all->domains, t->domain, one) != 0)
			return;
	}
	add_number(one, "connections", 1);
	add_number(one, "messages", (json_int_t)messages);
	if (t->not_after && (int64_t)t->not_after < json_integer_value(json_object_get(one, "not_after")))
		json_integer_set(json_object_get(one, "not_after"), (json_int_t)t->not_after);
}

/* By name, those that have a connection, whoever opened it: these are available. */
static json_t *connected(const struct admin *a, size_t most)
{
	struct connected_rows all = { most, json_object() };

	each_row(a, count_row, &all);
	return all.domains;
}

/* "FILE:LINE" of an entry in a file of domains. */
static json_t *configured_at(const struct image *img, uint32_t index)
{
	const struct image_domain_file *f = image_file_of(img, index);
	char where[4200];

	if (!f)
		return json_string("the main file");
	snprintf(where, sizeof(where), "%.*s:%u", SPAN_FMT(span_head(image_text(img, f->path), 4096)), img->domain[index].line);
	return json_string(where);
}

static json_t *domain_row(const struct admin *a, const json_t *counts, uint32_t index)
{
	const struct image_domain *d = &a->img->domain[index];
	const struct image_policy *p = image_policy_of(a->img, index);
	const struct image_target *target = image_unit(a->img, d->hosts.at);
	struct span name = image_ref_text(a->img, d->name);
	json_t *hosts = json_array();
	char shown[HOST_MAX + 3];

	snprintf(shown, sizeof(shown), "%s%.*s", d->flags & DOMAIN_WILDCARD ? "*." : "", SPAN_FMT(name));
	for (uint32_t i = 0; i < d->hosts.count; i++)
		json_array_append_new(hosts, json_pack("{s:o, s:i}", "host", text(image_ref_text(a->img, target[i].host)), "port",
		    (int)target[i].port));
	return json_pack("{s:s, s:o, s:b, s:b, s:b, s:s, s:o, s:i, s:I}", "domain", shown, "configured", configured_at(a->img, index), "enabled", (d->flags & DOMAIN_ENABLED) != 0,
	    "blocked", a->img->blocked && image_is_blocked(a->img, index),
	    "has_dn", (d->flags & DOMAIN_HAS_DN) != 0, "protocol", protocol_name[p->protocol], "hosts", hosts, "trust",
	    (int)p->trust.count, "connections", json_integer_value(json_object_get(json_object_getn(counts, name.p, MIN(name.len, 127u)), "connections")));
}

json_t *report_domains(const struct admin *a, const char *part, size_t limit)
{
	json_t *rows = json_array(), *counts = connected(a, SIZE_MAX);
	uint64_t count = a->img->h->domains.count;

	for (uint64_t i = 0; i < count && json_array_size(rows) < limit; i++) {
		struct span name = image_ref_text(a->img, a->img->domain[i].name);
		char copy[HOST_MAX + 1] = "";

		memcpy(copy, name.p, MIN(name.len, sizeof(copy) - 1));
		if (strcasestr(copy, part))
			json_array_append_new(rows, domain_row(a, counts, (uint32_t)i));
	}
	json_decref(counts);
	return json_pack("{s:b, s:I, s:o}", "ok", 1, "count", (json_int_t)count, "domains", rows);
}

void report_nearest(const struct image *img, const uint8_t *dn, size_t len, json_t *out)
{
	const struct image_key *k = image_nearest_dn(img, dn, len);
	char shown[4096];
	size_t n;

	if (!k)
		return;
	n = dn_print(k->bytes, k->len, shown, sizeof(shown));
	json_object_set_new(out, "nearest", text(span_of(shown, n)));
	n = dn_explain_difference(dn, len, k->bytes, k->len, shown, sizeof(shown));
	json_object_set_new(out, "difference", text(span_of(shown, n)));
}

json_t *report_lookup(const struct admin *a, const char *dn_text)
{
	static struct dn dn; /* 8 KiB, and one look-up at a time */
	size_t where = 0, n;
	enum dn_status st = dn_from_text(span_str(dn_text), &dn, &where);
	struct image_domains hits;
	char shown[4096];
	json_t *out, *rows, *counts;

	if (st != DN_OK) {
		snprintf(shown, sizeof(shown), "not a usable distinguished name (%s at character %zu)", dn_status_name(st),
		    where + 1);
		return report_error(shown);
	}
	hits = image_find_dn(a->img, dn.bytes, dn.len);
	rows = json_array();
	counts = connected(a, SIZE_MAX);
	for (uint32_t i = 0; i < hits.count; i++)
		json_array_append_new(rows, domain_row(a, counts, hits.index[i]));
	json_decref(counts);
	n = dn_print(dn.bytes, dn.len, shown, sizeof(shown));
	out = json_pack("{s:b, s:b, s:o, s:o}", "ok", 1, "found", hits.count > 0, "dn", text(span_of(shown, n)), "domains", rows);
	if (out && hits.count == 0)
		report_nearest(a->img, dn.bytes, dn.len, out);
	if (out && dn_looks_reversed(span_str(dn_text)))
		json_object_set_new(out, "note",
		    json_string("the text begins with C=, so it is probably in reverse order: write the CN first"));
	return out;
}

/* ---- the page, and readiness ---- */

/* The first certificate or CRL to end has ended: then some peers, or all, are refused. */
static bool trust_ended(const json_t *next)
{
	return json_is_object(next) && json_integer_value(json_object_get(next, "not_after")) < clock_wall_s() &&
	       strcmp(json_string_value(json_object_get(next, "kind")), "trust") != 0;
}

/* `next`: what certificates_next says. */
static const char *not_ready(const struct admin *a, const json_t *next)
{
	if (atomic_load(&a->h->master->draining))
		return "draining";
	if (totals_of(a, offsetof(struct counters, containers_up)) == 0)
		return "no container is up";
	return trust_ended(next) ? "a certificate or CRL of ours has ended" : NULL;
}

const char *report_not_ready(const struct admin *a)
{
	json_t *next = certificates_next(a);
	const char *why = not_ready(a, next);

	json_decref(next);
	return why;
}

static json_t *latencies(const struct admin *a)
{
	json_t *out = json_array();

	for (unsigned b = 0; b < LATENCY_BUCKETS; b++)
		json_array_append_new(out, json_pack("{s:f, s:I}", "up_to", (double)latency_edge_ns(b) / 1e9, "messages",
					       (json_int_t)totals_latency(a, b)));
	return out;
}

json_t *report_page(const struct admin *a)
{
	json_t *out = report_status(a), *certificates = certificates_report(a);
	const char *why = not_ready(a, json_object_get(out, "next_expiry"));
	json_t *more = json_pack("{s:b, s:s?, s:o, s:o, s:O}", "ready", why == NULL, "not_ready", why, "latency", latencies(a),
	    "connected", connected(a, DOMAINS_ON_PAGE), "certificates", json_object_get(certificates, "certificates"));

	json_decref(certificates);
	if (out && json_object_update_new(out, more) == 0)
		return out;
	json_decref(out);
	return NULL;
}
