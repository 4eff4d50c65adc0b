#include "common/auth/users.h"

#include <stdlib.h>

#include "common/keys_layout.h"

struct entry {
	uint64_t hash;
	uint32_t auth;
	bool used;
	struct span name;
	struct auth_user user;
};

struct auth_users {
	struct siphash_key key;
	uint8_t *copy; /* the records of users, one behind the other */
	size_t len;
	size_t mask;   /* buckets less one: a power of two, at most half full */
	struct entry *bucket;
};

_Static_assert(AUTH_ALGORITHMS == ARRAY_LEN(((struct keys_auth_user *)0)->ha1), "a place for each");

/* The next record of a user at or behind *at, which then is behind it; NULL: no more, or *bad. */
static const struct keys_record *next_user(const uint8_t *records, size_t len, size_t *at, bool *bad)
{
	while (len - *at >= sizeof(struct keys_record)) {
		const struct keys_record *r = (const struct keys_record *)(const void *)(records + *at);
		size_t size = keys_record_size(r->len);

		if (size > len - *at) {
			*bad = true;
			return NULL;
		}
		*at += size;
		if (r->kind == KEYS_AUTH_USER)
			return r;
	}
	return NULL;
}

static uint64_t hash(const struct auth_users *u, uint32_t auth, struct span name)
{
	struct siphash_state s;

	siphash_begin(&s, &u->key);
	siphash_add(&s, &auth, sizeof(auth));
	siphash_add(&s, name.p, name.len);
	return siphash_end(&s);
}

static struct entry *find(const struct auth_users *u, uint64_t h, uint32_t auth, struct span name)
{
	size_t i = h & u->mask;

	while (u->bucket[i].used && (u->bucket[i].hash != h || u->bucket[i].auth != auth || !span_eq(u->bucket[i].name, name)))
		i = (i + 1) & u->mask;
	return &u->bucket[i];
}

/* False: its lengths do not fit. */
static bool add(struct auth_users *u, const struct keys_record *r)
{
	const struct keys_auth_user *k = (const struct keys_auth_user *)(const void *)(r + 1);
	const char *text = (const char *)(k + 1);
	struct entry e = { .used = true, .auth = r->profile }, *to;

	if (r->len < sizeof(*k) || (uint64_t)k->user_len + k->uri_len + k->from_len != r->len - sizeof(*k))
		return false;
	e.name = span_of(text, k->user_len);
	e.user.uri = span_of(text + k->user_len, k->uri_len);
	e.user.from = span_of(text + k->user_len + k->uri_len, k->from_len);
	for (size_t i = 0; i < AUTH_ALGORITHMS; i++)
		if (k->algorithms & 1u << i)
			e.user.ha1[i] = span_of(k->ha1[i], auth_digest_size((enum auth_algorithm)i) * 2);
	e.hash = hash(u, e.auth, e.name);
	to = find(u, e.hash, e.auth, e.name);
	if (!to->used)
		*to = e;
	return true;
}

/* Copy the users alone: the table lives longer than the records, which hold private keys too. */
static bool copy_all(struct auth_users *u, const uint8_t *records, size_t len, size_t *count)
{
	const struct keys_record *r;
	size_t at = 0, size = 0;
	bool bad = false;

	for (*count = 0; (r = next_user(records, len, &at, &bad)) != NULL; ++*count)
		size += keys_record_size(r->len);
	u->copy = malloc(size ? size : 1);
	if (bad || !u->copy)
		return false;
	for (at = 0; (r = next_user(records, len, &at, &bad)) != NULL; u->len += keys_record_size(r->len))
		memcpy(u->copy + u->len, r, keys_record_size(r->len));
	return true;
}

struct auth_users *auth_users_new(const uint8_t *records, size_t len, const struct siphash_key *key)
{
	struct auth_users *u = calloc(1, sizeof(*u));
	const struct keys_record *r;
	size_t count, size = 2, at = 0;
	bool bad = false;

	if (!u)
		return NULL;
	u->key = *key;
	if (copy_all(u, records, len, &count)) {
		while (size < count * 2 + 1)
			size *= 2;
		u->mask = size - 1;
		u->bucket = calloc(size, sizeof(*u->bucket));
		while (u->bucket && !bad && (r = next_user(u->copy, u->len, &at, &bad)) != NULL)
			bad = !add(u, r);
		if (u->bucket && !bad)
			return u;
	}
	auth_users_free(u);
	return NULL;
}

void auth_users_free(struct auth_users *u)
{
	if (!u)
		return;
	if (u->copy)
		explicit_bzero(u->copy, u->len);
	free(u->copy);
	free(u->bucket);
	explicit_bzero(u, sizeof(*u));
	free(u);
}

const struct auth_user *auth_users_find(const struct auth_users *users, uint32_t auth, struct span name)
{
	const struct entry *e = users ? find(users, hash(users, auth, name), auth, name) : NULL;

	return e && e->used ? &e->user : NULL;
}

bool auth_user_may(const struct auth_user *user, struct span uri)
{
	struct span rest = user->from, one;

	if (span_eq(user->uri, uri))
		return true;
	while (span_cut(&rest, '\n', &one))
		if (one.len && span_eq(one, uri))
			return true;
	return false;
}
