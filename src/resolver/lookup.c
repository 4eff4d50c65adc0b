#include "resolver/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/addr.h"
#include "resolver/dns.h"
#include "resolver/order.h"

#define NEGATIVE_TTL 5	  /* s: where no SOA record says how long */
#define HOSTS_FILE_TTL 60 /* s */

/* A host whose addresses are wanted. */
struct target {
	char host[RESOLVE_NAME_MAX + 1];
	uint16_t port;
	uint8_t v6[RESOLVE_TARGETS_MAX][16], v4[RESOLVE_TARGETS_MAX][16];
	uint32_t v6_count, v4_count;
};

struct lookup {
	struct lookup_owner *owner;
	uint32_t worker;
	struct resolve_question q;
	char host[RESOLVE_NAME_MAX + 1];
	uint64_t deadline;
	unsigned pending;  /* queries under way, and one more while we make some */
	bool answered;
	bool cancelled;	   /* its queries were: it waits for lookup_run */
	bool failed;	   /* a query of this phase has: nothing that comes of it is to be believed for long */
	uint32_t ttl, negative_ttl;
	char service[LOOKUP_NAPTR_MAX][DNS_NAME_MAX]; /* names of SRV records, the first one first */
	size_t services, service_next;
	struct target target[RESOLVE_TARGETS_MAX];
	size_t targets;
};

/* An address query. */
struct wanted {
	struct lookup *l;
	struct target *t;
	enum dns_type type;
};

/* ---- the end ---- */

static void answer(struct lookup *l, struct resolve_answer *a)
{
	if (l->answered)
		return;
	l->answered = true;
	a->incarnation = l->q.incarnation;
	a->id = l->q.id;
	a->ttl = MAX(a->ttl, 1);
	l->owner->done(l->owner->owner, l->worker, &l->q, a);
}

static void answer_nothing(struct lookup *l, enum resolve_status status)
{
	uint32_t ttl = l->negative_ttl && status == RESOLVE_NONE ? MIN(l->negative_ttl, RESOLVE_NEGATIVE_TTL_MAX) : NEGATIVE_TTL;

	answer(l, &(struct resolve_answer){ .status = status, .ttl = ttl });
}

static void add_address(struct resolve_answer *a, const uint8_t addr[static 16], uint16_t port)
{
	struct resolve_target *t = &a->target[a->count];

	if (a->count == RESOLVE_TARGETS_MAX)
		return;
	memcpy(t->addr, addr, sizeof(t->addr));
	t->port = port;
	a->count++;
}

/* IPv6 before IPv4 (RFC 6724), and room for both families and for each target. */
static void answer_targets(struct lookup *l)
{
	struct resolve_answer a = { .status = RESOLVE_FOUND, .ttl = MIN(l->ttl, RESOLVE_TTL_MAX) };
	uint32_t share = MAX(2, RESOLVE_TARGETS_MAX / (uint32_t)MAX(l->targets, 1));

	for (size_t i = 0; i < l->targets; i++) {
		const struct target *t = &l->target[i];
		uint32_t v6 = MIN(t->v6_count, share - MIN(t->v4_count, share / 2)), v4 = MIN(t->v4_count, share - v6);

		for (uint32_t k = 0; k < v6; k++)
			add_address(&a, t->v6[k], t->port);
		for (uint32_t k = 0; k < v4; k++)
			add_address(&a, t->v4[k], t->port);
	}
	if (a.count == 0) {
		answer_nothing(l, l->failed ? RESOLVE_FAILED : RESOLVE_NONE);
		return;
	}
	if (l->failed)
		a.ttl = MIN(a.ttl, NEGATIVE_TTL); /* part of it is missing: soon again */
	answer(l, &a);
}

/* One query less; true: it was the last one, and the lookup can go on. */
static bool ended(struct lookup *l)
{
	if (--l->pending > 0)
		return false;
	if (!l->answered)
		return !l->cancelled;
	l->owner->gone(l->owner->owner, l->worker, l);
	free(l);
	return false;
}

/* Let go of the hold that kept it alive while it answered. */
static void release(struct lookup *l)
{
	(void)ended(l); /* answered: it goes */
}

/* ---- A and AAAA ---- */

/* Nobody is reached at 0.0.0.0, ::, a group's address, or IPv4 in the guise of IPv6. */
static bool usable(const uint8_t addr[static 16], enum dns_type type)
{
	static const uint8_t none[16];

	if (type == DNS_AAAA)
		return !addr_is_ipv4(addr) && addr[0] != 0xff && memcmp(addr, none, 16) != 0;
	return addr[12] != 0 && addr[12] < 224;
}

