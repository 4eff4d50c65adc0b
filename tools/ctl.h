/*
 * ctl - what sipwardctl's files share: asking the daemon, and showing its answers.
 */
#ifndef TOOLS_CTL_H
#define TOOLS_CTL_H

#include <jansson.h>

#include "common/base.h"
#include "common/span.h"

/* Exit codes, contract section 1. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

struct ctl_options {
	const char *socket;
	bool json;
	/* of `domain block`; NULL: not given */
	const char *duration, *reason;
	bool force;
	/* of `explain`; NULL: not given */
	const char *profile, *domain;
};

/* Ask the daemon and show its answer; returns an exit code. */
MUST_USE int ctl_ask_and_show(const json_t *question, const struct ctl_options *o, void (*show)(const json_t *answer));

#define CTL_DURATION_MAX ((uint64_t)3650 * 86400) /* s */

/* "30s", "10m", "1h30m", "7d": from the longest unit down.  False: no such time, none at all, or more than CTL_DURATION_MAX. */
MUST_USE bool ctl_duration(struct span text, uint64_t *seconds);

/* `sipwardctl domain block NAME | unblock NAME | blocks`: argv begins behind "domain".  Returns an exit code. */
MUST_USE int ctl_domain(char **argv, int count, const struct ctl_options *o);

/* `sipwardctl explain CERT.pem`: what a connection with it would be told now.  Returns an exit code: trusted by some profile, or not. */
MUST_USE int ctl_explain(const char *path, const struct ctl_options *o);

/* Show an answer for people. */
void ctl_show_status(const json_t *answer);
void ctl_show_connections(const json_t *answer);
void ctl_show_domains(const json_t *answer);
void ctl_show_lookup(const json_t *answer);
void ctl_show_blocks(const json_t *answer);
void ctl_show_result(const json_t *answer);

/* `sipwardctl dn FILE.pem`: print the subject of each certificate, ready for the configuration.  Returns an exit code. */
MUST_USE int ctl_dn(const char *path, bool json);

/*
 * `sipwardctl ha1 USER REALM`: print an entry of a users_file for the password
 * on the standard input, with the algorithms that are offered by default.  Returns an exit code.
 */
MUST_USE int ctl_ha1(const char *user, const char *realm);

#endif
