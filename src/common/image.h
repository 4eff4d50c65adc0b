/*
 * image - the read side of the published image.
 *
 *   accept -> tls -> [identify] -> frame -> msg -> [inspect] -> [route] -> rewrite -> send
 *
 * Process: any.  May include: common/base.h, span, settings, siphash, dn, dn_near, image_layout, sip/hdr, sip/uri.
 * Owns the mapping and the small index arrays made at attach.
 *
 * Look-ups are pure: bytes in, index out.  A hash alone never decides: the
 * full key is compared on every hit.
 */
#ifndef COMMON_IMAGE_H
#define COMMON_IMAGE_H

#include "common/base.h"
#include "common/image_layout.h"
#include "common/sip/hdr.h"
#include "common/span.h"

struct image_blocked;

struct image {
	const struct image_header *h;	/* the mapping */
	size_t size;
	const struct settings *settings; /* == &h->settings */
	const struct image_listener *listener;
	const struct image_tls *tls;
	const struct image_cluster *cluster;
	const struct image_identity *identity;
	const struct image_domain *domain;
	const struct image_policy *policy;
	const struct image_auth *auth;
	struct hdr_set strip;		/* spans into the mapping; the array is owned */
	/* Of the process, not of the mapping: entries that are blocked at run time (common/image_blocked). */
	const struct image_blocked *blocked; /* NULL: none; borrowed */
	uint32_t blocks;		/* another number whenever those may be others: judgements carry it */
};

/*
 * Map a sealed image and check magic, version, size, and what costs no more
 * with more domains: so a worker takes a million of them between two events.
 * NULL with errno set: EBADMSG when it is no image of ours or not sealed.  The
 * fd may be closed afterwards.
 */
MUST_USE struct image *image_attach(int fd);
void image_free(struct image *img);

/*
 * Free it slice by slice: each call lets a bounded part of it go, in well under
 * a millisecond.  True: it is gone.  Nothing of it may be used any more.
 */
MUST_USE bool image_free_some(struct image *img);

/*
 * Check the rest: every row of the large sections and every bucket lead inside
 * the image.  The loader does so before it gives an image away; seals keep it so.
 */
MUST_USE bool image_verify(const struct image *img);

static inline struct span image_text(const struct image *img, struct image_str s)
{
	return span_of((const char *)img->h + s.off, s.len);
}

static inline const void *image_at(const struct image *img, struct image_section s)
{
	return (const char *)img->h + s.off;
}

static inline const void *image_unit(const struct image *img, uint32_t at)
{
	return (const char *)img->h + (uint64_t)at * IMAGE_UNIT;
}

static inline struct span image_ref_text(const struct image *img, struct image_ref r)
{
	return span_of(image_unit(img, r.at), r.count);
}

static inline const struct image_key *image_key_at(const struct image *img, uint32_t at)
{
	return image_unit(img, at);
}

/* Of an entry by its index. */
static inline const struct image_policy *image_policy_of(const struct image *img, uint32_t domain)
{
	return &img->policy[img->domain[domain].policy];
}

static inline struct span image_domain_name(const struct image *img, uint32_t domain)
{
	return image_ref_text(img, img->domain[domain].name);
}

/* The file of domains that an entry was read from; NULL: the main file. */
const struct image_domain_file *image_file_of(const struct image *img, uint32_t domain);

/* Canonical bytes of the entry's DN number i < dns.count. */
struct span image_domain_dn(const struct image *img, const struct image_domain *d, uint32_t i);

/* Indexes of the domains of a canonical DN, in configuration order; count 0: not configured. */
struct image_domains {
	const uint32_t *index;
	uint32_t count;
};
struct image_domains image_find_dn(const struct image *img, const uint8_t *canonical, size_t len);

/* The same of a SIP domain identity, a canonical host, by `subject_alt_names` (RFC 5922 7.1). */
struct image_domains image_find_san(const struct image *img, struct span canonical_host);
struct image_domains image_key_domains(const struct image *img, const struct image_key *key);

/*
 * The entry of a canonical host: exact before the longest *.suffix (which
 * stands for one or more labels, not for the suffix itself); IMAGE_NONE: none.
 */
uint32_t image_find_domain(const struct image *img, struct span canonical_host);

/* The entry of exactly this canonical name, for a wildcard with its "*."; IMAGE_NONE: none. */
uint32_t image_find_entry(const struct image *img, struct span name);

/* img->blocked, which must not be NULL, has the entry. */
bool image_is_blocked(const struct image *img, uint32_t domain);

/* May anybody be taken for this entry, and anything be sent to it?  Enabled, and not blocked at run time. */
static inline bool image_domain_usable(const struct image *img, uint32_t domain)
{
	return (img->domain[domain].flags & DOMAIN_ENABLED) && (likely(!img->blocked) || !image_is_blocked(img, domain));
}

/*
 * The entry whose keyed id this is, made with the token secret at place `key`,
 * or in our Via (IMAGE_ID_BACK); IMAGE_NONE: none.
 */
uint32_t image_find_id(const struct image *img, uint32_t key, uint64_t id);

/*
 * Usable entries with all of `flags` whose trusted_addresses hold the address: the
 * first `max` in configuration order into domains[]; returns how many.
 */
uint32_t image_find_address(const struct image *img, const uint8_t addr[16], uint32_t flags, uint32_t *domains,
    uint32_t max);

/* Is it in the ascending list? */
bool image_list_has(const uint32_t *list, uint32_t count, uint32_t domain);
/* Put into an ascending list that keeps the lowest `max`, each once; returns how many there are then. */
uint32_t image_list_add(uint32_t *list, uint32_t count, uint32_t max, uint32_t domain);

/* What both sides of that table agree on: hash of a prefix, whose bits behind its length are zero. */
uint64_t image_prefix_hash(const struct siphash_key *key, const struct image_cidr *prefix);
void image_prefix_mask(struct image_cidr *prefix);

/* Does entry `domain` stand for the host, as exact name or as wildcard? */
bool image_domain_covers(const struct image *img, uint32_t domain, struct span canonical_host);

/* HOST_... flags of exactly this canonical host; 0: not ours. */
uint32_t image_host_flags(const struct image *img, struct span canonical_host);

/* Is the host one of local_domains or below one? */
bool image_host_is_local(const struct image *img, struct span canonical_host);

/* Is the address (IPv4 mapped) in the prefix, in one of the prefixes? */
bool image_cidr_covers(const struct image_cidr *prefix, const uint8_t addr[16]);
bool image_cidr_has(const struct image *img, struct image_section cidrs, const uint8_t addr[16]);

/*
 * The configured DN that the given one was probably meant to be: of those with
 * the same likeness (common/dn_near) the one with most attributes in common; of
 * a short list any that shares an attribute.  Bounded work at any size.  NULL: none.
 */
const struct image_key *image_nearest_dn(const struct image *img, const uint8_t *canonical, size_t len);

#endif
