#include <stdio.h>
#include <stdlib.h>

#include "common/dn.h"
#include "common/sip/uri.h"
#include "master/config.h"

#define CAS_MAX 64  /* of one domain */
#define DNS_MAX 256 /* likewise */

/* ---- who may issue its certificate ---- */

/* Keys of a CA file; the last one used is the one most likely used again. */
static const struct config_cas *cas_of(struct config *c, const struct config_node *n)
{
	char *path = config_path(n->source, config_span(n)), pointer[JSON_POINTER_MAX + 64];
	struct pki_file file = { .path = path, .config_file = n->source->path, .pointer = pointer };
	struct config_cas *p;

	for (size_t i = 0; path && i < c->cas_count; i++) {
		size_t at = (c->cas_hit + i) % c->cas_count;

		if (strcmp(c->cas[at].path, path) == 0) {
			c->cas_hit = at;
			free(path);
			return &c->cas[at];
		}
	}
	p = realloc(c->cas, (c->cas_count + 1) * sizeof(*p));
	if (p)
		c->cas = p;
	if (!p || !path) {
		image_builder_fail(c->b);
		free(path);
		return NULL;
	}
	c->cas_hit = c->cas_count;
	p[c->cas_count] = (struct config_cas){ .path = path };
	file.line = config_line(n);
	snprintf(pointer, sizeof(pointer), "%s%s", n->source->prefix, n->pointer);
	/* A file that cannot be read is complained about once, and no configuration comes of it. */
	if (!pki_load_cas(&file, c->complaints, &p[c->cas_count].spki, &p[c->cas_count].count))
		p[c->cas_count].count = 0;
	return &c->cas[c->cas_count++];
}

static struct image_section read_trust(struct config *c, const struct config_node *n)
{
	struct config_node list = config_get(n, "trust", TYPE_STRING | TYPE_STRINGS);
	struct image_spki rows[CAS_MAX];
	size_t count = 0;

	if (!list.value)
		return (struct image_section){ 0 };
	if (config_list_count(&list) == 0) /* in the image that would mean: any of the listener's */
		config_bad(&list, "found an empty list, expected at least one CA file");
	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);
		const struct config_cas *cas = cas_of(c, &e);

		for (size_t j = 0; cas && j < cas->count; j++) {
			if (count == CAS_MAX) {
				config_bad(&list, "found more than %d CAs, expected at most as many for one domain", CAS_MAX);
				return (struct image_section){ 0 };
			}
			rows[count++] = cas->spki[j];
		}
	}
	return image_put_array_once(c->b, rows, count, sizeof(*rows));
}

static void check_trust(const struct config *c, const struct config_node *n)
{
	struct config_node trust = config_get(n, "trust", TYPE_STRING | TYPE_STRINGS);

	if (c->trust_is_ambiguous && config_has(n, "distinguished_name") && !config_has(n, "trust"))
		config_bad(&trust, "missing, and a listener trusts more than one CA; expected the CA that may issue the distinguished_name (or any_trusted_ca in the profile)");
}

/* ---- its names ---- */

static void read_dns(struct config *c, const struct config_node *n, uint32_t domain)
{
	struct config_node list = config_get(n, "distinguished_name", TYPE_STRING | TYPE_STRINGS);
	uint32_t keys[DNS_MAX], count = 0;
	struct dn dn;

	if (config_list_count(&list) > DNS_MAX)
		config_bad(&list, "found %zu distinguished names, expected at most %d for one domain", config_list_count(&list), DNS_MAX);
	for (size_t i = 0; i < MIN(config_list_count(&list), (size_t)DNS_MAX); i++) {
		struct config_node e = config_list_at(&list, i);

		if (config_dn(&e, &dn))
			keys[count++] = image_add_dn(c->b, dn.bytes, dn.len, domain);
	}
	image_set_dns(c->b, domain, keys, count);
}

/* The name, with its *. taken off; false: not usable. */
static bool read_name(struct config *c, const struct config_node *n, struct image_domain *row)
{
	struct config_node name = config_get(n, "domain", TYPE_STRING);
	struct span text = config_span(&name);
	char canonical[HOST_MAX];
	size_t len;

	if (!name.value)
		return false;
	if (span_istarts(text, SPAN("*."))) {
		row->flags |= DOMAIN_WILDCARD;
		text = span_from(text, 2);
	}
	len = host_canon(text, canonical);
	if (len == 0) {
		config_bad(&name, "found \"%s\", expected a domain like example.net or *.example.net", json_string_value(name.value));
		return false;
	}
	if (json_object_getn(c->local, canonical, len))
		config_warn(&name, "\"%s\" stands in /local_domains too: what goes there stays inside", json_string_value(name.value));
	row->name = image_put_ref(c->b, canonical, len, 1);
	return true;
}