static void take_addresses(struct lookup *l, struct target *t, enum dns_type type, const struct dns_answer *a)
{
	uint8_t (*to)[16] = type == DNS_A ? t->v4 : t->v6;
	uint32_t *count = type == DNS_A ? &t->v4_count : &t->v6_count;

	for (size_t i = 0; i < a->count && *count < RESOLVE_TARGETS_MAX; i++)
		if (usable(a->record[i].addr, type))
			memcpy(to[(*count)++], a->record[i].addr, 16);
	if (a->count)
		l->ttl = MIN(l->ttl, a->ttl);
}

static void note_nothing(struct lookup *l, const uint8_t *msg, size_t len)
{
	uint32_t ttl = dns_negative_ttl(msg, len);

	if (ttl && (!l->negative_ttl || ttl < l->negative_ttl))
		l->negative_ttl = ttl;
}

static void on_address(void *arg, enum query_status status, const uint8_t *msg, size_t len)
{
	static struct dns_answer a; /* large */
	struct wanted *w = arg;
	struct lookup *l = w->l;

	if (status == QUERY_ANSWER && dns_read(msg, len, w->t->host, w->type, &a))
		take_addresses(l, w->t, w->type, &a);
	else if (status == QUERY_NOTHING)
		note_nothing(l, msg, len);
	else if (status == QUERY_CANCELLED)
		l->cancelled = true;
	else
		l->failed = true;
	free(w);
	if (!ended(l))
		return;
	l->pending = 1;
	answer_targets(l);
	release(l);
}

static void ask_address(struct lookup *l, struct target *t, enum dns_type type)
{
	struct wanted *w = malloc(sizeof(*w));

	if (!w) {
		l->failed = true;
		return;
	}
	*w = (struct wanted){ l, t, type };
	l->pending++;
	query_ask(l->owner->queries, t->host, type, on_address, w);
}

/* What the hosts file says goes before what servers say. */
static bool in_hosts_file(struct lookup *l, struct target *t)
{
	const struct image_alias *row = image_at(l->owner->img, l->owner->img->h->aliases);
	struct span host = span_str(t->host);

	for (uint64_t i = 0; i < l->owner->img->h->aliases.count; i++) {
		bool v4 = addr_is_ipv4(row[i].addr);
		uint32_t *count = v4 ? &t->v4_count : &t->v6_count;

		if (*count == RESOLVE_TARGETS_MAX || !span_eq(image_text(l->owner->img, row[i].name), host))
			continue;
		memcpy(v4 ? t->v4[*count] : t->v6[*count], row[i].addr, 16);
		(*count)++;
		l->ttl = MIN(l->ttl, HOSTS_FILE_TTL);
	}
	return t->v4_count + t->v6_count > 0;
}

static void ask_addresses(struct lookup *l)
{
	l->failed = false;
	l->pending = 1;
	for (size_t i = 0; i < l->targets; i++) {
		struct target *t = &l->target[i];

		if (in_hosts_file(l, t))
			continue;
		ask_address(l, t, DNS_AAAA);
		ask_address(l, t, DNS_A);
	}
	if (!ended(l))
		return;
	l->pending = 1;
	answer_targets(l);
	release(l);
}

/* The name itself, as if there were no SRV records. */
static void use_host(struct lookup *l)
{
	l->target[0] = (struct target){ .port = l->q.port ? l->q.port : resolve_default_port(l->q.protocol) };
	memcpy(l->target[0].host, l->host, sizeof(l->host));
	l->targets = 1;
}

/* ---- SRV ---- */

static void ask_service(struct lookup *l);

/* A target must be a name, and no name stands twice with the same port. */
static void add_target(struct lookup *l, const struct dns_srv *srv)
{
	struct target *t = &l->target[l->targets];
	char canonical[HOST_MAX];
	enum host_kind kind;
	struct span name = span_str(srv->target);
	size_t len = host_parse(name, &kind) && kind == HOST_NAME ? host_canon(name, canonical) : 0;

	if (len == 0 || len > RESOLVE_NAME_MAX || srv->port == 0 || l->targets == RESOLVE_TARGETS_MAX)
		return;
	*t = (struct target){ .port = srv->port };
	memcpy(t->host, canonical, len);
	for (size_t i = 0; i < l->targets; i++)
		if (l->target[i].port == t->port && strcmp(l->target[i].host, t->host) == 0)
			return;
	l->targets++;
}

