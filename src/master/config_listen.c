#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <ifaddrs.h>

#include "common/addr.h"
#include "common/sip/msg.h"
#include "common/sip/uri.h"
#include "master/config.h"

static const char *const sides[] = { "external", "internal", NULL };

struct span config_host(const struct config_node *n, char canonical[static 256])
{
	struct span text = span_of(json_string_value(n->value), json_string_length(n->value));
	uint8_t addr[16];
	size_t len;

	if (addr_parse(text, addr))
		return span_of(canonical, addr_print(addr, canonical));
	len = host_canon(text, canonical);
	if (len == 0)
		config_bad(n, "found \"%s\", expected a host name or an address", json_string_value(n->value));
	return span_of(canonical, len);
}

/* Resolve; numeric addresses need no resolver.  False after a complaint. */
static bool resolve(const struct config_node *n, uint8_t addr[16])
{
	struct span text = span_of(json_string_value(n->value), json_string_length(n->value));
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int rc;

	if (addr_parse(text, addr))
		return true;
	rc = getaddrinfo(json_string_value(n->value), NULL, &hints, &list);
	if (rc != 0 || !list) {
		config_bad(n, "found \"%s\", which has no address: %s", json_string_value(n->value), gai_strerror(rc));
		return false;
	}
	(void)addr_from_sockaddr(list->ai_addr, addr); /* the port is another key's */
	freeaddrinfo(list);
	return true;
}

static bool is_wildcard(const uint8_t addr[16])
{
	static const uint8_t v4[16] = { [10] = 0xff, [11] = 0xff }, v6[16];

	return memcmp(addr, v4, 16) == 0 || memcmp(addr, v6, 16) == 0;
}

static void own_address(struct config *c, const uint8_t addr[16], uint32_t flags)
{
	char text[ADDR_TEXT_MAX];
	size_t len = addr_print(addr, text);

	image_add_host(c->b, span_of(text, len), flags);
}

/* A listener on all addresses: every one of this machine is ours. */
static void own_interfaces(struct config *c)
{
	struct ifaddrs *list = NULL;
	uint8_t addr[16];

	if (getifaddrs(&list) != 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (i->ifa_addr && (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6)) {
			(void)addr_from_sockaddr(i->ifa_addr, addr); /* interfaces have no port */
			own_address(c, addr, HOST_OURS);
		}
	freeifaddrs(list);
}

struct image_section config_cidrs(struct config *c, const struct config_node *n)
{
	size_t count = config_list_count(n);
	struct image_cidr *rows = calloc(count ? count : 1, sizeof(*rows));
	struct image_section s = { 0 };

	for (size_t i = 0; rows && i < count; i++) {
		struct config_node e = config_list_at(n, i);
		struct span text = span_str(json_string_value(e.value)), host = span_head(text, span_find(text, '/'));
		uint64_t bits, most;

		if (!addr_parse(host, rows[i].addr)) {
			config_bad(&e, "found \"%s\", expected an address or a prefix like 192.0.2.0/24", json_string_value(e.value));
			continue;
		}
		most = addr_is_ipv4(rows[i].addr) ? 32 : 128;
		bits = most;
		if (host.len < text.len && !span_u64(span_from(text, host.len + 1), most, &bits))
			config_bad(&e, "found \"%s\", expected a prefix length of 0 to %u", json_string_value(e.value), (unsigned)most);
		rows[i].bits = (uint32_t)(bits + 128 - most);
	}
	if (rows)
		s = image_put_array(c->b, rows, count, sizeof(*rows));
	free(rows);
	return s;
}

static uint32_t read_methods(const struct config_node *n)
{
	struct config_node list = config_get(n, "methods", TYPE_STRINGS);
	uint32_t bits = 0;

	if (!list.value)
		return UINT32_MAX & ~(1u << METHOD_REGISTER) & ~(1u << METHOD_PUBLISH);
	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);
		enum method m = method_lookup(span_str(json_string_value(e.value)));

		if (m == METHOD_OTHER && !token_valid(span_str(json_string_value(e.value))))
			config_bad(&e, "found \"%s\", expected a method", json_string_value(e.value));
		bits |= 1u << m;
	}
	return bits;
}

