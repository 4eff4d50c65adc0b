/* sink_options - the command line of sipward-sink. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sink.h"

#define USAGE_ERROR 2

enum { LISTEN, STATUS, DELAY, RINGING, SHOW, COUNT, IDENTITY, FORBID, EXPECT, HELP };

static const struct option longs[] = {
	[LISTEN] = { "listen", required_argument, NULL, LISTEN },
	[STATUS] = { "status", required_argument, NULL, STATUS },
	[DELAY] = { "delay", required_argument, NULL, DELAY },
	[RINGING] = { "ringing", no_argument, NULL, RINGING },
	[SHOW] = { "show", no_argument, NULL, SHOW },
	[COUNT] = { "count", no_argument, NULL, COUNT },
	[IDENTITY] = { "identity", required_argument, NULL, IDENTITY },
	[FORBID] = { "forbid", required_argument, NULL, FORBID },
	[EXPECT] = { "expect-identity", no_argument, NULL, EXPECT },
	[HELP] = { "help", no_argument, NULL, HELP },
	{ 0 },
};

static const char help[] =
    "usage: sipward-sink [OPTION]...\n\n"
    "A SIP container over TCP: answers each request 200, shows or counts what it got.\n\n"
    "  --listen HOST:PORT     where to listen (default 127.0.0.1:5070); may be repeated; port 0 takes a free one and\n"
    "                         prints \"listening on HOST:PORT\"\n"
    "  --status STATUS        the final answer to requests (default 200)\n"
    "  --delay MS             ... after so many milliseconds (default 0)\n"
    "  --ringing              100 and 180 before the final answer to an INVITE\n"
    "  --show                 print each message as it came, behind a line \"===== message ...\"\n"
    "  --count                print one JSON line of counts at the end, and on SIGUSR1\n"
    "  --identity NAME        the header that sipward asserts (default P-Preferred-Identity)\n"
    "  --forbid TEXT          count the requests that hold this text\n"
    "  --expect-identity      exit 1 unless every request carried exactly one identity, and none the forbidden text\n"
    "  --help                 print this\n\n"
    "exit codes: 0 success, 1 failed or not as expected, 2 wrong usage\n";

static bool number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	if (span_u64(span_str(text), max, out) && *out >= min)
		return true;
	fprintf(stderr, "sipward-sink: --%s %s: expected a number from %ju to %ju\n", name, text, (uintmax_t)min, (uintmax_t)max);
	return false;
}

static bool take(int option, struct sink_options *o)
{
	uint64_t n;

	switch (option) {
	case LISTEN:
		if (o->listeners == SINK_LISTENERS_MAX) {
			fprintf(stderr, "sipward-sink: --listen: at most %d of them\n", SINK_LISTENERS_MAX);
			return false;
		}
		o->listen[o->listeners++] = optarg;
		return true;
	case STATUS:
		if (!number("status", optarg, 200, 699, &n))
			return false;
		o->status = (unsigned)n;
		return true;
	case DELAY:
		if (!number("delay", optarg, 0, 3600000, &n))
			return false;
		o->delay_ms = (uint32_t)n;
		return true;
	case RINGING:
		return o->ringing = true;
	case SHOW:
		return o->show = true;
	case COUNT:
		return o->count = true;
	case EXPECT:
		return o->expect_identity = true;
	case IDENTITY:
		o->identity = span_str(optarg);
		return o->identity.len > 0;
	case FORBID:
		o->forbid = span_str(optarg);
		return o->forbid.len > 0;
	default:
		return false;
	}
}

int sink_options_parse(int argc, char **argv, struct sink_options *out, int *exit_code)
{
	struct sink_options o = { .status = 200, .identity = SPAN("P-Preferred-Identity") };
	int c;

	*exit_code = USAGE_ERROR;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == HELP) {
			fputs(help, stdout);
			*exit_code = 0;
			return -1;
		}
		if (!take(c, &o)) {
			fprintf(stderr, "Try 'sipward-sink --help'.\n");
			return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sipward-sink: unexpected argument: %s\nTry 'sipward-sink --help'.\n", argv[optind]);
		return -1;
	}
	if (!o.listeners)
		o.listen[o.listeners++] = "127.0.0.1:5070";
	*out = o;
	return 0;
}
