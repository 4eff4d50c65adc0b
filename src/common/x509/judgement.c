#include "common/x509/judgement.h"

/* What an entry asks beside its policy. */
#define ASKED (DOMAIN_ENABLED | DOMAIN_OBSERVE | DOMAIN_MATCH_ALL | DOMAIN_HAS_SAN)

static bool same_terms(const struct image *img, const struct peer_judgement *j, uint32_t domain)
{
	const struct image_domain *d = &img->domain[domain];

	for (uint32_t i = 0; i < j->domain_count; i++) {
		const struct image_domain *first = &img->domain[j->domain[i]];

		if (first->policy == d->policy && !((first->flags ^ d->flags) & ASKED))
			return !(d->flags & DOMAIN_MATCH_ALL);
	}
	return false;
}

bool judgement_has(const struct image *img, const struct peer_judgement *j, uint32_t domain)
{
	if (j->generation != img->h->generation || !image_domain_usable(img, domain))
		return false;
	for (uint32_t i = 0; i < j->domain_count; i++)
		if (j->domain[i] == domain)
			return true;
	return j->all_count && image_list_has(j->all, j->all_count, domain) && same_terms(img, j, domain);
}

void judgement_observe(struct peer_judgement *j)
{
	if (j->verdict == PEER_TRUSTED)
		j->verdict = PEER_OBSERVED;
	j->observed = true;
	j->domain_count = j->all_count = 0;
}

void judgement_none(struct peer_judgement *out, const struct image *img, enum peer_verdict verdict)
{
	*out = (struct peer_judgement){ .generation = img->h->generation, .blocks = img->blocks, .verdict = verdict,
		.valid_until = INT64_MAX };
}
