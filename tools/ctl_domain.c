#include <stdio.h>
#include <string.h>

#include "common/span.h"
#include "tools/ctl.h"

#define DAY 86400

static bool unit_seconds(char unit, uint64_t *out)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 'd', DAY }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (units[i].unit == unit) {
			*out = units[i].seconds;
			return true;
		}
	return false;
}

bool ctl_duration(struct span text, uint64_t *seconds)
{
	uint64_t sum = 0, last = UINT64_MAX;

	if (text.len == 0)
		return false;
	while (text.len) {
		uint64_t n, unit;
		size_t digits = 0;

		while (digits < text.len && text.p[digits] >= '0' && text.p[digits] <= '9')
			digits++;
		if (digits == text.len || !span_u64(span_head(text, digits), CTL_DURATION_MAX, &n) ||
		    !unit_seconds(text.p[digits], &unit) || unit >= last) /* from the longest unit down, each once */
			return false;
		sum += n * unit; /* at most four of them, each below 2^49 */
		last = unit;
		text = span_from(text, digits + 1);
	}
	if (sum == 0 || sum > CTL_DURATION_MAX)
		return false;
	*seconds = sum;
	return true;
}

static int usage(const char *what)
{
	fprintf(stderr, "sipwardctl: %s\n"
			"usage: sipwardctl domain block NAME [--for 1h30m] [--reason TEXT] [--force]\n"
			"       sipwardctl domain unblock NAME\n"
			"       sipwardctl domain blocks\n", what);
	return EXIT_USAGE;
}

static bool put_options(json_t *question, const struct ctl_options *o)
{
	uint64_t seconds;

	if (o->duration && !ctl_duration(span_str(o->duration), &seconds))
		return false;
	if (o->duration)
		json_object_set_new(question, "for", json_integer((json_int_t)seconds));
	if (o->reason)
		json_object_set_new(question, "reason", json_string(o->reason));
	if (o->force)
		json_object_set_new(question, "force", json_true());
	return true;
}

int ctl_domain(char **argv, int count, const struct ctl_options *o)
{
	const char *what = count > 0 ? argv[0] : "";
	bool block = strcmp(what, "block") == 0, list = strcmp(what, "blocks") == 0;
	json_t *question;
	char command[32];
	int code;

	if (!block && !list && strcmp(what, "unblock") != 0)
		return usage("expected one of");
	if (count != (list ? 1 : 2))
		return usage(list ? "\"domain blocks\" takes no name" : "expected one NAME");
	if (!block && (o->duration || o->reason || o->force))
		return usage("--for, --reason and --force belong to \"domain block\"");
	snprintf(command, sizeof(command), "domain %s", what);
	question = json_pack("{s:s}", "command", command);
	if (!list && json_object_set_new(question, "name", json_string(argv[1])) != 0) {
		json_decref(question);
		return usage("the name is not UTF-8");
	}
	if (put_options(question, o))
		code = ctl_ask_and_show(question, o, list ? ctl_show_blocks : ctl_show_result);
	else
		code = usage("--for takes a time like 30s, 10m, 1h30m or 7d, at most ten years");
	json_decref(question);
	return code;
}
