/* DNS messages: whatever a server sends, names are terminated, counts are kept, and what is found is in order. */
#include "resolver/dns.h"
#include "fuzz/check.h"
#include "resolver/order.h"

static uint32_t draw(uint32_t most)
{
	return most / 2;
}

static bool terminated(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

static void check(const uint8_t *data, size_t size, enum dns_type type)
{
	static struct dns_answer a;

	if (!dns_read(data, size, "a.example", type, &a))
		return;
	CHECK(a.count <= DNS_RECORDS_MAX && (a.count == 0 || a.ttl <= INT32_MAX));
	for (size_t i = 0; i < a.count && type == DNS_SRV; i++)
		CHECK(terminated(a.record[i].srv.target, DNS_NAME_MAX));
	for (size_t i = 0; i < a.count && type == DNS_NAPTR; i++)
		CHECK(terminated(a.record[i].naptr.flags, 8) && terminated(a.record[i].naptr.service, 16) &&
		      terminated(a.record[i].naptr.replacement, DNS_NAME_MAX));
	if (type == DNS_SRV)
		order_srv(a.record, a.count, draw);
	for (size_t i = 1; i < a.count && type == DNS_SRV; i++)
		CHECK(a.record[i - 1].srv.priority <= a.record[i].srv.priority);
	if (type == DNS_NAPTR)
		CHECK(order_naptr(a.record, a.count, PROTO_TLS) <= a.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_SRV, DNS_NAPTR };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		check(data, size, types[i]);
	(void)dns_negative_ttl(data, size);
	return 0;
}
