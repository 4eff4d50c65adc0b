#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/addr.h"
#include "common/sip/msg.h"
#include "common/sip/uri.h"
#include "common/sip/value.h"
#include "master/config.h"

/* Where a listener listens, to find a second one there. */
struct place {
	uint8_t addr[16];
	int64_t port; /* 0: the kernel chooses, so never the same */
	bool datagram;
};

static bool is_wildcard(const uint8_t addr[16])
{
	static const uint8_t v4[16] = { [10] = 0xff, [11] = 0xff }, v6[16];

	return memcmp(addr, v4, 16) == 0 || memcmp(addr, v6, 16) == 0;
}

/* A listener on all addresses: every one of this machine is ours. */
static void own_interfaces(struct config *c)
{
	struct ifaddrs *list = NULL;
	char text[ADDR_TEXT_MAX];
	uint8_t addr[16];

	if (getifaddrs(&list) != 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (i->ifa_addr && (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6)) {
			(void)addr_from_sockaddr(i->ifa_addr, addr); /* interfaces have no port */
			image_add_host(c->b, span_of(text, addr_print(addr, text)), HOST_OURS);
		}
	freeifaddrs(list);
}

/* ---- what it takes ---- */

const char *config_method_meant(struct span name)
{
	static const char *const known[] = { "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "INFO",
		"SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "PUBLISH" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (span_ieq(name, span_str(known[i])))
			return known[i];
	return NULL;
}

static uint32_t read_methods(const struct config_node *n)
{
	struct config_node list = config_get(n, "methods", TYPE_STRINGS);
	uint32_t bits = 0;

	if (!list.value)
		return UINT32_MAX & ~(1u << METHOD_REGISTER) & ~(1u << METHOD_PUBLISH);
	if (config_list_count(&list) == 0)
		config_bad(&list, "found an empty list, expected at least one method");
	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);
		struct span name = config_span(&e);
		enum method m = method_lookup(name);

		bits |= 1u << m;
		if (m != METHOD_OTHER)
			continue;
		if (config_method_meant(name))
			config_bad(&e, "found \"%s\", expected \"%s\": methods are told apart by case", json_string_value(e.value),
			    config_method_meant(name));
		else if (!token_valid(name))
			config_bad(&e, "found \"%s\", expected a method", json_string_value(e.value));
		else
			config_warn(&e, "with \"%s\" every method that sipward does not know by name is taken", json_string_value(e.value));
	}
	return bits;
}

/* What counts on one side only. */
static void check_side(const struct config_node *n, enum image_side side)
{
	static const char *const keys[] = { [SIDE_EXTERNAL] = "methods", [SIDE_INTERNAL] = "allow" };
	const char *key = keys[side == SIDE_EXTERNAL ? SIDE_INTERNAL : SIDE_EXTERNAL];
	struct config_node m = config_get(n, key, TYPE_STRING | TYPE_STRINGS);

	if (m.value)
		config_bad(&m, "\"%s\" counts only on a listener of side \"%s\"; leave it out", key,
		    config_sides[side == SIDE_EXTERNAL ? SIDE_INTERNAL : SIDE_EXTERNAL]);
}

/* Inside there is nobody to observe: who is no container has no business there. */
static void check_enforce(const struct config_node *n, const struct image_listener *row)
{
	struct config_node enforce = config_get(n, "enforce", TYPE_BOOLEAN);

	if (!row->enforce && row->side == SIDE_INTERNAL)
		config_bad(&enforce, "false counts only on a listener of side \"external\"; leave it out");
	else if (!row->enforce)
		config_warn(&enforce, "whoever connects is let in, untrusted; the log says who would have been refused");
}

/* "host[:port]" that Via and Record-Route show. */
static void read_advertise(struct config *c, const struct config_node *n, struct image_listener *row, bool wildcard)
{
	struct config_node a = config_get(n, "advertise", TYPE_STRING);
	struct sip_uri uri;
	char text[CONFIG_HOST_MAX + 16], canonical[CONFIG_HOST_MAX];
	int len;

	if (!a.value) {
		if (wildcard && !config_has(n, "advertise"))
			config_bad(&a, "missing in a listener on all addresses; expected the host[:port] that others reach it by");
		return;
	}
	len = snprintf(text, sizeof(text), "sip:%s", json_string_value(a.value));
	if (len < 0 || (size_t)len >= sizeof(text) || !uri_parse(span_of(text, (size_t)len), &uri) || uri.params.len ||
	    uri.headers.len || uri.user.p) {
		config_bad(&a, "found \"%s\", expected host or host:port", json_string_value(a.value));
		return;
	}
	row->advertise_host = image_put_text(c->b, uri.host);
	row->advertise_port = uri.port;
	image_add_host(c->b, span_of(canonical, host_canon(uri.host, canonical)), HOST_OURS);
}

