#include <stdio.h>
#include <time.h>

#include "tools/ctl.h"

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static long long num(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static bool yes(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static const char *when(long long seconds, char *buf, size_t cap)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(buf, cap, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		buf[0] = '\0';
	return buf;
}

/* One line each, and what must not be missed on stderr. */
static void show_block_rows(const json_t *list)
{
	const json_t *row;
	char since[32], until[32];
	size_t i;

	json_array_foreach(json_object_get(list, "blocks"), i, row)
		printf("blocked %s since %s until %s by uid %lld, pid %lld%s%s%s\n", str(row, "domain"),
		    when(num(row, "since"), since, sizeof(since)),
		    json_is_null(json_object_get(row, "until")) ? "it is unblocked" : when(num(row, "until"), until, sizeof(until)),
		    num(row, "uid"), num(row, "pid"), str(row, "reason")[0] ? ": " : "", str(row, "reason"),
		    yes(row, "configured") ? "" : " (not configured now)");
	if (num(list, "count") > (long long)json_array_size(json_object_get(list, "blocks")))
		printf("... %lld domains are blocked, `sipwardctl domain blocks` shows all\n", num(list, "count"));
	if (!yes(list, "saved"))
		fprintf(stderr, "warning: blocked domains will not survive a restart as they are now: state_dir cannot be written, see the log\n");
}

void ctl_show_blocks(const json_t *answer)
{
	show_block_rows(answer);
	printf("%lld domains are blocked\n", num(answer, "count"));
}

static void show_reasons(const json_t *answer)
{
	const json_t *groups = json_object_get(answer, "reasons"), *group, *count;
	const char *name, *reason;

	json_object_foreach((json_t *)(uintptr_t)groups, name, group)
		json_object_foreach((json_t *)(uintptr_t)group, reason, count)
			printf("  %-12s %-28s %lld\n", name, reason, (long long)json_integer_value(count));
}

void ctl_show_status(const json_t *answer)
{
	const json_t *next = json_object_get(answer, "next_expiry");
	const json_t *row, *counters = json_object_get(answer, "counters"), *last = json_object_get(answer, "last_reload");
	const json_t *count;
	const char *name;
	char buf[32];
	size_t i;

	printf("sipward %s, pid %lld, up %lld s%s\n", str(answer, "version"), num(answer, "pid"), num(answer, "uptime"),
	    yes(answer, "draining") ? ", draining" : "");
	printf("generation %lld, %lld domains, %lld distinguished names\n", num(answer, "generation"), num(answer, "domains"),
	    num(answer, "distinguished_names"));
	if (json_is_object(last))
		printf("last reload %s %s: %s\n", when(num(last, "time"), buf, sizeof(buf)),
		    yes(last, "ok") ? "succeeded" : "FAILED", str(last, "text"));
	json_array_foreach(json_object_get(answer, "listeners"), i, row)
		printf("listener %s %s %s:%lld\n", str(row, "side"), str(row, "protocol"), str(row, "host"), num(row, "port"));
	show_block_rows(json_object_get(answer, "blocked"));
	if (json_is_object(next))
		printf("next to expire: %s %s (%s), %lld days left\n", str(next, "kind"), str(next, "subject"), str(next, "profile"),
		    num(next, "days_left"));
	json_array_foreach(json_object_get(answer, "workers"), i, row)
		printf("worker %lld: pid %lld, generation %lld, %lld connections, %lld requests, %.1f s of CPU, %lld restarts\n",
		    num(row, "index"), num(row, "pid"), num(row, "generation"), num(row, "connections"), num(row, "requests"),
		    (double)num(row, "cpu_us") / 1e6, num(row, "restarts"));
	json_object_foreach((json_t *)(uintptr_t)counters, name, count)
		if (json_integer_value(count))
			printf("  %-22s %lld\n", name, (long long)json_integer_value(count));
	show_reasons(answer);
}

void ctl_show_connections(const json_t *answer)
{
	const json_t *row;
	size_t i;

	printf("%-12s %-8s %-26s %-9s %-24s %7s %9s  %s\n", "ID", "SIDE", "PEER", "TRUST", "DOMAIN", "AGE", "MESSAGES", "DN");
	json_array_foreach(json_object_get(answer, "connections"), i, row) {
		char peer[80];

		snprintf(peer, sizeof(peer), "%s:%lld", str(row, "peer"), num(row, "port"));
		printf("%-12s %-8s %-26s %-9s %-24s %7lld %9lld  %s\n", str(row, "id"), str(row, "side"), peer,
		    yes(row, "trusted") ? "trusted" : "-", str(row, "domain"), num(row, "age"), num(row, "messages"),
		    str(row, "dn"));
	}
}

static void show_hosts(const json_t *hosts)
{
	const json_t *host;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)hosts, i, host) {
		printf("%s%s", i ? "," : "", str(host, "host"));
		if (num(host, "port"))
			printf(":%lld", num(host, "port"));
	}
}

static void show_domain_rows(const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		printf("%-32s %-8s %s ", str(row, "domain"),
		    yes(row, "blocked") ? "blocked" : yes(row, "enabled") ? "enabled" : "disabled", str(row, "protocol"));
		show_hosts(json_object_get(row, "hosts"));
		printf("%s, %lld connections\n", yes(row, "has_dn") ? "" : " (no DN)", num(row, "connections"));
	}
}

void ctl_show_domains(const json_t *answer)
{
	show_domain_rows(json_object_get(answer, "domains"));
	printf("%lld domains\n", num(answer, "count"));
}

void ctl_show_lookup(const json_t *answer)
{
	printf("DN: %s\n", str(answer, "dn"));
	if (yes(answer, "found")) {
		show_domain_rows(json_object_get(answer, "domains"));
	} else {
		printf("not configured\n");
		if (str(answer, "nearest")[0])
			printf("nearest: %s\nit differs: %s\n", str(answer, "nearest"), str(answer, "difference"));
	}
	if (str(answer, "note")[0])
		printf("note: %s\n", str(answer, "note"));
}

void ctl_show_result(const json_t *answer)
{
	bool ok = yes(answer, "ok");

	fprintf(ok ? stdout : stderr, "%s%s%s\n", ok ? "done" : "failed", str(answer, "text")[0] ? ": " : "", str(answer, "text"));
}
