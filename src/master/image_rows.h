/*
 * image_rows - the builder of an image as image_build, image_keys and image_tables
 * see it; for these alone.
 *
 * Process: master's loader.  May include: common/base.h, image_layout, image_build.
 */
#ifndef MASTER_IMAGE_ROWS_H
#define MASTER_IMAGE_ROWS_H

#include "common/base.h"
#include "common/image.h"
#include "common/image_layout.h"
#include "master/image_build.h"

/* Growing array of rows, or bytes. */
struct rows {
	char *p;
	size_t count, cap;
};

/* A growing table of struct image_bucket. */
struct buckets {
	struct image_bucket *p;
	size_t size, used;
};

/* Another domain of a key, until the lists are written. */
struct share {
	uint32_t domain;
	uint32_t next; /* IMAGE_NONE: last */
};

/* Bytes that stand once on the heap. */
struct once {
	uint64_t off;
	size_t len;
};

/* A trusted prefix of a domain, until the table is made. */
struct address_entry {
	struct image_cidr prefix; /* masked */
	uint32_t domain;
	uint32_t next; /* entry of the same prefix; IMAGE_NONE: last */
};

struct image_builder {
	struct image_header h;
	struct rows heap;
	struct rows listeners, tls, clusters, identities, policies, domains, limits, addresses, hosts, strip, rules, auths, sources;
	struct rows shares; /* struct share */
	struct rows onces;  /* struct once */
	struct rows ids;    /* struct image_id_bucket, the whole table */
	struct rows near;   /* struct image_near */
	struct buckets names, dns, sans; /* as they will stand in the image */
	struct buckets same_policies;	 /* ref: index of policies */
	struct buckets same_bytes;	 /* ref: index of onces */
	bool failed;
};

#define HEAP_START ((sizeof(struct image_header) + 63) & ~(size_t)63)

/* Room for n more elements of `size`; NULL: no memory, and the builder has failed. */
void *image_extend(struct image_builder *b, struct rows *r, size_t n, size_t size);

/* Copy to the heap; the offset in the image. */
uint64_t image_put(struct image_builder *b, const void *data, size_t len, size_t align);

/* What stands at `at`, which counts from the image's start; valid until the heap grows. */
void *image_heap_unit(const struct image_builder *b, uint32_t at);

/* ---- image_keys.c ---- */

/* Room for one more; false: the builder has failed. */
MUST_USE bool buckets_room(struct image_builder *b, struct buckets *t);
void buckets_put(struct buckets *t, uint32_t hash, uint32_t ref);

/* Once all keys are there: their lists of domains, and DNs by likeness. */
void image_finish_keys(struct image_builder *b);

/* ---- image_tables.c: malloc'ed, *size buckets; NULL: the builder has failed ---- */

struct image_host *image_host_table(struct image_builder *b, size_t *size);
struct image_address_bucket *image_address_table(struct image_builder *b, size_t *size);

#endif