/* The profile of a TLS listener, and what it must have. */
static void read_profile(struct config *c, const struct config_node *n, struct image_listener *row)
{
	struct config_node name = config_get(n, "tls", TYPE_STRING), protocol = config_get(n, "protocol", TYPE_STRING);
	const struct config_profile *p;

	row->tls = IMAGE_NONE;
	if (row->protocol != PROTO_TLS) {
		if (name.value)
			config_bad(&name, "only a listener with \"protocol\": \"TLS\" takes \"tls\"");
		return;
	}
	if (!name.value) {
		if (protocol.value && !config_has(n, "tls"))
			config_bad(&name, "missing in a TLS listener; expected the name of a profile under /tls");
		return;
	}
	row->tls = config_profile_index(c, &name);
	if (row->tls == IMAGE_NONE)
		return;
	p = &c->profile[row->tls];
	if (!p->has_certificate)
		config_bad(&name, "profile \"%s\" has no \"certificate\" and \"private_key\", and a listener needs them", p->name);
	if (p->takes_peers && !p->trust_named)
		config_bad(&name, "profile \"%s\" has no \"trust\", so no peer's certificate can be checked; name the CA files, or set client_certificate to \"off\"",
		    p->name);
	if (row->side == SIDE_EXTERNAL && c->outbound_profile == IMAGE_NONE)
		c->outbound_profile = row->tls;
	if (row->side == SIDE_INTERNAL && !p->requires_peers)
		config_bad(&name, "profile \"%s\" does not require a certificate, and a container must show one; set client_certificate to \"require\"",
		    p->name);
	if (row->side == SIDE_EXTERNAL && p->trust_count > 1 && !p->any_trusted_ca && p->takes_peers)
		c->trust_is_ambiguous = true;
}

static void read_address(struct config *c, const struct config_node *n, struct image_listener *row, struct place *place)
{
	struct config_node host = config_get(n, "host", TYPE_STRING);
	char canonical[CONFIG_HOST_MAX];
	bool wildcard = false;

	if (host.value && config_resolve(c, &host, 0, place->addr)) {
		wildcard = is_wildcard(place->addr);
		place->port = row->port;
		row->host = image_put_text(c->b, config_span(&host));
		if (wildcard) {
			own_interfaces(c);
		} else {
			image_add_host(c->b, config_host(&host, canonical), HOST_OURS);
			image_add_host(c->b, span_of(canonical, addr_print(place->addr, canonical)), HOST_OURS);
		}
	}
	read_advertise(c, n, row, wildcard);
}

static void read_listener(struct config *c, const struct config_node *n, struct place *place)
{
	struct config_node allow = config_get(n, "allow", TYPE_STRING | TYPE_STRINGS),
			   auth = config_get(n, "proxy_auth", TYPE_OBJECT);
	struct image_listener row = {
		.enforce = config_flag(n, "enforce", true),
		.side = (uint8_t)config_choice(n, "side", config_sides, SIDE_EXTERNAL),
		.protocol = (uint8_t)config_choice(n, "protocol", config_protocols, PROTO_TLS),
		.port = (uint16_t)config_integer(n, "port", 0, 65535, 0),
	};

	check_side(n, row.side);
	check_enforce(n, &row);
	read_address(c, n, &row, place);
	read_profile(c, n, &row);
	place->datagram = row.protocol == PROTO_UDP;
	if (place->datagram)
		*(row.side == SIDE_EXTERNAL ? &c->external_udp : &c->internal_udp) = true;
	row.methods = read_methods(n);
	row.allow = config_cidrs(c, &allow);
	row.auth = config_auth(c, n, row.protocol != PROTO_TLS);
	if (row.auth != IMAGE_NONE && row.side == SIDE_INTERNAL)
		config_bad(&auth, "\"proxy_auth\" counts only on a listener of side \"external\"; leave it out");
	(void)image_add_listener(c->b, &row); /* the master finds it by its place */
}

static void check_twin(const struct config_node *n, const struct place *places, size_t index)
{
	struct config_node port = config_get(n, "port", TYPE_INTEGER);

	for (size_t j = 0; j < index; j++)
		if (places[index].port && places[j].port == places[index].port && places[j].datagram == places[index].datagram &&
		    memcmp(places[j].addr, places[index].addr, 16) == 0) {
			config_bad(&port, "the same host and port as /listeners/%zu; expected another", j);
			return;
		}
}

void config_read_listeners(struct config *c, const struct config_node *root)
{
	struct config_node list = config_get(root, "listeners", TYPE_ARRAY);
	size_t count = json_array_size(list.value);
	struct place *places = calloc(count ? count : 1, sizeof(*places));
	bool outside = false;

	if (!places) {
		image_builder_fail(c->b);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct config_node n = config_at(&list, i);

		if (!json_is_object(n.value))
			continue;
		read_listener(c, &n, &places[i]);
		check_twin(&n, places, i);
		outside |= config_choice(&n, "side", config_sides, SIDE_EXTERNAL) == SIDE_EXTERNAL;
	}
	if (!outside && list.value)
		config_bad(&list, "expected at least one listener of side \"external\"");
	free(places);
}
