#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tools/ctl.h"

#define PEM_MAX 49152 /* with its line ends escaped it fits a question */

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void show_date(const char *what, const json_t *o, const char *key)
{
	struct clock_date d;

	clock_date(json_integer_value(json_object_get(o, key)), &d);
	printf("%-14s %04d-%02d-%02d %02d:%02d:%02d UTC\n", what, d.year, d.month, d.day, d.hour, d.minute, d.second);
}

static void show_list(const char *what, const json_t *list)
{
	const json_t *e;
	size_t i;

	printf("%-14s", what);
	if (json_array_size(list) == 0)
		printf(" none");
	json_array_foreach(list, i, e)
		printf("%s %s", i ? "," : "", json_string_value(e));
	printf("\n");
}

static void show_verdict(const json_t *v)
{
	printf("\nas a %s, profile %s: %s", str(v, "role"), str(v, "profile"),
	    json_is_true(json_object_get(v, "trusted"))	   ? "trusted"
	    : json_is_true(json_object_get(v, "observed")) ? "let in untrusted, enforce is false"
							   : "refused");
	if (!json_is_true(json_object_get(v, "trusted")))
		printf(" (%s)", str(v, "reason"));
	printf("\n");
	if (json_object_get(v, "detail"))
		printf("  chain        %s, at certificate %" JSON_INTEGER_FORMAT "\n", str(v, "detail"),
		    json_integer_value(json_object_get(v, "depth")));
	if (json_array_size(json_object_get(v, "domains")))
		show_list("  domains", json_object_get(v, "domains"));
	if (json_object_get(v, "nearest"))
		printf("  nearest      %s\n  difference   %s\n", str(v, "nearest"), str(v, "difference"));
}

static void show(const json_t *answer)
{
	const json_t *verdicts = json_object_get(answer, "verdicts"), *v;
	size_t i;

	printf("%-14s %s\n", "subject", str(answer, "dn"));
	if (strcmp(str(answer, "dn_status"), "ok") != 0)
		printf("%-14s %s\n", "", str(answer, "dn_status"));
	printf("%-14s %s\n%-14s %s\n", "issuer", str(answer, "issuer"), "serial", str(answer, "serial"));
	show_date("not before", answer, "not_before");
	show_date("not after", answer, "not_after");
	show_list("alt. names", json_object_get(answer, "subject_alt_names"));
	printf("%-14s %s\n", "key (sha256)", str(answer, "spki_sha256"));
	json_array_foreach(verdicts, i, v)
		show_verdict(v);
}

static bool read_file(const char *path, char *out, size_t cap)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	size_t n = f ? fread(out, 1, cap, f) : 0;
	bool ok = f && !ferror(f) && n < cap;

	if (!ok)
		fprintf(stderr, "sipwardctl: %s: %s\n", path, f && n == cap ? "too large for a certificate and its chain" : strerror(errno));
	if (f && f != stdin)
		fclose(f);
	if (ok)
		out[n] = '\0';
	return ok;
}

int ctl_explain(const char *path, const struct ctl_options *o)
{
	static char pem[PEM_MAX];
	json_t *question, *text;
	int code;

	if (!read_file(path, pem, sizeof(pem)))
		return EXIT_FAILED;
	text = json_string(pem);
	if (!text) {
		fprintf(stderr, "sipwardctl: %s: not PEM\n", path);
		return EXIT_FAILED;
	}
	question = json_pack("{s:s, s:o, s:s*, s:s*}", "command", "explain", "pem", text, "profile", o->profile, "domain", o->domain);
	code = ctl_ask_and_show(question, o, show);
	json_decref(question);
	return code;
}
