/* dns: what is taken out of a message, and that nothing is read past its end. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/span.h"
#include "resolver/dns.h"
#include "support/guard.h"
#include "support/leaks.h"

TestSuite(dns, .fini = leaks_check);

/* Text of a string literal with its NULs. */
#define BYTES(s) (s), sizeof(s) - 1

#define HEAD(answers, authority) "\x12\x34\x81\x80\0\1\0" answers "\0" authority "\0\0"
#define QUESTION(type) "\1a\7example\0\0" type "\0\1"
#define RR(owner, type, ttl, len) owner "\0" type "\0\1" ttl "\0" len
#define SAME "\xc0\x0c"
#define MINUTE "\0\0\0\x3c"
#define HOUR "\0\0\x0e\x10"

static struct dns_answer got;

/* Also at the end of readable memory, and cut everywhere. */
static bool taken(const char *msg, size_t len, enum dns_type type)
{
	static struct dns_answer part;
	bool ok;

	for (size_t n = 0; n < len; n++) {
		struct span cut = guard_copy(msg, n);

		(void)!dns_read((const uint8_t *)cut.p, cut.len, "a.example", type, &part);
		(void)dns_negative_ttl((const uint8_t *)cut.p, cut.len);
		guard_free(cut);
	}
	struct span whole = guard_copy(msg, len);

	ok = dns_read((const uint8_t *)whole.p, whole.len, "a.example", type, &got);
	guard_free(whole);
	return ok;
}

Test(dns, addresses)
{
	static const uint8_t v4[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };

	cr_assert(taken(BYTES(HEAD("\2", "\0") QUESTION("\1") RR(SAME, "\1", HOUR, "\4") "\xc0\0\2\1" RR(SAME, "\1", MINUTE,
				  "\4") "\xc0\0\2\2"), DNS_A));
	cr_assert_eq(got.count, 2);
	cr_assert_eq(got.ttl, 60, "the smallest");
	cr_assert_eq(memcmp(got.record[0].addr, v4, 16), 0);
	cr_assert(taken(BYTES(HEAD("\1", "\0") QUESTION("\x1c") RR(SAME, "\x1c", HOUR, "\x10") "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"),
	    DNS_AAAA));
	cr_assert_eq(got.count, 1);
	cr_assert_eq(got.record[0].addr[0], 0x20);
	cr_assert_eq(got.record[0].addr[15], 7);
}

Test(dns, aliases_are_followed_in_any_order)
{
	cr_assert(taken(BYTES(HEAD("\2", "\0") QUESTION("\1") RR("\1b\xc0\x0e", "\1", HOUR, "\4") "\xc0\0\2\1"
				  RR(SAME, "\5", MINUTE, "\4") "\1b\xc0\x0e"), DNS_A));
	cr_assert_eq(got.count, 1);
	cr_assert_eq(got.ttl, 60, "the alias counts too");
}

Test(dns, what_is_not_asked_for_does_not_count)
{
	cr_assert(taken(BYTES(HEAD("\2", "\0") QUESTION("\1") RR("\1b\xc0\x0e", "\1", HOUR, "\4") "\xc0\0\2\1"
				  RR(SAME, "\x1c", HOUR, "\x10") "0123456789abcdef"), DNS_A));
	cr_assert_eq(got.count, 0);
	cr_assert(taken(BYTES(HEAD("\1", "\0") QUESTION("\1") "\xc0\x0c\0\1\0\3\0\0\0\1\0\4\xc0\0\2\1"), DNS_A));
	cr_assert_eq(got.count, 0, "another class");
}

Test(dns, srv)
{
	cr_assert(taken(BYTES(HEAD("\1", "\0") QUESTION("\x21") RR(SAME, "\x21", "\xff\xff\xff\xff", "\x0a") "\0\1\0\2\x13\xc5\1b\xc0\x0e"),
	    DNS_SRV));
	cr_assert_eq(got.count, 1);
	cr_assert_eq(got.ttl, 0, "RFC 2181 8");
	cr_assert_eq(got.record[0].srv.priority, 1);
	cr_assert_eq(got.record[0].srv.weight, 2);
	cr_assert_eq(got.record[0].srv.port, 5061);
	cr_assert_str_eq(got.record[0].srv.target, "b.example");
	cr_assert(taken(BYTES(HEAD("\1", "\0") QUESTION("\x21") RR(SAME, "\x21", HOUR, "\7") "\0\0\0\0\0\0\0"), DNS_SRV));
	cr_assert_str_eq(got.record[0].srv.target, "", "the root");
	cr_assert_not(taken(BYTES(HEAD("\1", "\0") QUESTION("\x21") RR(SAME, "\x21", HOUR, "\x0b") "\0\1\0\2\x13\xc5\1b\xc0\x0e!"), DNS_SRV),
	    "data behind the target");
}

