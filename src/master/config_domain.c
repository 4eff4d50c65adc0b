#include <errno.h>
#include <glob.h>
#include <stdlib.h>

#include "common/dn.h"
#include "common/sip/uri.h"
#include "master/config.h"
#include "master/pki.h"

#define FILE_MAX_BYTES ((size_t)64 * 1024 * 1024 * 1024)

static const char *const reuse[] = { "alias", "always", "never", NULL };

/* ---- one domain ---- */

/* Keys of a CA file; the last one used is the one most likely used again. */
static const struct config_cas *cas_of(struct config *c, const struct config_node *n)
{
	char *path = config_path(n->source, span_str(json_string_value(n->value)));
	struct pki_file file = { path, n->source->path, config_line(n), n->pointer };
	struct config_cas *p;

	if (!path)
		return NULL;
	for (size_t i = 0; i < c->cas_count; i++) {
		size_t at = (c->cas_hit + i) % c->cas_count;

		if (strcmp(c->cas[at].path, path) == 0) {
			c->cas_hit = at;
			free(path);
			return &c->cas[at];
		}
	}
	p = realloc(c->cas, (c->cas_count + 1) * sizeof(*p));
	if (!p) {
		free(path);
		return NULL;
	}
	c->cas = p;
	c->cas_hit = c->cas_count;
	p[c->cas_count] = (struct config_cas){ .path = path };
	/* A file that cannot be read is complained about once, and then trusts nobody. */
	if (!pki_load_cas(&file, c->complaints, &p[c->cas_count].spki, &p[c->cas_count].count))
		p[c->cas_count].count = 0;
	return &c->cas[c->cas_count++];
}

static struct image_section read_trust(struct config *c, const struct config_node *n)
{
	struct config_node list = config_get(n, "trust", TYPE_STRING | TYPE_STRINGS);
	struct image_spki rows[64];
	size_t count = 0;

	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);
		const struct config_cas *cas = cas_of(c, &e);

		for (size_t j = 0; cas && j < cas->count; j++) {
			if (count == ARRAY_LEN(rows)) {
				config_bad(&list, "more than %zu CAs for one domain", ARRAY_LEN(rows));
				return (struct image_section){ 0 };
			}
			rows[count++] = cas->spki[j];
		}
	}
	return image_put_array(c->b, rows, count, sizeof(*rows));
}

static void read_dn(struct config *c, const struct config_node *n, uint32_t domain)
{
	struct span text = span_of(json_string_value(n->value), json_string_length(n->value));
	size_t where = 0;
	struct dn dn;
	enum dn_status st = dn_from_text(text, &dn, &where);

	if (st != DN_OK) {
		config_bad(n, "found \"%s\": %s at character %zu; expected a distinguished name like CN=sip.example.net,O=Example,C=DE",
		    json_string_value(n->value), dn_status_name(st), where + 1);
		return;
	}
	if (dn_looks_reversed(text))
		config_warn(n, "the name begins with C=, so it is probably in reverse order: in this form the CN comes first");
	image_add_dn(c->b, &dn, domain);
}

/* `host` and `port`, or `hosts`: the first is kept for connections that we open. */
static void read_hosts(struct config *c, const struct config_node *n, struct image_domain *row)
{
	struct config_node list = config_get(n, "hosts", TYPE_ARRAY), host = config_get(n, "host", TYPE_STRING);
	struct config_node from = *n;
	char canonical[HOST_MAX];

	for (size_t i = 0; i < json_array_size(list.value); i++) {
		struct config_node e = config_at(&list, i);

		config_check(&e, &config_domain_host_keys);
		if (i == 0) {
			from = e;
			host = config_get(&e, "host", TYPE_STRING);
		}
	}
	if (host.value)
		row->host = image_put_text(c->b, config_host(&host, canonical));
	row->port = (uint16_t)config_integer(&from, "port", 1, 65535, row->protocol == PROTO_TLS ? 5061 : 5060);
}

static void check_later(const struct config_node *n)
{
	struct config_node tls = config_get(n, "limits", TYPE_OBJECT);

	config_check(&tls, &config_domain_limits_keys);
	(void)config_choice(n, "reuse", reuse, 0); /* checked; used when connections are opened to outside */
	if (!config_flag(n, "enforce", true))
		config_bad(n, "\"enforce\": false is not supported by this version; leave it out");
}

