/* users: the worker's copy of the records, and records that are not well formed. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "common/auth/users.h"
#include "common/keys_layout.h"
#include "support/guard.h"

static const struct siphash_key key = { { 5 } };

struct records {
	_Alignas(8) uint8_t p[65536];
	size_t len;
};

static void add(struct records *r, uint32_t kind, uint32_t auth, const char *user, const char *uri, const char *from)
{
	struct keys_auth_user k = { .algorithms = 1u << AUTH_SHA256 | 1u << AUTH_MD5, .user_len = (uint32_t)strlen(user),
		.uri_len = (uint32_t)strlen(uri), .from_len = (uint32_t)strlen(from) };
	struct keys_record h = { .kind = kind, .profile = auth,
		.len = (uint32_t)(sizeof(k) + strlen(user) + strlen(uri) + strlen(from)) };
	char *text = (char *)r->p + r->len + sizeof(h) + sizeof(k);

	memset(k.ha1, 'a', sizeof(k.ha1));
	memcpy(r->p + r->len, &h, sizeof(h));
	memcpy(r->p + r->len + sizeof(h), &k, sizeof(k));
	memcpy(text, user, k.user_len);
	memcpy(text + k.user_len, uri, k.uri_len);
	memcpy(text + k.user_len + k.uri_len, from, k.from_len);
	r->len += keys_record_size(h.len);
}

Test(auth_users, finds)
{
	static struct records r;
	const struct auth_user *u;
	struct auth_users *users;
	char name[16];

	add(&r, KEYS_BRANCH_KEY, 0, "x", "y", "");
	add(&r, KEYS_AUTH_USER, 0, "alice", "<sip:alice@a.example>", "<tel:+49>\n<sip:b@c>\n");
	add(&r, KEYS_AUTH_USER, 1, "alice", "<sip:other@a.example>", "");
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		add(&r, KEYS_AUTH_USER, 0, name, "<sip:u@a.example>", "");
	}
	users = auth_users_new(r.p, r.len, &key);
	cr_assert_not_null(users);
	memset(r.p, 0xff, sizeof(r.p));
	u = auth_users_find(users, 0, SPAN("alice"));
	cr_assert(u && span_eq(u->uri, SPAN("<sip:alice@a.example>")));
	cr_assert_eq(u->ha1[AUTH_SHA256].len, 64);
	cr_assert_eq(u->ha1[AUTH_MD5].len, 32);
	cr_assert_eq(u->ha1[AUTH_SHA512_256].len, 0);
	cr_assert(auth_user_may(u, SPAN("<sip:alice@a.example>")) && auth_user_may(u, SPAN("<tel:+49>")) && auth_user_may(u, SPAN("<sip:b@c>")));
	cr_assert_not(auth_user_may(u, SPAN("<sip:b@c>\n")) || auth_user_may(u, SPAN("")) || auth_user_may(u, SPAN("<tel:+4")));
	u = auth_users_find(users, 1, SPAN("alice"));
	cr_assert(u && span_eq(u->uri, SPAN("<sip:other@a.example>")));
	cr_assert_not(auth_user_may(u, SPAN("")));
	cr_assert_not_null(auth_users_find(users, 0, SPAN("u99")));
	cr_assert_null(auth_users_find(users, 1, SPAN("u99")));
	cr_assert_null(auth_users_find(users, 0, SPAN("Alice")));
	cr_assert_null(auth_users_find(users, 0, SPAN("")));
	cr_assert_null(auth_users_find(NULL, 0, SPAN("alice")));
	auth_users_free(users);
	auth_users_free(NULL);
}

Test(auth_users, none)
{
	struct auth_users *users = auth_users_new(NULL, 0, &key);

	cr_assert_not_null(users);
	cr_assert_null(auth_users_find(users, 0, SPAN("alice")));
	auth_users_free(users);
}

Test(auth_users, not_well_formed)
{
	static struct records r;
	struct keys_record *h = (struct keys_record *)(void *)r.p;
	struct keys_auth_user *k = (struct keys_auth_user *)(void *)(h + 1);

	add(&r, KEYS_AUTH_USER, 0, "alice", "<sip:alice@a.example>", "");
	cr_assert_null(auth_users_new(r.p, r.len - 8, &key), "cut");
	k->uri_len++;
	cr_assert_null(auth_users_new(r.p, r.len, &key), "a text too long");
	k->uri_len = UINT32_MAX;
	cr_assert_null(auth_users_new(r.p, r.len, &key), "far too long");
	h->len = 8;
	cr_assert_null(auth_users_new(r.p, r.len, &key), "no room for the struct");
	h->len = UINT32_MAX;
	cr_assert_null(auth_users_new(r.p, r.len, &key), "longer than all");
}
