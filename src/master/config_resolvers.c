#include <stdio.h>
#include <stdlib.h>

#include "common/addr.h"
#include "common/sip/uri.h"
#include "master/config.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define HOSTS_FILE "/etc/hosts"
#define LINES_MAX 65536 /* of such a file; the rest is not read */
#define ALIASES_MAX 4096
#define DNS_PORT 53

/* ---- name servers ---- */

/* "192.0.2.1", "192.0.2.1:53", "[2001:db8::1]:53", "2001:db8::1". */
static bool parse_server(struct span text, struct image_resolver *out)
{
	struct image_resolver r = { .port = DNS_PORT };
	const char *colon = text.len ? memrchr(text.p, ':', text.len) : NULL;
	uint64_t port;

	if (!addr_parse(text, r.addr)) {
		if (!colon || !addr_parse(span_head(text, (size_t)(colon - text.p)), r.addr) ||
		    !span_u64(span_from(text, (size_t)(colon - text.p) + 1), 65535, &port) || port == 0)
			return false;
		r.port = (uint16_t)port;
	}
	*out = r;
	return true;
}

static size_t read_list(const struct config_node *list, struct image_resolver out[static RESOLVERS_MAX])
{
	size_t count = 0;

	if (config_list_count(list) == 0 || config_list_count(list) > RESOLVERS_MAX)
		config_bad(list, "found %zu name servers, expected 1 to %d", config_list_count(list), RESOLVERS_MAX);
	for (size_t i = 0; i < config_list_count(list) && count < RESOLVERS_MAX; i++) {
		struct config_node e = config_list_at(list, i);

		if (parse_server(config_span(&e), &out[count]))
			count++;
		else
			config_bad(&e, "found \"%s\", expected an address, or address:port", json_string_value(e.value));
	}
	return count;
}

/* ---- the system's files: what is odd in them is nobody's mistake here, and left out ---- */

/* The next word of a line, up to a comment; empty: none. */
static struct span next_word(struct span *rest)
{
	struct span word;
	size_t from = 0, len = 0;

	while (from < rest->len && strchr(" \t\r\n", rest->p[from]))
		from++;
	word = span_from(*rest, from);
	while (len < word.len && !strchr(" \t\r\n#", word.p[len]))
		len++;
	*rest = span_from(word, len);
	return span_head(word, len);
}

/* Lines of a file to `each`, until it returns false. */
static void read_lines(const char *path, bool (*each)(void *arg, struct span line), void *arg)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len = 0;

	for (int i = 0; in && i < LINES_MAX && (len = getline(&line, &cap, in)) >= 0; i++)
		if (!each(arg, span_of(line, (size_t)len)))
			break;
	free(line);
	if (in)
		(void)fclose(in); /* only read */
}

struct servers {
	struct image_resolver row[RESOLVERS_MAX];
	size_t count;
};

/* A link-local server with its scope is no address to us. */
static bool take_server(void *arg, struct span line)
{
	struct servers *s = arg;

	if (span_eq(next_word(&line), SPAN("nameserver"))) {
		struct image_resolver *r = &s->row[s->count];

		*r = (struct image_resolver){ .port = DNS_PORT };
		s->count += addr_parse(next_word(&line), r->addr);
	}
	return s->count < RESOLVERS_MAX;
}

struct aliases {
	struct config *c;
	struct image_alias *row; /* [ALIASES_MAX] */
	size_t count;
};

static bool take_aliases(void *arg, struct span line)
{
	struct aliases *a = arg;
	char canonical[HOST_MAX];
	struct image_alias row;
	enum host_kind kind;
	struct span name;

	if (!addr_parse(next_word(&line), row.addr))
		return true;
	while ((name = next_word(&line)).len && a->count < ALIASES_MAX) {
		if (!host_parse(name, &kind) || kind != HOST_NAME)
			continue;
		row.name = image_put_text(a->c->b, span_of(canonical, host_canon(name, canonical)));
		a->row[a->count++] = row;
	}
	return a->count < ALIASES_MAX;
}

static void read_hosts_file(struct config *c)
{
	struct aliases a = { c, calloc(ALIASES_MAX, sizeof(*a.row)), 0 };

	if (!a.row) {
		image_builder_fail(c->b);
		return;
	}
	read_lines(HOSTS_FILE, take_aliases, &a);
	if (a.count)
		image_builder_header(c->b)->aliases = image_put_array(c->b, a.row, a.count, sizeof(*a.row));
	free(a.row);
}

void config_read_resolvers(struct config *c, const struct config_node *root)
{
	struct config_node list = config_get(root, "resolvers", TYPE_STRING | TYPE_STRINGS);
	struct servers s = { .count = 0 };

	if (list.value)
		s.count = read_list(&list, s.row);
	else
		read_lines(RESOLV_CONF, take_server, &s);
	if (s.count == 0) { /* as everybody's resolver does */
		s.row[0] = (struct image_resolver){ .port = DNS_PORT };
		s.row[0].addr[10] = s.row[0].addr[11] = 0xff;
		s.row[0].addr[12] = 127;
		s.row[0].addr[15] = 1;
		s.count = 1;
	}
	image_builder_header(c->b)->resolvers = image_put_array(c->b, s.row, s.count, sizeof(s.row[0]));
	read_hosts_file(c);
}
