#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/log.h"
#include "master/config.h"

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static uint32_t usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)MAX(CPU_COUNT(&set), 1) : 1;
}

static uint32_t read_workers(const struct config_node *root)
{
	struct config_node m = config_get(root, "workers", TYPE_STRING);

	if (m.value && !span_eq(config_span(&m), SPAN("auto")))
		config_bad(&m, "found \"%s\", expected a number or \"auto\"", json_string_value(m.value));
	return (uint32_t)config_integer(root, "workers", 1, WORKERS_MAX, MIN(usable_cpus(), (uint32_t)WORKERS_MAX));
}

/* A file that sipward itself writes, made absolute: its processes stand elsewhere. */
static struct image_str own_path(struct config *c, const struct config_node *n, const char *key, const char *otherwise)
{
	struct span text = config_text(n, key, otherwise);
	char *path = text.len ? config_path(n->source, text) : NULL, *absolute = NULL, cwd[4096];
	struct image_str s;

	if (config_has(n, key) && text.len == 0) {
		struct config_node m = config_get(n, key, TYPE_STRING);

		if (m.value)
			config_bad(&m, "found an empty text, expected a path");
	}
	if (path && path[0] != '/' && getcwd(cwd, sizeof(cwd)) && asprintf(&absolute, "%s/%s", cwd, path) < 0)
		absolute = NULL;
	s = image_put_text(c->b, span_str(absolute ? absolute : path ? path : ""));
	free(absolute);
	free(path);
	return s;
}

static void read_admin(struct config *c, const struct config_node *root)
{
	struct image_process *p = &image_builder_header(c->b)->process;
	struct config_node n = config_get(root, "admin", TYPE_OBJECT), host = config_get(&n, "host", TYPE_STRING),
			   allow = config_get(&n, "allow", TYPE_STRING | TYPE_STRINGS);
	uint8_t addr[16];

	p->admin_host = image_put_text(c->b, config_text(&n, "host", ""));
	p->admin_port = (uint16_t)config_integer(&n, "port", 0, 65535, 0);
	p->admin_allow = config_cidrs(c, &allow);
	if (!host.value || !config_resolve(c, &host, 0, addr))
		return;
	if (!addr_is_loopback(addr) && config_list_count(&allow) == 0)
		config_bad(&host, "found \"%s\", which others can reach; expected \"allow\" with the addresses that may connect, or a loopback address",
		    json_string_value(host.value));
}

static void read_log(struct config *c, const struct config_node *root)
{
	struct config_node n = config_get(root, "log", TYPE_OBJECT);
	struct image_log *log = &image_builder_header(c->b)->log;
	struct span to = config_text(&n, "to", "stderr");

	log->format = (uint8_t)config_choice(&n, "format", config_log_format, LOG_TEXT);
	log->level = (uint8_t)config_choice(&n, "level", config_log_level, LOG_INFO);
	log->access = image_put_text(c->b, SPAN(""));
	log->to = span_eq(to, SPAN("stderr")) || span_eq(to, SPAN("journal")) ? image_put_text(c->b, to) :
										own_path(c, &n, "to", "stderr");
}

void config_read_process(struct config *c, const struct config_node *root)
{
	struct image_process *p = &image_builder_header(c->b)->process;
	struct config_node user = config_get(root, "user", TYPE_STRING), control = config_get(root, "control_socket", TYPE_STRING);

	p->workers = read_workers(root);
	p->control_socket_given = control.value != NULL;
	p->control_socket = own_path(c, root, "control_socket", "/run/sipward/control.sock");
	if (control.value && p->control_socket.len > SOCKET_PATH_MAX)
		config_bad(&control, "the path has %u bytes, expected at most %zu for a socket", p->control_socket.len, SOCKET_PATH_MAX);
	p->state_dir = own_path(c, root, "state_dir", "/var/lib/sipward");
	p->pid_file = own_path(c, root, "pid_file", "");
	p->user = image_put_text(c->b, config_text(root, "user", ""));
	if (user.value && !getpwnam(json_string_value(user.value)))
		config_bad(&user, "found \"%s\", expected a user of this system", json_string_value(user.value));
	read_admin(c, root);
	read_log(c, root);
}
