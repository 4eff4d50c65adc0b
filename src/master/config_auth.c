#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/auth/digest.h"
#include "common/auth/params.h"
#include "common/policy/identity_uri.h"
#include "common/put.h"
#include "common/sip/uri.h"
#include "master/config.h"

#define NONCE_LIFETIME 300
#define TEXTS_MAX 65536 /* of one user */

/* One users file while it is read. */
struct reading {
	struct span realm;
	uint32_t auth;	     /* index of the row */
	uint32_t algorithms; /* that each user needs */
	json_t *seen;	     /* names -> line */
};

/* ---- a user ---- */

/* It is put into quotes, and looked up without escapes. */
static bool plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return false;
	return text.len > 0 && text.len <= AUTH_NAME_MAX;
}

static bool put_uri(struct put *o, struct span text)
{
	struct sip_uri uri;

	return uri_parse(text, &uri) && identity_uri_put(o, &uri);
}

/* What stands in the file is never shown: who reads the log is not who reads the file. */
static void read_ha1(const struct config_node *n, const struct reading *r, enum auth_algorithm a, struct keys_auth_user *out)
{
	struct span name = auth_algorithm_name(a);
	char key[16];
	struct config_node m;
	struct span text;

	snprintf(key, sizeof(key), "%.*s", SPAN_FMT(name));
	m = config_get(n, key, TYPE_STRING);
	if (!m.value) {
		if (r->algorithms & 1u << a && !config_has(n, key))
			config_bad(&m, "missing, and \"algorithms\" has it; expected what sipwardctl ha1 prints");
		return;
	}
	text = config_span(&m);
	if (text.len != auth_digest_size(a) * 2 || strspn(text.p, "0123456789abcdefABCDEF") != text.len) {
		config_bad(&m, "found something else, expected %zu hex digits, as sipwardctl ha1 prints them", auth_digest_size(a) * 2);
		return;
	}
	span_lower(text, out->ha1[a]);
	out->algorithms |= 1u << a;
}

/* "<uri>"; without one in the file sip:user@realm, where that is a URI. */
static void read_uri(const struct config_node *n, const struct reading *r, struct span user, struct put *o)
{
	struct config_node m = config_get(n, "uri", TYPE_STRING);
	char text[AUTH_NAME_MAX * 2 + 8];
	int len;

	if (m.value) {
		if (!put_uri(o, config_span(&m)))
			config_bad(&m, "found \"%s\", expected a sip, sips or tel URI", json_string_value(m.value));
		return;
	}
	len = snprintf(text, sizeof(text), "sip:%.*s@%.*s", SPAN_FMT(user), SPAN_FMT(r->realm));
	if (!config_has(n, "uri") && !put_uri(o, span_of(text, (size_t)len)))
		config_bad(&m, "missing, and \"%s\" is no URI; expected the one that is asserted", text);
}

static void read_from(const struct config_node *n, struct put *o)
{
	struct config_node list = config_get(n, "from", TYPE_STRING | TYPE_STRINGS);

	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);

		if (!put_uri(o, config_span(&e)))
			config_bad(&e, "found \"%s\", expected a sip, sips or tel URI", json_string_value(e.value));
		put_char(o, '\n');
	}
}

static bool seen(const struct reading *r, const struct config_node *n, struct span user, unsigned line)
{
	const json_t *before = json_object_getn(r->seen, user.p, user.len);

	if (before)
		config_bad(n, "found \"%.*s\", which line %lld has already", SPAN_FMT(user), (long long)json_integer_value(before));
	else
		(void)json_object_setn_new(r->seen, user.p, user.len, json_integer(line)); /* missing: the first one counts */
	return before != NULL;
}

static void take_user(struct config *c, const struct config_node *n, unsigned line, void *arg)
{
	static struct {
		struct keys_auth_user head;
		char texts[TEXTS_MAX];
	} row;
	struct reading *r = arg;
	struct config_node name = config_get(n, "user", TYPE_STRING);
	struct span user = config_span(&name);
	struct put o = put_into(row.texts, sizeof(row.texts));

	if (!name.value)
		return;
	if (!plain(user)) {
		config_bad(&name, "found a name of %zu bytes, expected 1 to %d and no control characters", user.len, AUTH_NAME_MAX);
		return;
	}
	if (seen(r, &name, user, line))
		return;
	memset(&row.head, 0, sizeof(row.head));
	for (unsigned a = 0; a < AUTH_ALGORITHMS; a++)
		read_ha1(n, r, (enum auth_algorithm)a, &row.head);
	put_span(&o, user);
	row.head.user_len = (uint32_t)user.len;
	read_uri(n, r, user, &o);
	row.head.uri_len = (uint32_t)((size_t)(o.p - o.start) - user.len);
	read_from(n, &o);
	row.head.from_len = (uint32_t)((size_t)(o.p - o.start) - user.len - row.head.uri_len);
	if (o.full)
		config_bad(n, "more than %d bytes of URIs for one user", TEXTS_MAX);
	keys_add(c->keys, KEYS_AUTH_USER, r->auth, &row, sizeof(row.head) + (size_t)(o.p - o.start));
	explicit_bzero(&row.head, sizeof(row.head));
}

