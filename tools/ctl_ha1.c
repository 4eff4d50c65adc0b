#include <stdio.h>
#include <string.h>

#include "common/auth/digest.h"
#include "tools/ctl.h"

#define PASSWORD_MAX 1024

/* One line; its end is none of it.  False: none, or it is too long to be sure of. */
static bool read_password(char *line, size_t cap, struct span *out)
{
	size_t len;

	if (!fgets(line, (int)cap, stdin))
		return false;
	len = strcspn(line, "\r\n");
	*out = span_of(line, len);
	return len > 0 && len + 1 < cap;
}

int ctl_ha1(const char *user, const char *realm)
{
	static const enum auth_algorithm made[] = { AUTH_SHA512_256, AUTH_SHA256 };
	char line[PASSWORD_MAX], hex[AUTH_HEX_MAX], key[16];
	json_t *entry = json_pack("{s:s}", "user", user);
	struct span password = SPAN_NONE, name;
	bool good = entry && read_password(line, sizeof(line), &password);

	if (!good)
		fprintf(stderr, "sipwardctl: expected a user's name in UTF-8, and a password of at most %d bytes on the standard input\n",
		    PASSWORD_MAX - 2);
	for (size_t i = 0; i < ARRAY_LEN(made) && good; i++) {
		size_t len = auth_digest_ha1(made[i], span_str(user), span_str(realm), password, hex);

		name = auth_algorithm_name(made[i]);
		snprintf(key, sizeof(key), "%.*s", SPAN_FMT(name));
		good = len && json_object_set_new(entry, key, json_stringn(hex, len)) == 0;
	}
	explicit_bzero(line, sizeof(line));
	if (good && json_dumpf(entry, stdout, JSON_PRESERVE_ORDER) == 0)
		putchar('\n');
	json_decref(entry);
	return good ? EXIT_OK : EXIT_FAILED;
}
