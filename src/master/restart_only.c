#include "master/restart_only.h"

#include <stdio.h>

static bool differs(const struct image *a, struct image_str x, const struct image *b, struct image_str y)
{
	return !span_eq(image_text(a, x), image_text(b, y));
}

size_t restart_only_differs(const struct image *a, const struct image *b, const char *out[static RESTART_ONLY_MAX])
{
	const struct image_process *x = &a->h->process, *y = &b->h->process;
	size_t n = 0;

	if (x->workers != y->workers)
		out[n++] = "/workers";
	if (differs(a, x->user, b, y->user))
		out[n++] = "/user";
	if (differs(a, x->control_socket, b, y->control_socket))
		out[n++] = "/control_socket";
	if (differs(a, x->pid_file, b, y->pid_file))
		out[n++] = "/pid_file";
	if (x->admin_port != y->admin_port || differs(a, x->admin_host, b, y->admin_host))
		out[n++] = "/admin";
	return n;
}

bool connections_fit(const struct image *img, size_t rows_per_worker, uint32_t workers, char why[static 512])
{
	uint64_t most = (uint64_t)rows_per_worker * workers;

	if (img->settings->connections <= most)
		return true;
	(void)snprintf(why, 512,
	    "/limits/connections: %llu is more than the limit of open files allows (%llu in %u workers); raise the hard limit",
	    (unsigned long long)img->settings->connections, (unsigned long long)most, workers);
	return false;
}
