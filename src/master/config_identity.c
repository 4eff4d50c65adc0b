#include <stdio.h>
#include <stdlib.h>

#include "common/sip/hdr.h"
#include "common/sip/uri.h"
#include "common/sip/value.h"
#include "master/config.h"

#define DEFAULT_HEADER "P-Preferred-Identity"
#define HEADER_NAME_MAX 255
#define E164_MAX 15 /* digits */
#define OWN_BIT ((json_int_t)1 << 32) /* beside a row's index in config.identities */

/* Contract section 5, footnote 1, and the header that we write: what could pass for an identity, or vouch for one. */
static const char *const default_strip[] = {
	"p-preferred-identity", "p-asserted-identity", "remote-party-id", "p-asserted-service", "p-preferred-service",
	"p-charging-vector", "p-charging-function-addresses", "p-served-user", "p-profile-key",
	"p-private-network-indication", "p-user-database", "p-access-network-info", "cellular-network-info",
	"p-associated-uri", "p-attestation-indicator", "p-origination-id", "attestation-info", "origination-id",
	"p-early-media",
};

/* ---- names of headers ---- */

/* Headers that route, frame or authenticate a message can be no identity headers; those that hdr knows are all but one of these. */
static bool may_be_listed(struct span name)
{
	static const char *const more[] = {
		"Allow", "Authorization", "Content-Disposition", "Content-Encoding", "Content-Transfer-Encoding", "e",
		"Expires", "Identity", "y", "k", "Path", "Proxy-Authenticate", "RAck", "Require", "RSeq", "Service-Route",
		"Supported", "Transfer-Encoding", "Unsupported", "WWW-Authenticate",
	};
	enum hdr_id id = hdr_lookup(name);

	if (id != HDR_OTHER && id != HDR_P_ASSERTED_IDENTITY)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (span_ieq(name, span_str(more[i])))
			return false;
	return true;
}

/* A header name, in lower case and terminated; empty after a complaint. */
static struct span header_name(const struct config_node *n, char lower[static HEADER_NAME_MAX + 1])
{
	struct span name = config_span(n);

	if (!token_valid(name) || name.len > HEADER_NAME_MAX) {
		config_bad(n, "found \"%s\", expected a header name", json_string_value(n->value));
		return SPAN_NONE;
	}
	if (!may_be_listed(name)) {
		config_bad(n, "found \"%s\", which routes, frames or authenticates a message; expected a header that identifies",
		    json_string_value(n->value));
		return SPAN_NONE;
	}
	span_lower(name, lower);
	lower[name.len] = '\0';
	return span_of(lower, name.len);
}

static void remember(struct config *c, json_t *names, const char *lower, json_t *value)
{
	if (json_object_set_new(names, lower, value) != 0)
		image_builder_fail(c->b);
}

/* The header that is asserted: removed from whatever comes, so nothing may let it through. */
static struct image_str read_header(struct config *c, const struct config_node *n)
{
	struct config_node header = config_get(n, "header", TYPE_STRING);
	char lower[HEADER_NAME_MAX + 1];
	struct span name = header.value ? header_name(&header, lower) : SPAN_NONE;

	if (name.len == 0)
		return image_put_text(c->b, SPAN(DEFAULT_HEADER));
	if (json_object_get(c->kept, lower))
		config_bad(&header, "found \"%s\", which \"keep\" lets through at %s; expected a header that nobody else may write",
		    json_string_value(header.value), json_string_value(json_object_get(c->kept, lower)));
	if (json_object_get(c->unstripped, lower))
		config_bad(&header, "found \"%s\", which /identity/unstrip lets through; expected a header that nobody else may write",
		    json_string_value(header.value));
	remember(c, c->headers, lower, json_true());
	image_add_strip(c->b, name);
	return image_put_text(c->b, config_span(&header));
}

static void read_strip(struct config *c, const struct config_node *n)
{
	struct config_node list = config_get(n, "strip", TYPE_STRING | TYPE_STRINGS);
	char lower[HEADER_NAME_MAX + 1];

	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);
		struct span name = header_name(&e, lower);

		if (name.len && json_object_get(c->unstripped, lower))
			config_bad(&e, "found \"%s\", which stands in /identity/unstrip too; expected it in one of them",
			    json_string_value(e.value));
		else if (name.len)
			image_add_strip(c->b, name);
	}
}

