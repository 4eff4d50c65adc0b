/*
 * blocks - the operators' side of blocking domains at run time: understand
 * what is asked for, and show what is blocked.
 *
 *	{"command": "domain block", "name": "a.example", "for": 3600, "reason": "fraud", "force": true}
 *	{"command": "domain unblock", "name": "a.example"}
 *	{"command": "domain blocks"}
 *
 * Process: admin.  May include: all of common, admin.h, report, jansson.  Owns nothing.
 */
#ifndef ADMIN_BLOCKS_H
#define ADMIN_BLOCKS_H

#include <jansson.h>

#include "admin/admin.h"
#include "common/blocks.h"

/*
 * What the master is to be asked for; `block` false: to lift one.  NULL: *out
 * is filled in; else the answer, why not: a name that is no domain, or that is
 * not configured, which would block nobody, unless "force" is true.
 */
json_t *blocks_question(const struct admin *a, const json_t *question, bool block, struct block *out);

/* Those that count now, the first `limit`: {"count", "saved", "blocks": [...]}. */
json_t *blocks_list(const struct admin *a, uint32_t limit);

/* The same as an answer, with all of them. */
json_t *blocks_report(const struct admin *a);

/* Before a question is answered: from now on image_domain_usable says of the admin's image what it says in a worker. */
void blocks_follow(struct admin *a);

#endif
