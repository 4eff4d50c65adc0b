#include <stdlib.h>

#include "common/sip/hdr.h"
#include "common/sip/uri.h"
#include "common/sip/value.h"
#include "master/config.h"

#define DEFAULT_HEADER "P-Preferred-Identity"

/* Contract section 5, footnote 1: what could pass for an identity, or vouch for one. */
static const char *const default_strip[] = {
	"p-preferred-identity", "p-asserted-identity", "remote-party-id", "p-asserted-service", "p-preferred-service",
	"p-charging-vector", "p-charging-function-addresses", "p-served-user", "p-profile-key",
	"p-private-network-indication", "p-user-database", "p-access-network-info", "cellular-network-info",
	"p-associated-uri", "p-attestation-indicator", "p-origination-id", "attestation-info", "origination-id",
	"p-early-media",
};

static const char *const assert_on[] = { "all", "rfc5876", "rfc3325", NULL };
static const char *const on_violation[] = { "reject", "strip", NULL };

/* Headers that route or frame a message can be no identity headers. */
static bool may_be_listed(struct span name)
{
	static const char *const more[] = { "Proxy-Require", "Require", "Supported", "Path", "Service-Route", "Identity", "y" };

	if (hdr_lookup(name) != HDR_OTHER && hdr_lookup(name) != HDR_P_ASSERTED_IDENTITY)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (span_ieq(name, span_str(more[i])))
			return false;
	return true;
}

/* A header name of a list, in lower case; empty after a complaint. */
static struct span header_name(const struct config_node *n, char *lower, size_t cap)
{
	struct span name = span_str(json_string_value(n->value));

	if (!token_valid(name) || name.len > cap) {
		config_bad(n, "found \"%s\", expected a header name", json_string_value(n->value));
		return SPAN_NONE;
	}
	if (!may_be_listed(name)) {
		config_bad(n, "\"%s\" routes, frames or authenticates a message and cannot be treated as an identity header",
		    json_string_value(n->value));
		return SPAN_NONE;
	}
	span_lower(name, lower);
	return span_of(lower, name.len);
}

static struct image_section put_names(struct config *c, const struct config_node *list)
{
	size_t count = config_list_count(list);
	struct image_str *rows = calloc(count ? count : 1, sizeof(*rows));
	struct image_section s = { 0 };
	char lower[256];

	for (size_t i = 0; rows && i < count; i++) {
		struct config_node e = config_list_at(list, i);

		rows[i] = image_put_text(c->b, header_name(&e, lower, sizeof(lower)));
	}
	if (rows)
		s = image_put_array(c->b, rows, count, sizeof(*rows));
	free(rows);
	return s;
}

/* vouches_for: hosts; "own" is the entry's own domain, "*.suffix" a pattern that the image keeps as ".suffix". */
static struct image_section put_vouches(struct config *c, const struct config_node *list, bool *own)
{
	size_t count = config_list_count(list), n = 0;
	struct image_str *rows = calloc(count ? count : 1, sizeof(*rows));
	struct image_section s = { 0 };

	for (size_t i = 0; rows && i < count; i++) {
		struct config_node e = config_list_at(list, i);
		struct span text = span_str(json_string_value(e.value));
		bool pattern = span_istarts(text, SPAN("*."));
		char host[HOST_MAX + 1];
		size_t len;

		if (span_eq(text, SPAN("own"))) {
			*own = true;
			continue;
		}
		host[0] = '.';
		len = host_canon(span_from(text, pattern ? 2 : 0), host + 1);
		if (len == 0)
			config_bad(&e, "found \"%s\", expected a host, *.suffix, or \"own\"", json_string_value(e.value));
		else
			rows[n++] = image_put_text(c->b, pattern ? span_of(host, len + 1) : span_of(host + 1, len));
	}
	if (rows)
		s = image_put_array(c->b, rows, n, sizeof(*rows));
	free(rows);
	return s;
}

static struct image_section put_numbers(struct config *c, const struct config_node *list)
{
	size_t count = config_list_count(list);
	struct image_str *rows = calloc(count ? count : 1, sizeof(*rows));
	struct image_section s = { 0 };

