/*
 * msg - one head: start line, header spans with ids, and the values that
 * sipward acts on, all checked.  Copies nothing.
 *
 *   accept -> tls -> identify -> frame -> [msg] -> inspect -> route -> rewrite -> send
 *
 * Process: any.  May include: common/base.h, span, sip/hdr, sip/uri, sip/value.
 * Owns nothing: the caller gives the head and the room for the header array.  Pure.
 *
 * Stricter than any parser behind it: whatever would have to be guessed about
 * is a fault (contract section 5, RFC 3261 7, 8.1.1, 20, 25).
 */
#ifndef COMMON_SIP_MSG_H
#define COMMON_SIP_MSG_H

#include "common/base.h"
#include "common/sip/hdr.h"
#include "common/sip/value.h"
#include "common/span.h"

/* Longest Request-URI taken: readers with a fixed line buffer stand behind us (RFC 3261 21.4.11). */
#define MSG_URI_MAX 4000

enum fault {
#define FAULT(id, status, closes, name, reason) FAULT_##id,
#include "common/sip/fault.def"
#undef FAULT
	FAULT_COUNT
};

unsigned fault_status(enum fault f);   /* 400, 505 ... */
bool fault_closes(enum fault f);       /* framing is in doubt */
const char *fault_name(enum fault f);  /* for logs and counters */

enum method {
	METHOD_OTHER,
	METHOD_INVITE,
	METHOD_ACK,
	METHOD_BYE,
	METHOD_CANCEL,
	METHOD_OPTIONS,
	METHOD_REGISTER,
	METHOD_PRACK,
	METHOD_UPDATE,
	METHOD_INFO,
	METHOD_SUBSCRIBE,
	METHOD_NOTIFY,
	METHOD_REFER,
	METHOD_MESSAGE,
	METHOD_PUBLISH,
	METHOD_COUNT
};

/* Methods are compared with case (RFC 3261 7.1). */
enum method method_lookup(struct span name);

struct msg_header {
	struct span line;  /* name up to and including the CRLF */
	struct span name;  /* as written, without blanks before the colon */
	struct span value; /* trimmed */
	enum hdr_id id;
	bool identity;	   /* in the set of identity headers: never to be passed on as it is */
};

/* Limits and the set to know identity headers by; borrowed for the call. */
struct msg_rules {
	size_t body_max;
	const struct hdr_set *identity;
	bool stream; /* Content-Length is required */
};

struct sip_msg {
	struct span head; /* start line up to and including the empty line */
	struct span body; /* set by the caller once content_length bytes are there */

	bool is_request;
	struct span start_line; /* without its CRLF */
	struct span method;	/* request */
	enum method method_id;
	struct span request_uri_text;
	struct sip_uri request_uri;
	unsigned status; /* response: 100-699 */
	struct span reason;

	struct msg_header *header; /* the caller's array */
	size_t header_count;
	int16_t first[HDR_COUNT]; /* index of the first header of that id, -1: none */

	size_t content_length; /* valid unless the fault closes */
	struct via via;	       /* the topmost */
	struct span via_rest;  /* what follows it in the same header line; p NULL: nothing */
	struct name_addr from, to;
	struct span from_tag, to_tag; /* p NULL: none */
	struct span call_id;
	struct cseq cseq;
	int max_forwards; /* -1: absent */
};

struct msg_fault {
	enum fault code;
	enum hdr_id header; /* whose name goes into the reason; HDR_OTHER: use `name` */
	struct span name;   /* the header's name as received, or SPAN_NONE */
	size_t offset;	    /* of the offending byte in the head, for the log */
};

/*
 * Parse a whole, unfolded head (frame_next, frame_unfold).  `header` has room
 * for `header_max` entries.
 *
 * FAULT_NONE: everything in *out (but body) is valid.  Otherwise *fault says
 * what is wrong: a fault that closes wins over one that does not, else the
 * first one met.  Even then *out holds the start line and the headers as far as they
 * could be told apart, content_length unless the fault closes, and `via` if
 * out->via.whole.p is set, so that the message can be skipped and answered.
 */
MUST_USE enum fault msg_parse(struct span head, const struct msg_rules *rules, struct msg_header *header,
    size_t header_max, struct sip_msg *out, struct msg_fault *fault);

/* Reason phrase of a fault, the header named ("Duplicate Call-ID"); returns the length, at most cap. */
size_t msg_fault_reason(const struct msg_fault *fault, char *out, size_t cap);

/* Next header of the id at or after index `from`; -1: none. */
int msg_next_header(const struct sip_msg *msg, enum hdr_id id, size_t from);

#endif
