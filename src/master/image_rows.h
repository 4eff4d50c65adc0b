/*
 * image_rows - the builder of an image as image_build and image_tables see it;
 * for these two alone.
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

/* A DN of a domain, until the table is made. */
struct dn_entry {
	uint64_t hash, key;
	uint32_t key_len, domain;
	uint32_t next; /* entry of the same DN; IMAGE_NONE: last */
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
	struct rows listeners, tls, clusters, identities, domains, limits, dns, addresses, hosts, strip, rules, auths;
	struct rows names; /* struct image_name_bucket, open addressing, while it grows */
	struct rows ids;   /* struct image_id_bucket, the whole table */
	size_t names_used;
	bool failed;
};

#define HEAP_START ((sizeof(struct image_header) + 63) & ~(size_t)63)

/* Room for n more elements of `size`; NULL: no memory, and the builder has failed. */
void *image_extend(struct image_builder *b, struct rows *r, size_t n, size_t size);

/* Copy to the heap; the offset in the image. */
uint64_t image_put(struct image_builder *b, const void *data, size_t len, size_t align);

/* ---- image_tables.c: malloc'ed, *size buckets; NULL: the builder has failed ---- */

struct image_dn_bucket *image_dn_table(struct image_builder *b, size_t *size);
struct image_host *image_host_table(struct image_builder *b, size_t *size);
struct image_address_bucket *image_address_table(struct image_builder *b, size_t *size);

#endif
