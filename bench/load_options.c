/* load_options - the command line of sipward-load. */
#include "bench/load_options.h"

#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USAGE_ERROR 2

enum type { FLAG, TEXT, NUMBER, SECONDS, OTHER };

#define AT(member) offsetof(struct load_options, member)

/* One row an option: its letter for getopt is the index. */
static const struct row {
	const char *name, *argument;
	enum type type;
	size_t at;
	uint32_t min, max; /* of a NUMBER */
	const char *help;
} rows[] = {
	{ "connect", "HOST:PORT", TEXT, AT(connect), 0, 0, "the edge (default 127.0.0.1:5061)" },
	{ "mode", "MODE", OTHER, 0, 0, 0, "messages (default), handshake or idle" },
	{ "cert", "FILE", TEXT, AT(cert), 0, 0, "our certificate chain, PEM" },
	{ "key", "FILE", TEXT, AT(key), 0, 0, "its key (default: in the file of --cert)" },
	{ "ca", "FILE", TEXT, AT(ca), 0, 0, "CA that the edge's certificate must chain to" },
	{ "insecure", NULL, FLAG, AT(insecure), 0, 0, "don't verify the edge's certificate" },
	{ "sni", "NAME", TEXT, AT(sni), 0, 0, "server name to ask for, and to find in the edge's certificate" },
	{ "tls", "VERSION", OTHER, 0, 0, 0, "1.2 or 1.3 only (default: the highest both know)" },
	{ "plain", NULL, FLAG, AT(plain), 0, 0, "TCP without TLS" },
	{ "resume", NULL, FLAG, AT(resume), 0, 0, "handshake mode: resume the session of the connection before" },
	{ "no-ping", NULL, FLAG, AT(no_ping), 0, 0, "handshake mode: don't wait for the answer to CRLFCRLF, by which a TLS 1.3\n"
						    "client learns that it was taken" },
	{ "connections", "N", NUMBER, AT(connections), 1, 1000000, "connections at once (default 1)" },
	{ "concurrency", "N", NUMBER, AT(concurrency), 1, 1000000, "handshakes under way at once while connections are made (default 64)" },
	{ "inflight", "W", NUMBER, AT(inflight), 1, 65536, "requests in flight on each (default 1; with --rate 64)" },
	{ "rate", "R", OTHER, 0, 0, 0, "requests (calls, handshakes) a second; latency counts from the time that each\n"
				       "was due (default: as fast as answers come)" },
	{ "duration", "S", SECONDS, AT(duration), 0, 0, "seconds of the measured part (default 5)" },
	{ "count", "N", OTHER, 0, 0, 0, "that many requests (calls, handshakes) instead of --duration" },
	{ "warmup", "S", SECONDS, AT(warmup), 0, 0, "seconds before it that are not counted (default 0)" },
	{ "grace", "S", SECONDS, AT(grace), 0, 0, "wait for the last answers (default 2)" },
	{ "threads", "N", NUMBER, AT(threads), 1, 64, "threads that share the connections (default 1)" },
	{ "method", "METHOD", TEXT, AT(method), 0, 0, "OPTIONS (default), INVITE with SDP and ACK, MESSAGE, ..." },
	{ "calls", NULL, FLAG, AT(calls), 0, 0, "whole calls: INVITE, ACK, BYE" },
	{ "size", "BYTES", OTHER, 0, 0, 0, "body of each request (default 0; INVITE: SDP)" },
	{ "from", "URI", TEXT, AT(from), 0, 0, "From (default sip:load@partner.example)" },
	{ "to", "URI", TEXT, AT(to), 0, 0, "To and Request-URI (default sip:bob@core.example)" },
	{ "header", "LINE", OTHER, 0, 0, 0, "a further header, \"Name: value\"; may be repeated" },
	{ "expect", "STATUS", NUMBER, AT(expect), 100, 699, "the answer that is no error (default: any 2xx)" },
	{ "ping-interval", "S", SECONDS, AT(ping_interval), 0, 0, "idle mode: keep-alive on each connection (default: none)" },
	{ "reconnect", NULL, FLAG, AT(reconnect), 0, 0, "open a connection again that was closed" },
	{ "announce", NULL, FLAG, AT(announce), 0, 0, "print \"measuring\" and \"measured\" on stderr as the measured part begins and ends" },
	{ "allow-errors", NULL, FLAG, AT(allow_errors), 0, 0, "exit 0 in spite of errors" },
	{ "help", NULL, OTHER, 0, 0, 0, "print this" },
};

static void usage(FILE *out)
{
	fprintf(out, "usage: sipward-load [OPTION]...\n\n"
		     "SIP clients over mutual TLS: prints one JSON line of rates, answers and latency.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *rest = strchr(rows[i].help, '\n');
		char left[32];

		snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
		fprintf(out, "  %-22s %.*s\n", left, rest ? (int)(rest - rows[i].help) : (int)strlen(rows[i].help), rows[i].help);
		if (rest)
			fprintf(out, "  %-22s %s\n", "", rest + 1);
	}
	fprintf(out, "\nlatency: microseconds; wrong: answers to no request of ours, to another one, or twice; lost: never\n"
		     "answered; unsent: due but not sent before the end; unexpected: answered, but not by 2xx (or --expect)\n"
		     "exit codes: 0 success, 1 there were errors, 2 wrong usage\n");
}

static bool wrong(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "sipward-load: --%s %s: expected %s\n", option, value, expected);
	return false;
}

