/* json_stream: values, their lines and texts, wherever the window ends; and what is no such file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "master/json_stream.h"
#include "support/leaks.h"

TestSuite(json_stream, .fini = leaks_check);

static char path[64];

static struct json_stream *open_text(const char *text, size_t len)
{
	struct json_stream *s;
	int fd;

	snprintf(path, sizeof(path), "/tmp/sipward-stream-XXXXXX");
	fd = mkstemp(path);
	cr_assert(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	close(fd);
	s = json_stream_open(path);
	cr_assert_not_null(s);
	return s;
}

/* What comes, as "line=text " and "line!problem "; a list's with its index. */
static void read_all(struct json_stream *s, char *out, size_t cap)
{
	struct json_element e;
	enum json_stream_status st;
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < 100 && (st = json_stream_next(s, &e)) != JSON_STREAM_END; i++) {
		if (st == JSON_STREAM_BAD) {
			n += (size_t)snprintf(out + n, cap - n, "%u! ", json_stream_problem(s)->line);
			continue;
		}
		n += (size_t)snprintf(out + n, cap - n, "%u", e.line);
		if (e.in_array)
			n += (size_t)snprintf(out + n, cap - n, "[%u]", e.index);
		n += (size_t)snprintf(out + n, cap - n, "=%.*s%s ", SPAN_FMT(e.text), e.duplicates ? "twice" : "");
		json_decref(e.value);
	}
	cr_assert_eq(json_stream_next(s, &e), JSON_STREAM_END, "the end stays the end");
	json_stream_free(s);
	unlink(path);
}

static const struct {
	const char *why, *text, *want;
} rows[] = {
	{ "nothing", "", "" },
	{ "blanks", " \r\n\t\n", "" },
	{ "one object", "{\"a\": 1}", "1={\"a\": 1} " },
	{ "lines", "{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}\n", "1={\"a\":1} 2={\"b\":2} 4={\"c\":3} " },
	{ "objects over several lines", "{\n\"a\":1\n}\n{}", "1={\n\"a\":1\n} 4={} " },
	{ "on one line", "{}{} {}", "1={} 1={} 1={} " },
	{ "a list", "[\n{},\n{\"a\":\n1} ,\n\n{} ]\n", "2[0]={} 3[1]={\"a\":\n1} 6[2]={} " },
	{ "an empty list", " [ ] ", "" },
	{ "a value that is no object", "[1, \"x\", null]", "1[0]=1 1[1]=\"x\" 1[2]=null " },
	{ "a key twice", "{\"a\":1,\"a\":2}\n{}", "1={\"a\":1,\"a\":2}twice 2={} " },
	{ "a bad line costs itself", "{}\n{\"a\" 1}\n{}\n{,}\n", "1={} 2! 3={} 4! " },
	{ "a bad object of several lines costs the rest", "{\n\"a\"\n}\n{}\n", "3! " },
	{ "a bad element costs the rest", "[{},\n{,},\n{}]", "1[0]={} 2! " },
	{ "no comma", "[{}\n{}]", "1[0]={} 2! " },
	{ "a comma too many", "[{},\n]", "1[0]={} 2! " },
	{ "no end", "[{},\n{}\n", "1[0]={} 2[1]={} 3! " },
	{ "no end at once", "[", "1! " },
	{ "half an object", "{\"a\":\n", "2! " },
	{ "something behind the list", "[{}]\nx", "1[0]={} 2! " },
	{ "no UTF-8", "{\"a\":\"\xff\"}\n{}", "1! 2={} " },
};

Test(json_stream, rows)
{
	char got[1024];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		read_all(open_text(rows[i].text, strlen(rows[i].text)), got, sizeof(got));
		cr_assert_str_eq(got, rows[i].want, "%s", rows[i].why);
	}
}

/* Values of all lengths over the ends of several windows, letters of several bytes cut in two. */
Test(json_stream, windows)
{
	static char text[3000000], euros[3000];
	size_t n = 0, k = 0;
	struct json_stream *s;
	struct json_element e;

	for (size_t i = 0; i < sizeof(euros); i += 3)
		memcpy(euros + i, "\xe2\x82\xac", 3);
	for (; n < sizeof(text) - 4000; k++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "{\"n\": %zu, \"x\": \"%.*s\"}\n", k, (int)(k % 1000) * 3,
		    euros);
	s = open_text(text, n);
	for (size_t i = 0; i < k; i++) {
		cr_assert_eq(json_stream_next(s, &e), JSON_STREAM_ELEMENT, "value %zu: %s", i, json_stream_problem(s)->text);
		cr_assert_eq(json_integer_value(json_object_get(e.value, "n")), (json_int_t)i);
		cr_assert_eq(e.line, i + 1);
		json_decref(e.value);
	}
	cr_assert_eq(json_stream_next(s, &e), JSON_STREAM_END);
	json_stream_free(s);
}

/* Longer than a window, and longer than all. */
Test(json_stream, long_values)
{
	size_t len = JSON_STREAM_VALUE_MAX + 100;
	char *text = malloc(len);
	struct json_stream *s;
	struct json_element e;

	memset(text, 'x', len);
	text[0] = '"';
	text[1000000] = '"';
	text[1000001] = '\n';
	s = open_text(text, 1000002);
	cr_assert_eq(json_stream_next(s, &e), JSON_STREAM_ELEMENT);
	cr_assert_eq(json_string_length(e.value), 999999);
	json_decref(e.value);
	json_stream_free(s);
	text[1000000] = text[1000001] = 'x';
	s = open_text(text, len);
	cr_assert_eq(json_stream_next(s, &e), JSON_STREAM_BAD, "it does not end within what one value may have");
	cr_assert_eq(json_stream_next(s, &e), JSON_STREAM_END);
	json_stream_free(s);
	free(text);
}

static void append(void)
{
	FILE *f = fopen(path, "a");

	cr_assert(f && fputs(" {}", f) >= 0 && fclose(f) == 0);
}

static void cut(void)
{
	cr_assert_eq(truncate(path, 3), 0);
}

static void replace(void)
{
	cr_assert_eq(unlink(path), 0);
	append();
}

static void remove_it(void)
{
	cr_assert_eq(unlink(path), 0);
}

static const struct {
	const char *why;
	void (*change)(void);
} changes[] = { { "longer", append }, { "cut", cut }, { "another in its place", replace }, { "gone", remove_it } };

/* What was read of it may be half of the old and half of the new. */
Test(json_stream, changed_while_read)
{
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct json_stream *s = open_text("{\"a\":1}\n{\"b\":2}\n", 16);
		struct json_element e;
		enum json_stream_status st = json_stream_next(s, &e);
		bool told = false;

		cr_assert_eq(st, JSON_STREAM_ELEMENT);
		json_decref(e.value);
		usleep(20000); /* a tick of the file system's clock */
		changes[i].change();
		while ((st = json_stream_next(s, &e)) != JSON_STREAM_END) {
			if (st == JSON_STREAM_ELEMENT)
				json_decref(e.value);
			else
				told = told || strstr(json_stream_problem(s)->text, "changed while it was read");
		}
		cr_assert(told, "%s", changes[i].why);
		json_stream_free(s);
		(void)unlink(path); /* gone or not */
	}
}

Test(json_stream, no_file)
{
	cr_assert_null(json_stream_open("/nonexistent/file"));
	cr_assert_eq(errno, ENOENT);
	cr_assert_null(json_stream_open("/tmp"));
	cr_assert_eq(errno, EISDIR);
	cr_assert_null(json_stream_open("/dev/null"), "no regular file");
}
