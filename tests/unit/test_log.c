/*
 * log: no byte value can break a line or forge a field, in text or in JSON;
 * a sink that takes no more drops and counts.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "support/guard.h"
#include "support/leaks.h"

TestSuite(log, .fini = leaks_check);

static int reading;
static char line[8192];

static void open_sink(bool json, enum log_level level)
{
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	reading = fds[0];
	log_setup(fds[1], "worker 0", json, level);
}

/* What has been written since the last call, without the line feed of its only line. */
static const char *last_line(void)
{
	ssize_t n = read(reading, line, sizeof(line) - 1);

	cr_assert_gt(n, 0, "nothing was written");
	line[n] = '\0';
	cr_assert_eq(line[n - 1], '\n');
	line[n - 1] = '\0';
	cr_assert_null(strchr(line, '\n'), "one line: %s", line);
	cr_assert_eq(strlen(line), (size_t)n - 1, "no NUL within");
	return line;
}

/* One event with one field; its line behind the part that all lines have. */
static const char *one_field(struct span value)
{
	static const char head[] = " warn event=connection_refused who=\"worker 0\"";
	struct log_line l;
	const char *got;

	log_begin(&l, EVENT_CONN_REFUSED);
	log_str(&l, "key", value);
	cr_assert(log_end(&l));
	got = last_line();
	cr_assert_eq(strncmp(got + strlen("2026-11-23T19:49:59.123Z"), head, sizeof(head) - 1), 0, "%s", got);
	return got + strlen("2026-11-23T19:49:59.123Z") + sizeof(head) - 1;
}

struct text_row {
	const char *why;
	struct span value;
	const char *want;
};

Test(log, text_values_are_quoted_and_escaped)
{
	static const struct text_row rows[] = {
		{ "plain", { "127.0.0.1:5061", 14 }, " key=127.0.0.1:5061" },
		{ "empty", { "", 0 }, " key=\"\"" },
		{ "none", { NULL, 0 }, " key=\"\"" },
		{ "blank", { "a b", 3 }, " key=\"a b\"" },
		{ "a field forged", { "x event=y", 9 }, " key=\"x event=y\"" },
		{ "equals", { "CN=a", 4 }, " key=\"CN=a\"" },
		{ "quote", { "a\" b=\"c", 7 }, " key=\"a\\\" b=\\\"c\"" },
		{ "backslash", { "a\\x0a", 5 }, " key=\"a\\\\x0a\"" },
		{ "a line forged", { "a\r\nb", 4 }, " key=\"a\\x0d\\x0ab\"" },
		{ "NUL", { "a\0b", 3 }, " key=\"a\\x00b\"" },
		{ "terminal escape", { "\033[2J", 4 }, " key=\"\\x1b[2J\"" },
		{ "DEL and UTF-8", { "\x7f\xc3\xbc", 3 }, " key=\"\\x7f\\xc3\\xbc\"" },
	};

	open_sink(false, LOG_INFO);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_str_eq(one_field(guard_copy(rows[i].value.p, rows[i].value.len)), rows[i].want, "%s",
		    rows[i].why);
}

Test(log, text_lines_hold_printable_ascii_for_every_byte_value)
{
	open_sink(false, LOG_INFO);
	for (int c = 0; c < 256; c++) {
		char value[3] = { 'a', (char)c, 'b' }, want[32];
		const char *got = one_field(guard_copy(value, 3));

		for (const char *p = got; *p; p++)
			cr_assert(*p >= ' ' && *p < 0x7f, "byte %d: %s", c, got);
		if (c < ' ' || c >= 0x7f) {
			snprintf(want, sizeof(want), " key=\"a\\x%02xb\"", c);
			cr_assert_str_eq(got, want, "byte %d", c);
		}
	}
}

