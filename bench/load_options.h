/*
 * load_options - the command line of sipward-load.
 *
 * May include: common/base.h.  Owns the strings of the resolved target.
 */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/base.h"

#define LOAD_HEADERS_MAX 16

enum load_mode {
	LOAD_MESSAGES,	/* requests over connections that stay */
	LOAD_HANDSHAKE, /* connect, shake hands, close, again */
	LOAD_IDLE,	/* open connections and hold them */
};

struct load_options {
	enum load_mode mode;
	struct sockaddr_storage address;
	socklen_t address_len;
	const char *connect; /* HOST:PORT as given */

	bool plain; /* TCP without TLS */
	const char *cert, *key, *ca, *sni;
	bool insecure; /* don't verify the edge's certificate */
	bool resume;
	int tls_version; /* 0: any; else TLS1_2_VERSION or TLS1_3_VERSION */

	const char *method, *from, *to;
	const char *header[LOAD_HEADERS_MAX];
	size_t header_count, size;
	bool calls;	 /* INVITE, ACK, BYE */
	unsigned expect; /* the only good status; 0: any 2xx */

	uint32_t connections, inflight, threads, concurrency;
	double rate;	 /* requests (or handshakes) a second; 0: closed loop */
	double duration; /* seconds */
	uint64_t count;	 /* requests (or handshakes); 0: for `duration` */
	double warmup, grace;
	double ping_interval; /* idle mode; 0: none */
	bool reconnect, allow_errors, no_ping;
	bool announce; /* say on stderr when the measured part begins and ends */
};

/* 0: go on; else the process ends with *exit_code (help was asked for, or the usage is wrong). */
MUST_USE int load_options_parse(int argc, char **argv, struct load_options *out, int *exit_code);

#endif
