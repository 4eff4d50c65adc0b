/*
 * sipwardctl - ask a running sipward over its control socket.
 */
#include "tools/ctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/sipward/control.sock"

enum { OPT_FOR = 256, OPT_REASON, OPT_FORCE, OPT_PROFILE, OPT_DOMAIN };

static const struct command {
	const char *name;
	const char *argument; /* shown in the help; NULL: takes none */
	const char *key;      /* the argument's name in the question */
	bool optional;
	void (*show)(const json_t *answer);
	const char *help;
} commands[] = {
	{ "status", NULL, NULL, false, ctl_show_status, "version, workers, listeners, generation, last reload, counts" },
	{ "reload", NULL, NULL, false, ctl_show_result, "read the configuration again; waits until every worker has it" },
	{ "connections", "DOMAIN", "domain", true, ctl_show_connections, "open connections, all or of one domain" },
	{ "domains", NULL, NULL, false, ctl_show_domains, "configured external domains" },
	{ "lookup", "DN", "dn", false, ctl_show_lookup, "the entry of a distinguished name, or the nearest one" },
	{ "explain", "CERT.pem", NULL, false, NULL, "what a connection with this certificate would be told now; --profile NAME, or --domain NAME as its server" },
	{ "domain", "block NAME", NULL, false, NULL, "refuse a domain from now on, whatever the configuration says: --for TIME, --reason TEXT, --force" },
	{ "domain", "unblock NAME", NULL, false, NULL, "take it again" },
	{ "domain", "blocks", NULL, false, NULL, "which domains are blocked, by whom, until when and why" },
	{ "stop", NULL, NULL, false, ctl_show_result, "stop now" },
	{ "drain", NULL, NULL, false, ctl_show_result, "stop when calls under way have been answered" },
	{ "dn", "FILE.pem", NULL, false, NULL, "print a certificate's name ready for the configuration; needs no daemon" },
	{ "ha1", "USER REALM", NULL, false, NULL, "print a user's entry for a users_file, the password comes on the standard input; needs no daemon" },
};

static void usage(FILE *out)
{
	fprintf(out, "usage: sipwardctl [-s SOCKET] [--json] COMMAND [ARGUMENT]\n\n"
		     "  -s, --socket SOCKET  control socket (default " DEFAULT_SOCKET ")\n"
		     "  -j, --json           print the answer as JSON\n"
		     "  -V, --version        print the version\n"
		     "  -h, --help           print this\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		char left[40];

		snprintf(left, sizeof(left), commands[i].optional ? "%s [%s]" : "%s %s", commands[i].name,
		    commands[i].argument ? commands[i].argument : "");
		fprintf(out, "  %-22s %s\n", left, commands[i].help);
	}
	fprintf(out, "\nexit codes: 0 success, 1 the operation failed, 2 wrong usage\n");
}

static int connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* One question, one answer; NULL after a message on stderr. */
static json_t *ask(const char *path, const json_t *question)
{
	char *line = json_dumps(question, JSON_COMPACT);
	int fd = connect_to(path);
	json_error_t error;
	json_t *answer = NULL;
	FILE *f;

	if (fd < 0) {
		fprintf(stderr, "sipwardctl: %s: %s (is sipward running? -s names its socket)\n", path, strerror(errno));
		free(line);
		return NULL;
	}
	f = fdopen(fd, "r+");
	if (f && line) {
		fprintf(f, "%s\n", line);
		fflush(f);
		answer = json_loadf(f, JSON_DISABLE_EOF_CHECK, &error);
	}
	if (!answer)
		fprintf(stderr, "sipwardctl: no answer from %s\n", path);
	if (f)
		fclose(f);
	else
		close(fd);
	free(line);
	return answer;
}

int ctl_ask_and_show(const json_t *question, const struct ctl_options *o, void (*show)(const json_t *answer))
{
	json_t *answer = ask(o->socket, question);
	int code = EXIT_FAILED;

	if (!answer)
		return code;
	code = json_is_true(json_object_get(answer, "ok")) ? EXIT_OK : EXIT_FAILED;
	if (o->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (code != EXIT_OK && json_object_get(answer, "error")) {
		fprintf(stderr, "sipwardctl: %s\n", json_string_value(json_object_get(answer, "error")));
	} else {
		show(answer);
	}
	json_decref(answer);
	return code;
}

static int run(const struct command *c, const char *argument, const struct ctl_options *o)
{
	json_t *question = json_pack("{s:s}", "command", c->name);
	int code;

	if (argument)
		json_object_set_new(question, c->key, json_string(argument));
	code = ctl_ask_and_show(question, o, c->show);
	json_decref(question);
	return code;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int dispatch(char **argv, int count, const struct ctl_options *o)
{
	const struct command *c = count ? find(argv[0]) : NULL;
	int wanted = c && c->argument ? 1 + (strchr(c->argument, ' ') != NULL) : 0;

	if (!c) {
		if (count)
			fprintf(stderr, "sipwardctl: unknown command \"%s\"\n", argv[0]);
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(c->name, "domain") == 0)
		return ctl_domain(argv + 1, count - 1, o);
	if (o->duration || o->reason || o->force) {
		fprintf(stderr, "sipwardctl: --for, --reason and --force belong to \"domain block\"\n");
		return EXIT_USAGE;
	}
	if ((o->profile || o->domain) && strcmp(c->name, "explain") != 0) {
		fprintf(stderr, "sipwardctl: --profile and --domain belong to \"explain\"\n");
		return EXIT_USAGE;
	}
	if (count - 1 > wanted || (count - 1 < wanted && !c->optional)) {
		fprintf(stderr, "sipwardctl: %s takes %s\n", c->name, wanted ? c->argument : "no argument");
		return EXIT_USAGE;
	}
	if (wanted == 2)
		return ctl_ha1(argv[1], argv[2]);
	if (strcmp(c->name, "explain") == 0)
		return ctl_explain(argv[1], o);
	if (!c->show)
		return ctl_dn(argv[1], o->json);
	return run(c, count > 1 ? argv[1] : NULL, o);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
		{ "version", no_argument, NULL, 'V' },	    { "help", no_argument, NULL, 'h' },
		{ "for", required_argument, NULL, OPT_FOR }, { "reason", required_argument, NULL, OPT_REASON },
		{ "force", no_argument, NULL, OPT_FORCE },
		{ "profile", required_argument, NULL, OPT_PROFILE }, { "domain", required_argument, NULL, OPT_DOMAIN },  { 0 },
	};
	struct ctl_options o = { .socket = DEFAULT_SOCKET };
	int opt;

	while ((opt = getopt_long(argc, argv, "s:jVh", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			o.socket = optarg;
			break;
		case 'j':
			o.json = true;
			break;
		case OPT_FOR:
			o.duration = optarg;
			break;
		case OPT_REASON:
			o.reason = optarg;
			break;
		case OPT_FORCE:
			o.force = true;
			break;
		case OPT_PROFILE:
			o.profile = optarg;
			break;
		case OPT_DOMAIN:
			o.domain = optarg;
			break;
		case 'V':
			puts("sipwardctl " SIPWARD_VERSION);
			return EXIT_OK;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	return dispatch(argv + optind, argc - optind, &o);
}
