/*
 * image_bounds - does what a row of the image says lie inside it?  For image.c
 * and image_verify.c alone.
 *
 * Process: any.  May include: common/base.h, image.  Owns nothing.
 */
#ifndef COMMON_IMAGE_BOUNDS_H
#define COMMON_IMAGE_BOUNDS_H

#include "common/image.h"

static inline bool inside(size_t size, uint64_t off, uint64_t len)
{
	return off <= size && len <= size - off;
}

static inline bool section_ok(const struct image *img, struct image_section s, size_t element)
{
	uint64_t bytes;

	return !MUL_OVERFLOWS(s.count, (uint64_t)element, &bytes) && inside(img->size, s.off, bytes) && s.off % 8 == 0;
}

static inline bool str_ok(const struct image *img, struct image_str s)
{
	return inside(img->size, s.off, s.len);
}

/* Sections inside rows are looked at only once they are known to lie inside. */
static inline bool strings_ok(const struct image *img, struct image_section s)
{
	const struct image_str *str;

	if (!section_ok(img, s, sizeof(*str)))
		return false;
	str = image_at(img, s);
	for (uint64_t i = 0; i < s.count; i++)
		if (!str_ok(img, str[i]))
			return false;
	return true;
}

static inline bool cidrs_ok(const struct image *img, struct image_section s)
{
	const struct image_cidr *c;

	if (!section_ok(img, s, sizeof(*c)))
		return false;
	c = image_at(img, s);
	for (uint64_t i = 0; i < s.count; i++)
		if (c[i].bits > 128)
			return false;
	return true;
}

/* An index, or none. */
static inline bool index_ok(uint32_t index, struct image_section rows)
{
	return index == IMAGE_NONE || index < rows.count;
}

/* `count` elements of `size` bytes each. */
static inline bool ref_ok(const struct image *img, struct image_ref r, size_t size)
{
	return inside(img->size, (uint64_t)r.at * IMAGE_UNIT, (uint64_t)r.count * size);
}

#endif
