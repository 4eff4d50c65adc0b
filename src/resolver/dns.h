/*
 * dns - take records out of a DNS message, whatever a server may have put into it.
 *
 *   lookup -> query -> [dns] -> order -> lookup
 *
 * Process: resolver.  May include: common/base.h, c-ares (names are expanded by it).  Owns nothing.
 *
 * Only what answers the question counts: records of class IN that stand in the
 * answer section under the name asked for, or under the one that a chain of
 * CNAME records leads to.
 */
#ifndef RESOLVER_DNS_H
#define RESOLVER_DNS_H

#include "common/base.h"

#define DNS_NAME_MAX 256  /* with the NUL */
#define DNS_RECORDS_MAX 64 /* taken from one answer; the rest is left out */

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_AAAA = 28, DNS_SRV = 33, DNS_NAPTR = 35 };

struct dns_srv {
	uint16_t priority, weight, port;
	char target[DNS_NAME_MAX]; /* as it came; "": the root, which means that there is no such service */
};

struct dns_naptr {
	uint16_t order, preference;
	char flags[8], service[16]; /* "" also when it is longer than anything we look for */
	bool regexp;		    /* there is one: not for us */
	char replacement[DNS_NAME_MAX];
};

struct dns_record {
	union {
		uint8_t addr[16]; /* DNS_A (IPv4 mapped), DNS_AAAA */
		struct dns_srv srv;
		struct dns_naptr naptr;
	};
};

struct dns_answer {
	uint32_t ttl;	/* s: the smallest of all records used, CNAMEs included */
	size_t count;	/* 0: no record of this type */
	struct dns_record record[DNS_RECORDS_MAX];
};

/* The records of `type` for `name`.  False, *out undefined: the message is damaged. */
MUST_USE bool dns_read(const uint8_t *msg, size_t len, const char *name, enum dns_type type, struct dns_answer *out);

/* How long nothing may be believed (RFC 2308 5), s; 0: the message does not say. */
uint32_t dns_negative_ttl(const uint8_t *msg, size_t len);

#endif
