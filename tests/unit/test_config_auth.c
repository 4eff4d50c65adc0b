/* config_auth: users files and their mistakes, and what image and keys say of a good one. */
#include <criterion/criterion.h>

#include "common/auth/users.h"
#include "common/image.h"
#include "common/keys_layout.h"
#include "common/shm.h"
#include "support/config_files.h"
#include "support/leaks.h"

TestSuite(config_auth, .init = config_files_make, .fini = leaks_check);

#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16
#define BOTH "\"SHA-512-256\": \"" HEX64 "\", \"SHA-256\": \"" HEX64 "\""

static const char whole[] =
    "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 5061,"
    "    \"proxy_auth\": { \"realm\": \"voice.example\", \"users_file\": \"users\", \"allow_cleartext\": true } } ],"
    "\"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\", \"port\": 5070 } ] } },"
    "\"external_domains\": [ { \"domain\": \"a.example\", \"proxy_auth\": { \"realm\": \"my realm\", \"users_file\": \"few\","
    "  \"algorithms\": [\"SHA-256\"], \"nonce_lifetime\": 59.6 } }, { \"domain\": \"b.example\" } ] }";

static struct config_loaded load(const char *users, const char *few)
{
	static const char *const names[] = { "users", "few" };
	char path[256];

	config_write("test.json", whole);
	config_write("users", users);
	config_write("few", few);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", config_dir, names[i]);
		cr_assert_eq(chmod(path, 0600), 0);
	}
	return config_load("test.json");
}

static const struct {
	const char *users, *want;
} bad[] = {
	{ "{ \"user\": \"a\", " BOTH " }\n{ \"user\": \"a\", " BOTH " }", "users:2: /user: found \"a\", which line 1 has already" },
	{ "[ { \"user\": \"a\", " BOTH " },\n5 ]", "users:2: /1: found an integer" },
	{ "{ \"user\": \"a\", \"password\": \"geheim\", " BOTH " }", "users:1: /password: unknown key" },
	{ "{ " BOTH " }", "users:1: /user: missing in a user" },
	{ "{ \"user\": \"\", " BOTH " }", "users:1: /user: found a name of 0 bytes" },
	{ "{ \"user\": \"a\\nb\", " BOTH " }", "users:1: /user: found a name of 3 bytes, expected 1 to 256 and no control characters" },
	{ "{ \"user\": \"a\", \"SHA-256\": \"" HEX64 "\" }", "users:1: /SHA-512-256: missing, and \"algorithms\" has it" },
	{ "{ \"user\": \"a\", " BOTH ", \"MD5\": \"geheim\" }", "users:1: /MD5: found something else, expected 32 hex digits" },
	{ "{ \"user\": \"a\", \"SHA-256\": \"" HEX64 "\", \"SHA-512-256\": \"" HEX16 "\" }", "users:1: /SHA-512-256: found something else, expected 64 hex digits" },
	{ "{ \"user\": \"a b\", " BOTH " }", "users:1: /uri: missing, and \"sip:a b@voice.example\" is no URI" },
	{ "{ \"user\": \"a\", \"uri\": \"http://a\", " BOTH " }", "users:1: /uri: found \"http://a\", expected a sip, sips or tel URI" },
	{ "{ \"user\": \"a\", \"uri\": \"sip:a%0ab@c\", " BOTH " }", "users:1: /uri: found " },
	{ "{ \"user\": \"a\", \"from\": [\"sip:a@b\", \"b\"], " BOTH " }", "users:1: /from/1: found \"b\"" },
	{ "{ \"user\": \"a\"", "users:1: not JSON" },
};

Test(config_auth, bad)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct config_loaded l = load(bad[i].users, "");

		cr_assert_eq(l.rc, -1, "%s: taken", bad[i].users);
		cr_assert_eq(l.errors, 1, "%s: %zu mistakes:\n%s", bad[i].users, l.errors, l.text);
		cr_assert(strstr(l.text, bad[i].want), "%s: expected \"%s\" in:\n%s", bad[i].users, bad[i].want, l.text);
		cr_assert_not(strstr(l.text, "geheim") || strstr(l.text, HEX16), "a secret is shown:\n%s", l.text);
		config_loaded_free(&l);
	}
	config_files_remove();
}

