/* load_stats - what sipward-load counted, and the JSON line about it. */
#include "bench/load_stats.h"

#include <inttypes.h>
#include <stdio.h>

void load_stats_latency(struct load_stats *s, uint64_t ns)
{
	histogram_add(&s->latency, ns);
	if (!s->latency_min || ns < s->latency_min)
		s->latency_min = ns;
}

void load_stats_merge(struct load_stats *all, const struct load_stats *one)
{
	all->sent += one->sent;
	all->received += one->received;
	all->provisional += one->provisional;
	all->acks += one->acks;
	all->calls += one->calls;
	for (unsigned i = 0; i < LOAD_STATUS_MAX; i++)
		all->status[i] += one->status[i];
	all->lost += one->lost;
	all->unsent += one->unsent;
	all->unexpected += one->unexpected;
	histogram_merge(&all->latency, &one->latency);
	if (one->latency_min && (!all->latency_min || one->latency_min < all->latency_min))
		all->latency_min = one->latency_min;
	if (one->from_ns && (!all->from_ns || one->from_ns < all->from_ns))
		all->from_ns = one->from_ns;
	all->last_ns = MAX(all->last_ns, one->last_ns);
	all->made += one->made;
	all->cpu_ns += one->cpu_ns;
	all->waited_ns += one->waited_ns;
	all->wrong += one->wrong;
	all->disconnects += one->disconnects;
	all->reconnects += one->reconnects;
	all->pongs += one->pongs;
	all->handshakes += one->handshakes;
	all->resumed += one->resumed;
	all->handshake_failures += one->handshake_failures;
	all->connect_ns = MAX(all->connect_ns, one->connect_ns);
	all->open += one->open;
	if (!all->tls[0]) {
		snprintf(all->tls, sizeof(all->tls), "%s", one->tls);
		snprintf(all->cipher, sizeof(all->cipher), "%s", one->cipher);
	}
	if (!all->reason[0])
		snprintf(all->reason, sizeof(all->reason), "%s", one->reason);
}

uint64_t load_stats_errors(const struct load_stats *s)
{
	return s->wrong + s->lost + s->unsent + s->unexpected + s->disconnects + s->handshake_failures;
}

static double per_second(uint64_t count, uint64_t ns)
{
	return ns ? (double)count * 1e9 / (double)ns : 0;
}

static void print_status(const struct load_stats *s)
{
	const char *comma = "";

	printf("\"status\":{");
	for (unsigned i = 0; i < LOAD_STATUS_MAX; i++) {
		if (!s->status[i])
			continue;
		printf("%s\"%u\":%" PRIu64, comma, i, s->status[i]);
		comma = ",";
	}
	printf("},");
}

static void print_latency(const struct load_stats *s)
{
	static const struct {
		const char *name;
		uint32_t per_million;
	} cuts[] = { { "p50", 500000 }, { "p90", 900000 }, { "p99", 990000 }, { "p999", 999000 } };

	printf("\"latency\":{\"min\":%.1f,", (double)s->latency_min / 1e3);
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++)
		printf("\"%s\":%.1f,", cuts[i].name, (double)histogram_percentile(&s->latency, cuts[i].per_million) / 1e3);
	printf("\"max\":%.1f},", (double)histogram_max(&s->latency) / 1e3);
}

bool load_stats_limited(const struct load_stats *s, const struct load_options *o)
{
	uint64_t elapsed = s->last_ns > s->from_ns ? s->last_ns - s->from_ns : 0;

	return o->mode != LOAD_IDLE && s->waited_ns < elapsed * o->threads / 20;
}

void load_stats_print(const struct load_stats *s, const struct load_options *o, double cpu_seconds, bool interrupted)
{
	static const char *const modes[] = { "messages", "handshake", "idle" };
	uint64_t elapsed = s->last_ns > s->from_ns ? s->last_ns - s->from_ns : 0;
	bool shaking = o->mode == LOAD_HANDSHAKE;

	printf("{\"mode\":\"%s\",\"method\":\"%s\",\"calls\":%s,\"tls\":\"%s\",\"cipher\":\"%s\",", modes[o->mode], o->method,
	    o->calls ? "true" : "false", s->tls, s->cipher);
	printf("\"connections\":%u,\"open\":%u,\"inflight\":%u,\"size\":%zu,\"wanted_rate\":%.1f,", o->connections, s->open,
	    o->inflight, o->size, o->rate);
	printf("\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"provisional\":%" PRIu64 ",\"acks\":%" PRIu64
	       ",\"calls_done\":%" PRIu64 ",\"pongs\":%" PRIu64 ",",
	    s->sent, s->received, s->provisional, s->acks, s->calls, s->pongs);
	print_status(s);
	printf("\"wrong\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"unsent\":%" PRIu64 ",\"unexpected\":%" PRIu64
	       ",\"disconnects\":%" PRIu64 ",\"reconnects\":%" PRIu64 ",\"errors\":%" PRIu64 ",",
	    s->wrong, s->lost, s->unsent, s->unexpected, s->disconnects, s->reconnects, load_stats_errors(s));
	printf("\"elapsed\":%.6f,\"rate\":%.1f,", (double)elapsed / 1e9, per_second(shaking ? s->made : s->received, elapsed));
	print_latency(s);
	printf("\"handshakes\":{\"count\":%" PRIu64 ",\"resumed\":%" PRIu64 ",\"failures\":%" PRIu64 ",\"per_second\":%.1f},",
	    s->handshakes, s->resumed, s->handshake_failures,
	    shaking ? per_second(s->made, elapsed) : per_second(s->handshakes, s->connect_ns));
	printf("\"measured_cpu_seconds\":%.6f,\"limited_by_load\":%s,", (double)s->cpu_ns / 1e9,
	    load_stats_limited(s, o) ? "true" : "false");
	printf("\"cpu_seconds\":%.6f,\"interrupted\":%s}\n", cpu_seconds, interrupted ? "true" : "false");
	fflush(stdout);
}
