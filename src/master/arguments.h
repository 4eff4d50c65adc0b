/*
 * arguments - the command line of sipward.
 *
 * Process: master.  May include: common/base.h.  Borrows argv.
 */
#ifndef MASTER_ARGUMENTS_H
#define MASTER_ARGUMENTS_H

#include "common/base.h"

#define EXIT_USAGE 2
#define EXIT_CONFIG 78 /* EX_CONFIG of sysexits.h */

struct arguments {
	const char *config_path;
	bool check;
	bool diff; /* with check: against the running sipward */
	bool json;
	const char *socket_path; /* NULL: that of the configuration */
};

/* True: go on.  False: leave with *exit_code; what there was to say has been said. */
MUST_USE bool arguments_parse(int argc, char **argv, struct arguments *out, int *exit_code);

#endif
