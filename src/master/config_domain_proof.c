#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/dn.h"
#include "common/sip/uri.h"
#include "master/config.h"
#include "master/file_stamp.h"

#define CAS_MAX 64  /* of one domain */
#define DNS_MAX 256 /* likewise */
#define SANS_MAX 64 /* likewise */
#define PINS_MAX 8  /* likewise */

/* ---- who may issue its certificate ---- */

/* Room for one more, known by its path, which it takes over; NULL: no memory, and no configuration. */
static struct config_cas *new_cas(struct config *c, char *path)
{
	struct config_cas *p = realloc(c->cas, (c->cas_count + 1) * sizeof(*p));
	if (p)
		c->cas = p;
	if (!p || json_object_set_new_nocheck(c->cas_at, path, json_integer((json_int_t)c->cas_count)) != 0) {
		image_builder_fail(c->b);
		free(path);
		return NULL;
	}
	p += c->cas_count++;
	*p = (struct config_cas){ .path = path };
	return p;
}

/* Keys of a CA file; every carrier may have one of its own. */
static const struct config_cas *cas_of(struct config *c, const struct config_node *n)
{
	char *path = config_path(n->source, config_span(n)), pointer[JSON_POINTER_MAX + 64];
	struct pki_file file = { .path = path, .config_file = n->source->path, .pointer = pointer };
	const json_t *known = path ? json_object_get(c->cas_at, path) : NULL;
	struct config_cas *p;

	if (known) {
		free(path);
		return &c->cas[json_integer_value(known)];
	}
	if (!path)
		image_builder_fail(c->b);
	p = path ? new_cas(c, path) : NULL;
	if (!p)
		return NULL;
	p->settled = file_stamp_read(path, &p->stamp) && file_stamp_settled(&p->stamp, clock_wall_s());
	file.line = config_line(n);
	snprintf(pointer, sizeof(pointer), "%s%s", n->source->prefix, n->pointer);
	/* A file that cannot be read is complained about once, and no configuration comes of it. */
	if (!pki_load_cas(&file, c->complaints, &p->spki, &p->count))
		p->count = 0;
	return p;
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
	const char *named = config_has(n, "distinguished_name")	   ? "distinguished_name"
			    : config_has(n, "subject_alt_names") ? "subject_alt_names"
								 : NULL;

	if (c->trust_is_ambiguous && named && !config_has(n, "trust"))
		config_bad(&trust, "missing, and a listener trusts more than one CA; expected the CA that may issue the %s (or any_trusted_ca in the profile)", named);
}

/* ---- its names ---- */

/* A host, or a SIP URI of nothing else; a wildcard names nobody (RFC 5922 7.2). */
static struct span read_san(const struct config_node *n, char canonical[static HOST_MAX])
{
	struct span text = config_span(n);
	struct sip_uri uri;
	size_t len = 0;

	if (!span_istarts(text, SPAN("sip:")))
		len = host_canon(text, canonical);
	else if (uri_parse(text, &uri) && !uri.user.p && !uri.port && !uri.params.len && !uri.headers.len)
		len = host_canon(uri.host, canonical);
	if (len == 0)
		config_bad(n, "found \"%s\", expected a host like example.net, or sip:example.net, without wildcards", json_string_value(n->value));
	return span_of(canonical, len);
}

static struct image_section read_sans(struct config *c, const struct config_node *n)
{
	struct config_node list = config_get(n, "subject_alt_names", TYPE_STRING | TYPE_STRINGS);
	struct image_str names[SANS_MAX];
	char canonical[HOST_MAX];
	size_t count = 0;

	if (list.value && (config_list_count(&list) == 0 || config_list_count(&list) > SANS_MAX))
		config_bad(&list, "found %zu names, expected 1 to %d", config_list_count(&list), SANS_MAX);
	for (size_t i = 0; i < MIN(config_list_count(&list), (size_t)SANS_MAX); i++) {
		struct config_node e = config_list_at(&list, i);
		struct span name = read_san(&e, canonical);

		if (name.len)
			names[count++] = image_put_text_once(c->b, name);
	}
	return image_put_array_once(c->b, names, count, sizeof(*names));
}

/* ---- its keys ---- */

/* SHA-256 as hex, with colons or without, or as base64. */
static bool read_digest(struct span text, uint8_t out[static 32])
{
	uint8_t bytes[48];
	long len = 0;
	uint8_t *hex;

	if (text.len == 44 && text.p[43] == '=') {
		if (EVP_DecodeBlock(bytes, (const uint8_t *)text.p, 44) != 33)
			return false;
		memcpy(out, bytes, 32);
		return true;
	}
	hex = OPENSSL_hexstr2buf(text.p, &len);
	if (hex && len == 32)
		memcpy(out, hex, 32);
	OPENSSL_free(hex);
	ERR_clear_error();
	return len == 32;
}

static struct image_section read_pins(struct config *c, const struct config_node *n)
{
	struct config_node list = config_get(n, "spki_sha256", TYPE_STRING | TYPE_STRINGS);
	struct image_spki pins[PINS_MAX];
	size_t count = 0;

	if (list.value && (config_list_count(&list) == 0 || config_list_count(&list) > PINS_MAX))
		config_bad(&list, "found %zu digests, expected 1 to %d", config_list_count(&list), PINS_MAX);
	for (size_t i = 0; i < MIN(config_list_count(&list), (size_t)PINS_MAX); i++) {
		struct config_node e = config_list_at(&list, i);

		if (read_digest(config_span(&e), pins[count].sha256))
			count++;
		else
			config_bad(&e, "found \"%s\", expected the SHA-256 of the key (SubjectPublicKeyInfo) as 64 hex digits or as base64",
			    json_string_value(e.value));
	}
	return image_put_array_once(c->b, pins, count, sizeof(*pins));
}

void config_domain_proof(struct config *c, const struct config_node *n, struct image_domain *row, struct image_policy *policy)
{
	struct config_node match = config_get(n, "match", TYPE_STRING);

	if (config_has(n, "distinguished_name"))
		row->flags |= DOMAIN_HAS_DN;
	if (config_has(n, "subject_alt_names"))
		row->flags |= DOMAIN_HAS_SAN;
	if (config_choice(n, "match", config_match, MATCH_ANY) == MATCH_ALL) {
		row->flags |= DOMAIN_MATCH_ALL;
		if (!(row->flags & DOMAIN_HAS_DN) || !(row->flags & DOMAIN_HAS_SAN))
			config_warn(&match, "\"all\" says nothing without both distinguished_name and subject_alt_names");
	}
	policy->trust = read_trust(c, n);
	policy->sans = read_sans(c, n);
	policy->pins = read_pins(c, n);
	check_trust(c, n);
}

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

void config_domain_names(struct config *c, const struct config_node *n, const struct image_policy *policy, uint32_t domain)
{
	read_dns(c, n, domain);
	for (uint64_t i = 0; i < policy->sans.count; i++)
		image_add_san(c->b, image_heap_text(c->b, image_heap_str(c->b, policy->sans, i)), domain);
}
