/* restart_only: which changes a reload must refuse, and when connections fit. */
#include <criterion/criterion.h>

#include "master/restart_only.h"
#include "support/leaks.h"

TestSuite(restart_only, .fini = leaks_check);

/* An image is its header and texts behind it. */
struct whole {
	struct image_header h;
	char text[64];
	size_t used;
	struct image img;
};

static struct image_str put(struct whole *w, const char *s)
{
	struct image_str at = { offsetof(struct whole, text) + w->used, (uint32_t)strlen(s), 0 };

	memcpy(w->text + w->used, s, strlen(s));
	w->used += strlen(s);
	return at;
}

static const struct image *make(struct whole *w, const char *user, const char *socket, const char *pid_file,
    const char *admin, uint16_t admin_port, uint32_t workers)
{
	struct image_process *p = &w->h.process;

	w->used = 0;
	p->pid_file = put(w, pid_file); /* the same text at another place is still the same */
	p->user = put(w, user);
	p->control_socket = put(w, socket);
	p->admin_host = put(w, admin);
	p->admin_port = admin_port;
	p->workers = workers;
	w->img.h = &w->h;
	w->img.settings = &w->h.settings;
	return &w->img;
}

Test(restart_only, differs)
{
	static const struct {
		const char *why, *user, *socket, *pid_file, *admin;
		uint16_t port;
		uint32_t workers;
		const char *want;
	} rows[] = {
		{ "nothing", "u", "s", "p", "a", 1, 2, NULL },
		{ "workers", "u", "s", "p", "a", 1, 3, "/workers" },
		{ "user", "v", "s", "p", "a", 1, 2, "/user" },
		{ "user removed", "", "s", "p", "a", 1, 2, "/user" },
		{ "a longer socket path", "u", "ss", "p", "a", 1, 2, "/control_socket" },
		{ "pid file", "u", "s", "q", "a", 1, 2, "/pid_file" },
		{ "pid file removed", "u", "s", "", "a", 1, 2, "/pid_file" },
		{ "admin's host", "u", "s", "p", "b", 1, 2, "/admin" },
		{ "admin's port", "u", "s", "p", "a", 2, 2, "/admin" },
	};
	static struct whole a, b;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got[RESTART_ONLY_MAX];
		size_t n = restart_only_differs(make(&a, "u", "s", "p", "a", 1, 2),
		    make(&b, rows[i].user, rows[i].socket, rows[i].pid_file, rows[i].admin, rows[i].port, rows[i].workers), got);

		cr_assert_eq(n, rows[i].want ? 1u : 0u, "%s", rows[i].why);
		if (rows[i].want)
			cr_assert_str_eq(got[0], rows[i].want, "%s", rows[i].why);
	}
	cr_assert_eq(restart_only_differs(make(&a, "u", "s", "p", "a", 1, 2), make(&b, "v", "t", "q", "b", 1, 3),
			 (const char *[RESTART_ONLY_MAX]){ NULL }),
	    RESTART_ONLY_MAX, "all at once");
}

Test(restart_only, connections_fit)
{
	static const struct {
		uint64_t wanted;
		size_t rows;
		uint32_t workers;
		bool fit;
	} rows[] = {
		{ 0, 10, 2, true }, { 20, 10, 2, true }, { 21, 10, 2, false }, { 1000000, 1000000, 256, true },
	};
	static struct whole w;
	char why[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct image *img = make(&w, "", "", "", "", 0, rows[i].workers);

		w.h.settings.connections = rows[i].wanted;
		why[0] = '\0';
		cr_assert_eq(connections_fit(img, rows[i].rows, rows[i].workers, why), rows[i].fit, "row %zu", i);
		cr_assert_eq(why[0] == '/', !rows[i].fit, "row %zu: the reason begins with the pointer", i);
	}
}