/* The line as JSON; the caller frees it. */
static json_t *json_line(struct span value)
{
	struct log_line l;
	json_error_t error;
	json_t *got;

	log_begin(&l, EVENT_CONN_REFUSED);
	log_str(&l, "key", value);
	log_num(&l, "least", INT64_MIN);
	log_fmt(&l, "fmt", "%d \"x\"", 7);
	cr_assert(log_end(&l));
	got = json_loads(last_line(), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	cr_assert_not_null(got, "%s: %s", error.text, line);
	cr_assert_eq(json_object_size(got), 7, "%s", line);
	cr_assert_str_eq(json_string_value(json_object_get(got, "level")), "warn");
	cr_assert_str_eq(json_string_value(json_object_get(got, "event")), "connection_refused");
	cr_assert_str_eq(json_string_value(json_object_get(got, "who")), "worker 0");
	cr_assert_str_eq(json_string_value(json_object_get(got, "fmt")), "7 \"x\"");
	cr_assert_eq(json_integer_value(json_object_get(got, "least")), INT64_MIN);
	return got;
}

static void json_is(const char *why, struct span value, struct span want)
{
	json_t *got = json_line(value), *key = json_object_get(got, "key");

	cr_assert(span_eq(span_of(json_string_value(key), json_string_length(key)), want), "%s: %s", why, line);
	json_decref(got);
}

struct json_row {
	const char *why;
	struct span value, want;
};

Test(log, json_lines_parse_and_give_the_value_back)
{
#define SAME(s) { s, sizeof(s) - 1 }, { s, sizeof(s) - 1 }
#define OTHER(s, t) { s, sizeof(s) - 1 }, { t, sizeof(t) - 1 }
#define BAD "\xef\xbf\xbd"
	static const struct json_row rows[] = {
		{ "plain", SAME("a b=c") },
		{ "a field forged", SAME("\",\"who\":\"x") },
		{ "lines", SAME("a\r\nb\t\0\\") },
		{ "two bytes", SAME("M\xc3\xbcller \xc2\x80") },
		{ "three bytes", SAME("\xe2\x82\xac\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf") },
		{ "four bytes", SAME("\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf") },
		{ "stray continuation", OTHER("a\x80z", "a" BAD "z") },
		{ "overlong slash", OTHER("\xc0\xaf", BAD BAD) },
		{ "overlong, three bytes", OTHER("\xe0\x80\xaf", BAD BAD BAD) },
		{ "overlong, four bytes", OTHER("\xf0\x80\x80\xaf", BAD BAD BAD BAD) },
		{ "surrogate", OTHER("\xed\xa0\x80", BAD BAD BAD) },
		{ "past Unicode", OTHER("\xf4\x90\x80\x80", BAD BAD BAD BAD) },
		{ "cut off", OTHER("\xe2\x82", BAD BAD) },
		{ "followed by a quote", OTHER("\xc3\"", BAD "\"") },
	};

	open_sink(true, LOG_INFO);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		json_is(rows[i].why, guard_copy(rows[i].value.p, rows[i].value.len), rows[i].want);
}

Test(log, json_lines_parse_for_every_byte_value)
{
	open_sink(true, LOG_INFO);
	for (int c = 0; c < 256; c++) {
		char value[3] = { 'a', (char)c, 'b' };
		struct span in = guard_copy(value, 3);

		json_is("byte", in, c < 0x80 ? in : SPAN("a" BAD "b"));
	}
}

/* A value of any length, of any kind: cut, still one line that ends as it should. */
Test(log, long_values_are_cut_and_later_fields_left_out)
{
	static const char *kinds[] = { "x", "\"", "\xff", "\xf0\x9f\x98\x80" };
	static char big[3 * LOG_LINE_MAX];

	signal(SIGPIPE, SIG_IGN);
	for (int json = 0; json < 2; json++) {
		open_sink(json, LOG_INFO);
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			size_t unit = strlen(kinds[k]);

			for (size_t i = 0; i < sizeof(big); i++)
				big[i] = kinds[k][i % unit];
			for (size_t len = LOG_LINE_MAX - 400; len < LOG_LINE_MAX + 40; len++) {
				struct log_line l;
				json_t *got;

				log_begin(&l, EVENT_NOTE);
				log_str(&l, "a", span_of(big, len / unit * unit));
				log_num(&l, "n", INT64_MIN);
				log_num(&l, "m", INT64_MAX);
				log_str(&l, "b", span_of(big, sizeof(big)));
				log_fmt(&l, "c", "%.*s", (int)sizeof(big), big);
				cr_assert(log_end(&l));
				cr_assert_leq(l.len, (size_t)PIPE_BUF);
				cr_assert_leq(strlen(last_line()), (size_t)PIPE_BUF - 1);
				if (!json)
					continue;
				got = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
				cr_assert_not_null(got, "kind %zu, %zu bytes: %s", k, len, line);
				json_decref(got);
			}
		}
	}
}

