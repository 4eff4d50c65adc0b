#include "master/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "Usage: sipward -c FILE          run in the foreground with the configuration FILE\n"
			    "       sipward --check -c FILE  only check the configuration\n"
			    "       sipward --check --diff [-s SOCKET] [--json] -c FILE  tell what a reload would change\n"
			    "       sipward --version | --help\n";

static const char help[] = "\nSIP edge proxy: external domains connect over mutual TLS, and what reaches the\n"
			   "containers inside carries an identity that has been judged by certificate.\n"
			   "\n"
			   "  -c, --config FILE  the configuration, JSON\n"
			   "      --check        check it and everything it names, print complaints, exit\n"
			   "      --diff         with --check: compare it with what the running sipward has;\n"
			   "                     exit code 0 also when something would change\n"
			   "  -s, --socket SOCKET  its control socket; default: that of the configuration\n"
			   "      --json         print the comparison as JSON\n"
			   "      --version      print the version, exit\n"
			   "  -h, --help         print this, exit\n"
			   "\n"
			   "Signals: HUP reloads everything in place, TERM and INT stop, QUIT drains,\n"
			   "USR1 opens the log anew.  Exit codes: 0 success, 1 failure, 2 wrong usage,\n"
			   "78 the configuration is bad.\n";

enum { OPT_CHECK = 256, OPT_VERSION, OPT_DIFF, OPT_JSON };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "diff", no_argument, NULL, OPT_DIFF },
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool refuse(const char *what, int *exit_code)
{
	if (what)
		(void)fprintf(stderr, "sipward: %s\n", what); /* nowhere else to complain */
	(void)fputs(usage, stderr);			      /* as above */
	*exit_code = EXIT_USAGE;
	return false;
}

/* To stdout; a full disk behind it is a failure. */
static bool say(const char *a, const char *b, int *exit_code)
{
	*exit_code = printf("%s%s", a, b) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	return false;
}

bool arguments_parse(int argc, char **argv, struct arguments *out, int *exit_code)
{
	struct arguments a = { 0 };
	int opt;

	while ((opt = getopt_long(argc, argv, "c:s:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			if (a.config_path)
				return refuse("-c is given twice", exit_code);
			a.config_path = optarg;
			break;
		case OPT_CHECK:
			a.check = true;
			break;
		case OPT_DIFF:
			a.diff = true;
			break;
		case OPT_JSON:
			a.json = true;
			break;
		case 's':
			a.socket_path = optarg;
			break;
		case OPT_VERSION:
			return say("sipward " SIPWARD_VERSION, "\n", exit_code);
		case 'h':
			return say(usage, help, exit_code);
		default: /* getopt_long has said what is wrong */
			return refuse(NULL, exit_code);
		}
	}
	if (optind < argc)
		return refuse("there is an argument too many", exit_code);
	if (!a.config_path)
		return refuse("-c FILE is missing", exit_code);
	if (a.diff && !a.check)
		return refuse("--diff belongs to --check", exit_code);
	if (!a.diff && (a.json || a.socket_path))
		return refuse("--socket and --json belong to --check --diff", exit_code);
	*out = a;
	return true;
}
