/* json_where: the line of a pointer, and every key that stands twice. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "master/json_where.h"
#include "support/guard.h"
#include "support/leaks.h"

TestSuite(json_where, .fini = leaks_check);

static const struct {
	const char *why, *text, *pointer;
	unsigned line;
} places[] = {
	{ "the whole", "{}", "", 1 },
	{ "blank lines before", "\n\n{}", "", 3 },
	{ "a member", "{\n \"a\": 1,\n \"b\": 2\n}", "/b", 3 },
	{ "the value, not the key", "{\"a\":\n\n1}", "/a", 3 },
	{ "carriage returns count for nothing", "{\r\n\"a\":\r\n1}", "/a", 3 },
	{ "below", "{\"a\": {\n\"b\": [\n0,\n{ \"c\": 7 }]}}", "/a/b/1/c", 4 },
	{ "the tenth element", "[0,\n1,\n2,3,4,5,6,7,8,9,\n10]", "/10", 4 },
	{ "an element of an array of arrays", "[[\n1],[\n2]]", "/1/0", 3 },
	{ "absent: its object", "{\n\"a\": {\n}}", "/a/b", 2 },
	{ "absent at the top", "\n{\n\"a\": 1}", "/b", 2 },
	{ "no prefix of another key", "{\"ab\": 1,\n\"a\": 2}", "/a", 2 },
	{ "a key that goes on", "{\"a\": 1,\n\"ab\": 2}", "/ab", 2 },
	{ "a slash in a key", "{\"a\": {\"b\": 1},\n\"a/b\": 2}", "/a~1b", 2 },
	{ "a tilde in a key", "{\"a\": 1,\n\"~1\": 2}", "/~01", 2 },
	{ "an escaped key", "{\"a\": 1,\n\"\\u0062\\n\\\"\": 2}", "/b\n\"", 2 },
	{ "two, three and four bytes", "{\"a\": 1,\n\"\\u00e4\\u20ac\\ud83d\\ude00\": 2}", "/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 2 },
	{ "brackets in a string", "{\"a\": \"}]{[\\\"\",\n\"b\": 1}", "/b", 2 },
	{ "the last of a key that stands twice", "{\"a\": 1,\n\"a\": 2}", "/a", 2 },
	{ "an empty key", "{\"a\": 1,\n\"\": 2}", "/", 2 },
	{ "values of every kind before", "[null,true,-1.5e3,\"x\",\n{},[],\nfalse]", "/6", 3 },
};

Test(json_where, places)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct span text = guard_copy(places[i].text, strlen(places[i].text));

		cr_assert_eq(json_where(text, places[i].pointer), places[i].line, "%s: line %u", places[i].why,
		    json_where(text, places[i].pointer));
		guard_free(text);
	}
}

/* Found ones as "pointer:line ". */
struct found {
	char text[512];
};

static void add(void *ctx, const char *pointer, unsigned line)
{
	struct found *f = ctx;
	size_t n = strlen(f->text);

	snprintf(f->text + n, sizeof(f->text) - n, "%s:%u ", pointer, line);
}

static const struct {
	const char *why, *text, *want;
} twice[] = {
	{ "none", "{\"a\": 1, \"b\": {\"a\": 2}, \"c\": [{\"a\": 1}, {\"a\": 1}]}", "" },
	{ "at the top", "{\"a\": 1,\n\"a\": 2}", "/a:2 " },
	{ "three times", "{\"a\": 1,\n\"a\": 2,\n\"a\": 3}", "/a:2 /a:3 " },
	{ "below", "{\"x\": [0, {\"a\": 1, \"b\": 0,\n\"a\": 2}]}", "/x/1/a:2 " },
	{ "the key's line, not the value's", "{\"a\": 1,\n\"a\":\n2}", "/a:2 " },
	{ "in the value of a doubled key", "{\"a\": {\"b\": 1, \"b\": 1}, \"a\": {}}", "/a/b:1 /a:1 " },
	{ "one of them escaped", "{\"port\": 1, \"p\\u006frt\": 2}", "/p\\u006frt:1 " },
	{ "other case", "{\"a\": 1, \"A\": 2}", "" },
	{ "a slash is escaped", "{\"a/b\": 1, \"a/b\": 2}", "/a~1b:1 " },
	{ "no object", "[1, 1]", "" },
};

Test(json_where, duplicates)
{
	for (size_t i = 0; i < ARRAY_LEN(twice); i++) {
		struct span text = guard_copy(twice[i].text, strlen(twice[i].text));
		struct found f = { "" };

		cr_assert(json_duplicates(text, add, &f));
		cr_assert_str_eq(f.text, twice[i].want, "%s", twice[i].why);
		guard_free(text);
	}
}

static void count(void *ctx, const char *pointer, unsigned line)
{
	(*(unsigned *)ctx)++;
}

/* More keys than any table would hold: the first and the last are the same. */
Test(json_where, duplicate_far_away)
{
	static char text[200000];
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"k0\": 0");
	unsigned found = 0;

	for (unsigned i = 1; i < 10000; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"k%u\": 0", i);
	n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"k0\": 0}");
	cr_assert(json_duplicates(span_of(text, n), count, &found));
	cr_assert_eq(found, 1);
}

/* Text that no parser has taken: any answer, but no harm. */
Test(json_where, broken)
{
	static const char whole[] = "{\"a\": [1, {\"b\\u00e4\": \"c\\\"\"}, \"\\ud83d\\ude00\"], \"\\ud83d\": tru}";
	unsigned found = 0;

	for (size_t n = 0; n < sizeof(whole); n++) {
		struct span text = guard_copy(whole, n);

		cr_assert_geq(json_where(text, "/a/1/b"), 1u);
		cr_assert(json_duplicates(text, count, &found));
		guard_free(text);
	}
	cr_assert_eq(found, 0u);
}

Test(json_where, deep)
{
	static char text[100000];

	memset(text, '[', sizeof(text));
	cr_assert_eq(json_where(span_of(text, sizeof(text)), "/0/0/0"), 1u);
}

Test(json_where, pointer_that_does_not_fit)
{
	char pointer[JSON_POINTER_MAX] = "", key[JSON_POINTER_MAX];
	size_t len = 0;

	memset(key, '/', sizeof(key));
	cr_assert(json_pointer_push(pointer, &len, SPAN("a~b")));
	cr_assert_str_eq(pointer, "/a~0b");
	cr_assert_not(json_pointer_push(pointer, &len, span_of(key, 300)), "escaped it is 600 bytes");
	cr_assert_str_eq(pointer, "/a~0b", "untouched");
	cr_assert(json_pointer_push(pointer, &len, span_of(key, (JSON_POINTER_MAX - 7) / 2)), "just fits");
	cr_assert_eq(strlen(pointer), len);
}