static void read_users(struct config *c, const struct config_node *n, struct reading *r)
{
	struct config_node m = config_get(n, "users_file", TYPE_STRING);
	struct config_stream s = { .keys = &config_auth_user_keys, .take = take_user, .arg = r };
	struct stat st;
	char *path = m.value ? config_path(m.source, config_span(&m)) : NULL;

	if (!m.value)
		return;
	r->seen = json_object();
	if (path && r->seen) {
		if (stat(path, &st) == 0 && (st.st_mode & S_IROTH))
			config_warn(&m, "everybody on this machine can read \"%s\" (mode %04o)", path, (unsigned)(st.st_mode & 07777));
		s.path = path;
		config_read_stream(c, &m, &s);
	} else {
		image_builder_fail(c->b);
	}
	json_decref(r->seen);
	free(path);
}

/* ---- the object itself ---- */

static uint32_t read_algorithms(const struct config_node *n)
{
	struct config_node list = config_get(n, "algorithms", TYPE_STRINGS);
	uint32_t bits = 0;

	if (!list.value)
		return 1u << AUTH_SHA512_256 | 1u << AUTH_SHA256;
	if (config_list_count(&list) == 0)
		config_bad(&list, "found an empty list, expected at least one algorithm");
	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);
		enum auth_algorithm a = auth_algorithm_find(config_span(&e));

		if (a == AUTH_ALGORITHMS)
			continue; /* told already */
		bits |= 1u << a;
		if (a == AUTH_MD5)
			config_warn(&e, "\"MD5\" is weak: whoever sees an answer, or this users file, finds passwords quickly (RFC 8760)");
	}
	return bits;
}

/* The realm stands between quotes in every challenge. */
static struct span read_realm(const struct config_node *n)
{
	struct config_node m = config_get(n, "realm", TYPE_STRING);
	struct span realm = config_span(&m);
	bool good = realm.len > 0 && realm.len <= AUTH_NAME_MAX;

	for (size_t i = 0; i < realm.len; i++)
		good &= realm.p[i] >= 0x20 && realm.p[i] < 0x7f && realm.p[i] != '"' && realm.p[i] != '\\';
	if (m.value && !good)
		config_bad(&m, "found \"%s\", expected 1 to %d printable characters, no quotes and backslashes", json_string_value(m.value),
		    AUTH_NAME_MAX);
	return good ? realm : SPAN_NONE;
}

static uint32_t read_lifetime(const struct config_node *n)
{
	struct config_node m = config_get(n, "nonce_lifetime", TYPE_NUMBER);
	double v = m.value ? json_number_value(m.value) : NONCE_LIFETIME;

	return v >= 1 && v <= 86400 ? (uint32_t)(v + 0.5) : NONCE_LIFETIME; /* out of bounds: told already */
}

uint32_t config_auth(struct config *c, const struct config_node *n, bool cleartext)
{
	struct config_node auth = config_get(n, "proxy_auth", TYPE_OBJECT);
	struct reading r = { 0 };
	struct image_auth row = { 0 };

	if (!auth.value)
		return IMAGE_NONE;
	r.realm = read_realm(&auth);
	row.algorithms = r.algorithms = read_algorithms(&auth);
	row.nonce_lifetime = read_lifetime(&auth);
	row.allow_cleartext = config_flag(&auth, "allow_cleartext", false);
	if (cleartext && !row.allow_cleartext)
		config_bad(&auth, "on a listener without TLS everybody on the way sees the answers and can try passwords; expected \"protocol\": \"TLS\", or \"allow_cleartext\": true");
	row.realm = image_put_text(c->b, r.realm);
	r.auth = image_add_auth(c->b, &row);
	if (r.realm.len)
		read_users(c, &auth, &r);
	return r.auth;
}
