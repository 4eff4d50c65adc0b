/*
 * diff_rows - the lists of an image (listeners, profiles, servers ...) in one
 * form: rows with a name, that can be described.
 *
 * Process: master (its loader and --check).  May include: common/base.h, image, diff_describe, pki_describe.
 * Owns the arrays that it makes.
 */
#ifndef MASTER_DIFF_ROWS_H
#define MASTER_DIFF_ROWS_H

#include "common/base.h"
#include "common/image.h"
#include "master/diff_fields.h"

#define DIFF_NAME_MAX 512

enum diff_group {
	DIFF_SETTINGS,
	DIFF_LISTENERS,
	DIFF_PROFILES,
	DIFF_CERTIFICATES,
	DIFF_CRLS,
	DIFF_CLUSTERS,
	DIFF_SERVERS,
	DIFF_RULES,
	DIFF_DOMAINS,
	DIFF_GROUPS
};

/* As they are told, "routing_rules". */
const char *diff_group_name(enum diff_group g);

/* A row, and the one that it belongs to: of a certificate the profile, of a server the cluster. */
struct diff_row {
	const void *row;
	uint32_t parent, place;
};

struct diff_rows {
	struct diff_row *row; /* malloc'ed */
	size_t count;
};

/* All rows of a group, neither DIFF_SETTINGS nor DIFF_DOMAINS; false: no memory. */
MUST_USE bool diff_rows_all(const struct image *img, enum diff_group g, struct diff_rows *out);

/* What it is known by; several rows may have one name. */
void diff_row_name(const struct image *img, enum diff_group g, const struct diff_row *r, char out[static DIFF_NAME_MAX]);

void diff_row_describe(const struct image *img, enum diff_group g, const struct diff_row *r, struct fields *f);

#endif
