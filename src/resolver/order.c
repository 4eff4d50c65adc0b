#include "resolver/order.h"

#include <stdlib.h>
#include <strings.h>

/* By enum image_protocol. */
static const struct {
	const char *service, *prefix;
} protocols[] = {
	[PROTO_TLS] = { "SIPS+D2T", "_sips._tcp." },
	[PROTO_TCP] = { "SIP+D2T", "_sip._tcp." },
	[PROTO_UDP] = { "SIP+D2U", "_sip._udp." },
};

const char *order_srv_prefix(uint8_t protocol)
{
	return protocols[protocol].prefix;
}

static void swap(struct dns_record *a, struct dns_record *b)
{
	struct dns_record t = *a;

	*a = *b;
	*b = t;
}

/* Those without weight first, so that chance 0 finds them (RFC 2782). */
static int by_priority(const void *a, const void *b)
{
	const struct dns_srv *x = &((const struct dns_record *)a)->srv, *y = &((const struct dns_record *)b)->srv;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return (x->weight != 0) - (y->weight != 0);
}

/* Who of these is the next one. */
static size_t choose(const struct dns_record *record, size_t count, order_draw draw)
{
	uint32_t sum = 0, chance, upto = 0;
	size_t i;

	for (i = 0; i < count; i++)
		sum += record[i].srv.weight;
	chance = draw(sum);
	for (i = 0; i + 1 < count; i++) {
		upto += record[i].srv.weight;
		if (upto >= chance)
			break;
	}
	return i;
}

void order_srv(struct dns_record *record, size_t count, order_draw draw)
{
	size_t end;

	qsort(record, count, sizeof(*record), by_priority);
	for (size_t i = 0; i < count; i++) {
		size_t at;

		for (end = i; end < count && record[end].srv.priority == record[i].srv.priority; end++)
			;
		at = i + choose(record + i, end - i, draw);
		for (; at > i; at--) /* the others keep their order: those without weight stay in front */
			swap(&record[at], &record[at - 1]);
	}
}

static int by_order(const void *a, const void *b)
{
	const struct dns_naptr *x = &((const struct dns_record *)a)->naptr, *y = &((const struct dns_record *)b)->naptr;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return (x->preference > y->preference) - (x->preference < y->preference);
}

size_t order_naptr(struct dns_record *record, size_t count, uint8_t protocol)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		const struct dns_naptr *n = &record[i].naptr;

		if (strcasecmp(n->flags, "s") == 0 && strcasecmp(n->service, protocols[protocol].service) == 0 && !n->regexp &&
		    n->replacement[0])
			record[kept++] = record[i];
	}
	qsort(record, kept, sizeof(*record), by_order);
	return kept;
}