static bool holds(struct span bytes, const char *what)
{
	return memmem(bytes.p, bytes.len, what, strlen(what)) != NULL;
}

static void check_users(struct span keys)
{
	static const struct siphash_key key = { { 1 } };
	struct auth_users *users = auth_users_new((const uint8_t *)keys.p + sizeof(struct keys_header),
	    keys.len - sizeof(struct keys_header), &key);
	const struct auth_user *u;

	cr_assert_not_null(users);
	u = auth_users_find(users, 0, SPAN("alice"));
	cr_assert(u && span_eq(u->uri, SPAN("<sip:alice@voice.example>")));
	cr_assert(span_eq(u->ha1[AUTH_SHA256], SPAN(HEX64)) && u->ha1[AUTH_MD5].len == 0);
	u = auth_users_find(users, 0, SPAN("b \"x\""));
	cr_assert(u && span_eq(u->uri, SPAN("<sips:B@c.example>")));
	cr_assert(auth_user_may(u, SPAN("<tel:+49;phone-context=a>")) && auth_user_may(u, SPAN("<sip:x@y.example:5070>")));
	u = auth_users_find(users, 1, SPAN("alice"));
	cr_assert(u && span_eq(u->uri, SPAN("<sip:other@a.example>")));
	cr_assert_null(auth_users_find(users, 1, SPAN("b \"x\"")));
	auth_users_free(users);
}

Test(config_auth, good)
{
	struct config_loaded l = load("[ { \"user\": \"alice\", " BOTH " },\n { \"user\": \"b \\\"x\\\"\", \"uri\": \"SIPS:B@C.example;x=y\","
				      " \"from\": [\"tel:+49;phone-context=a\", \"sip:x@Y.example:5070\"], " BOTH " } ]",
	    "{ \"user\": \"alice\", \"uri\": \"sip:other@a.example\", \"SHA-256\": \"0123456789ABCDEF" HEX16 HEX16 HEX16 "\" }\n");
	struct image *img;
	struct span keys, image;

	cr_assert_eq(l.rc, 0, "%s", l.text);
	img = image_attach(l.result.image_fd);
	cr_assert_not_null(img);
	cr_assert_eq(img->h->auths.count, 2);
	cr_assert_eq(img->listener[0].auth, 0);
	cr_assert_eq(image_policy_of(img, 0)->auth, 1);
	cr_assert_eq(image_policy_of(img, 1)->auth, IMAGE_NONE);
	cr_assert(span_eq(image_text(img, img->auth[0].realm), SPAN("voice.example")));
	cr_assert_eq(img->auth[0].algorithms, 1u << AUTH_SHA512_256 | 1u << AUTH_SHA256);
	cr_assert_eq(img->auth[0].nonce_lifetime, 300);
	cr_assert_eq(img->auth[0].allow_cleartext, 1);
	cr_assert_eq(img->auth[1].algorithms, 1u << AUTH_SHA256);
	cr_assert_eq(img->auth[1].nonce_lifetime, 60);
	cr_assert_eq(img->auth[1].allow_cleartext, 0);
	cr_assert_eq(shm_map(l.result.keys_fd, &keys), 0);
	image = span_of(img->h, img->size);
	cr_assert_not(holds(image, HEX16) || holds(image, "alice"), "the image has no secrets");
	check_users(keys);
	shm_unmap(keys);
	image_free(img);
	config_loaded_free(&l);
	config_files_remove();
}

Test(config_auth, a_file_that_all_can_read)
{
	struct config_loaded l = load("", "");
	char path[256];

	config_loaded_free(&l);
	snprintf(path, sizeof(path), "%s/users", config_dir);
	cr_assert_eq(chmod(path, 0644), 0);
	l = config_load("test.json");
	cr_assert_eq(l.rc, 0, "%s", l.text);
	cr_assert(strstr(l.text, "/listeners/0/proxy_auth/users_file: warning: everybody on this machine can read"), "%s", l.text);
	config_loaded_free(&l);
	config_files_remove();
}