static uint32_t draw(uint32_t most)
{
	uint64_t chance = 0;

	if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
		return 0; /* the first one, then */
	return (uint32_t)(chance % ((uint64_t)most + 1));
}

/* True: these records are the answer, be it that there is no such service. */
static bool take_services(struct lookup *l, struct dns_answer *a)
{
	order_srv(a->record, a->count, draw);
	for (size_t i = 0; i < a->count; i++)
		add_target(l, &a->record[i].srv);
	if (a->count)
		l->ttl = MIN(l->ttl, a->ttl);
	return a->count > 0;
}

static void on_service(void *arg, enum query_status status, const uint8_t *msg, size_t len)
{
	static struct dns_answer a; /* large */
	struct lookup *l = arg;
	bool decided = false;

	if (status == QUERY_ANSWER && dns_read(msg, len, l->service[l->service_next - 1], DNS_SRV, &a))
		decided = take_services(l, &a);
	else if (status == QUERY_CANCELLED)
		l->cancelled = true;
	else if (status != QUERY_NOTHING)
		l->failed = true;
	if (!ended(l))
		return;
	if (decided)
		ask_addresses(l);
	else
		ask_service(l);
}

/* The next name of SRV records; none left: the host itself, unless records are there that nobody could give us. */
static void ask_service(struct lookup *l)
{
	l->pending = 1;
	if (l->service_next < l->services) {
		query_ask(l->owner->queries, l->service[l->service_next++], DNS_SRV, on_service, l);
	} else if (l->failed) {
		answer_nothing(l, RESOLVE_FAILED);
		release(l);
	} else {
		use_host(l);
		ask_addresses(l);
	}
}

/* ---- NAPTR ---- */

static void take_pointers(struct lookup *l, struct dns_answer *a)
{
	size_t count = order_naptr(a->record, a->count, l->q.protocol);

	for (size_t i = 0; i < MIN(count, LOOKUP_NAPTR_MAX); i++)
		memcpy(l->service[l->services++], a->record[i].naptr.replacement, DNS_NAME_MAX);
	if (count)
		l->ttl = MIN(l->ttl, a->ttl);
}

/* Without pointers, also because some server does not know the type, the SRV records have their usual name. */
static void on_pointers(void *arg, enum query_status status, const uint8_t *msg, size_t len)
{
	static struct dns_answer a; /* large */
	struct lookup *l = arg;

	if (status == QUERY_ANSWER && dns_read(msg, len, l->host, DNS_NAPTR, &a))
		take_pointers(l, &a);
	else if (status == QUERY_CANCELLED)
		l->cancelled = true;
	if (!ended(l))
		return;
	if (l->services == 0)
		(void)snprintf(l->service[l->services++], DNS_NAME_MAX, "%s%s", order_srv_prefix(l->q.protocol),
		    l->host); /* cut, it is longer than a name can be: nobody has it */
	ask_service(l);
}

/* ---- from outside ---- */

struct lookup *lookup_new(struct lookup_owner *owner, uint32_t worker, const struct resolve_question *q, uint64_t now)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->owner = owner;
	l->worker = worker;
	l->q = *q;
	memcpy(l->host, q->host, q->host_len);
	l->deadline = now + LOOKUP_TIME_NS;
	return l;
}

void lookup_run(struct lookup *l)
{
	bool known;

	if (l->pending || l->answered)
		return; /* it was not cancelled */
	l->cancelled = l->failed = false;
	l->ttl = UINT32_MAX;
	l->negative_ttl = 0;
	l->services = l->service_next = 0;
	use_host(l);
	known = in_hosts_file(l, &l->target[0]);
	use_host(l);
	if (l->q.port || known) {
		ask_addresses(l);
		return;
	}
	l->targets = 0;
	l->pending = 1;
	query_ask(l->owner->queries, l->host, DNS_NAPTR, on_pointers, l);
}

const struct resolve_question *lookup_question(const struct lookup *l)
{
	return &l->q;
}

uint64_t lookup_deadline(const struct lookup *l)
{
	return l->answered ? UINT64_MAX : l->deadline;
}

void lookup_give_up(struct lookup *l)
{
	answer_nothing(l, RESOLVE_FAILED);
}
