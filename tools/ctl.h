/*
 * ctl - what sipwardctl's files share: asking the daemon, and showing its answers.
 */
#ifndef TOOLS_CTL_H
#define TOOLS_CTL_H

#include <jansson.h>

#include "common/base.h"

/* Exit codes, contract section 1. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/* Show an answer for people. */
void ctl_show_status(const json_t *answer);
void ctl_show_connections(const json_t *answer);
void ctl_show_domains(const json_t *answer);
void ctl_show_lookup(const json_t *answer);
void ctl_show_result(const json_t *answer);

/* `sipwardctl dn FILE.pem`: print the subject of each certificate, ready for the configuration.  Returns an exit code. */
MUST_USE int ctl_dn(const char *path, bool json);

/*
 * `sipwardctl ha1 USER REALM`: print an entry of a users_file for the password
 * on the standard input, with the algorithms that are offered by default.  Returns an exit code.
 */
MUST_USE int ctl_ha1(const char *user, const char *realm);

#endif