/* A name of `keep`, written to the image; empty after a complaint. */
static struct image_str read_kept(struct config *c, const struct config_node *n)
{
	char lower[HEADER_NAME_MAX + 1], where[512];
	struct span name = header_name(n, lower);

	if (name.len == 0)
		return (struct image_str){ 0 };
	if (json_object_get(c->headers, lower)) {
		config_bad(n, "found \"%s\", which is asserted and so always removed; expected another header", json_string_value(n->value));
	} else if (!json_object_get(c->kept, lower)) {
		snprintf(where, sizeof(where), "%s:%u", n->source->path, config_line(n));
		remember(c, c->kept, lower, json_string(where));
	}
	return image_put_text(c->b, name);
}

/* ---- lists ---- */

/* Each of a list by `one`, which returns an empty text for what is not to be written. */
static struct image_section put_list(struct config *c, const struct config_node *list,
    struct image_str (*one)(struct config *c, const struct config_node *n))
{
	size_t count = config_list_count(list), good = 0;
	struct image_str *rows;
	struct image_section s = { 0 };

	if (count == 0)
		return s;
	rows = calloc(count, sizeof(*rows));
	if (!rows)
		image_builder_fail(c->b);
	for (size_t i = 0; rows && i < count; i++) {
		struct config_node e = config_list_at(list, i);

		rows[good] = one(c, &e);
		good += rows[good].len > 0;
	}
	if (good)
		s = image_put_array(c->b, rows, good, sizeof(*rows));
	free(rows);
	return s;
}

/* A host of vouches_for; "*.suffix" is a pattern that the image keeps as ".suffix", "own" a flag of the domain. */
static struct image_str read_vouched(struct config *c, const struct config_node *n)
{
	struct span text = config_span(n);
	bool pattern = span_istarts(text, SPAN("*."));
	char host[CONFIG_HOST_MAX + 1] = ".";
	size_t len;

	if (span_eq(text, SPAN("own")))
		return (struct image_str){ 0 };
	len = host_canon(span_from(text, pattern ? 2 : 0), host + 1);
	if (len == 0) {
		config_bad(n, "found \"%s\", expected a host, *.suffix, or \"own\"", json_string_value(n->value));
		return (struct image_str){ 0 };
	}
	return image_put_text(c->b, pattern ? span_of(host, len + 1) : span_of(host + 1, len));
}

static bool is_prefix(struct span digits)
{
	for (size_t i = 0; i < digits.len; i++)
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
	return digits.len > 0 && digits.len <= E164_MAX;
}

static struct image_str read_number(struct config *c, const struct config_node *n)
{
	struct span digits = config_span(n);

	if (digits.len && digits.p[0] == '+')
		digits = span_from(digits, 1);
	if (is_prefix(digits))
		return image_put_text(c->b, digits);
	config_bad(n, "found \"%s\", expected an E.164 prefix like +49", json_string_value(n->value));
	return (struct image_str){ 0 };
}

static bool says_own(const struct config_node *list)
{
	for (size_t i = 0; i < config_list_count(list); i++) {
		struct config_node e = config_list_at(list, i);

		if (span_eq(config_span(&e), SPAN("own")))
			return true;
	}
	return false;
}

/* ---- a policy ---- */

static void read_source(struct config *c, const struct config_node *n, struct image_identity *row)
{
	struct config_node source = config_get(n, "source", TYPE_STRING);
	struct span text = config_span(&source);
	struct sip_uri uri;

	if (!source.value)
		return;
	row->fixed = (struct image_str){ 0 };
	if (span_eq(text, SPAN("from"))) {
		row->source = SOURCE_FROM;
	} else if (span_eq(text, SPAN("asserted"))) {
		row->source = SOURCE_ASSERTED;
	} else if (uri_parse(text, &uri) && (uri.scheme == URI_SIP || uri.scheme == URI_SIPS) && uri.headers.len == 0) {
		row->source = SOURCE_FIXED;
		row->fixed = image_put_text(c->b, text);
	} else {
		config_bad(&source, "found \"%s\", expected \"from\", \"asserted\" or a sip: URI", json_string_value(source.value));
	}
}

