/* params: what a Proxy-Authorization may look like, and all that it may not. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/auth/params.h"
#include "support/guard.h"

#define GOOD "Digest username=\"al\", realm=\"r\", nonce=\"n\", uri=\"sip:b@c\", response=\"0a\", algorithm=SHA-256, cnonce=\"c\", qop=auth, nc=0000000A"
#define REST ", realm=\"r\", nonce=\"n\", uri=\"sip:b@c\", response=\"0a\", cnonce=\"c\", qop=auth, nc=00000001"

static const struct {
	const char *why, *value;
	enum auth_params_status want;
} rows[] = {
	{ "good", GOOD, AUTH_PARAMS_READY },
	{ "blanks", "digest  username = \"al\" ,\trealm=\"r\",nonce=\"n\" , uri=\"u\",response=\"00\",cnonce=\"c\",qop=auth,nc=00000001", AUTH_PARAMS_READY },
	{ "escapes", "Digest username=\"a\\l\"" REST, AUTH_PARAMS_READY },
	{ "comma in quotes", "Digest username=\"a,b\"" REST, AUTH_PARAMS_READY },
	{ "unknown parameter", GOOD ", x=\"y\", z=1", AUTH_PARAMS_READY },
	{ "opaque", GOOD ", opaque=\"\"", AUTH_PARAMS_READY },
	{ "userhash=false", GOOD ", userhash=false", AUTH_PARAMS_READY },
	{ "another scheme", "Basic dXNlcjpwYXNz", AUTH_PARAMS_FOREIGN },
	{ "nothing", "", AUTH_PARAMS_FOREIGN },
	{ "another realm", "Digest username=\"al\", realm=\"R\", nonce=\"n\"", AUTH_PARAMS_FOREIGN },
	{ "scheme alone", "Digest", AUTH_PARAMS_BAD },
	{ "no parameters", "Digest ", AUTH_PARAMS_BAD },
	{ "twice", GOOD ", NC=00000001", AUTH_PARAMS_BAD },
	{ "realm twice", "Digest username=\"al\", realm=\"q\"" REST, AUTH_PARAMS_BAD },
	{ "unknown twice", GOOD ", x=1, X=2", AUTH_PARAMS_BAD },
	{ "comma at the end", GOOD ",", AUTH_PARAMS_BAD },
	{ "empty element", "Digest username=\"al\",, realm=\"r\"", AUTH_PARAMS_BAD },
	{ "open quote", "Digest username=\"al" REST, AUTH_PARAMS_BAD },
	{ "backslash at the end", "Digest realm=\"r\", username=\"al\\", AUTH_PARAMS_BAD },
	{ "user without quotes", "Digest username=al" REST, AUTH_PARAMS_BAD },
	{ "qop in quotes", "Digest username=\"al\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"00\", cnonce=\"c\", qop=\"auth\", nc=00000001", AUTH_PARAMS_BAD },
	{ "qop auth-int", "Digest username=\"al\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"00\", cnonce=\"c\", qop=auth-int, nc=00000001", AUTH_PARAMS_BAD },
	{ "no qop", "Digest username=\"al\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"00\", cnonce=\"c\", nc=00000001", AUTH_PARAMS_BAD },
	{ "nc 0", "Digest username=\"al\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"00\", cnonce=\"c\", qop=auth, nc=00000000", AUTH_PARAMS_BAD },
	{ "nc short", "Digest username=\"al\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"00\", cnonce=\"c\", qop=auth, nc=1", AUTH_PARAMS_BAD },
	{ "nc no hex", "Digest username=\"al\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"00\", cnonce=\"c\", qop=auth, nc=0000000g", AUTH_PARAMS_BAD },
	{ "response in capitals", "Digest username=\"al\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"0A\", cnonce=\"c\", qop=auth, nc=00000001", AUTH_PARAMS_BAD },
	{ "escape in nonce", "Digest username=\"al\", realm=\"r\", nonce=\"\\n\", uri=\"u\", response=\"00\", cnonce=\"c\", qop=auth, nc=00000001", AUTH_PARAMS_BAD },
	{ "empty cnonce", "Digest username=\"al\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"00\", cnonce=\"\", qop=auth, nc=00000001", AUTH_PARAMS_BAD },
	{ "userhash=true", GOOD ", userhash=true", AUTH_PARAMS_BAD },
	{ "no value", GOOD ", x=", AUTH_PARAMS_BAD },
	{ "no equal sign", GOOD ", x", AUTH_PARAMS_BAD },
};

Test(auth_params, rows)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct auth_params a;

		cr_assert_eq(auth_params_parse(guard_copy(rows[i].value, strlen(rows[i].value)), SPAN("r"), &a), rows[i].want, "%s",
		    rows[i].why);
	}
}

Test(auth_params, what_is_read)
{
	struct auth_params a;

	cr_assert_eq(auth_params_parse(SPAN(GOOD), SPAN("r"), &a), AUTH_PARAMS_READY);
	cr_assert(span_eq(span_of(a.username, a.username_len), SPAN("al")));
	cr_assert(span_eq(a.nonce, SPAN("n")) && span_eq(a.uri, SPAN("sip:b@c")) && span_eq(a.response, SPAN("0a")));
	cr_assert(span_eq(a.cnonce, SPAN("c")) && span_eq(a.algorithm, SPAN("SHA-256")) && span_eq(a.nc_text, SPAN("0000000A")));
	cr_assert_eq(a.nc, 10);
	cr_assert_eq(auth_params_parse(SPAN("Digest username=\"\\\"\\\\\"" REST), SPAN("r"), &a), AUTH_PARAMS_READY);
	cr_assert(span_eq(span_of(a.username, a.username_len), SPAN("\"\\")));
	cr_assert_not(a.algorithm.p);
}

/* Cut anywhere, it is not whole, and nothing behind the cut is read. */
Test(auth_params, every_cut)
{
	for (size_t len = 0; len + 1 < sizeof(GOOD); len++) {
		struct auth_params a;

		/* the last digits of nc, too */
		cr_assert_neq(auth_params_parse(guard_copy(GOOD, len), SPAN("r"), &a), AUTH_PARAMS_READY, "%zu", len);
	}
}

Test(auth_params, bounds)
{
	char text[4096], user[AUTH_NAME_MAX + 2];
	struct auth_params a;
	int len = snprintf(text, sizeof(text), "%s", GOOD);

	for (int i = 0; i < AUTH_PARAMS_MAX - 9; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, ", x%d=1", i);
	cr_assert_eq(auth_params_parse(span_of(text, (size_t)len), SPAN("r"), &a), AUTH_PARAMS_READY, "as many as may be");
	len += snprintf(text + len, sizeof(text) - (size_t)len, ", y=1");
	cr_assert_eq(auth_params_parse(span_of(text, (size_t)len), SPAN("r"), &a), AUTH_PARAMS_BAD, "one more");
	memset(user, 'a', sizeof(user));
	len = snprintf(text, sizeof(text), "Digest username=\"%.*s\"%s", AUTH_NAME_MAX, user, REST);
	cr_assert_eq(auth_params_parse(span_of(text, (size_t)len), SPAN("r"), &a), AUTH_PARAMS_READY, "longest user");
	len = snprintf(text, sizeof(text), "Digest username=\"%.*s\"%s", AUTH_NAME_MAX + 1, user, REST);
	cr_assert_eq(auth_params_parse(span_of(text, (size_t)len), SPAN("r"), &a), AUTH_PARAMS_BAD, "longer");
}
