/*
 * json_where - where in a JSON text a value stands: jansson keeps no positions.
 *
 * Process: master's loader.  May include: common/base.h, span.  Owns nothing.
 *
 * The text is one that jansson has parsed without complaint, so it is well
 * formed; it is walked again only to place a complaint.
 */
#ifndef MASTER_JSON_WHERE_H
#define MASTER_JSON_WHERE_H

#include "common/base.h"
#include "common/span.h"

#define JSON_POINTER_MAX 512

/* Line, from 1, on which the value of the pointer (RFC 6901) begins; of the last value that can be found on the way. */
unsigned json_where(struct span text, const char *pointer);

/* Call `found` for each key that an object has twice: the pointer of the second one, and its line. */
void json_duplicates(struct span text, void (*found)(void *ctx, const char *pointer, unsigned line), void *ctx);

#endif
