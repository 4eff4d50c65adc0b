/* order: RFC 2782's order of SRV records, RFC 3263's choice of NAPTR records. */
#include <criterion/criterion.h>
#include <string.h>

#include "resolver/order.h"

static uint32_t lowest(uint32_t most)
{
	return 0;
}

static uint32_t highest(uint32_t most)
{
	return most;
}

static uint32_t state = 1;

static uint32_t chance(uint32_t most)
{
	state = state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(state >> 8) * ((uint64_t)most + 1) >> 24);
}

static struct dns_record srv(uint16_t priority, uint16_t weight, uint16_t port)
{
	return (struct dns_record){ .srv = { priority, weight, port, "h.example" } };
}

/* The ports in the order that comes out, as text. */
static const char *ordered(struct dns_record *r, size_t n, order_draw draw)
{
	static char text[64];

	order_srv(r, n, draw);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('0' + r[i].srv.port);
	text[n] = '\0';
	return text;
}

Test(order, priority_comes_first)
{
	struct dns_record a[] = { srv(30, 9, 3), srv(10, 1, 1), srv(20, 5, 2) }, b[ARRAY_LEN(a)];

	memcpy(b, a, sizeof(a));
	cr_assert_str_eq(ordered(a, 3, lowest), "123");
	cr_assert_str_eq(ordered(b, 3, highest), "123");
}

Test(order, chance_picks_within_a_priority)
{
	struct dns_record low[] = { srv(1, 5, 1), srv(1, 0, 2), srv(1, 7, 3), srv(2, 1, 4) }, high[ARRAY_LEN(low)];

	memcpy(high, low, sizeof(low));
	cr_assert_str_eq(ordered(low, 4, lowest)[0] == '2' ? "2" : "not", "2", "chance 0 finds the one without weight");
	cr_assert_str_eq(ordered(high, 4, highest) + 3, "4", "another priority stays behind");
}

Test(order, shares_are_as_the_weights)
{
	unsigned first[4] = { 0 }, rounds = 40000;

	for (unsigned i = 0; i < rounds; i++) {
		struct dns_record r[] = { srv(1, 10, 1), srv(1, 30, 2), srv(1, 60, 3) };

		order_srv(r, 3, chance);
		first[r[0].srv.port]++;
	}
	/* The draw includes 0, which RFC 2782 gives to the first one: a hundredth or so more. */
	cr_assert(first[1] > rounds * 8 / 100 && first[1] < rounds * 13 / 100, "%u", first[1]);
	cr_assert(first[2] > rounds * 27 / 100 && first[2] < rounds * 33 / 100, "%u", first[2]);
	cr_assert(first[3] > rounds * 56 / 100 && first[3] < rounds * 63 / 100, "%u", first[3]);
}

Test(order, the_largest_weights_do_not_overflow)
{
	struct dns_record r[DNS_RECORDS_MAX];

	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		r[i] = srv(1, UINT16_MAX, (uint16_t)(i + 1));
	order_srv(r, ARRAY_LEN(r), highest);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		cr_assert_neq(r[i].srv.port, 0);
	order_srv(r, 0, highest);
}

static struct dns_record naptr(uint16_t order, uint16_t preference, const char *flags, const char *service, bool regexp,
    const char *replacement)
{
	struct dns_record r = { .naptr = { .order = order, .preference = preference, .regexp = regexp } };

	strncpy(r.naptr.flags, flags, sizeof(r.naptr.flags) - 1);
	strncpy(r.naptr.service, service, sizeof(r.naptr.service) - 1);
	strncpy(r.naptr.replacement, replacement, sizeof(r.naptr.replacement) - 1);
	return r;
}

Test(order, naptr)
{
	const struct dns_record all[] = {
		naptr(20, 1, "s", "SIPS+D2T", false, "late"),
		naptr(10, 2, "S", "sips+d2t", false, "second"),
		naptr(10, 1, "s", "SIPS+D2T", false, "first"),
		naptr(1, 1, "s", "SIP+D2T", false, "tcp"),
		naptr(1, 1, "s", "SIP+D2U", false, "udp"),
		naptr(1, 1, "u", "SIPS+D2T", false, "uri"),
		naptr(1, 1, "a", "SIPS+D2T", false, "address"),
		naptr(1, 1, "", "SIPS+D2T", false, "more"),
		naptr(1, 1, "s", "SIPS+D2T", true, "expression"),
		naptr(1, 1, "s", "SIPS+D2T", false, ""),
		naptr(1, 1, "s", "SIPS+D2TX", false, "other"),
	};
	struct dns_record r[ARRAY_LEN(all)];

	memcpy(r, all, sizeof(all));
	cr_assert_eq(order_naptr(r, ARRAY_LEN(r), PROTO_TLS), 3);
	cr_assert_str_eq(r[0].naptr.replacement, "first");
	cr_assert_str_eq(r[1].naptr.replacement, "second");
	cr_assert_str_eq(r[2].naptr.replacement, "late");
	memcpy(r, all, sizeof(all));
	cr_assert_eq(order_naptr(r, ARRAY_LEN(r), PROTO_TCP), 1);
	cr_assert_str_eq(r[0].naptr.replacement, "tcp");
	memcpy(r, all, sizeof(all));
	cr_assert_eq(order_naptr(r, ARRAY_LEN(r), PROTO_UDP), 1);
	cr_assert_str_eq(r[0].naptr.replacement, "udp");
	cr_assert_eq(order_naptr(r, 0, PROTO_UDP), 0);
}

Test(order, names_of_services)
{
	cr_assert_str_eq(order_srv_prefix(PROTO_TLS), "_sips._tcp.");
	cr_assert_str_eq(order_srv_prefix(PROTO_TCP), "_sip._tcp.");
	cr_assert_str_eq(order_srv_prefix(PROTO_UDP), "_sip._udp.");
}
