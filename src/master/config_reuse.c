#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/image.h"
#include "master/config.h"
#include "master/file_stamp.h"

#define TARGETS_MAX 64 /* hosts of one domain, more than any has */

/* ---- what else decides ---- */

void config_reuse_context(struct config *c, const struct config_node *root)
{
	static const char *const keys[] = { "listeners", "tls", "default_outbound_tls", "identity", "local_domains" };
	json_t *some = json_object();
	char *text;

	for (size_t i = 0; some && i < ARRAY_LEN(keys); i++)
		(void)json_object_set(some, keys[i], json_object_get(root->value, keys[i])); /* missing: not set */
	(void)json_object_set_new(some, "version", json_string(SIPWARD_VERSION)); /* without memory the dump fails, too */
	(void)json_object_set_new(some, "ambiguous", json_boolean(c->trust_is_ambiguous));
	text = json_dumps(some, JSON_SORT_KEYS | JSON_COMPACT);
	json_decref(some);
	if (!text || EVP_Digest(text, strlen(text), c->context, NULL, EVP_sha256(), NULL) != 1)
		c->before = NULL;
	free(text);
}

/* ---- recording ---- */

void config_reuse_record(struct config *c, const struct config_stream *s, uint32_t first, bool clean, int64_t read_at)
{
	struct image_file *files = calloc(c->cas_count + 1, sizeof(*files));
	struct image_domain_file row = { .path = image_put_text(c->b, span_str(s->path)), .first = first,
		.count = image_domain_count(c->b) - first, .array = s->array, .reusable = clean && file_stamp_settled(&s->stamp, read_at) };

	if (!files) {
		image_builder_fail(c->b);
		return;
	}
	files[0] = (struct image_file){ .path = row.path, .stamp = s->stamp };
	for (size_t i = 0; i < c->cas_count; i++) {
		files[i + 1] = (struct image_file){ .path = image_put_text(c->b, span_str(c->cas[i].path)), .stamp = c->cas[i].stamp };
		row.reusable = row.reusable && c->cas[i].settled;
	}
	memcpy(row.context, c->context, sizeof(row.context));
	row.files = image_put_array(c->b, files, c->cas_count + 1, sizeof(*files));
	image_add_source(c->b, &row);
	free(files);
}

/* ---- taking over ---- */

static bool unchanged(const struct image *img, const struct image_domain_file *s)
{
	const struct image_file *f = image_at(img, s->files);
	char path[4096];

	for (uint64_t i = 0; i < s->files.count; i++) {
		struct span text = image_text(img, f[i].path);
		struct image_stamp now;

		if (text.len >= sizeof(path))
			return false;
		memcpy(path, text.p, text.len);
		path[text.len] = '\0';
		if (!file_stamp_read(path, &now) || !file_stamp_same(&f[i].stamp, &now))
			return false;
	}
	return true;
}

static const struct image_domain_file *find(const struct config *c, const char *path)
{
	const struct image_domain_file *s = image_at(c->before, c->before->h->sources);

	for (uint64_t i = 0; i < c->before->h->sources.count; i++)
		if (span_eq(image_text(c->before, s[i].path), span_str(path)))
			return s[i].reusable && memcmp(s[i].context, c->context, sizeof(c->context)) == 0 && unchanged(c->before, &s[i]) ? &s[i]
																	: NULL;
	return NULL;
}

/* By name: profiles may stand in another order. */
static uint32_t profile_of(const struct config *c, uint32_t tls)
{
	struct span name = tls == IMAGE_NONE ? SPAN_NONE : image_text(c->before, c->before->tls[tls].name);

	for (size_t i = 0; tls != IMAGE_NONE && i < c->profile_count; i++)
		if (span_eq(span_str(c->profile[i].name), name))
			return (uint32_t)i;
	return IMAGE_NONE;
}

static uint32_t limits_of(struct config *c, uint32_t limits)
{
	const struct image_limits *row = image_at(c->before, c->before->h->limits);

	return limits == IMAGE_NONE ? IMAGE_NONE : config_limits_row(c, &row[limits]);
}

static struct image_section array_of(struct config *c, struct image_section s, size_t size)
{
	return image_put_array_once(c->b, image_at(c->before, s), s.count, size);
}

/* The texts are written anew, so that the list points to them. */
static struct image_section texts_of(struct config *c, struct image_section s)
{
	const struct image_str *text = image_at(c->before, s);
	struct image_str *out = calloc(s.count + 1, sizeof(*out));
	struct image_section put = { 0 };

	for (uint64_t i = 0; out && i < s.count; i++)
		out[i] = image_put_text_once(c->b, image_text(c->before, text[i]));
	if (out)
		put = image_put_array_once(c->b, out, s.count, sizeof(*out));
	else
		image_builder_fail(c->b);
	free(out);
	return put;
}

