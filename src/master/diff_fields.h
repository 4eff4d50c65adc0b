/*
 * diff_fields - what a row of an image says, key by key, so that the rows of
 * two images can be compared although each has its own offsets and indexes.
 *
 * Process: master (its loader and --check).  May include: common/base.h, span, siphash.  Owns nothing.
 *
 * Each value is kept as a hash of all of it, which decides, and as its
 * beginning, which is shown.
 *
 *	fields_begin(&f, "hosts");
 *	fields_add(&f, span);		once for each part; none: the value is empty
 */
#ifndef MASTER_DIFF_FIELDS_H
#define MASTER_DIFF_FIELDS_H

#include "common/base.h"
#include "common/siphash.h"
#include "common/span.h"

#define FIELDS_MAX 64
#define FIELD_SHOWN 72

struct field {
	const char *key;	 /* as in the configuration; static */
	struct siphash_state hash;
	uint64_t sum;		 /* of a set: of the hashes of its members, in any order */
	char shown[FIELD_SHOWN]; /* terminated; cut with ".." */
	size_t len;
};

struct fields {
	size_t count;
	struct field field[FIELDS_MAX];
};

void fields_begin(struct fields *f, const char *key);
void fields_add(struct fields *f, struct span part);
/* Bytes that decide, but say nothing to people. */
void fields_add_hidden(struct fields *f, const void *bytes, size_t len);
/* One of a set: the order of the calls does not matter, and none is shown. */
void fields_add_member(struct fields *f, struct span part);

void fields_text(struct fields *f, const char *key, struct span text);
void fields_number(struct fields *f, const char *key, uint64_t n);
void fields_flag(struct fields *f, const char *key, bool on);

/* Is field `i` of both the same?  Both have been filled by the same function. */
MUST_USE bool fields_same(const struct fields *a, const struct fields *b, size_t i);
MUST_USE bool fields_all_same(const struct fields *a, const struct fields *b);

/* "key: before -> now" for field `i`, or the key alone when nothing of it can be shown; returns the length, cut to `cap`. */
size_t fields_print(const struct fields *a, const struct fields *b, size_t i, char *out, size_t cap);

#endif
