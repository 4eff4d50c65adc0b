/*
 * users - who may authenticate, by realm: a worker's own copy of what the keys memfd says.
 *
 * Process: worker.  May include: common/base.h, span, siphash, keys_layout, auth/digest.
 * Owns the copy until auth_users_free, which wipes it.
 */
#ifndef COMMON_AUTH_USERS_H
#define COMMON_AUTH_USERS_H

#include "common/auth/digest.h"
#include "common/base.h"
#include "common/siphash.h"
#include "common/span.h"

struct auth_users;

/* All spans are the table's. */
struct auth_user {
	struct span uri;  /* "<sip:...>": asserted */
	struct span from; /* further ones that may stand in From, each with '\n' behind it */
	struct span ha1[AUTH_ALGORITHMS]; /* hex; empty: none for that algorithm */
};

/* `records`: what stands behind struct keys_header.  NULL: not well formed, or no memory.  The key is for look-ups. */
MUST_USE struct auth_users *auth_users_new(const uint8_t *records, size_t len, const struct siphash_key *key);
void auth_users_free(struct auth_users *u);

/* A user of that image_auth; NULL: there is none.  `users` may be NULL. */
const struct auth_user *auth_users_find(const struct auth_users *users, uint32_t auth, struct span name);

/* May the user put that URI ("<sip:...>") into From? */
bool auth_user_may(const struct auth_user *user, struct span uri);

#endif
