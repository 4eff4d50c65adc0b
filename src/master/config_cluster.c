#include <stdio.h>
#include <stdlib.h>

#include "common/addr.h"
#include "master/config.h"

#define DNS_MAX 16 /* of one server */
#define PROBE_TIMEOUT 2.0
#define PROBE_FAILURES 3
#define PROBE_LEAST 0.05

/* What it must show: canonical DNs. */
static struct image_section read_dns(struct config *c, const struct config_node *n)
{
	struct config_node list = config_get(n, "distinguished_name", TYPE_STRING | TYPE_STRINGS);
	struct image_str rows[DNS_MAX];
	size_t count = config_list_count(&list), good = 0;

	if (count > DNS_MAX) {
		config_bad(&list, "found %zu names, expected at most %d", count, DNS_MAX);
		count = DNS_MAX;
	}
	for (size_t i = 0; i < count; i++) {
		struct config_node e = config_list_at(&list, i);
		struct dn dn;

		if (config_dn(&e, &dn))
			rows[good++] = image_put_text(c->b, span_of((const char *)dn.bytes, dn.len));
	}
	return image_put_array(c->b, rows, good, sizeof(*rows));
}

/* A name counts only together with the CA that may issue it. */
static void check_issuer(const struct config *c, const struct config_node *tls, uint32_t profile)
{
	const struct config_profile *p = profile == IMAGE_NONE ? NULL : &c->profile[profile];

	if (p && p->trust_count > 1 && !p->any_trusted_ca)
		config_bad(tls, "profile \"%s\" trusts more than one CA, so a name alone does not say who it is; expected a profile with the one that may issue it (or any_trusted_ca)",
		    p->name);
}

/* TLS: with which certificate and whose trust, and who must answer; RFC 3325's trust needs a hop that is known. */
static void read_security(struct config *c, const struct config_node *n, struct image_server *row)
{
	struct config_node tls = config_get(n, "tls", TYPE_STRING), names = config_get(n, "distinguished_name", TYPE_STRING | TYPE_STRINGS);
	bool wanted = row->protocol == PROTO_TLS;

	row->tls = IMAGE_NONE;
	if (!wanted && config_has(n, "tls"))
		config_bad(&tls, "only a server with \"protocol\": \"TLS\" takes \"tls\"");
	if (!wanted && config_has(n, "distinguished_name"))
		config_bad(&names, "only a server with \"protocol\": \"TLS\" takes \"distinguished_name\"");
	if (!wanted)
		return;
	if (!config_has(n, "tls"))
		config_bad(&tls, "missing in a TLS server; expected the name of a profile under /tls, with our certificate and the CAs to trust");
	if (config_list_count(&names) == 0)
		config_bad(&names, "missing in a TLS server; expected the distinguished name that it must show");
	if (tls.value) {
		row->tls = config_profile_index(c, &tls);
		config_check_outbound(c, &tls, row->tls);
		check_issuer(c, &tls, row->tls);
	}
	row->dns = read_dns(c, n);
}

static void check_server(const struct config *c, const struct config_node *n, const struct image_server *row)
{
	struct config_node protocol = config_get(n, "protocol", TYPE_STRING), source = config_get(n, "source_address", TYPE_STRING);
	uint8_t addr[16];

	if (row->protocol == PROTO_UDP && !c->internal_udp)
		config_bad(&protocol, "\"UDP\" needs an internal listener with \"protocol\": \"UDP\", from whose address requests are sent");
	if (row->protocol == PROTO_UDP && source.value)
		config_bad(&source, "a server with \"protocol\": \"UDP\" is spoken to from the internal UDP listener; leave it out");
	if (source.value && !addr_parse(config_span(&source), addr))
		config_bad(&source, "found \"%s\", expected an address", json_string_value(source.value));
}

static struct image_server read_server(struct config *c, const struct config_node *n)
{
	static const char *const transport[] = { [PROTO_TLS] = "tls", [PROTO_TCP] = "tcp", [PROTO_UDP] = "udp" };
	struct config_node host = config_get(n, "host", TYPE_STRING);
	struct image_server row = {
		.protocol = (uint8_t)config_choice(n, "protocol", config_protocols, PROTO_TCP),
		.weight = (uint32_t)config_integer(n, "weight", 0, 1000000, 1),
		.limits = config_limits(c, n),
		.feedback = config_flag(n, "overload_control", false),
		.source_address = image_put_text(c->b, config_text(n, "source_address", "")),
	};
	char canonical[CONFIG_HOST_MAX], id[CONFIG_HOST_MAX + 16];
	struct span name;
	int len;

	row.port = (uint16_t)config_integer(n, "port", 1, 65535, row.protocol == PROTO_TLS ? 5061 : 5060);
	check_server(c, n, &row);
	read_security(c, n, &row);
	if (!host.value)
		return row;
	name = config_host(&host, canonical);
	if (name.len == 0 || !config_resolve(c, &host, HOST_CONTAINER, row.addr))
		return row;
	len = snprintf(id, sizeof(id), "%.*s:%u;%s", SPAN_FMT(name), row.port, transport[row.protocol]);
	row.host = image_put_text(c->b, name);
	row.id = image_put_text(c->b, span_of(id, (size_t)len));
	image_add_host(c->b, name, HOST_CONTAINER);
	return row;
}

