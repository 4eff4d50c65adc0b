/*
 * diff_describe - the rows of an image, one by one, as fields and by name.
 *
 * Process: master (its loader and --check).  May include: common/base.h, image, dn, addr, auth/digest, config (names of choices), diff_fields.  Owns nothing.
 *
 * What stands in the keys and not in the image (users of proxy authentication,
 * secrets of tokens) is not described.
 */
#ifndef MASTER_DIFF_DESCRIBE_H
#define MASTER_DIFF_DESCRIBE_H

#include "common/base.h"
#include "common/image.h"
#include "master/diff_fields.h"

/* Append what the row says. */
void describe_settings(const struct image *img, struct fields *f);
void describe_listener(const struct image *img, const struct image_listener *l, struct fields *f);
void describe_tls(const struct image *img, const struct image_tls *t, struct fields *f);
void describe_cluster(const struct image *img, const struct image_cluster *c, struct fields *f);
void describe_server(const struct image *img, const struct image_server *s, struct fields *f);
void describe_rule(const struct image *img, const struct image_rule *r, struct fields *f);
void describe_policy(const struct image *img, const struct image_policy *p, struct fields *f);
/* The entry without its policy. */
void describe_entry(const struct image *img, const struct image_domain *d, struct fields *f);

#endif
