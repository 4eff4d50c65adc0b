/*
 * msg_check - the part of sip/msg that judges header values.
 *
 * Process: any.  Used by sip/msg only.  May include: sip/msg.  Owns nothing.  Pure.
 */
#ifndef COMMON_SIP_MSG_CHECK_H
#define COMMON_SIP_MSG_CHECK_H

#include "common/sip/msg.h"

/* One run of msg_parse. */
struct msg_parser {
	const struct msg_rules *rules;
	struct sip_msg *out;
	struct msg_fault *fault;
	size_t header_max;
};

/*
 * Something is wrong at `at`: kept if it is the first, or the first that
 * closes.  `name` is what a header with id HDR_OTHER is called.
 */
void msg_note(struct msg_parser *ps, enum fault code, enum hdr_id id, struct span name, const char *at);

/* Check a header, already in the array, and take from it what *out holds.  Not for the second of a kind. */
void msg_check_value(struct msg_parser *ps, const struct msg_header *h);

/* Once all headers are in: those that must be there, and CSeq against the method. */
void msg_check_whole(struct msg_parser *ps);

#endif
