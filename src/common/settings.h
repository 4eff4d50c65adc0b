/*
 * settings - the single-valued settings, as one plain struct that stands in the image.
 *
 * Process: any.  May include: common/base.h, span.  Owns nothing.
 * Rows, defaults, bounds and sentences are in settings.def.
 */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

#include "common/base.h"
#include "common/span.h"

enum setting_type {
	SETTING_SIZE,	 /* bytes */
	SETTING_COUNT,
	SETTING_SECONDS, /* JSON seconds, kept in milliseconds */
	SETTING_FLAG,
};

struct settings {
#define SETTING(field, key, type, def, min, max, unit, sentence) uint64_t field;
#include "common/settings.def"
#undef SETTING
};

struct setting_row {
	const char *key; /* "limits.header_bytes" */
	enum setting_type type;
	uint64_t def, min, max; /* in the kept unit: milliseconds for SETTING_SECONDS */
	const char *unit;
	const char *sentence;
	size_t offset; /* of the field in struct settings */
};

extern const struct setting_row setting_rows[];
extern const size_t setting_row_count;

void settings_defaults(struct settings *out);

/* The row of a dotted key; NULL: none. */
const struct setting_row *setting_find(struct span key);

void setting_set(struct settings *s, const struct setting_row *row, uint64_t value);
uint64_t setting_get(const struct settings *s, const struct setting_row *row);

#endif
