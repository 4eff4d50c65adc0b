#include "common/dn_near.h"

#include "common/dn_internal.h"

#define SKELETON_MAX 256 /* what lies behind makes no difference either */

static const char common_name[] = "\x55\x04\x03";

/* The attribute that tells names of one organisation apart. */
static struct span telling_value(const uint8_t *canonical, size_t len)
{
	struct dn_reader r = dn_read(canonical, len);
	struct span value = SPAN_NONE;
	struct dn_item item;
	bool named = false;

	while (dn_read_next(&r, &item)) {
		bool names = span_eq(item.oid, span_of(common_name, sizeof(common_name) - 1));

		if (names || !named)
			value = item.value;
		named = named || names;
	}
	return value;
}

/* Canonical values are folded already. */
static bool tells(char c)
{
	return (c >= '2' && c <= '9') || (c >= 'a' && c <= 'z' && !memchr("aeioul", c, 6));
}

uint32_t dn_likeness(const struct siphash_key *key, const uint8_t *canonical, size_t len)
{
	struct span value = telling_value(canonical, len);
	char skeleton[SKELETON_MAX];
	size_t n = 0;

	for (size_t i = 0; i < value.len && n < sizeof(skeleton); i++)
		if (tells(value.p[i]))
			skeleton[n++] = value.p[i];
	return (uint32_t)(siphash(key, skeleton, n) >> 32);
}