/* What the object says goes over what *row has. */
static void read_policy(struct config *c, const struct config_node *n, struct image_identity *row, bool *own)
{
	struct config_node vouches = config_get(n, "vouches_for", TYPE_STRING | TYPE_STRINGS),
			   numbers = config_get(n, "vouches_for_numbers", TYPE_STRING | TYPE_STRINGS),
			   keep = config_get(n, "keep", TYPE_STRING | TYPE_STRINGS);

	if (config_has(n, "header"))
		row->header = read_header(c, n);
	read_strip(c, n);
	read_source(c, n, row);
	row->assert_on = (uint8_t)config_choice(n, "assert_on", config_assert_on, row->assert_on);
	row->on_violation = (uint8_t)config_choice(n, "on_violation", config_on_violation, row->on_violation);
	if (vouches.value) {
		row->vouches_default = 0;
		row->vouches = put_list(c, &vouches, read_vouched);
		*own = says_own(&vouches);
	}
	if (numbers.value && config_list_count(&numbers) == 0) /* in the image that would mean: any */
		config_bad(&numbers, "found an empty list, expected E.164 prefixes like +49");
	if (numbers.value)
		row->numbers = put_list(c, &numbers, read_number);
	if (keep.value)
		row->keep = put_list(c, &keep, read_kept);
}

/* A row for what no domain has said before.  One with a mistake is not kept, so that the next one complains too. */
static json_int_t add_policy(struct config *c, const struct config_node *n, const char *text)
{
	struct config_node unstrip = config_get(n, "unstrip", TYPE_STRING | TYPE_STRINGS);
	struct image_identity row = c->identity;
	size_t errors = complaints_errors(c->complaints);
	bool own = c->vouches_own;
	json_int_t known;

	if (unstrip.value)
		config_bad(&unstrip, "expected only in the global /identity; \"keep\" lets a header of one domain through");
	read_policy(c, n, &row, &own);
	known = image_add_identity(c->b, &row) | (own ? OWN_BIT : 0);
	if (complaints_errors(c->complaints) == errors)
		remember(c, c->identities, text, json_integer(known));
	return known;
}

uint32_t config_identity(struct config *c, const struct config_node *n, bool *own)
{
	bool again = c->identity_last && json_equal(c->identity_last, n->value);
	char *text = again ? NULL : json_dumps(n->value, JSON_COMPACT | JSON_SORT_KEYS);
	const json_t *row = text ? json_object_get(c->identities, text) : NULL;
	json_int_t known = again ? c->identity_last_row : json_integer_value(row);

	if (!again && !text)
		image_builder_fail(c->b);
	if (text && !row)
		known = add_policy(c, n, text);
	if (text && json_object_get(c->identities, text)) {
		json_decref(c->identity_last);
		c->identity_last = json_incref(n->value);
		c->identity_last_row = known;
	}
	free(text);
	*own = known & OWN_BIT;
	return (uint32_t)(known & (OWN_BIT - 1));
}

/* ---- the global one ---- */

/* Names that /identity/unstrip takes from the default set. */
static void read_unstrip(struct config *c, const struct config_node *n)
{
	struct config_node list = config_get(n, "unstrip", TYPE_STRING | TYPE_STRINGS);
	char lower[HEADER_NAME_MAX + 1];

	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);
		struct span name = header_name(&e, lower);
		bool known = false;

		for (size_t j = 0; j < ARRAY_LEN(default_strip); j++)
			known |= span_eq(name, span_str(default_strip[j]));
		if (name.len == 0)
			continue;
		if (span_ieq(name, SPAN(DEFAULT_HEADER)))
			config_bad(&e, "found \"%s\", which is always removed; expected another header", json_string_value(e.value));
		else if (!known)
			config_warn(&e, "\"%s\" is not removed anyway", json_string_value(e.value));
		remember(c, c->unstripped, lower, json_true());
	}
}

void config_read_identity(struct config *c, const struct config_node *root)
{
	struct config_node n = config_get(root, "identity", TYPE_OBJECT);

	c->identity = (struct image_identity){ .header = image_put_text(c->b, SPAN(DEFAULT_HEADER)), .vouches_default = 1 };
	remember(c, c->headers, default_strip[0], json_true());
	read_unstrip(c, &n);
	for (size_t i = 0; i < ARRAY_LEN(default_strip); i++)
		if (!json_object_get(c->unstripped, default_strip[i]))
			image_add_strip(c->b, span_str(default_strip[i]));
	read_policy(c, &n, &c->identity, &c->vouches_own);
	c->identity_index = image_add_identity(c->b, &c->identity);
	image_builder_header(c->b)->identity = c->identity_index;
}
