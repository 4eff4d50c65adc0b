#include <stdlib.h>

#include "master/config.h"

#define DEFAULT_RESUMPTION_LIFETIME 7200.0

/* A list that the library cannot read would stop every worker: say so here. */
static void check_lists(struct config *c, const struct config_node *n)
{
	static const struct {
		const char *key;
		enum pki_list kind;
	} lists[] = { { "ciphers", PKI_CIPHERS }, { "ciphersuites", PKI_CIPHERSUITES }, { "groups", PKI_GROUPS } };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct config_node m = config_get(n, lists[i].key, TYPE_STRING);
		struct pki_file where = { .config_file = n->source->path, .pointer = m.pointer };

		if (!m.value)
			continue;
		where.line = config_line(&m);
		if (!pki_check_list(lists[i].kind, json_string_value(m.value), &where, c->complaints))
			continue; /* it complained */
	}
}

static struct image_tls read_settings(struct config *c, const struct config_node *n, const char *name)
{
	struct config_node lifetime = config_get(n, "resumption_lifetime", TYPE_NUMBER);
	double seconds = lifetime.value ? json_number_value(lifetime.value) : DEFAULT_RESUMPTION_LIFETIME;

	return (struct image_tls){
		.name = image_put_text(c->b, span_str(name)),
		.any_trusted_ca = config_flag(n, "any_trusted_ca", false),
		.client_certificate = (uint8_t)config_choice(n, "client_certificate", config_client_certificate, CLIENT_CERT_REQUIRE),
		.min_version_13 = (uint8_t)config_choice(n, "min_version", config_min_version, 0),
		.resumption = config_flag(n, "resumption", true),
		.peer_usage = (uint8_t)config_choice(n, "peer_usage", config_peer_usage, PEER_USAGE_STRICT),
		.crl_check = (uint8_t)config_choice(n, "crl_check", config_crl_check, CRL_CHECK_LEAF),
		.crl_expired = (uint8_t)config_choice(n, "crl_expired", config_crl_expired, CRL_EXPIRED_REJECT),
		.expired_connections = (uint8_t)config_choice(n, "expired_connections", config_expired_connections, EXPIRED_CLOSE),
		.resumption_lifetime = (uint64_t)MIN(MAX(seconds, 1.0), 604800.0),
		.ciphers = image_put_text(c->b, config_text(n, "ciphers", "")),
		.ciphersuites = image_put_text(c->b, config_text(n, "ciphersuites", "")),
		.groups = image_put_text(c->b, config_text(n, "groups", "")),
	};
}

static void read_profile(struct config *c, const struct config_node *n, const char *name)
{
	struct image_tls row = read_settings(c, n, name);
	struct config_profile profile = {
		.name = name,
		.any_trusted_ca = row.any_trusted_ca,
		.takes_peers = row.client_certificate != CLIENT_CERT_OFF,
		.requires_peers = row.client_certificate == CLIENT_CERT_REQUIRE,
	};

	check_lists(c, n);
	config_tls_files(c, n, &row, &profile);
	(void)image_add_tls(c->b, &row); /* its index is that of the profile */
	c->profile[c->profile_count++] = profile;
}

void config_read_tls(struct config *c, const struct config_node *root)
{
	struct config_node all = config_get(root, "tls", TYPE_MAP);
	const char *name;
	json_t *value;

	c->profile = calloc(json_object_size(all.value) + 1, sizeof(*c->profile));
	if (!c->profile) {
		image_builder_fail(c->b);
		return;
	}
	json_object_foreach(all.value, name, value) {
		struct config_node n = config_get(&all, name, TYPE_OBJECT);

		if (n.value)
			read_profile(c, &n, name);
	}
}

void config_check_outbound(const struct config *c, const struct config_node *n, uint32_t profile)
{
	const struct config_profile *p = profile == IMAGE_NONE ? NULL : &c->profile[profile];

	if (p && !p->has_certificate)
		config_bad(n, "profile \"%s\" has no \"certificate\" and \"private_key\", and we must show them where we connect to", p->name);
	if (p && !p->trust_named)
		config_bad(n, "profile \"%s\" has no \"trust\", so no server's certificate can be checked; name the CA files", p->name);
}

uint32_t config_profile_index(const struct config *c, const struct config_node *name)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (strcmp(c->profile[i].name, json_string_value(name->value)) == 0)
			return (uint32_t)i;
	config_bad(name, "there is no \"%s\" under /tls", json_string_value(name->value));
	return IMAGE_NONE;
}