/* "host[:port]" that Via and Record-Route show. */
static void read_advertise(struct config *c, const struct config_node *n, struct image_listener *row, bool wildcard)
{
	struct config_node a = config_get(n, "advertise", TYPE_STRING);
	struct sip_uri uri;
	char text[300], canonical[HOST_MAX];
	int len;

	if (!a.value) {
		if (wildcard)
			config_bad(n, "a listener on all addresses needs \"advertise\": the host[:port] that others reach it by");
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
static void read_listener_tls(struct config *c, const struct config_node *n, struct image_listener *row)
{
	struct config_node name = config_get(n, "tls", TYPE_STRING);
	const struct config_profile *p;

	row->tls = IMAGE_NONE;
	if (row->protocol != PROTO_TLS) {
		if (name.value)
			config_bad(&name, "only a listener with protocol \"TLS\" takes \"tls\"");
		return;
	}
	if (!name.value) {
		config_bad(n, "a TLS listener needs \"tls\": the name of a profile under /tls");
		return;
	}
	row->tls = config_profile_index(c, &name);
	if (row->tls == IMAGE_NONE)
		return;
	p = &c->profile[row->tls];
	if (!p->has_certificate)
		config_bad(&name, "profile \"%s\" has no certificate, and a listener needs one", p->name);
	if (p->takes_peers && p->trust_count == 0 && complaints_errors(c->complaints) == 0)
		config_bad(&name, "profile \"%s\" has no \"trust\", so no peer's certificate can be checked; name the CA files, or set client_certificate to \"off\"", p->name);
	if (p->trust_count > 1 && !p->any_trusted_ca && p->takes_peers)
		c->trust_is_ambiguous = true;
}

static void read_listener(struct config *c, const struct config_node *n)
{
	struct config_node host = config_get(n, "host", TYPE_STRING), port = config_get(n, "port", TYPE_INTEGER),
			   allow = config_get(n, "allow", TYPE_STRING | TYPE_STRINGS), side = config_get(n, "side", TYPE_STRING),
			   protocol = config_get(n, "protocol", TYPE_STRING);
	struct image_listener row = { .enforce = config_flag(n, "enforce", true) };
	uint8_t addr[16] = { 0 };
	char canonical[HOST_MAX];
	bool wildcard = false;

	if (!side.value || !protocol.value || !host.value || !port.value)
		config_bad(n, "a listener needs \"side\", \"protocol\", \"host\" and \"port\"");
	row.side = (uint8_t)config_choice(n, "side", sides, SIDE_EXTERNAL);
	row.protocol = (uint8_t)config_choice(n, "protocol", config_protocols, PROTO_TLS);
	row.port = (uint16_t)config_integer(n, "port", 0, 65535, 0);
	if (row.protocol == PROTO_UDP)
		config_bad(&protocol, "UDP is not supported by this version; expected \"TLS\" or \"TCP\"");
	if (row.side == SIDE_INTERNAL && row.protocol == PROTO_TLS)
		config_bad(&protocol, "TLS towards containers is not supported by this version; expected \"TCP\"");
	if (!row.enforce)
		config_bad(n, "\"enforce\": false is not supported by this version; leave it out");
	if (host.value && resolve(&host, addr)) {
		wildcard = is_wildcard(addr);
		row.host = image_put_text(c->b, span_str(json_string_value(host.value)));
		if (wildcard)
			own_interfaces(c);
		else
			own_address(c, addr, HOST_OURS);
		if (!wildcard)
			image_add_host(c->b, config_host(&host, canonical), HOST_OURS);
	}
	read_advertise(c, n, &row, wildcard);
	read_listener_tls(c, n, &row);
	row.methods = read_methods(n);
	row.allow = config_cidrs(c, &allow);
	(void)image_add_listener(c->b, &row); /* the master finds it by its place */
}

/* Two listeners on one address and port. */
static void check_twins(const struct config_node *list)
{
	for (size_t i = 0; i < json_array_size(list->value); i++)
		for (size_t j = 0; j < i; j++) {
			struct config_node a = config_at(list, i), b = config_at(list, j);
			int64_t port = json_integer_value(json_object_get(a.value, "port"));

			if (port && port == json_integer_value(json_object_get(b.value, "port")) &&
			    span_eq(config_text(&a, "host", "?"), config_text(&b, "host", "!")))
				config_bad(&a, "the same host and port as listener %zu", j);
		}
}

void config_read_listeners(struct config *c, const struct config_node *root)
{
	struct config_node list = config_get(root, "listeners", TYPE_ARRAY);
	bool outside = false;

	for (size_t i = 0; i < json_array_size(list.value); i++) {
		struct config_node n = config_at(&list, i);

		config_check(&n, &config_listener_keys);
		if (!json_is_object(n.value))
			continue;
		read_listener(c, &n);
		outside = outside || span_eq(config_text(&n, "side", ""), SPAN("external"));
	}
	if (!outside)
		config_bad(list.value ? &list : root, "expected \"listeners\" with at least one of side \"external\"");
	check_twins(&list);
}

/* ---- clusters ---- */

static struct image_server read_server(struct config *c, const struct config_node *n)
{
	struct config_node host = config_get(n, "host", TYPE_STRING), protocol = config_get(n, "protocol", TYPE_STRING);
	struct image_server row = {
		.port = (uint16_t)config_integer(n, "port", 1, 65535, 5060),
		.protocol = (uint8_t)config_choice(n, "protocol", config_protocols, PROTO_TCP),
		.weight = (uint32_t)config_integer(n, "weight", 0, 1000000, 1),
		.source_address = image_put_text(c->b, config_text(n, "source_address", "")),
	};
	struct config_node source = config_get(n, "source_address", TYPE_STRING);
	char canonical[HOST_MAX], id[HOST_MAX + 16];
	uint8_t addr[16];
	struct span name;

	if (row.protocol != PROTO_TCP)
		config_bad(&protocol, "only \"TCP\" towards containers is supported by this version");
	if (source.value && !addr_parse(span_str(json_string_value(source.value)), addr))
		config_bad(&source, "found \"%s\", expected an address", json_string_value(source.value));
	if (!host.value) {
		config_bad(n, "a server needs \"host\"");
		return row;
	}
	name = config_host(&host, canonical);
	row.host = image_put_text(c->b, name);
	row.id = image_put_text(c->b, span_of(id, (size_t)snprintf(id, sizeof(id), "%.*s:%u;tcp", SPAN_FMT(name), row.port)));
	image_add_host(c->b, name, HOST_CONTAINER);
	if (resolve(&host, row.addr))
		own_address(c, row.addr, HOST_CONTAINER);
	return row;
}

static void read_cluster(struct config *c, const struct config_node *n, const char *name)
{
	struct config_node list = config_get(n, "servers", TYPE_ARRAY);
	size_t count = json_array_size(list.value);
	struct image_server *rows = calloc(count ? count : 1, sizeof(*rows));
	struct image_cluster row = { .name = image_put_text(c->b, span_str(name)) };

	if (count == 0)
		config_bad(n, "a cluster needs \"servers\" with at least one server");
	for (size_t i = 0; rows && i < count; i++) {
		struct config_node e = config_at(&list, i);

		config_check(&e, &config_server_keys);
		if (json_is_object(e.value))
			rows[i] = read_server(c, &e);
	}
	if (rows)
		row.servers = image_put_array(c->b, rows, count, sizeof(*rows));
	(void)image_add_cluster(c->b, &row); /* clusters are found by their order */
	free(rows);
}

void config_read_clusters(struct config *c, const struct config_node *root)
{
	struct config_node all = config_get(root, "clusters", TYPE_OBJECT), wanted = config_get(root, "default_cluster", TYPE_STRING);
	struct image_header *h = image_builder_header(c->b);
	uint32_t index = 0;
	const char *name;
	json_t *value;

	json_object_foreach(all.value, name, value) {
		struct config_node n = config_get(&all, name, UINT32_MAX);

		n.value = value;
		config_check(&n, &config_cluster_keys);
		read_cluster(c, &n, name);
		if (wanted.value ? strcmp(name, json_string_value(wanted.value)) == 0 : json_object_size(all.value) == 1)
			h->default_cluster = index;
		index++;
	}
	if (index == 0)
		config_bad(root, "expected \"clusters\" with at least one cluster");
	else if (h->default_cluster == IMAGE_NONE && wanted.value)
		config_bad(&wanted, "there is no cluster \"%s\" under /clusters", json_string_value(wanted.value));
	else if (h->default_cluster == IMAGE_NONE)
		config_bad(root, "expected \"default_cluster\", since there is more than one cluster");
}