/* A container that stands twice would get twice the calls, and one name in tokens. */
static void check_twin(struct config *c, const struct config_node *n, const struct image_server *rows, size_t index)
{
	for (size_t j = 0; rows[index].id.len && j < index; j++)
		if (span_eq(image_heap_text(c->b, rows[j].id), image_heap_text(c->b, rows[index].id))) {
			config_bad(n, "the same host and port as server %zu of this cluster; expected each once, \"weight\" gives it more", j);
			return;
		}
}

/* One container has one connection, so all clusters that it stands in must mean the same by it. */
static void check_same(struct config *c, const struct config_node *n, struct image_str id, json_t *seen)
{
	static const char *const keys[] = { "tls", "distinguished_name", "source_address" };
	struct span text = image_heap_text(c->b, id);
	json_t *own = json_object(), *first = json_object_getn(seen, text.p, text.len);

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (config_has(n, keys[i]) && json_object_set(own, keys[i], json_object_get(n->value, keys[i])) != 0)
			image_builder_fail(c->b);
	if (first && !json_equal(first, own))
		config_bad(n, "the same host and port as a server of another cluster, but with another \"tls\", \"distinguished_name\" or \"source_address\"");
	if (!first && json_object_setn(seen, text.p, text.len, own) != 0)
		image_builder_fail(c->b);
	json_decref(own);
}

/* OPTIONS to the servers; seconds in the configuration, milliseconds in the image. */
static void read_probes(const struct config_node *n, struct image_cluster *row)
{
	struct config_node interval = config_get(n, "probe_interval", TYPE_NUMBER), timeout = config_get(n, "probe_timeout", TYPE_NUMBER);
	double between = json_number_value(interval.value), answer = timeout.value ? json_number_value(timeout.value) : PROBE_TIMEOUT;

	row->probe_failures = (uint32_t)config_integer(n, "probe_failures", 1, 100, PROBE_FAILURES);
	row->probe_interval = between > 0 && between <= 3600 ? (uint32_t)(between * 1000 + 0.5) : 0;
	row->probe_timeout = answer > 0 && answer <= 3600 ? (uint32_t)(answer * 1000 + 0.5) : 0;
	if ((interval.value && between > 0 && between < PROBE_LEAST) || (timeout.value && answer < PROBE_LEAST))
		config_bad(timeout.value && answer < PROBE_LEAST ? &timeout : &interval, "found %.15g, expected at least %.15g s",
		    timeout.value && answer < PROBE_LEAST ? answer : between, PROBE_LEAST);
	if (!row->probe_interval && (timeout.value || config_has(n, "probe_failures")))
		config_warn(n, "\"probe_timeout\" and \"probe_failures\" have no effect without \"probe_interval\"");
}

static void read_cluster(struct config *c, const struct config_node *n, const char *name, json_t *seen)
{
	struct config_node list = config_get(n, "servers", TYPE_ARRAY);
	size_t count = json_array_size(list.value);
	struct image_server *rows = calloc(count ? count : 1, sizeof(*rows));
	struct image_cluster row = { .name = image_put_text(c->b, span_str(name)) };

	if (!rows) {
		image_builder_fail(c->b);
		return;
	}
	if (count == 0 && list.value)
		config_bad(&list, "found an empty list, expected at least one server");
	for (size_t i = 0; i < count; i++) {
		struct config_node e = config_at(&list, i);

		if (!json_is_object(e.value))
			continue;
		rows[i] = read_server(c, &e);
		check_twin(c, &e, rows, i);
		if (rows[i].id.len)
			check_same(c, &e, rows[i].id, seen);
	}
	row.servers = image_put_array(c->b, rows, count, sizeof(*rows));
	read_probes(n, &row);
	(void)image_add_cluster(c->b, &row); /* clusters are found by their order */
	free(rows);
}

static void choose_default(struct config *c, const struct config_node *root, const struct config_node *all)
{
	struct config_node wanted = config_get(root, "default_cluster", TYPE_STRING);
	struct image_header *h = image_builder_header(c->b);
	uint32_t index = 0;
	const char *name;
	json_t *value;

	json_object_foreach(all->value, name, value) {
		if (wanted.value ? strcmp(name, json_string_value(wanted.value)) == 0 : json_object_size(all->value) == 1)
			h->default_cluster = index;
		index++;
	}
	if (h->default_cluster != IMAGE_NONE || !all->value)
		return;
	if (index == 0)
		config_bad(all, "found an empty object, expected at least one cluster");
	else if (wanted.value)
		config_bad(&wanted, "there is no \"%s\" under /clusters", json_string_value(wanted.value));
	else if (!config_has(root, "default_cluster"))
		config_bad(&wanted, "missing, and there is more than one cluster; expected the name of one under /clusters");
}

void config_read_clusters(struct config *c, const struct config_node *root)
{
	struct config_node all = config_get(root, "clusters", TYPE_MAP);
	json_t *seen = json_object(); /* id of a server -> what its first cluster says of it */
	const char *name;
	json_t *value;

	json_object_foreach(all.value, name, value) {
		struct config_node n = config_get(&all, name, TYPE_OBJECT);

		if (n.value)
			read_cluster(c, &n, name, seen);
	}
	json_decref(seen);
	choose_default(c, root, &all);
}
