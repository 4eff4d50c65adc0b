#include <stdlib.h>

#include "common/addr.h"
#include "common/policy/pattern.h"
#include "common/sip/msg.h"
#include "common/sip/value.h"
#include "master/config.h"

#define UNTRUSTED "untrusted"
#define CONDITIONS_MAX 64 /* of one rule; each header is one */
#define HEADER_MAX 255

/* ---- values, one by one; an image_str of no bytes but an offset is an empty text ---- */

static struct image_str read_method(struct config *c, const struct config_node *n)
{
	struct span name = config_span(n);
	enum method m = method_lookup(name);

	if (m == METHOD_OTHER && config_method_meant(name))
		config_bad(n, "found \"%s\", expected \"%s\": methods are told apart by case", json_string_value(n->value),
		    config_method_meant(name));
	else if (!token_valid(name))
		config_bad(n, "found \"%s\", expected a method", json_string_value(n->value));
	else if (m == METHOD_ACK || m == METHOD_CANCEL)
		config_warn(n, "\"%s\" fits nothing: it goes where its INVITE went, by the rule for INVITE", json_string_value(n->value));
	return image_put_text(c->b, name);
}

static struct image_str read_pattern(struct config *c, const struct config_node *n)
{
	char canonical[PATTERN_MAX + 1];
	size_t len = pattern_canon(config_span(n), canonical);

	if (len == 0)
		config_bad(n, "found \"%s\", expected a URI like sip:*@example.net or tel:+49*, or a host like *.example.net, without port or parameters",
		    json_string_value(n->value));
	return image_put_text(c->b, span_of(canonical, len));
}

static struct image_str read_value(struct config *c, const struct config_node *n)
{
	struct span text = config_span(n);
	char lower[PATTERN_MAX];

	if (text.len > PATTERN_MAX || !span_eq(text, span_trim(text))) {
		config_bad(n, "found \"%s\", expected a text of at most %d bytes without blanks at its ends", json_string_value(n->value), PATTERN_MAX);
		return (struct image_str){ 0 };
	}
	span_lower(text, lower);
	return image_put_text(c->b, span_of(lower, text.len));
}

/* Does the condition's value stand for the entry? */
static bool stands_for(const struct config *c, struct span value, const struct image_domain *d)
{
	struct span name = image_heap_ref(c->b, d->name);

	if (value.p[0] != '.')
		return !(d->flags & DOMAIN_WILDCARD) && span_eq(value, name);
	return span_iends(name, value) || (d->flags & DOMAIN_WILDCARD && span_eq(span_from(value, 1), name));
}

static struct image_str read_domain(struct config *c, const struct config_node *n)
{
	struct span text = config_span(n);
	bool pattern = span_istarts(text, SPAN("*.")), known = false;
	char name[CONFIG_HOST_MAX + 1] = ".";
	size_t len;

	if (span_eq(text, SPAN(UNTRUSTED)))
		return image_put_text(c->b, SPAN(""));
	len = host_canon(span_from(text, pattern ? 2 : 0), name + 1);
	if (len == 0) {
		config_bad(n, "found \"%s\", expected the domain of an external domain, *.suffix, or \"" UNTRUSTED "\"", json_string_value(n->value));
		return (struct image_str){ 0 };
	}
	text = pattern ? span_of(name, len + 1) : span_of(name + 1, len);
	for (uint32_t i = 0; !known && i < image_domain_count(c->b); i++)
		known = stands_for(c, text, image_domain_row(c->b, i));
	if (!known)
		config_warn(n, "there is no external domain \"%s\"", json_string_value(n->value));
	return image_put_text(c->b, text);
}

static struct image_str read_name(struct config *c, const struct config_node *n)
{
	struct dn dn;

	if (!config_dn(n, &dn))
		return (struct image_str){ 0 };
	return image_put_text(c->b, span_of(dn.bytes, dn.len));
}

/* ---- places ---- */

/* "address:port", IPv6 in brackets; false: it is not that. */
static bool read_listener(struct span text, struct image_place *out)
{
	size_t colon = text.len;
	uint64_t port;

	while (colon > 0 && text.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || !addr_parse(span_head(text, colon - 1), out->net.addr) ||
	    !span_u64(span_from(text, colon), 65535, &port) || port == 0)
		return false;
	out->net.bits = 128;
	out->port = (uint32_t)port;
	return true;
}

