/* listen: which listeners go on over a reload, and which can't stand beside each other. */
#include <criterion/criterion.h>

#include "common/image_layout.h"
#include "master/listen.h"
#include "support/leaks.h"

TestSuite(listen, .fini = leaks_check);

#define EXT SIDE_EXTERNAL
#define INT SIDE_INTERNAL
#define NEW SIZE_MAX

struct row {
	const char *why;
	struct listener old[4], want[4];
	size_t match[4];
};

/* A listener without a host ends a list. */
static const struct row rows[] = {
	{ "the same go on", { { .host = "a", .port = 1 }, { .host = "b", .port = 2 } },
	    { { .host = "a", .port = 1 }, { .host = "b", .port = 2 } }, { 0, 1 } },
	{ "in another order", { { .host = "a", .port = 1 }, { .host = "b", .port = 2 } },
	    { { .host = "b", .port = 2 }, { .host = "a", .port = 1 } }, { 1, 0 } },
	{ "the first start", { { 0 } }, { { .host = "a", .port = 1 } }, { NEW } },
	{ "another port", { { .host = "a", .port = 1 } }, { { .host = "a", .port = 2 } }, { NEW } },
	{ "another host", { { .host = "a", .port = 1 } }, { { .host = "b", .port = 1 } }, { NEW } },
	{ "a longer host", { { .host = "a", .port = 1 } }, { { .host = "ab", .port = 1 } }, { NEW } },
	{ "another side", { { .host = "a", .port = 1, .side = EXT } }, { { .host = "a", .port = 1, .side = INT } }, { NEW } },
	{ "another protocol", { { .host = "a", .port = 1, .protocol = PROTO_TLS } },
	    { { .host = "a", .port = 1, .protocol = PROTO_TCP } }, { NEW } },
	{ "one is added", { { .host = "a", .port = 1 } }, { { .host = "b", .port = 2 }, { .host = "a", .port = 1 } }, { NEW, 0 } },
	{ "one is removed", { { .host = "a", .port = 1 }, { .host = "b", .port = 2 } }, { { .host = "b", .port = 2 } }, { 1 } },
	{ "port 0 goes by order", { { .host = "a" }, { .host = "a" } }, { { .host = "a" }, { .host = "a" } }, { 0, 1 } },
	{ "one more of port 0", { { .host = "a" } }, { { .host = "a" }, { .host = "a" } }, { 0, NEW } },
	{ "port 0 of two sides", { { .host = "a", .side = INT }, { .host = "a", .side = EXT } },
	    { { .host = "a", .side = EXT }, { .host = "a", .side = INT } }, { 1, 0 } },
};

static size_t count(const struct listener *l)
{
	size_t n = 0;

	while (n < 4 && l[n].host[0])
		n++;
	return n;
}

Test(listen, match)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		size_t got[4] = { 77, 77, 77, 77 }, n = count(r->want);

		listeners_match(r->want, n, r->old, count(r->old), got);
		for (size_t k = 0; k < n; k++)
			cr_assert_eq(got[k], r->match[k], "%s: %zu is %zu", r->why, k, got[k]);
		if (n < 4)
			cr_assert_eq(got[n], 77, "%s: nothing behind the last", r->why);
	}
}

Test(listen, twice)
{
	static const struct listener same[] = { { .host = "a", .port = 1 }, { .host = "a", .port = 2 },
		{ .host = "a", .port = 1, .side = INT, .protocol = PROTO_TCP } };
	static const struct listener any_port[] = { { .host = "a" }, { .host = "a" } };
	static const struct listener hosts[] = { { .host = "a", .port = 1 }, { .host = "b", .port = 1 } };

	cr_assert_eq(listeners_twice(same, 3), 2, "side and protocol don't make room for a second one");
	cr_assert_eq(listeners_twice(same, 2), 2, "two ports");
	cr_assert_eq(listeners_twice(any_port, 2), 2, "the kernel gives two ports");
	cr_assert_eq(listeners_twice(hosts, 2), 2, "two hosts");
	cr_assert_eq(listeners_twice(hosts, 0), 0, "none at all");
}

Test(listen, table_is_listener_by_worker)
{
	int a[] = { 10, 11 }, b[] = { 20, 21 };
	struct listener l[] = { { .id = 7, .bound = 1000, .fds = a }, { .id = 9, .bound = 2000, .fds = b, .fresh = true } };
	struct listeners set = { .listener = l, .count = 2, .workers = 2 };
	struct heritage_socket *table;
	bool *fresh;
	size_t n;

	cr_assert_eq(listeners_table(&set, &table, &fresh, &n), 0);
	cr_assert_eq(n, 4);
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(table[i].fd, i < 2 ? a[i] : b[i - 2], "row %zu", i);
		cr_assert_eq(table[i].listener, i / 2, "row %zu", i);
		cr_assert_eq(table[i].worker, i % 2, "row %zu", i);
		cr_assert_eq(table[i].port, i < 2 ? 1000 : 2000, "row %zu", i);
		cr_assert_eq(table[i].id, i < 2 ? 7 : 9, "row %zu", i);
		cr_assert_eq(fresh[i], i >= 2, "row %zu", i);
	}
	free(table);
	free(fresh);
}