static bool real(const char *name, const char *text, double max, double *out)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !isfinite(v) || v < 0 || v > max)
		return wrong(name, text, "a number that is not negative");
	*out = v;
	return true;
}

static bool whole(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || v < min || v > max)
		return wrong(name, text, "a whole number in range");
	*out = v;
	return true;
}

static bool take_mode(const char *text, struct load_options *o)
{
	static const char *const modes[] = { [LOAD_MESSAGES] = "messages", [LOAD_HANDSHAKE] = "handshake", [LOAD_IDLE] = "idle" };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (strcmp(text, modes[i]) == 0) {
			o->mode = (enum load_mode)i;
			return true;
		}
	}
	return wrong("mode", text, "messages, handshake or idle");
}

static bool take_header(const char *text, struct load_options *o)
{
	const char *colon = strchr(text, ':');

	if (!colon || colon == text || strpbrk(text, "\r\n") || o->header_count == LOAD_HEADERS_MAX)
		return wrong("header", text, "\"Name: value\", at most 16 of them");
	o->header[o->header_count++] = text;
	return true;
}

static bool take_other(const char *name, const char *text, struct load_options *o)
{
	uint64_t n;

	if (strcmp(name, "mode") == 0)
		return take_mode(text, o);
	if (strcmp(name, "header") == 0)
		return take_header(text, o);
	if (strcmp(name, "rate") == 0)
		return real(name, text, 1e7, &o->rate);
	if (strcmp(name, "count") == 0)
		return whole(name, text, 1, UINT32_MAX, &o->count);
	if (strcmp(name, "size") == 0) {
		if (!whole(name, text, 0, 1u << 22, &n))
			return false;
		o->size = (size_t)n;
		return true;
	}
	if (strcmp(text, "1.2") == 0 || strcmp(text, "1.3") == 0) {
		o->tls_version = text[2] == '2' ? TLS1_2_VERSION : TLS1_3_VERSION;
		return true;
	}
	return wrong(name, text, "1.2 or 1.3");
}

static bool take(const struct row *row, const char *text, struct load_options *o)
{
	char *at = (char *)o + row->at;
	uint64_t n;

	switch (row->type) {
	case FLAG:
		*(bool *)at = true;
		return true;
	case TEXT:
		*(const char **)(void *)at = text;
		return true;
	case SECONDS:
		return real(row->name, text, 1e6, (double *)(void *)at);
	case NUMBER:
		if (!whole(row->name, text, row->min, row->max, &n))
			return false;
		*(uint32_t *)(void *)at = (uint32_t)n;
		return true;
	case OTHER:
		return take_other(row->name, text, o);
	}
	return false;
}

static bool resolve(struct load_options *o)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	char host[256], *close;
	const char *colon = strrchr(o->connect, ':');
	int rc;

	if (!colon || (size_t)(colon - o->connect) >= sizeof(host))
		return wrong("connect", o->connect, "HOST:PORT");
	snprintf(host, sizeof(host), "%.*s", (int)(colon - o->connect), o->connect);
	close = strchr(host, ']');
	if (host[0] == '[' && close)
		*close = '\0';
	rc = getaddrinfo(host + (host[0] == '['), colon + 1, &hints, &found);
	if (rc != 0)
		return wrong("connect", o->connect, gai_strerror(rc));
	memcpy(&o->address, found->ai_addr, found->ai_addrlen);
	o->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* What must go together. */
static bool consistent(struct load_options *o)
{
	if (o->calls)
		o->method = "INVITE";
	if (!o->inflight)
		o->inflight = o->rate > 0 ? 64 : 1;
	if (o->threads > o->connections)
		o->threads = o->connections;
	if (!o->plain && !o->ca && !o->insecure) {
		fprintf(stderr, "sipward-load: --ca FILE is needed to verify the edge (or --insecure, or --plain)\n");
		return false;
	}
	if ((o->key && !o->cert) || (o->plain && (o->cert || o->resume || o->mode == LOAD_HANDSHAKE))) {
		fprintf(stderr, "sipward-load: %s\n", o->plain ? "--plain goes with no --cert, --resume or handshake mode"
							       : "--key goes with --cert");
		return false;
	}
	if (o->cert && !o->key)
		o->key = o->cert;
	return resolve(o);
}

int load_options_parse(int argc, char **argv, struct load_options *out, int *exit_code)
{
	struct load_options o = { .connect = "127.0.0.1:5061", .connections = 1, .concurrency = 64, .threads = 1, .duration = 5,
		.grace = 2, .method = "OPTIONS", .from = "sip:load@partner.example", .to = "sip:bob@core.example" };
	struct option longs[ARRAY_LEN(rows) + 1] = { 0 };
	int index = 0, c;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		longs[i] = (struct option){ rows[i].name, rows[i].argument ? required_argument : no_argument, NULL, 0 };
	*exit_code = USAGE_ERROR;
	while ((c = getopt_long(argc, argv, "", longs, &index)) != -1) {
		if (c == 0 && strcmp(rows[index].name, "help") == 0) {
			usage(stdout);
			*exit_code = 0;
			return -1;
		}
		if (c != 0 || !take(&rows[index], optarg, &o)) {
			fprintf(stderr, "Try 'sipward-load --help'.\n");
			return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sipward-load: unexpected argument: %s\nTry 'sipward-load --help'.\n", argv[optind]);
		return -1;
	}
	if (!consistent(&o))
		return -1;
	*out = o;
	return 0;
}