	for (size_t i = 0; rows && i < count; i++) {
		struct config_node e = config_list_at(list, i);
		struct span digits = span_str(json_string_value(e.value));

		if (digits.len && digits.p[0] == '+')
			digits = span_from(digits, 1);
		for (size_t j = 0; j < digits.len; j++)
			if (digits.p[j] < '0' || digits.p[j] > '9') {
				config_bad(&e, "found \"%s\", expected an E.164 prefix like +49", json_string_value(e.value));
				break;
			}
		if (digits.len == 0)
			config_bad(&e, "an empty prefix; expected digits like +49");
		rows[i] = image_put_text(c->b, digits);
	}
	if (rows)
		s = image_put_array(c->b, rows, count, sizeof(*rows));
	free(rows);
	return s;
}

static void read_source(struct config *c, const struct config_node *n, struct image_identity *row)
{
	struct config_node source = config_get(n, "source", TYPE_STRING);
	struct span text = config_text(n, "source", "from");
	struct sip_uri uri;

	if (span_eq(text, SPAN("from"))) {
		row->source = SOURCE_FROM;
	} else if (span_eq(text, SPAN("asserted"))) {
		row->source = SOURCE_ASSERTED;
	} else if (uri_parse(text, &uri) && (uri.scheme == URI_SIP || uri.scheme == URI_SIPS || uri.scheme == URI_TEL)) {
		row->source = SOURCE_FIXED;
		row->fixed = image_put_text(c->b, text);
	} else {
		config_bad(&source, "found \"%s\", expected \"from\", \"asserted\" or a sip URI", json_string_value(source.value));
	}
}

uint32_t config_identity(struct config *c, const struct config_node *n, bool global, bool *own)
{
	struct config_node header = config_get(n, "header", TYPE_STRING), strip = config_get(n, "strip", TYPE_STRING | TYPE_STRINGS),
			   unstrip = config_get(n, "unstrip", TYPE_STRING | TYPE_STRINGS),
			   vouches = config_get(n, "vouches_for", TYPE_STRING | TYPE_STRINGS),
			   numbers = config_get(n, "vouches_for_numbers", TYPE_STRING | TYPE_STRINGS),
			   keep = config_get(n, "keep", TYPE_STRING | TYPE_STRINGS);
	struct image_identity row = {
		.assert_on = (uint8_t)config_choice(n, "assert_on", assert_on, ASSERT_ALL),
		.on_violation = (uint8_t)config_choice(n, "on_violation", on_violation, VIOLATION_REJECT),
		.vouches_default = !vouches.value,
	};
	char lower[256];

	*own = false;
	row.header = image_put_text(c->b, config_text(n, "header", DEFAULT_HEADER));
	if (header.value)
		image_add_strip(c->b, header_name(&header, lower, sizeof(lower)));
	for (size_t i = 0; i < config_list_count(&strip); i++) {
		struct config_node e = config_list_at(&strip, i);
		struct span name = header_name(&e, lower, sizeof(lower));

		if (name.len)
			image_add_strip(c->b, name);
	}
	if (unstrip.value && !global)
		config_bad(&unstrip, "\"unstrip\" may stand only in the global /identity; \"keep\" lets a header of one domain through");
	read_source(c, n, &row);
	row.vouches = put_vouches(c, &vouches, own);
	row.numbers = put_numbers(c, &numbers);
	row.keep = put_names(c, &keep);
	return image_add_identity(c->b, &row);
}

static bool is_unstripped(const struct config_node *list, struct span name)
{
	for (size_t i = 0; i < config_list_count(list); i++) {
		struct config_node e = config_list_at(list, i);

		if (span_ieq(span_str(json_string_value(e.value)), name))
			return true;
	}
	return false;
}

void config_read_identity(struct config *c, const struct config_node *root)
{
	struct config_node n = config_get(root, "identity", TYPE_OBJECT),
			   unstrip = config_get(&n, "unstrip", TYPE_STRING | TYPE_STRINGS);

	config_check(&n, &config_identity_keys);
	for (size_t i = 0; i < ARRAY_LEN(default_strip); i++)
		/* The header that we write is always removed from others', whatever anybody lists. */
		if (i == 0 || !is_unstripped(&unstrip, span_str(default_strip[i])))
			image_add_strip(c->b, span_str(default_strip[i]));
	c->identity = config_identity(c, &n, true, &c->vouches_own);
	image_builder_header(c->b)->identity = c->identity;
}
