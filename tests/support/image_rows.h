/*
 * image_rows - rows for images that tests build as the loader does.
 */
#ifndef TESTS_SUPPORT_IMAGE_ROWS_H
#define TESTS_SUPPORT_IMAGE_ROWS_H

#include <criterion/criterion.h>

#include "common/dn.h"
#include "common/image.h"
#include "master/image_build.h"
#include "support/rule_rows.h"

UNUSED static struct dn dn_of(const char *text)
{
	struct dn dn;

	cr_assert_eq(dn_from_text(span_str(text), &dn, NULL), DN_OK, "%s", text);
	return dn;
}

/* ---- an image of every kind of row ---- */

UNUSED static uint32_t put_domain(struct image_builder *b, const char *name, const char *dn)
{
	bool wild = name[0] == '*';
	struct image_domain row = {
		.name = image_put_ref(b, name + (wild ? 2 : 0), strlen(name) - (wild ? 2 : 0), 1),
		.flags = DOMAIN_ENABLED | (wild ? DOMAIN_WILDCARD : 0) | (dn ? DOMAIN_HAS_DN : 0),
	};
	struct image_policy policy = {
		.tls = IMAGE_NONE,
		.limits = IMAGE_NONE,
		.auth = IMAGE_NONE,
		.trusted_addresses = image_put_array(b, &(struct image_cidr){ .bits = 104 }, 1, sizeof(struct image_cidr)),
		.trust = image_put_array(b, &(struct image_spki){ .sha256 = { 1 } }, 1, sizeof(struct image_spki)),
	};
	uint32_t index = image_add_domain(b, &row, &policy), key;

	if (dn) {
		struct dn canonical = dn_of(dn);

		key = image_add_dn(b, canonical.bytes, canonical.len, index);
		image_set_dns(b, index, &key, 1);
	}
	return index;
}

UNUSED static void put_rows(struct image_builder *b)
{
	const struct image_str text = image_put_text(b, SPAN("text"));
	const struct image_section texts = image_put_array(b, &text, 1, sizeof(text));
	const struct image_serial serial = { .len = 2, .bytes = { 1, 2 } };
	const struct image_crl crl = { .revoked = image_put_array(b, &serial, 1, sizeof(serial)) };
	const struct image_server server = { .host = text, .id = text, .port = 5060 };

	(void)image_add_listener(b, &(struct image_listener){ .host = text, .tls = 0, .auth = IMAGE_NONE });
	(void)image_add_listener(b, &(struct image_listener){ .host = text, .side = SIDE_INTERNAL, .tls = IMAGE_NONE, .auth = IMAGE_NONE });
	(void)image_add_tls(b, &(struct image_tls){ .name = text, .crls = image_put_array(b, &crl, 1, sizeof(crl)) });
	(void)image_add_cluster(b, &(struct image_cluster){ .name = text, .servers = image_put_array(b, &server, 1, sizeof(server)) });
	(void)image_add_identity(b, &(struct image_identity){ .header = text, .vouches = texts, .keep = texts, .numbers = texts });
	put_rule(b, texts);
	image_builder_header(b)->default_cluster = 0;
	image_add_strip(b, SPAN("remote-party-id"));
	image_add_strip(b, SPAN("p-asserted-identity"));
	image_add_strip(b, SPAN("remote-party-id"));
	image_add_host(b, SPAN("core.example"), HOST_LOCAL_DOMAIN);
	image_add_host(b, SPAN("192.0.2.1"), HOST_OURS);
	image_add_host(b, SPAN("192.0.2.1"), HOST_CONTAINER);
}

static const struct {
	const char *name, *dn;
} domains[] = {
	{ "partner.example", "CN=sip.partner.example,O=Partner,C=DE" },
	{ "*.partner.example", "CN=sip.partner.example,O=Partner,C=DE" },
	{ "*.deep.partner.example", NULL },
	{ "*.example", "CN=other" },
	{ "other.example", "CN=other,O=x" },
	{ "198.51.100.7", NULL },
};

#endif
