/*
 * image_build - the write side of the published image.
 *
 * Process: master's loader.  May include: all of common.  Owns everything that
 * was added until image_builder_free.
 *
 * What is of varying length goes onto one heap behind the header, so its
 * offset is final at once; rows go into growing arrays that are laid behind
 * the heap at the end.  A million domains cost their rows and their texts,
 * nothing more.
 */
#ifndef MASTER_IMAGE_BUILD_H
#define MASTER_IMAGE_BUILD_H

#include "common/base.h"
#include "common/dn.h"
#include "common/image_layout.h"
#include "common/policy/route.h"
#include "common/span.h"

struct image_builder;

/* NULL: no memory. */
MUST_USE struct image_builder *image_builder_new(uint64_t generation);
void image_builder_free(struct image_builder *b);

/* Something meant for the image is lost, as if memory had run out here: image_builder_finish will fail. */
void image_builder_fail(struct image_builder *b);

/* The header, to be filled in but for its sections of rows. */
struct image_header *image_builder_header(struct image_builder *b);

/* Copy to the heap.  Once memory has run out everything returns nothing and image_builder_finish fails. */
struct image_str image_put_text(struct image_builder *b, struct span text);
struct image_section image_put_array(struct image_builder *b, const void *rows, size_t count, size_t size);
struct image_ref image_put_ref(struct image_builder *b, const void *rows, size_t count, size_t size);

/* The same, but equal bytes stand there once: for what policies point to, so that equal policies are one row. */
struct image_str image_put_text_once(struct image_builder *b, struct span text);
struct image_section image_put_array_once(struct image_builder *b, const void *rows, size_t count, size_t size);

/* Add a row; returns its index. */
uint32_t image_add_listener(struct image_builder *b, const struct image_listener *row);
uint32_t image_add_tls(struct image_builder *b, const struct image_tls *row);
uint32_t image_add_cluster(struct image_builder *b, const struct image_cluster *row);
uint32_t image_add_identity(struct image_builder *b, const struct image_identity *row);
uint32_t image_add_rule(struct image_builder *b, const struct image_rule *row);

/* An entry and its settings; `dns` and `policy` of the row are set here and by image_set_dns. */
uint32_t image_add_domain(struct image_builder *b, const struct image_domain *row, const struct image_policy *policy);

uint32_t image_add_auth(struct image_builder *b, const struct image_auth *row);
uint32_t image_add_limits(struct image_builder *b, const struct image_limits *row);

/* A file of domains; in the order of their entries. */
void image_add_source(struct image_builder *b, const struct image_domain_file *row);

/* A prefix of a domain's trusted_addresses. */
void image_add_address(struct image_builder *b, struct image_cidr prefix, uint32_t domain);

/* A canonical DN leads to a domain; returns the key's place for image_set_dns. */
uint32_t image_add_dn(struct image_builder *b, const uint8_t *canonical, size_t len, uint32_t domain);
void image_set_dns(struct image_builder *b, uint32_t domain, const uint32_t *keys, uint32_t count);

/* A SIP domain identity leads to a domain. */
void image_add_san(struct image_builder *b, struct span canonical_host, uint32_t domain);

/* A canonical host is ours; flags of several calls add up. */
void image_add_host(struct image_builder *b, struct span host, uint32_t flags);

/* A lower-case header name to strip; doubled ones are dropped. */
void image_add_strip(struct image_builder *b, struct span name);
bool image_strips(const struct image_builder *b, struct span name);

uint32_t image_domain_count(const struct image_builder *b);
struct image_domain *image_domain_row(struct image_builder *b, uint32_t index);
struct image_cidr image_heap_cidr(const struct image_builder *b, struct image_section s, uint64_t index);
struct image_str image_heap_str(const struct image_builder *b, struct image_section s, uint64_t index);
struct span image_heap_text(const struct image_builder *b, struct image_str s);
struct span image_heap_ref(const struct image_builder *b, struct image_ref r);

/*
 * The entry with the same name and kind as `domain`, added before it; IMAGE_NONE: it is the
 * first.  Call once for each domain, in order.
 */
uint32_t image_claim_name(struct image_builder *b, uint32_t domain);

/* Once all domains are there: the table that leads from their keyed ids back to them. */
void image_builder_ids(struct image_builder *b, const struct route_keys *keys);

/* Lay out, write and seal; after this the builder can only be freed.  The memfd, or -errno. */
MUST_USE int image_builder_finish(struct image_builder *b);

#endif