static struct image_policy policy_of(struct config *c, const struct image_policy *p)
{
	struct image_policy out = {
		.identity = c->identity_index,
		.tls = profile_of(c, p->tls),
		.limits = limits_of(c, p->limits),
		.auth = IMAGE_NONE,
		.options_ping = p->options_ping,
		.crlf_ping = p->crlf_ping,
		.protocol = p->protocol,
		.reuse = p->reuse,
		.trust = array_of(c, p->trust, sizeof(struct image_spki)),
		.pins = array_of(c, p->pins, sizeof(struct image_spki)),
		.trusted_addresses = array_of(c, p->trusted_addresses, sizeof(struct image_cidr)),
		.sans = texts_of(c, p->sans),
		.sni = image_put_text_once(c->b, image_text(c->before, p->sni)),
	};

	return out;
}

static struct image_ref text_of(struct config *c, struct image_ref r)
{
	struct span text = image_ref_text(c->before, r);

	return image_put_ref(c->b, text.p, text.len, 1);
}

static struct image_ref hosts_of(struct config *c, const struct image_domain *d, struct image_ref name)
{
	const struct image_target *from = image_unit(c->before, d->hosts.at);
	struct image_target to[TARGETS_MAX];
	uint32_t n = MIN(d->hosts.count, (uint32_t)TARGETS_MAX);

	for (uint32_t i = 0; i < n; i++) {
		to[i] = from[i];
		to[i].host = from[i].host.at == d->name.at ? name : text_of(c, from[i].host);
	}
	return image_put_ref(c->b, to, n, sizeof(*to));
}

static void add_keys(struct config *c, const struct image_domain *d, const struct image_policy *p, uint32_t index)
{
	const struct image_str *san = image_at(c->before, p->sans);
	uint32_t *keys = calloc(d->dns.count + 1, sizeof(*keys));

	for (uint32_t i = 0; keys && i < d->dns.count; i++) {
		struct span dn = image_domain_dn(c->before, d, i);

		keys[i] = image_add_dn(c->b, (const uint8_t *)dn.p, dn.len, index);
	}
	if (keys)
		image_set_dns(c->b, index, keys, d->dns.count);
	else
		image_builder_fail(c->b);
	free(keys);
	for (uint64_t i = 0; i < p->sans.count; i++)
		image_add_san(c->b, image_text(c->before, san[i]), index);
}

static void complain_twice(struct config *c, const struct image_domain_file *s, uint32_t entry, uint32_t line, struct config_where first)
{
	struct span name = image_domain_name(c->before, entry);
	char text[1024] = "", shown[300], pointer[32] = "/domain", path[4096];

	if (complaints_errors(c->complaints) < COMPLAINTS_KEPT)
		config_where_text(c, first, text, sizeof(text));
	snprintf(shown, sizeof(shown), "%s%.*s", c->before->domain[entry].flags & DOMAIN_WILDCARD ? "*." : "", SPAN_FMT(name));
	snprintf(path, sizeof(path), "%.*s", SPAN_FMT(image_text(c->before, s->path)));
	if (s->array)
		snprintf(pointer, sizeof(pointer), "/%u/domain", entry - s->first);
	complain(c->complaints, path, line, pointer, CONFIG_TWICE, shown, text);
}

static void take_over(struct config *c, const struct image_domain_file *s, uint32_t file)
{
	struct image_policy policy = { 0 };
	uint32_t last = IMAGE_NONE, index;

	for (uint32_t i = s->first; i < s->first + s->count; i++) {
		const struct image_domain *d = &c->before->domain[i];
		struct image_domain row = { .name = text_of(c, d->name), .flags = d->flags, .line = d->line };
		struct config_where first;

		if (d->policy != last)
			policy = policy_of(c, &c->before->policy[d->policy]);
		last = d->policy;
		row.hosts = hosts_of(c, d, row.name);
		first = config_domain_add(c, &row, &policy, (struct config_where){ file, d->line }, &index);
		if (first.place != CONFIG_NO_PLACE)
			complain_twice(c, s, i, d->line, first);
		add_keys(c, d, &c->before->policy[d->policy], index);
	}
}

static void record_again(struct config *c, const struct image_domain_file *s, uint32_t first)
{
	const struct image_file *from = image_at(c->before, s->files);
	struct image_file *files = calloc(s->files.count + 1, sizeof(*files));
	struct image_domain_file row = { .path = image_put_text(c->b, image_text(c->before, s->path)), .first = first, .count = s->count,
		.array = s->array, .reusable = 1 };

	for (uint64_t i = 0; files && i < s->files.count; i++)
		files[i] = (struct image_file){ .path = image_put_text(c->b, image_text(c->before, from[i].path)), .stamp = from[i].stamp };
	if (files) {
		memcpy(row.context, s->context, sizeof(row.context));
		row.files = image_put_array(c->b, files, s->files.count, sizeof(*files));
		image_add_source(c->b, &row);
	} else {
		image_builder_fail(c->b);
	}
	free(files);
}

bool config_take_over(struct config *c, uint32_t file)
{
	const struct image_domain_file *s = c->before ? find(c, c->domain_files[file]) : NULL;
	uint32_t first = image_domain_count(c->b);

	if (!s)
		return false;
	take_over(c, s, file);
	record_again(c, s, first);
	return true;
}
