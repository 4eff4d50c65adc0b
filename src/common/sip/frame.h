/*
 * frame - cut a decrypted byte stream into heads of SIP messages.
 *
 *   accept -> tls -> identify -> [frame] -> msg -> inspect -> route -> rewrite -> send
 *
 * Process: any.  May include: common/base.h, span, sip/chars.  Owns nothing.  Pure.
 *
 * RFC 3261 18.3: on a stream the body's length is Content-Length and nothing
 * else.  It is read by sip/msg, once; there is no second reader of it.
 */
#ifndef COMMON_SIP_FRAME_H
#define COMMON_SIP_FRAME_H

#include "common/base.h"
#include "common/span.h"

/* Progress over a head that is still arriving.  Zero it per connection and after each message. */
struct framer {
	size_t scanned; /* bytes already known to hold no end and no bad line end */
	bool folded;	/* a folded line was seen in them */
};

enum frame_status {
	FRAME_HEAD,	 /* *head: start line up to and including the empty line */
	FRAME_MORE,	 /* nothing wrong so far; call again with more */
	FRAME_CRLF,	 /* *head is one or more stray CRLF to be dropped; not a ping (RFC 3261 7.5) */
	FRAME_PING,	 /* *head is CRLFCRLF between messages: answer CRLF (RFC 5626 4.4.1) */
	FRAME_BAD_LINE,	 /* a bare CR or bare LF: framing is in doubt; answer 400, close */
	FRAME_NOT_SIP,	 /* the first byte is no text (neither printable ASCII nor a blank): answer 400, close */
	FRAME_TOO_BIG,	 /* head_max bytes and no end of the head: answer 400, close */
};

/*
 * Look for one head at the start of `in`.  *head borrows from `in` and is set
 * on FRAME_HEAD, FRAME_CRLF and FRAME_PING; fr->folded then tells whether the
 * head has folded lines.  On FRAME_MORE the same bytes, with more behind them,
 * must be given next time: bytes already scanned are not scanned again.  A
 * lone CR or CRLF at the end of `in` is FRAME_MORE (it may grow to a ping).
 */
MUST_USE enum frame_status frame_next(struct framer *fr, size_t head_max, struct span in, struct span *head);

/*
 * Copy a head to `out` (at least head.len bytes) with every fold (CRLF and the
 * blanks around it) turned into one SP, RFC 3261 7.3.1; returns the new
 * length.  A first header line that begins with a blank is no fold: it stays
 * as it is, and sip/msg refuses it.
 */
size_t frame_unfold(struct span head, char *out);

/* Lower-case name for logs; never NULL. */
const char *frame_status_name(enum frame_status st);

#endif
