#include "common/addr.h"
#include "master/config.h"

#define HOSTS_MAX 16 /* of one domain */

/* A domain is often its own host: one text for both. */
static bool read_target(struct config *c, const struct config_node *n, struct image_ref domain, struct image_target *out)
{
	struct config_node host = config_get(n, "host", TYPE_STRING);
	char canonical[CONFIG_HOST_MAX];
	uint8_t addr[16];
	struct span name = host.value ? config_host(&host, canonical) : SPAN_NONE;

	if (name.len == 0)
		return false;
	*out = (struct image_target){
		.host = span_eq(name, image_heap_ref(c->b, domain)) ? domain : image_put_ref(c->b, name.p, name.len, 1),
		.port = (uint16_t)config_integer(n, "port", 1, 65535, 0),
		.literal = addr_parse(name, addr),
	};
	return true;
}

/* `host` and `port`, or `hosts`. */
static void read_hosts(struct config *c, const struct config_node *n, struct image_domain *row)
{
	struct config_node list = config_get(n, "hosts", TYPE_ARRAY);
	struct image_target targets[HOSTS_MAX];
	size_t count = 0, given = json_array_size(list.value);

	if (list.value && (config_has(n, "host") || config_has(n, "port")))
		config_bad(&list, "expected either \"hosts\" or \"host\" and \"port\"");
	if (list.value && (given == 0 || given > HOSTS_MAX))
		config_bad(&list, "found %zu hosts, expected 1 to %d", given, HOSTS_MAX);
	for (size_t i = 0; i < MIN(given, (size_t)HOSTS_MAX); i++) {
		struct config_node e = config_at(&list, i);

		count += read_target(c, &e, row->name, &targets[count]);
	}
	if (!list.value && config_has(n, "host"))
		count = read_target(c, n, row->name, &targets[0]);
	row->hosts = image_put_ref(c->b, targets, count, sizeof(*targets));
}

/* The profile of connections that we open. */
static void read_profile(struct config *c, const struct config_node *n, struct image_policy *policy)
{
	struct config_node name = config_get(n, "tls", TYPE_STRING);

	policy->tls = IMAGE_NONE;
	if (policy->protocol != PROTO_TLS) {
		if (name.value)
			config_bad(&name, "only a domain with \"protocol\": \"TLS\" takes \"tls\"");
		return;
	}
	policy->tls = name.value ? config_profile_index(c, &name) : c->outbound_profile;
	if (name.value)
		config_check_outbound(c, &name, policy->tls);
}

/* Without TLS nobody proves anything. */
static void check_protocol(struct config *c, const struct config_node *n, const struct image_policy *policy)
{
	struct config_node protocol = config_get(n, "protocol", TYPE_STRING);

	if (policy->protocol == PROTO_UDP && !c->external_udp)
		config_bad(&protocol, "\"UDP\" needs an external listener with \"protocol\": \"UDP\", from whose address requests are sent");
	if (policy->protocol != PROTO_TLS)
		config_warn(&protocol, "without TLS whoever answers at the address is taken for the domain");
}

void config_domain_reach(struct config *c, const struct config_node *n, struct image_domain *row, struct image_policy *policy)
{
	policy->protocol = (uint8_t)config_choice(n, "protocol", config_protocols, PROTO_TLS);
	policy->reuse = (uint8_t)config_choice(n, "reuse", config_reuse, REUSE_ALIAS);
	policy->sni = image_put_text_once(c->b, config_text(n, "sni", ""));
	policy->options_ping = (uint32_t)config_integer(n, "options_ping", 0, 86400, 0);
	policy->crlf_ping = (uint32_t)config_integer(n, "crlf_ping", 0, 86400, 0);
	read_hosts(c, n, row);
	read_profile(c, n, policy);
	check_protocol(c, n, policy);
}
