/* Look-ups of common/image by linear search, until that module is there. */
#ifndef TESTS_SUPPORT_IMAGE_LOOKUPS_H
#define TESTS_SUPPORT_IMAGE_LOOKUPS_H
#include "common/image.h"

bool image_domain_covers(const struct image *img, uint32_t domain, struct span host)
{
	struct span name = image_text(img, img->domain[domain].name);

	if (!(img->domain[domain].flags & DOMAIN_WILDCARD))
		return span_eq(name, host);
	return host.len > name.len + 1 && host.p[host.len - name.len - 1] == '.' && span_iends(host, name);
}

uint32_t image_find_domain(const struct image *img, struct span host)
{
	uint32_t best = IMAGE_NONE;
	size_t fit = 0;

	for (uint32_t i = 0; i < img->h->domains.count; i++) {
		size_t f = img->domain[i].flags & DOMAIN_WILDCARD ? img->domain[i].name.len : SIZE_MAX;

		if (image_domain_covers(img, i, host) && f > fit) {
			best = i;
			fit = f;
		}
	}
	return best;
}

uint32_t image_host_flags(const struct image *img, struct span host)
{
	const struct image_host *h = image_at(img, img->h->hosts);

	for (uint64_t i = 0; i < img->h->hosts.count; i++)
		if (h[i].name.len && span_eq(image_text(img, h[i].name), host))
			return h[i].flags;
	return 0;
}

bool image_host_is_local(const struct image *img, struct span host)
{
	const struct image_host *h = image_at(img, img->h->hosts);

	for (uint64_t i = 0; i < img->h->hosts.count; i++) {
		struct span name = image_text(img, h[i].name);

		if (h[i].flags & HOST_LOCAL_DOMAIN && (span_eq(name, host) || (host.len > name.len &&
		    host.p[host.len - name.len - 1] == '.' && span_iends(host, name))))
			return true;
	}
	return false;
}
#endif