Test(log, level_decides_and_nothing_is_written_below_it)
{
	struct log_line l;

	open_sink(false, LOG_WARN);
	log_begin(&l, EVENT_NOTE);
	log_cstr(&l, "key", "value");
	log_num(&l, "n", 1);
	cr_assert(log_end(&l), "not wanted is not dropped");
	log_text(EVENT_NOTE, "%s", "quiet");
	cr_assert_eq(read(reading, line, sizeof(line)), -1);
	log_text(EVENT_SYSTEM, "errno %d", 5);
	cr_assert_not_null(strstr(last_line(), " error event=system who=\"worker 0\" text=\"errno 5\""), "%s", line);
	cr_assert_eq(log_dropped(), 0);
}

Test(log, level_names)
{
	enum log_level level = LOG_WARN;

	cr_assert(log_level_parse(SPAN("error"), &level) && level == LOG_ERROR);
	cr_assert(log_level_parse(SPAN("warn"), &level) && level == LOG_WARN);
	cr_assert(log_level_parse(SPAN("info"), &level) && level == LOG_INFO);
	cr_assert(log_level_parse(SPAN("debug"), &level) && level == LOG_DEBUG);
	cr_assert(!log_level_parse(SPAN("Debug"), &level));
	cr_assert(!log_level_parse(SPAN(""), &level));
	cr_assert(!log_level_parse(SPAN("warning"), &level));
	cr_assert_eq(level, LOG_DEBUG, "untouched on failure");
}

Test(log, full_pipe_drops_and_counts_and_errno_is_kept)
{
	int lines = 0, dropped = 0;

	open_sink(true, LOG_DEBUG);
	for (int i = 0; i < 5000; i++) {
		struct log_line l;

		errno = EXDEV;
		log_begin(&l, EVENT_NOTE);
		log_fmt(&l, "i", "%d %s", i, "some text that fills the pipe");
		if (log_end(&l))
			lines++;
		else
			dropped++;
		cr_assert_eq(errno, EXDEV);
	}
	cr_assert_gt(lines, 0);
	cr_assert_gt(dropped, 0);
	cr_assert_eq(log_dropped(), (uint64_t)dropped);
	for (ssize_t n; (n = read(reading, line, sizeof(line))) > 0;)
		for (ssize_t i = 0; i < n; i++)
			lines -= line[i] == '\n';
	cr_assert_eq(lines, 0, "each line that was not dropped is there");
}

Test(log, a_reader_that_is_gone_drops)
{
	signal(SIGPIPE, SIG_IGN);
	open_sink(false, LOG_INFO);
	close(reading);
	log_text(EVENT_SYSTEM, "x");
	cr_assert_eq(log_dropped(), 1);
}

/* The clock's own notation against the C library's. */
Test(log, time_is_utc_with_milliseconds)
{
	char before[32], after[32];
	time_t now = time(NULL);

	open_sink(false, LOG_INFO);
	strftime(before, sizeof(before), "%Y-%m-%dT%H:%M:%S", gmtime(&now));
	log_text(EVENT_NOTE, "x");
	now = time(NULL);
	strftime(after, sizeof(after), "%Y-%m-%dT%H:%M:%S", gmtime(&now));
	last_line();
	cr_assert(strncmp(line, before, 19) >= 0 && strncmp(line, after, 19) <= 0, "%s %s %s", before, line, after);
	cr_assert_eq(line[19], '.');
	cr_assert_eq(line[23], 'Z');
}
