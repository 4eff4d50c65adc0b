/*
 * image_blocked - which entries of an image are blocked at run time: the table
 * of names (common/blocks) as a set of indexes, so that asking costs nothing
 * while none is, and a look or two else.
 *
 * Process: worker (makes one for its image), whoever asks image_domain_usable.
 * May include: common/base.h, blocks, image.  Owns nothing.
 */
#ifndef COMMON_IMAGE_BLOCKED_H
#define COMMON_IMAGE_BLOCKED_H

#include "common/base.h"
#include "common/blocks.h"
#include "common/image.h"

struct image_blocked {
	uint64_t version; /* of the table that it was made of */
	int64_t until;	  /* s since 1970: from then on it is to be made again; INT64_MAX: none of them ends */
	uint32_t next;	  /* row of the table to look at next, while it is being made */
	uint32_t count;
	uint32_t slot[2 * BLOCKS_MAX]; /* open addressing, at most half full: index + 1; 0: free */
};

/*
 * Begin to make one, then go on with it, as of `now`, by at most `rows`
 * look-ups in the image.  True: there is more, also because the table has
 * changed meanwhile; false: it is made of what the table holds now.
 */
void image_blocked_begin(struct image_blocked *out, const struct blocks *b);
MUST_USE bool image_blocked_more(struct image_blocked *out, const struct image *img, const struct blocks *b, int64_t now,
    uint32_t rows);

/* At once. */
void image_blocked_make(struct image_blocked *out, const struct image *img, const struct blocks *b, int64_t now);

MUST_USE bool image_blocked_has(const struct image_blocked *set, uint32_t domain);

#endif
