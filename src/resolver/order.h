/*
 * order - which of several SRV and NAPTR records come first, and which do not count.
 *
 *   lookup -> query -> dns -> [order] -> lookup
 *
 * Process: resolver.  May include: common/base.h, image_layout, dns.  Owns nothing.  Pure: chance is given by the caller.
 */
#ifndef RESOLVER_ORDER_H
#define RESOLVER_ORDER_H

#include "common/base.h"
#include "common/image_layout.h"
#include "resolver/dns.h"

/* A number from 0 to `most`, each as likely as the others. */
typedef uint32_t (*order_draw)(uint32_t most);

/* Before a domain name: "_sips._tcp." (RFC 3263 4.1). */
const char *order_srv_prefix(uint8_t protocol);

/* By priority, and among those of one priority by chance after their weights (RFC 2782). */
void order_srv(struct dns_record *record, size_t count, order_draw draw);

/*
 * Keep the NAPTR records that lead to SRV records of the protocol (RFC 3263
 * 4.1: flag "s", service "SIPS+D2T", "SIP+D2T" or "SIP+D2U", no regexp), by
 * order and preference.  Returns how many.
 */
size_t order_naptr(struct dns_record *record, size_t count, uint8_t protocol);

#endif