/* The name, with its *. taken off; false: not usable. */
static bool read_name(struct config *c, const struct config_node *n, struct image_domain *row)
{
	struct config_node name = config_get(n, "domain", TYPE_STRING);
	struct span text = config_text(n, "domain", "");
	char canonical[HOST_MAX];
	size_t len;

	if (!name.value) {
		config_bad(n, "an external domain needs \"domain\"");
		return false;
	}
	if (span_istarts(text, SPAN("*."))) {
		row->flags |= DOMAIN_WILDCARD;
		text = span_from(text, 2);
	}
	len = host_canon(text, canonical);
	if (len == 0) {
		config_bad(&name, "found \"%s\", expected a domain like example.net or *.example.net", json_string_value(name.value));
		return false;
	}
	row->name = image_put_text(c->b, span_of(canonical, len));
	return true;
}

static void check_trust(const struct config *c, const struct config_node *n, const struct image_domain *row)
{
	if ((row->flags & DOMAIN_HAS_DN) && row->trust.count == 0 && c->trust_is_ambiguous)
		config_bad(n, "a listener trusts more than one CA, so this domain needs \"trust\": the CA that may issue its distinguished_name (or set any_trusted_ca in the profile)");
	if (row->flags & DOMAIN_TRUST_UDP)
		config_warn(n, "trust_udp: a datagram's source address can be forged by anybody whose network lets it");
}

static void remember(struct config *c, const struct config_node *n, uint32_t domain)
{
	struct config_where *p = c->where;
	size_t cap = c->where_cap ? c->where_cap * 2 : 256;

	if (domain >= c->where_cap) {
		p = realloc(p, cap * sizeof(*p));
		if (!p)
			return;
		c->where = p;
		c->where_cap = cap;
	}
	/* The line of the element is at hand; to walk the text for each of a million would not be. */
	p[domain] = (struct config_where){ .line = n->source->line };
}

static void claim(struct config *c, const struct config_node *n, uint32_t domain)
{
	uint32_t other = image_claim_name(c->b, domain);
	struct config_node name = config_get(n, "domain", TYPE_STRING);

	if (other != IMAGE_NONE && other < c->where_cap)
		config_bad(&name, "the domain \"%s\" is configured a second time; the first is entry %u of all, near line %u of its file",
		    json_string_value(name.value), other + 1, c->where[other].line);
}

static void read_domain(struct config *c, const struct config_node *n)
{
	struct config_node dns = config_get(n, "distinguished_name", TYPE_STRING | TYPE_STRINGS),
			   addresses = config_get(n, "trusted_addresses", TYPE_STRING | TYPE_STRINGS),
			   identity = config_get(n, "identity", TYPE_OBJECT);
	struct image_domain row = { .identity = c->identity, .order = image_domain_count(c->b) };
	bool own = c->vouches_own;
	uint32_t index;

	config_check(n, &config_domain_keys);
	if (!json_is_object(n->value) || !read_name(c, n, &row))
		return;
	check_later(n);
	if (identity.value) {
		config_check(&identity, &config_identity_keys);
		row.identity = config_identity(c, &identity, false, &own);
	}
	row.protocol = (uint8_t)config_choice(n, "protocol", config_protocols, PROTO_TCP);
	row.flags |= (config_flag(n, "enabled", true) ? DOMAIN_ENABLED : 0) | DOMAIN_ENFORCE | (own ? DOMAIN_VOUCHES_OWN : 0) |
		     (config_flag(n, "trust_domain", false) ? DOMAIN_TRUST_DOMAIN : 0) |
		     (config_flag(n, "trust_udp", false) ? DOMAIN_TRUST_UDP : 0) | (config_list_count(&dns) ? DOMAIN_HAS_DN : 0);
	row.trust = read_trust(c, n);
	row.trusted_addresses = config_cidrs(c, &addresses);
	read_hosts(c, n, &row);
	check_trust(c, n, &row);
	index = image_add_domain(c->b, &row);
	remember(c, n, index);
	claim(c, n, index);
	for (size_t i = 0; i < config_list_count(&dns); i++) {
		struct config_node e = config_list_at(&dns, i);

		read_dn(c, &e, index);
	}
}

/* ---- files of domains, one element after the other ---- */

