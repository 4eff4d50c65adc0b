#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "master/config.h"
#include "master/json_stream.h"

/* One of a stream: checked, and handed on. */
static void read_element(struct config *c, const struct config_stream *s, const struct json_element *e)
{
	char prefix[24] = "";
	struct config_source source = {
		.path = s->path,
		.text = e->text,
		.line = e->line,
		.prefix = prefix,
		.complaints = c->complaints,
	};
	struct config_node n;

	if (e->in_array)
		snprintf(prefix, sizeof(prefix), "/%u", e->index);
	n.source = &source;
	n.value = e->value;
	n.pointer_len = 0;
	n.pointer[0] = '\0';
	if (e->duplicates)
		config_check_duplicates(&source);
	config_check(&n, s->keys);
	if (json_is_object(n.value))
		s->take(c, &n, e->line, s->arg);
}

void config_read_stream(struct config *c, const struct config_node *n, struct config_stream *stream)
{
	struct json_stream *s = json_stream_open(stream->path);
	enum json_stream_status st;
	struct json_element e;

	if (!s) {
		config_bad(n, "\"%s\" cannot be read: %s", stream->path, strerror(errno));
		return;
	}
	stream->stamp = *json_stream_stamp(s);
	while ((st = json_stream_next(s, &e)) != JSON_STREAM_END) {
		const struct json_problem *p = json_stream_problem(s);

		if (st == JSON_STREAM_BAD) {
			complain(c->complaints, stream->path, p->line, NULL, "not JSON: %s", p->text);
			continue;
		}
		stream->array = e.in_array;
		read_element(c, stream, &e);
		json_decref(e.value);
	}
	json_stream_free(s);
}

static void take_domain(struct config *c, const struct config_node *n, unsigned line, void *file)
{
	config_domain(c, n, (struct config_where){ .file = *(const uint32_t *)file, .place = line });
}

/* The file's name is kept, for complaints that come later.  IMAGE_NONE: no memory. */
static uint32_t keep_name(struct config *c, const char *path)
{
	char **p = realloc(c->domain_files, (c->domain_file_count + 1) * sizeof(*p));

	if (p) {
		c->domain_files = p;
		p[c->domain_file_count] = strdup(path);
		if (p[c->domain_file_count])
			return (uint32_t)c->domain_file_count++;
	}
	image_builder_fail(c->b);
	return IMAGE_NONE;
}

static void read_file(struct config *c, const struct config_node *n, const char *path)
{
	uint32_t file = keep_name(c, path), first = image_domain_count(c->b);
	struct config_stream s = { .keys = &config_domain_keys, .take = take_domain, .arg = &file };
	size_t said = complaints_errors(c->complaints) + complaints_warnings(c->complaints);
	int64_t read_at = clock_wall_s();

	if (file == IMAGE_NONE || config_take_over(c, file))
		return;
	s.path = c->domain_files[file];
	c->file_is_private = false;
	config_read_stream(c, n, &s);
	said = complaints_errors(c->complaints) + complaints_warnings(c->complaints) - said;
	config_reuse_record(c, &s, first, said == 0 && !c->file_is_private, read_at);
}

static void read_pattern(struct config *c, const struct config_node *n)
{
	char *pattern = config_path(n->source, config_span(n));
	glob_t g = { 0 };
	int rc = pattern ? glob(pattern, GLOB_BRACE, NULL, &g) : GLOB_NOSPACE;

	if (rc == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			read_file(c, n, g.gl_pathv[i]);
	else if (rc == GLOB_NOMATCH && strpbrk(json_string_value(n->value), "*?[{"))
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

		if (json_is_object(n.value))
			config_domain(c, &n, (struct config_where){ .file = IMAGE_NONE, .place = (uint32_t)i });
	}
	for (size_t i = 0; i < config_list_count(&files); i++) {
		struct config_node n = config_list_at(&files, i);

		read_pattern(c, &n);
	}
}