static struct image_section read_places(struct config *c, const struct config_node *list, bool with_port)
{
	size_t count = config_list_count(list), good = 0;
	struct image_place *rows = calloc(count, sizeof(*rows));
	struct image_section s = { 0 };

	if (!rows) {
		image_builder_fail(c->b);
		return s;
	}
	for (size_t i = 0; i < count; i++) {
		struct config_node e = config_list_at(list, i);
		uint8_t addr[16];

		/* IPv6 without brackets is an address, whatever its last group looks like. */
		if (with_port && !addr_parse(config_span(&e), addr) && read_listener(config_span(&e), &rows[good]))
			good++;
		else
			good += config_cidr(&e, &rows[good].net);
	}
	s = image_put_array(c->b, rows, good, sizeof(*rows));
	free(rows);
	return s;
}

/* ---- conditions ---- */

static struct image_section read_list(struct config *c, const struct config_node *list,
    struct image_str (*one)(struct config *c, const struct config_node *n))
{
	size_t count = config_list_count(list);
	struct image_str *rows = calloc(count, sizeof(*rows));
	struct image_section s = { 0 };

	if (!rows) {
		image_builder_fail(c->b);
		return s;
	}
	for (size_t i = 0; i < count; i++) {
		struct config_node e = config_list_at(list, i);

		rows[i] = one(c, &e);
	}
	s = image_put_array(c->b, rows, count, sizeof(*rows));
	free(rows);
	return s;
}

/* Long and compact form of a header's name, RFC 3261 7.3.3 and the IANA list; a name without one stands for itself. */
static void both_forms(struct span name, struct span *longer, char *compact)
{
	static const struct {
		const char *name;
		char compact;
	} forms[] = {
		{ "accept-contact", 'a' }, { "allow-events", 'u' },	  { "call-id", 'i' },	  { "contact", 'm' },
		{ "content-encoding", 'e' }, { "content-length", 'l' },	  { "content-type", 'c' }, { "event", 'o' },
		{ "from", 'f' },	   { "identity", 'y' },		  { "identity-info", 'n' }, { "refer-to", 'r' },
		{ "referred-by", 'b' },	   { "reject-contact", 'j' },	  { "request-disposition", 'd' },
		{ "session-expires", 'x' }, { "subject", 's' },		  { "supported", 'k' },	  { "to", 't' },
		{ "via", 'v' },
	};

	*longer = name;
	*compact = 0;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (span_ieq(name, span_str(forms[i].name)) || span_ieq(name, span_of(&forms[i].compact, 1))) {
			*longer = span_str(forms[i].name);
			*compact = forms[i].compact;
		}
}

/* A rule: its conditions so far. */
struct conditions {
	struct image_condition row[CONDITIONS_MAX];
	size_t count;
};

static void add(const struct config_node *n, struct conditions *all, const struct image_condition *row)
{
	if (all->count < CONDITIONS_MAX)
		all->row[all->count++] = *row;
	else
		config_bad(n, "found more than %d conditions, expected at most as many in one rule", CONDITIONS_MAX);
}

static void read_header(struct config *c, const struct config_node *n, const char *name, struct conditions *all)
{
	struct image_condition row = { .field = RULE_HEADER };
	char lower[HEADER_MAX];
	struct span longer;

	if (config_list_count(n) == 0) {
		config_bad(n, "found an empty list, expected at least one value");
		return;
	}
	if (!token_valid(span_str(name)) || strlen(name) > sizeof(lower)) {
		config_bad(n, "found \"%s\", expected a header name", name);
		return;
	}
	both_forms(span_str(name), &longer, &row.compact);
	span_lower(longer, lower);
	if (image_strips(c->b, span_of(lower, longer.len))) {
		config_bad(n, "found \"%s\", which identifies and is removed from whatever a peer sends; expected another header", name);
		return;
	}
	row.name = image_put_text(c->b, span_of(lower, longer.len));
	row.values = read_list(c, n, read_value);
	add(n, all, &row);
}

