#include "admin/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/certificates.h"
#include "admin/report.h"
#include "admin/totals.h"

static void family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* One number of its own. */
static void single(FILE *out, const char *name, const char *help, double value)
{
	family(out, name, "gauge", help);
	fprintf(out, "%s %.15g\n", name, value);
}

static void worker_counters(const struct admin *a, FILE *out)
{
	for (size_t i = 0; i < counter_row_count; i++) {
		const struct counter_row *row = &counter_rows[i];

		family(out, row->metric, row->gauge ? "gauge" : "counter", row->sentence);
		for (uint32_t w = 0; w < a->h->workers; w++)
			fprintf(out, "%s{worker=\"%u\"} %" PRIu64 "\n", row->metric, w, counter_row_get(&a->h->counters[w], row));
	}
}

static void worker_states(const struct admin *a, FILE *out)
{
	family(out, "sipward_worker_cpu_seconds_total", "counter", "CPU time of the worker's process; it begins anew when the worker is restarted");
	for (uint32_t w = 0; w < a->h->workers; w++)
		fprintf(out, "sipward_worker_cpu_seconds_total{worker=\"%u\"} %.6f\n", w, (double)atomic_load(&a->h->states[w].cpu_us) / 1e6);
	family(out, "sipward_worker_restarts_total", "counter", "Times that the worker died and was started again; more than 0 is worth a look at the log");
	for (uint32_t w = 0; w < a->h->workers; w++)
		fprintf(out, "sipward_worker_restarts_total{worker=\"%u\"} %" PRIu64 "\n", w, (uint64_t)atomic_load(&a->h->states[w].restarts));
	family(out, "sipward_worker_start_time_seconds", "gauge", "When the worker was started, since 1970");
	for (uint32_t w = 0; w < a->h->workers; w++)
		fprintf(out, "sipward_worker_start_time_seconds{worker=\"%u\"} %" PRIu64 "\n", w, (uint64_t)atomic_load(&a->h->states[w].started));
}

/* Every reason has its series from the beginning, so that the first one is seen as an increase. */
static void reasons(const struct admin *a, FILE *out)
{
	for (const struct totals_reasons *t = totals_reasons; t < totals_reasons + TOTALS_REASONS; t++) {
		family(out, t->metric, "counter", t->sentence);
		for (int i = 1; i < t->count; i++)
			fprintf(out, "%s{reason=\"%s\"} %" PRIu64 "\n", t->metric, t->name(i), totals_reason(a, t, i));
	}
}

static void turns(const struct admin *a, FILE *out)
{
	uint64_t n = 0;

	family(out, "sipward_forwarding_seconds", "histogram",
	    "Time from the wake-up that received a message to the end of the turn in which it was handed on");
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		n += totals_latency(a, i);
		if (i + 1 < LATENCY_BUCKETS)
			fprintf(out, "sipward_forwarding_seconds_bucket{le=\"%.9g\"} %" PRIu64 "\n", (double)latency_edge_ns(i) / 1e9, n);
	}
	fprintf(out, "sipward_forwarding_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\nsipward_forwarding_seconds_sum %.9f\nsipward_forwarding_seconds_count %" PRIu64 "\n",
	    n, (double)totals_of(a, offsetof(struct counters, latency_sum)) / 1e9, n);
}

/* A label's value: Prometheus escapes backslash, quote and line feed. */
static void label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; value && *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static const char *field(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

static void certificates(const struct admin *a, FILE *out)
{
	json_t *report = certificates_report(a), *row;
	size_t i;

	family(out, "sipward_certificate_expiry_seconds", "gauge",
	    "When a certificate or CRL of the configuration ends, since 1970; kind is own, trust, crl or ocsp");
	json_array_foreach(json_object_get(report, "certificates"), i, row) {
		if (!json_is_integer(json_object_get(row, "not_after")))
			continue;
		fprintf(out, "sipward_certificate_expiry_seconds{number=\"%zu\",", i);
		label(out, "profile", field(row, "profile"));
		fputc(',', out);
		label(out, "kind", field(row, "kind"));
		fputc(',', out);
		label(out, "subject", field(row, "subject"));
		fprintf(out, "} %" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(row, "not_after")));
	}
	json_decref(report);
}

static void master(const struct admin *a, FILE *out)
{
	const struct master_state *m = a->h->master;

	family(out, "sipward_build_info", "gauge", "Always 1; the version is its label");
	fprintf(out, "sipward_build_info{version=\"%s\"} 1\n", SIPWARD_VERSION);
	single(out, "sipward_start_time_seconds", "When the master was started, since 1970", (double)atomic_load(&m->started));
	single(out, "sipward_ready", "1 while /readyz says so: a load balancer may send calls here", report_not_ready(a) == NULL);
	single(out, "sipward_draining", "1 while no new calls are taken because somebody asked for a drain", atomic_load(&m->draining));
	single(out, "sipward_configuration_generation", "Generation of the configuration that is in use", (double)atomic_load(&m->generation));
	single(out, "sipward_last_reload_success", "1 if the last reload took, or there was none; at 0 the configuration before it is in use",
	    atomic_load(&m->last_reload) == 0 || atomic_load(&m->last_reload_ok));
	single(out, "sipward_last_reload_timestamp_seconds", "When the last reload ended, since 1970; 0: there was none",
	    (double)atomic_load(&m->last_reload));
	family(out, "sipward_reloads_total", "counter", "Reloads that took");
	fprintf(out, "sipward_reloads_total %" PRIu64 "\n", (uint64_t)atomic_load(&m->reloads));
	family(out, "sipward_reloads_failed_total", "counter", "Reloads that were refused and changed nothing");
	fprintf(out, "sipward_reloads_failed_total %" PRIu64 "\n", (uint64_t)atomic_load(&m->reloads_failed));
	single(out, "sipward_domains", "External domains in the configuration", (double)a->img->h->domains.count);
	single(out, "sipward_distinguished_names", "Distinguished names in the configuration", (double)a->img->h->near.count);
}

char *metrics_text(const struct admin *a, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	master(a, out);
	worker_counters(a, out);
	worker_states(a, out);
	reasons(a, out);
	turns(a, out);
	certificates(a, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