static void remember(struct config *c, uint32_t domain, struct config_where where)
{
	if (domain >= c->where_cap) {
		size_t cap = MAX(c->where_cap * 2, (size_t)256);
		struct config_where *p = realloc(c->where, cap * sizeof(*p));

		if (!p) {
			image_builder_fail(c->b);
			return;
		}
		c->where = p;
		c->where_cap = cap;
	}
	c->where[domain] = where;
}

static void complain_twice(struct config *c, const struct config_node *n, struct config_where first)
{
	struct config_node name = config_get(n, "domain", TYPE_STRING);
	char pointer[64];

	if (first.file != IMAGE_NONE) {
		config_bad(&name, "found \"%s\" for the second time, expected each domain once; the first is at %s:%u",
		    json_string_value(name.value), c->domain_files[first.file], first.place);
		return;
	}
	snprintf(pointer, sizeof(pointer), "/external_domains/%u/domain", first.place);
	config_bad(&name, "found \"%s\" for the second time, expected each domain once; the first is at %s:%u: %s",
	    json_string_value(name.value), c->source.path, json_where(c->source.text, pointer), pointer);
}

/* ---- the rest ---- */

/* What this version would not do, though the configuration says it, and what is unwise. */
static void check_rest(const struct config_node *n, uint32_t flags)
{
	struct config_node match = config_get(n, "match", TYPE_STRING),
			   enforce = config_get(n, "enforce", TYPE_BOOLEAN), udp = config_get(n, "trust_udp", TYPE_BOOLEAN),
			   dn = config_get(n, "distinguished_name", TYPE_STRINGS);

	if (match.value && config_choice(n, "match", config_match, MATCH_ANY) != MATCH_ANY)
		config_bad(&match, "\"all\" is not supported by this version; leave it out");
	if (enforce.value && json_is_false(enforce.value))
		config_bad(&enforce, "false is not supported by this version; leave it out");
	if (flags & DOMAIN_TRUST_UDP)
		config_warn(&udp, "a datagram's source address can be forged by anybody whose network lets it");
	if (dn.value && json_array_size(dn.value) == 0)
		config_bad(&dn, "found an empty list, expected at least one distinguished name");
}

static uint32_t flags_of(const struct config_node *n)
{
	static const struct {
		const char *key;
		bool otherwise;
		uint32_t flag;
	} rows[] = {
		{ "enabled", true, DOMAIN_ENABLED },
		{ "enforce", true, DOMAIN_ENFORCE },
		{ "trust_domain", false, DOMAIN_TRUST_DOMAIN },
		{ "trust_udp", false, DOMAIN_TRUST_UDP },
		{ "allow_wildcard", false, DOMAIN_ALLOW_WILDCARD },
		{ "overload_control", false, DOMAIN_FEEDBACK },
	};
	uint32_t flags = config_has(n, "distinguished_name") ? DOMAIN_HAS_DN : 0;

	if (!config_flag(n, "retry_after", true))
		flags |= DOMAIN_NO_RETRY_AFTER;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (config_flag(n, rows[i].key, rows[i].otherwise))
			flags |= rows[i].flag;
	return flags;
}

static struct image_policy read_policy(struct config *c, const struct config_node *n, bool *own)
{
	struct config_node addresses = config_get(n, "trusted_addresses", TYPE_STRING | TYPE_STRINGS),
			   identity = config_get(n, "identity", TYPE_OBJECT);
	struct image_policy p = {
		.identity = identity.value ? config_identity(c, &identity, own) : c->identity_index,
		.limits = config_limits(c, n),
		.auth = config_auth(c, n, false),
		.trust = read_trust(c, n),
		.trusted_addresses = config_cidrs(c, &addresses),
	};

	return p;
}

static void put_addresses(struct config *c, const struct image_policy *policy, uint32_t index)
{
	for (uint64_t i = 0; i < policy->trusted_addresses.count; i++)
		image_add_address(c->b, image_heap_cidr(c->b, policy->trusted_addresses, i), index);
}

void config_domain(struct config *c, const struct config_node *n, struct config_where where)
{
	bool own = c->vouches_own, named;
	struct image_policy policy = read_policy(c, n, &own);
	struct image_domain row = { .flags = flags_of(n) | (own ? DOMAIN_VOUCHES_OWN : 0) };
	uint32_t index, first;

	named = read_name(c, n, &row);
	config_domain_reach(c, n, &row, &policy);
	check_trust(c, n);
	check_rest(n, row.flags);
	index = image_add_domain(c->b, &row, &policy);
	if (named) {
		remember(c, index, where);
		first = image_claim_name(c->b, index);
		if (first != IMAGE_NONE)
			complain_twice(c, n, c->where[first]);
	}
	read_dns(c, n, index);
	put_addresses(c, &policy, index);
}