static void read_headers(struct config *c, const struct config_node *match, struct conditions *all)
{
	struct config_node list = config_get(match, "headers", TYPE_FREE);
	const char *name;
	json_t *value;

	if (list.value && json_object_size(list.value) == 0)
		config_bad(&list, "found an empty object, expected at least one header");
	json_object_foreach(list.value, name, value) {
		struct config_node n = config_get(&list, name, TYPE_STRING | TYPE_STRINGS);

		if (n.value)
			read_header(c, &n, name, all);
	}
}

static const struct {
	const char *key;
	enum image_rule_field field;
	struct image_str (*one)(struct config *c, const struct config_node *n); /* NULL: places */
} fields[] = {
	{ "method", RULE_METHOD, read_method },
	{ "to", RULE_TO, read_pattern },
	{ "from", RULE_FROM, read_pattern },
	{ "request_uri", RULE_REQUEST_URI, read_pattern },
	{ "source", RULE_SOURCE, NULL },
	{ "destination", RULE_DESTINATION, NULL },
	{ "domain", RULE_DOMAIN, read_domain },
	{ "distinguished_name", RULE_DN, read_name },
};

static void read_conditions(struct config *c, const struct config_node *match, struct conditions *all)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct config_node list = config_get(match, fields[i].key, TYPE_STRING | TYPE_STRINGS);
		struct image_condition row = { .field = (uint8_t)fields[i].field };

		if (!list.value)
			continue;
		if (config_list_count(&list) == 0) {
			config_bad(&list, "found an empty list, expected at least one value");
			continue;
		}
		row.values = fields[i].one ? read_list(c, &list, fields[i].one)
					   : read_places(c, &list, fields[i].field == RULE_DESTINATION);
		add(&list, all, &row);
	}
	read_headers(c, match, all);
}

/* ---- rules ---- */

/* Clusters stand in the image in the order of the configuration; IMAGE_NONE after a complaint. */
static uint32_t cluster_index(const struct config_node *root, const struct config_node *n)
{
	struct config_node clusters = config_get(root, "clusters", TYPE_MAP);
	uint32_t index = 0;
	const char *name;
	json_t *value;

	json_object_foreach(clusters.value, name, value) {
		if (strcmp(name, json_string_value(n->value)) == 0)
			return index;
		index++;
	}
	config_bad(n, "there is no \"%s\" under /clusters", json_string_value(n->value));
	return IMAGE_NONE;
}

/* Returns whether it is enabled and fits everything. */
static bool read_rule(struct config *c, const struct config_node *root, const struct config_node *n, uint32_t order)
{
	struct config_node cluster = config_get(n, "cluster", TYPE_STRING), match = config_get(n, "match", TYPE_OBJECT);
	struct conditions all = { .count = 0 };
	struct image_rule row = {
		.cluster = IMAGE_NONE,
		.status = (uint32_t)config_integer(n, "reject", 400, 699, 403),
		.order = order,
	};

	if (config_has(n, "cluster") == config_has(n, "reject"))
		config_bad(n, "expected either \"cluster\" or \"reject\"");
	if (cluster.value)
		row.cluster = cluster_index(root, &cluster);
	read_conditions(c, &match, &all);
	if (!config_flag(n, "enabled", true))
		return false;
	row.conditions = image_put_array(c->b, all.row, all.count, sizeof(all.row[0]));
	(void)image_add_rule(c->b, &row); /* rules are found by their order */
	return all.count == 0;
}

void config_read_rules(struct config *c, const struct config_node *root)
{
	struct config_node list = config_get(root, "routing_rules", TYPE_ARRAY);
	size_t count = json_array_size(list.value), all = count; /* the first that fits everything */

	for (size_t i = 0; i < count; i++) {
		struct config_node n = config_at(&list, i);

		if (!json_is_object(n.value))
			continue;
		if (all < i && config_flag(&n, "enabled", true))
			config_warn(&n, "is never reached: rule %zu has no conditions, so it fits every request", all);
		if (read_rule(c, root, &n, (uint32_t)i) && all == count)
			all = i;
	}
}