Test(dns, naptr)
{
	cr_assert(taken(BYTES(HEAD("\1", "\0") QUESTION("\x23") RR(SAME, "\x23", HOUR, "\x13") "\0\1\0\2\1s\x08SIPS+D2T\0\1b\0"), DNS_NAPTR));
	cr_assert_eq(got.count, 1);
	cr_assert_str_eq(got.record[0].naptr.flags, "s");
	cr_assert_str_eq(got.record[0].naptr.service, "SIPS+D2T");
	cr_assert_str_eq(got.record[0].naptr.replacement, "b");
	cr_assert_not(got.record[0].naptr.regexp);
	cr_assert(taken(BYTES(HEAD("\1", "\0") QUESTION("\x23") RR(SAME, "\x23", HOUR, "\x0d") "\0\1\0\2\1s\1x\3!a!\0"), DNS_NAPTR));
	cr_assert(got.record[0].naptr.regexp);
	cr_assert(taken(BYTES(HEAD("\1", "\0") QUESTION("\x23") RR(SAME, "\x23", HOUR, "\x0b") "\0\1\0\2\2s\0\1x\0\0"), DNS_NAPTR));
	cr_assert_str_eq(got.record[0].naptr.flags, "", "not cut at its NUL");
}

Test(dns, damaged)
{
	cr_assert_not(taken(BYTES(HEAD("\1", "\0") QUESTION("\1") RR(SAME, "\1", HOUR, "\3") "\xc0\0\2"), DNS_A), "three bytes");
	cr_assert_not(taken(BYTES(HEAD("\1", "\0") QUESTION("\1") RR(SAME, "\1", HOUR, "\4") "\xc0\0\2"), DNS_A), "cut");
	cr_assert_not(taken(BYTES(HEAD("\1", "\0") QUESTION("\1") RR("\xc0\x1b", "\1", HOUR, "\4") "\xc0\0\2\1"), DNS_A), "points to itself");
	cr_assert_not(taken(BYTES(HEAD("\1", "\0") QUESTION("\1") RR("\xff\xff", "\1", HOUR, "\4") "\xc0\0\2\1"), DNS_A), "points away");
	cr_assert_not(taken(BYTES(HEAD("\1", "\0") QUESTION("\1") RR(SAME, "\5", HOUR, "\2") "\xc0\x0c"), DNS_A), "an alias of itself");
	cr_assert_not(taken(BYTES("\x12\x34\x81\x80\0\2\0\0\0\0\0\0" QUESTION("\1") QUESTION("\1")), DNS_A), "two questions");
}

Test(dns, negative_ttl)
{
#define SOA_DATA "\0\0" "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4" MINUTE
	static const char no[] = HEAD("\0", "\1") QUESTION("\1") RR("\7example\0", "\6", HOUR, "\x16") SOA_DATA;
	static const char bare[] = HEAD("\0", "\0") QUESTION("\1");

	cr_assert(taken(no, sizeof(no) - 1, DNS_A));
	cr_assert_eq(got.count, 0);
	cr_assert_eq(dns_negative_ttl((const uint8_t *)no, sizeof(no) - 1), 60);
	cr_assert_eq(dns_negative_ttl((const uint8_t *)bare, sizeof(bare) - 1), 0);
	cr_assert_eq(dns_negative_ttl(NULL, 0), 0);
}

/* More records than anybody needs are left out, and take no time. */
Test(dns, a_flood)
{
	static uint8_t msg[65535] = HEAD("\0", "\0") QUESTION("\1");
	static const char rr[] = RR(SAME, "\1", HOUR, "\4") "\xc0\0\2\1";
	size_t at = sizeof(HEAD("\0", "\0") QUESTION("\1")) - 1, n = 0;

	for (; at + sizeof(rr) - 1 <= sizeof(msg); at += sizeof(rr) - 1, n++)
		memcpy(msg + at, rr, sizeof(rr) - 1);
	msg[6] = (uint8_t)(n >> 8);
	msg[7] = (uint8_t)n;
	cr_assert(dns_read(msg, at, "a.example", DNS_A, &got));
	cr_assert_eq(got.count, DNS_RECORDS_MAX);
}
