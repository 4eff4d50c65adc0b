/*
 * load_message - what sipward-load sends, and the proof that an answer belongs
 * to its request.
 *
 * May include: common/base.h, common/span.h, bench/scan, sofia-sip.  A request
 * is built once by sofia-sip; after that only its id is written into a copy.
 *
 * The id of a request stands in Call-ID, branch and From tag: run, connection,
 * slot and sequence number, each as 8 hex digits.  An answer must carry the
 * same id in all three and the CSeq of what was asked, in one Via that is ours:
 * so an answer to somebody else's request, to an earlier one in the same slot or
 * one put together from two requests is told from the right one.
 */
#ifndef BENCH_LOAD_MESSAGE_H
#define BENCH_LOAD_MESSAGE_H

#include "bench/scan.h"
#include "common/base.h"
#include "common/span.h"

#define LOAD_ID_LEN 32
#define LOAD_PLACES_MAX 8

struct load_id {
	uint32_t run, conn, slot, seq;
};

/* What the requests shall look like. */
struct load_shape {
	const char *method;	  /* OPTIONS, INVITE, MESSAGE ... */
	const char *from, *to;	  /* URIs */
	const char *transport;	  /* TLS or TCP, for Via and Contact */
	const char *const *header; /* further header lines, "Name: value" */
	size_t header_count;
	size_t size; /* of the body; an INVITE without a size carries SDP */
};

/* A request ready to be sent but for its id. */
struct load_template {
	char *bytes;
	size_t len;
	size_t place[LOAD_PLACES_MAX]; /* where the id goes */
	unsigned places;
	/* For what follows in a dialog, taken from the request as built; they point into `bytes`. */
	struct span via_front; /* "Via: SIP/2.0/TLS host;branch=z9hG4bK" */
	struct span from_front, from_back; /* the From line before and behind the id; the CRLF is not in it */
	struct span uri;
};

/* Build it.  False, with a sentence on stderr, when a URI or the method is not valid. */
MUST_USE bool load_template_make(const struct load_shape *shape, struct load_template *out);
void load_template_done(struct load_template *t);

/* Write the request with that id to `out`, which has room for t->len bytes. */
void load_template_write(const struct load_template *t, const struct load_id *id, char *out);

enum load_match {
	LOAD_MATCH_OK,
	LOAD_MATCH_STRANGER, /* not an answer to anything that this run sent */
	LOAD_MATCH_MIXED,    /* parts of several requests, or not ours alone */
};

/* Does an answer hang together?  *id and *cseq (the number) tell what it answers; its method is `method`. */
MUST_USE enum load_match load_match(
    const struct scan_message *msg, uint32_t run, struct load_id *id, uint32_t *cseq, struct span *method);

/*
 * A request within the dialog that `answer`, a matched one to an INVITE, made:
 * "ACK" or "BYE", routed as RFC 3261 12.1.2 and 12.2.1.1 say; for an answer
 * that is not 2xx, the ACK of 17.1.1.3.  Returns the length; 0: it does not
 * fit in `cap`, or the answer lacks what is needed.
 */
MUST_USE size_t load_dialog_write(
    const struct load_template *t, const struct scan_message *answer, const char *method, uint32_t cseq, char *out, size_t cap);

#endif
