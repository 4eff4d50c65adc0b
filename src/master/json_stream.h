/*
 * json_stream - one value after the other from a file that may be larger than memory.
 *
 * Process: master's loader.  May include: common/base.h, span, image_layout, file_stamp, jansson.
 * Owns the file, a window of its text, and nothing of what it gives out.
 *
 * The file holds one array, or values one behind the other (JSON Lines).
 */
#ifndef MASTER_JSON_STREAM_H
#define MASTER_JSON_STREAM_H

#include <jansson.h>

#include "common/base.h"
#include "common/image_layout.h"
#include "common/span.h"

#define JSON_STREAM_VALUE_MAX ((size_t)16 * 1024 * 1024) /* bytes of one value */

struct json_stream;

struct json_element {
	json_t *value;	   /* the caller's, to be let go by json_decref */
	struct span text;  /* of the value; valid until the next call */
	unsigned line;	   /* in the file, from 1 */
	unsigned index;	   /* in the array, from 0 */
	bool in_array;
	bool duplicates;   /* some object of it has a key twice; the value holds the last one */
};

enum json_stream_status {
	JSON_STREAM_ELEMENT, /* *out is filled in */
	JSON_STREAM_END,
	JSON_STREAM_BAD, /* see json_stream_problem; calling again goes on behind it, or ends */
};

struct json_problem {
	unsigned line;
	char text[200]; /* what is wrong */
};

/* NULL with errno set: it cannot be opened, or is no regular file.  The path must outlive the stream. */
MUST_USE struct json_stream *json_stream_open(const char *path);

/* The file as it was opened.  A file that is not the same any more at its end gives JSON_STREAM_BAD there. */
const struct image_stamp *json_stream_stamp(const struct json_stream *s);
void json_stream_free(struct json_stream *s);

MUST_USE enum json_stream_status json_stream_next(struct json_stream *s, struct json_element *out);

/* What the last JSON_STREAM_BAD was about. */
const struct json_problem *json_stream_problem(const struct json_stream *s);

#endif
