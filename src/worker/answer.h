/*
 * answer - sipward's own answers, sent back over the connection that a request came on.
 *
 *   accept -> tls -> identify -> frame -> [msg] -> [inspect] -> [route] -> rewrite -> send
 *
 * Process: worker.  May include: all of common, worker/conn.h, events.  Owns nothing.
 *
 * ACK is never answered, and neither is a response (RFC 3261 17.2.1, contract section 5).
 */
#ifndef WORKER_ANSWER_H
#define WORKER_ANSWER_H

#include "worker/conn.h"

#define ANSWER_MAX (2 * 1024 * 1024) /* two of the longest header section that can be configured */

/* A well-formed request is refused: log, count, answer.  `extra`: header lines (Allow, Unsupported) or SPAN_NONE. */
void answer_refusal(struct worker *w, struct conn *c, const struct sip_msg *msg, enum refusal r, struct span extra);

/* The same with a status that the configuration says instead of the refusal's own. */
void answer_refusal_as(struct worker *w, struct conn *c, const struct sip_msg *msg, enum refusal r, unsigned status,
    struct span extra);

/* A header line `Warning: 399` (or the code that fits the refusal) with this text; SPAN_NONE when it does not fit. */
struct span answer_warning(struct worker *w, enum refusal r, const char *text, char *out, size_t cap);

/* A message that is not well formed: log, count, answer if it is a request. */
void answer_fault(struct worker *w, struct conn *c, const struct sip_msg *msg, const struct msg_fault *fault);

/* Framing failed before the head was whole: answer with what can be read of `bytes`. */
void answer_broken(struct worker *w, struct conn *c, enum fault code, struct span bytes);

/* 200 to OPTIONS for the proxy itself. */
void answer_options(struct worker *w, struct conn *c, const struct sip_msg *msg);

/* CRLF to a CRLFCRLF keep-alive, RFC 5626 4.4.1. */
void answer_ping(struct worker *w, struct conn *c);

#endif
