#include <stdio.h>
#include <string.h>

#include "common/dn.h"
#include "common/image.h"
#include "master/config.h"

static bool has_key(const struct image *img, struct image_section keys, const uint8_t key[32])
{
	const struct image_spki *k = image_at(img, keys);

	for (uint64_t i = 0; i < keys.count; i++)
		if (memcmp(k[i].sha256, key, 32) == 0)
			return true;
	return false;
}

static bool all_in(const struct image *img, struct image_section some, struct image_section all)
{
	const struct image_spki *k = image_at(img, some);

	for (uint64_t i = 0; i < some.count; i++)
		if (!has_key(img, all, k[i].sha256))
			return false;
	return true;
}

/* The same CAs; equal lists stand in the image once, so that most often it is seen at once. */
static bool same_trust(const struct image *img, uint32_t one, uint32_t other)
{
	struct image_section a = image_policy_of(img, one)->trust, b = image_policy_of(img, other)->trust;

	return (a.off == b.off && a.count == b.count) || (!a.count == !b.count && all_in(img, a, b) && all_in(img, b, a));
}

static void warn(struct config *c, const struct image *img, struct span dn, uint32_t first, uint32_t second)
{
	struct config_where where = c->where[second];
	char other[1024], text[512], pointer[64] = "";
	size_t n = dn_print((const uint8_t *)dn.p, dn.len, text, sizeof(text));
	const char *file = c->source.path;
	unsigned line = where.place;

	if (where.file == IMAGE_NONE) {
		snprintf(pointer, sizeof(pointer), "/external_domains/%u", where.place);
		line = json_where(c->source.text, pointer);
	} else {
		file = c->domain_files[where.file];
	}
	config_where_text(c, c->where[first], other, sizeof(other));
	complain_warning(c->complaints, file, line, pointer,
	    "\"%.*s\" stands with another \"trust\" at %s: which CA has issued a certificate decides whose it is", (int)n, text, other);
}

/* One of its DNs that an earlier domain has, too, with other CAs. */
static void check(struct config *c, const struct image *img, uint32_t domain)
{
	const struct image_domain *d = &img->domain[domain];

	for (uint32_t i = 0; i < d->dns.count; i++) {
		struct span dn = image_domain_dn(img, d, i);
		struct image_domains sharing = image_find_dn(img, (const uint8_t *)dn.p, dn.len);

		if (sharing.index[0] == domain || same_trust(img, sharing.index[0], domain))
			continue;
		if (complaints_warnings(c->complaints) < COMPLAINTS_KEPT)
			warn(c, img, dn, sharing.index[0], domain);
		else
			complain_warning(c->complaints, "", 0, NULL, "only counted");
		return;
	}
}

void config_check_shared(struct config *c, const struct image *img)
{
	for (uint32_t i = 0; i < img->h->domains.count; i++)
		check(c, img, i);
}
