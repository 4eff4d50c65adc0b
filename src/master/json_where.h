/*
 * json_where - where in a JSON text a value stands: jansson keeps no positions.
 *
 * Process: master's loader.  May include: common/base.h, span.  Owns nothing.
 *
 * The text is one that jansson has parsed without complaint, so it is well
 * formed; it is walked again only to place a complaint, and to find keys that
 * stand twice, of which jansson keeps the last.  Any other text is walked
 * without harm, and what is found in it means nothing.
 */
#ifndef MASTER_JSON_WHERE_H
#define MASTER_JSON_WHERE_H

#include "common/base.h"
#include "common/span.h"

#define JSON_POINTER_MAX 512

/* Line, from 1, on which the value of the pointer (RFC 6901) begins; of the last value that can be found on the way. */
unsigned json_where(struct span text, const char *pointer);

/*
 * Call `found` for each key that stands in its object once more, escapes read
 * as what they mean: with its pointer and its line.  False: no memory, so
 * that some may not have been found.
 */
MUST_USE bool json_duplicates(struct span text, void (*found)(void *ctx, const char *pointer, unsigned line), void *ctx);

/*
 * Append "/key" to the pointer, the key escaped as RFC 6901 says; both lengths
 * without the NUL.  False, and nothing is changed, when it does not fit.
 */
bool json_pointer_push(char pointer[static JSON_POINTER_MAX], size_t *len, struct span key);

#endif
