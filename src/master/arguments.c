#include "master/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "Usage: sipward -c FILE          run in the foreground with the configuration FILE\n"
			    "       sipward --check -c FILE  only check the configuration\n"
			    "       sipward --version | --help\n";

static const char help[] = "\nSIP edge proxy: external domains connect over mutual TLS, and what reaches the\n"
			   "containers inside carries an identity that has been judged by certificate.\n"
			   "\n"
			   "  -c, --config FILE  the configuration, JSON\n"
			   "      --check        check it and everything it names, print complaints, exit\n"
			   "      --version      print the version, exit\n"
			   "  -h, --help         print this, exit\n"
			   "\n"
			   "Signals: HUP reloads everything in place, TERM and INT stop, QUIT drains,\n"
			   "USR1 opens the log anew.  Exit codes: 0 success, 1 failure, 2 wrong usage,\n"
			   "78 the configuration is bad.\n";

enum { OPT_CHECK = 256, OPT_VERSION };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, OPT_CHECK },
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
	struct arguments a = { NULL, false };
	int opt;

	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			if (a.config_path)
				return refuse("-c is given twice", exit_code);
			a.config_path = optarg;
			break;
		case OPT_CHECK:
			a.check = true;
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
	*out = a;
	return true;
}
