/*
 * scan - cut a byte stream into SIP messages, and each head into its lines.
 *
 * For sipward-load and sipward-sink.  A reader of its own that shares nothing
 * with src/common/sip, so that the tools don't repeat a mistake of the program
 * that they measure.  May include: common/base.h, common/span.h.  Owns nothing: no
 * allocation, no I/O.
 *
 * Strict: lines end with CRLF and nothing else, no folded lines (the proxy
 * writes none, and our own messages have none), and exactly one Content-Length
 * (RFC 3261 18.3).
 */
#ifndef BENCH_SCAN_H
#define BENCH_SCAN_H

#include "common/base.h"
#include "common/span.h"

#define SCAN_LINES_MAX 256
#define SCAN_HEAD_MAX 262144
#define SCAN_BODY_MAX 8388608

enum scan_name {
	SCAN_OTHER,
	SCAN_VIA,
	SCAN_FROM,
	SCAN_TO,
	SCAN_CALL_ID,
	SCAN_CSEQ,
	SCAN_RECORD_ROUTE,
	SCAN_CONTACT,
	SCAN_CONTENT_TYPE,
	SCAN_CONTENT_LENGTH,
	SCAN_NAME_COUNT
};

struct scan_line {
	struct span whole; /* name up to and including the CRLF */
	struct span name;
	struct span value; /* trimmed */
	enum scan_name id;
};

struct scan_message {
	struct span whole; /* head and body */
	struct span start; /* start line without its CRLF */
	struct span body;
	struct scan_line line[SCAN_LINES_MAX];
	unsigned count;
	int16_t first[SCAN_NAME_COUNT]; /* index of the first line of that name; -1: none */
};

enum scan_status {
	SCAN_MESSAGE, /* *out is filled in; drop out->whole.len bytes */
	SCAN_MORE,    /* nothing wrong so far */
	SCAN_PING,    /* CRLFCRLF: drop 4 bytes, answer CRLF (RFC 5626 4.4.1) */
	SCAN_CRLF,    /* a stray CRLF: drop 2 bytes (RFC 3261 7.5) */
	SCAN_BAD,     /* the stream can't be followed any further */
};

/* Look for one message at the start of `in`; *out borrows from it, and is valid on SCAN_MESSAGE only. */
MUST_USE enum scan_status scan_next(struct span in, struct scan_message *out);

/* The value of the first line of that name; p NULL: there is none. */
struct span scan_value(const struct scan_message *msg, enum scan_name id);

/* Status of a response, 100-699; 0: it is none. */
unsigned scan_response_status(const struct scan_message *msg);

/* Method of a request; p NULL: the start line is not "METHOD URI SIP/2.0". */
struct span scan_method(const struct scan_message *msg);

/* Value of a parameter of a header value (";name=value"), outside <...> and quotes; p NULL: absent. */
struct span scan_param(struct span value, struct span name);

#endif
