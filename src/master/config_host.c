#include <netdb.h>
#include <stdlib.h>

#include "common/addr.h"
#include "common/sip/uri.h"
#include "master/config.h"

_Static_assert(CONFIG_HOST_MAX >= HOST_MAX && CONFIG_HOST_MAX >= ADDR_TEXT_MAX, "a canonical host must fit");

struct span config_host(const struct config_node *n, char canonical[static CONFIG_HOST_MAX])
{
	struct span text = config_span(n);
	uint8_t addr[16];
	size_t len;

	/* IPv6 may stand with or without brackets here. */
	len = addr_parse(text, addr) ? addr_print(addr, canonical) : host_canon(text, canonical);
	if (len == 0)
		config_bad(n, "found \"%s\", expected a host name or an address", json_string_value(n->value));
	return span_of(canonical, len);
}

static void add_address(struct config *c, const uint8_t addr[static 16], uint32_t flags)
{
	char text[ADDR_TEXT_MAX];
	size_t len = addr_print(addr, text);

	if (flags)
		image_add_host(c->b, span_of(text, len), flags);
}

bool config_resolve(struct config *c, const struct config_node *n, uint32_t flags, uint8_t addr[static 16])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	uint8_t each[16];
	int rc;

	if (addr_parse(config_span(n), addr)) {
		add_address(c, addr, flags);
		return true;
	}
	rc = getaddrinfo(json_string_value(n->value), NULL, &hints, &list);
	if (rc != 0 || !list) {
		config_bad(n, "found \"%s\", which has no address (%s); expected an address or a name that has one",
		    json_string_value(n->value), gai_strerror(rc));
		return false;
	}
	(void)addr_from_sockaddr(list->ai_addr, addr); /* the port is another key's */
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		(void)addr_from_sockaddr(a->ai_addr, each); /* likewise */
		add_address(c, each, flags);
	}
	freeaddrinfo(list);
	return true;
}

bool config_cidr(const struct config_node *n, struct image_cidr *out)
{
	struct span text = config_span(n), host = span_head(text, span_find(text, '/'));
	uint64_t bits, most;

	if (!addr_parse(host, out->addr)) {
		config_bad(n, "found \"%s\", expected an address or a prefix like 192.0.2.0/24", json_string_value(n->value));
		return false;
	}
	most = addr_is_ipv4(out->addr) ? 32 : 128;
	bits = most;
	if (host.len < text.len && !span_u64(span_from(text, host.len + 1), most, &bits)) {
		config_bad(n, "found \"%s\", expected a prefix length of 0 to %u", json_string_value(n->value), (unsigned)most);
		return false;
	}
	out->bits = (uint32_t)(bits + 128 - most);
	return true;
}

bool config_dn(const struct config_node *n, struct dn *out)
{
	struct span text = config_span(n);
	size_t where = 0;
	enum dn_status st = dn_from_text(text, out, &where);

	if (memchr(text.p, '\0', text.len))
		return false; /* config_check told */
	if (st != DN_OK) {
		config_bad(n, "found \"%s\": %s (at character %zu); expected a distinguished name like CN=sip.example.net,O=Example,C=DE",
		    json_string_value(n->value), dn_status_name(st), where + 1);
		return false;
	}
	if (dn_looks_reversed(text))
		config_warn(n, "the name begins with C=, so it is probably in reverse order: in this form the CN comes first");
	return true;
}

struct image_section config_cidrs(struct config *c, const struct config_node *n)
{
	size_t count = config_list_count(n), good = 0;
	struct image_cidr *rows;
	struct image_section s = { 0 };

	if (count == 0)
		return s;
	rows = calloc(count, sizeof(*rows));
	if (!rows)
		image_builder_fail(c->b);
	for (size_t i = 0; rows && i < count; i++) {
		struct config_node e = config_list_at(n, i);

		good += config_cidr(&e, &rows[good]);
	}
	if (good)
		s = image_put_array(c->b, rows, good, sizeof(*rows));
	free(rows);
	return s;
}

struct pki_file config_file(const struct config_node *n)
{
	return (struct pki_file){
		.path = config_path(n->source, config_span(n)),
		.config_file = n->source->path,
		.line = config_line(n),
		.pointer = n->pointer,
	};
}