struct stream {
	struct config *c;
	const char *path;
	struct span text;
	size_t at;
	unsigned line;
	unsigned index;
};

static void skip(struct stream *s, const char *chars)
{
	while (s->at < s->text.len && s->text.p[s->at] && strchr(chars, s->text.p[s->at])) {
		s->line += s->text.p[s->at] == '\n';
		s->at++;
	}
}

/* One object of the stream.  False: the rest cannot be read. */
static bool element(struct stream *s, bool array)
{
	struct span rest = span_from(s->text, s->at);
	char prefix[32] = "";
	json_error_t error;
	json_t *value = json_loadb(rest.p, rest.len, JSON_DISABLE_EOF_CHECK, &error);
	struct config_source source = { .path = s->path, .line = s->line, .prefix = prefix, .complaints = s->c->complaints };
	struct config_node n = { .source = &source, .value = value };

	if (array)
		snprintf(prefix, sizeof(prefix), "/%u", s->index);
	if (!value) {
		complain(s->c->complaints, s->path, s->line - 1 + (unsigned)MAX(error.line, 1), prefix, "%s", error.text);
		return false;
	}
	source.text = span_head(rest, (size_t)error.position);
	config_check_duplicates(&source);
	read_domain(s->c, &n);
	json_decref(value);
	for (size_t i = 0; i < source.text.len; i++)
		s->line += source.text.p[i] == '\n';
	s->at += source.text.len;
	s->index++;
	return true;
}

static void read_stream(struct stream *s)
{
	bool array;

	skip(s, " \t\r\n");
	array = s->at < s->text.len && s->text.p[s->at] == '[';
	s->at += array;
	for (skip(s, " \t\r\n"); s->at < s->text.len && !(array && s->text.p[s->at] == ']'); skip(s, " \t\r\n")) {
		if (!element(s, array))
			return;
		skip(s, " \t\r\n");
		if (!array)
			continue;
		if (s->at < s->text.len && s->text.p[s->at] == ',')
			s->at++;
		else if (s->at == s->text.len || s->text.p[s->at] != ']')
			break;
	}
	if (!array)
		return;
	if (s->at == s->text.len || s->text.p[s->at] != ']') {
		complain(s->c->complaints, s->path, s->line, NULL, "the list does not end: expected \",\" or \"]\"");
		return;
	}
	s->at++;
	skip(s, " \t\r\n");
	if (s->at < s->text.len)
		complain(s->c->complaints, s->path, s->line, NULL, "there is something behind the end of the list");
}

static void read_file(struct config *c, const struct config_node *n, const char *path)
{
	struct pki_file file = { path, n->source->path, config_line(n), n->pointer };
	struct pki_der text = { 0 };
	struct stream s = { .c = c, .path = path, .line = 1 };

	if (!pki_read_file(&file, FILE_MAX_BYTES, c->complaints, &text))
		return;
	s.text = span_of(text.p, text.len);
	read_stream(&s);
	free(text.p);
}

static void read_files(struct config *c, const struct config_node *n)
{
	char *pattern = config_path(n->source, span_str(json_string_value(n->value)));
	glob_t g = { 0 };
	int rc = pattern ? glob(pattern, GLOB_BRACE, NULL, &g) : GLOB_NOSPACE;

	if (rc == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			read_file(c, n, g.gl_pathv[i]);
	else if (rc == GLOB_NOMATCH && strpbrk(json_string_value(n->value), "*?["))
		config_warn(n, "\"%s\" names no file now", json_string_value(n->value));
	else
		config_bad(n, "found \"%s\", expected a file that can be read", json_string_value(n->value));
	globfree(&g);
	free(pattern);
}

void config_read_domains(struct config *c, const struct config_node *root)
{
	struct config_node list = config_get(root, "external_domains", TYPE_ARRAY),
			   files = config_get(root, "external_domain_files", TYPE_STRING | TYPE_STRINGS);

	for (size_t i = 0; i < json_array_size(list.value); i++) {
		struct config_node n = config_at(&list, i);

		read_domain(c, &n);
		if (image_domain_count(c->b) && image_domain_count(c->b) <= c->where_cap)
			c->where[image_domain_count(c->b) - 1].line = config_line(&n);
	}
	for (size_t i = 0; i < config_list_count(&files); i++) {
		struct config_node n = config_list_at(&files, i);

		read_files(c, &n);
	}
}
