/*
 * reply - build sipward's own answer to a request.
 *
 * Process: any.  May include: common/base.h, span, put, sip/chars, sip/msg.  Owns nothing.  Pure.
 *
 * RFC 3261 8.2.6: Via (all), From, To, Call-ID and CSeq are copied; To gets a
 * tag when it has none.  Of a request that is not well formed those that are
 * there are copied: of a doubled one the first, none that holds a forbidden byte.
 */
#ifndef COMMON_SIP_REPLY_H
#define COMMON_SIP_REPLY_H

#include "common/base.h"
#include "common/sip/msg.h"
#include "common/span.h"

struct reply {
	unsigned status;
	struct span reason;    /* empty: the customary one; what may not stand there leaves escaped */
	struct span extra;     /* further header lines, each with its CRLF ("Retry-After: 5\r\n"); may be empty */
	struct span received;  /* source address as text, for Via's received (RFC 3581, RFC 3261 18.2.1) */
	uint16_t rport;	       /* source port */
	struct span feedback;  /* parameters for the topmost Via (RFC 7339), in place of those of that RFC which came with it; may be empty */
	uint64_t tag;	       /* the To tag, made from it in hex; stateless: the same for a retransmission */
	const struct hdr_set *identity; /* a value that hides one of these (hdr_hidden) is not copied; NULL: none are known */
};

/* The customary phrase of a status ("Service Unavailable"); never NULL. */
const char *reply_phrase(unsigned status);

/*
 * Write the answer to out; returns its length, or 0 when it does not fit cap.
 * The topmost Via gets received/rport as rewrite would give them (if it parses).
 */
MUST_USE size_t reply_build(const struct sip_msg *request, const struct reply *reply, char *out, size_t cap);

/*
 * Write a Via value as the proxy that received it must: `;received=` and
 * `;rport=` set from the source, those that came with it dropped (RFC 3581 4).
 * `received` is written when rport was asked for, when one came, or when the
 * sent-by host is not the source address.  `feedback`, if not empty, stands in
 * place of the parameters of RFC 7339.  Returns the length; 0: no room.
 */
MUST_USE size_t reply_via(const struct via *via, struct span source, uint16_t port, struct span feedback, char *out,
    size_t cap);

#endif
