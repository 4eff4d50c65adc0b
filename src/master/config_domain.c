#include <stdio.h>
#include <stdlib.h>

#include "common/addr.h"
#include "common/dn.h"
#include "common/sip/uri.h"
#include "master/config.h"

static bool is_address(struct span host)
{
	uint8_t addr[16];

	return addr_parse(host, addr);
}

/* Such a name is never looked up among the external ones. */
static bool is_below_local(const struct config *c, struct span host)
{
	size_t dot;

	while ((dot = span_find(host, '.')) < host.len) {
		host = span_from(host, dot + 1);
		if (json_object_getn(c->local, host.p, host.len))
			return true;
	}
	return false;
}

/* The name, with its *. taken off; of no bytes: not usable. */
static struct image_ref read_name(struct config *c, const struct config_node *name, uint32_t *flags)
{
	struct span text = config_span(name);
	char canonical[HOST_MAX];
	size_t len;

	if (!name->value)
		return (struct image_ref){ 0 };
	if (span_istarts(text, SPAN("*."))) {
		*flags |= DOMAIN_WILDCARD;
		text = span_from(text, 2);
	}
	len = host_canon(text, canonical);
	if (len == 0) {
		config_bad(name, "found \"%s\", expected a domain like example.net or *.example.net", json_string_value(name->value));
		return (struct image_ref){ 0 };
	}
	if (*flags & DOMAIN_WILDCARD && is_address(span_of(canonical, len)))
		config_bad(name, "found \"%s\", but no host stands below an address; expected *.example.net", json_string_value(name->value));
	else if (json_object_getn(c->local, canonical, len))
		config_warn(name, "\"%s\" stands in /local_domains too: what goes there stays inside", json_string_value(name->value));
	else if (is_below_local(c, span_of(canonical, len)))
		config_warn(name, "\"%s\" stands below one of /local_domains: what goes there stays inside", json_string_value(name->value));
	return image_put_ref(c->b, canonical, len, 1);
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

void config_where_text(const struct config *c, struct config_where where, char *out, size_t cap)
{
	char pointer[64];

	if (where.file != IMAGE_NONE) {
		snprintf(out, cap, "%s:%u", c->domain_files[where.file], where.place);
		return;
	}
	snprintf(pointer, sizeof(pointer), "/external_domains/%u/domain", where.place);
	snprintf(out, cap, "%s:%u: %s", c->source.path, json_where(c->source.text, pointer), pointer);
}

/* ---- the rest ---- */

/* What is unwise, and what says nothing. */
static void check_rest(const struct config_node *n, uint32_t flags)
{
	struct config_node udp = config_get(n, "trust_udp", TYPE_BOOLEAN), dn = config_get(n, "distinguished_name", TYPE_STRINGS);

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
		{ "trust_domain", false, DOMAIN_TRUST_DOMAIN },
		{ "trust_udp", false, DOMAIN_TRUST_UDP },
		{ "allow_wildcard", false, DOMAIN_ALLOW_WILDCARD },
		{ "overload_control", false, DOMAIN_FEEDBACK },
	};
	uint32_t flags = 0;

	if (!config_flag(n, "retry_after", true))
		flags |= DOMAIN_NO_RETRY_AFTER;
	if (!config_flag(n, "enforce", true))
		flags |= DOMAIN_OBSERVE;

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
		.trusted_addresses = config_cidrs(c, &addresses),
	};

	return p;
}

static void put_addresses(struct config *c, const struct image_policy *policy, uint32_t index)
{
	for (uint64_t i = 0; i < policy->trusted_addresses.count; i++)
		image_add_address(c->b, image_heap_cidr(c->b, policy->trusted_addresses, i), index);
}

struct config_where config_domain_add(struct config *c, const struct image_domain *row, const struct image_policy *policy,
    struct config_where where, uint32_t *index)
{
	uint32_t first = IMAGE_NONE;

	*index = image_add_domain(c->b, row, policy);
	put_addresses(c, policy, *index);
	remember(c, *index, where);
	if (row->name.count)
		first = image_claim_name(c->b, *index);
	return first == IMAGE_NONE ? (struct config_where){ where.file, CONFIG_NO_PLACE } : c->where[first];
}

void config_domain(struct config *c, const struct config_node *n, struct config_where where)
{
	bool own = c->vouches_own;
	struct image_policy policy = read_policy(c, n, &own);
	struct image_domain row = { .flags = flags_of(n) | (own ? DOMAIN_VOUCHES_OWN : 0),
		.line = where.file == IMAGE_NONE ? 0 : where.place };
	struct config_node name = config_get(n, "domain", TYPE_STRING);
	struct config_where first;
	char text[1024] = "";
	uint32_t index;

	row.name = read_name(c, &name, &row.flags);
	config_domain_reach(c, n, &row, &policy);
	config_domain_proof(c, n, &row, &policy);
	check_rest(n, row.flags);
	first = config_domain_add(c, &row, &policy, where, &index);
	if (first.place != CONFIG_NO_PLACE) {
		if (complaints_errors(c->complaints) < COMPLAINTS_KEPT)
			config_where_text(c, first, text, sizeof(text));
		config_bad(&name, CONFIG_TWICE, json_string_value(name.value), text);
	}
	config_domain_names(c, n, &policy, index);
	c->file_is_private = c->file_is_private || policy.auth != IMAGE_NONE || config_has(n, "identity");
}
