#include "master/config_node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

unsigned config_line(const struct config_node *n)
{
	return n->source->line - 1 + json_where(n->source->text, n->pointer);
}

/* ---- complaints ---- */

PRINTF_LIKE(3, 0)
static void tell(const struct config_node *n, bool warning, const char *fmt, va_list args)
{
	char what[1024], pointer[JSON_POINTER_MAX + 64];

	vsnprintf(what, sizeof(what), fmt, args);
	snprintf(pointer, sizeof(pointer), "%s%s", n->source->prefix, n->pointer);
	(warning ? complain_warning : complain)(n->source->complaints, n->source->path, config_line(n), pointer, "%s", what);
}

void config_bad(const struct config_node *n, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell(n, false, fmt, args);
	va_end(args);
}

void config_warn(const struct config_node *n, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell(n, true, fmt, args);
	va_end(args);
}

static void duplicate(void *ctx, const char *pointer, unsigned line)
{
	struct config_source *s = ctx;
	char whole[JSON_POINTER_MAX + 64];

	snprintf(whole, sizeof(whole), "%s%s", s->prefix, pointer);
	complain(s->complaints, s->path, s->line - 1 + line, whole, "this key stands here for the second time; each key may stand once");
}

void config_check_duplicates(struct config_source *source)
{
	json_duplicates(source->text, duplicate, source);
}

/* ---- types ---- */

static bool is_strings(const json_t *v)
{
	const json_t *e;
	size_t i;

	if (!json_is_array(v))
		return false;
	json_array_foreach((json_t *)(uintptr_t)v, i, e)
		if (!json_is_string(e))
			return false;
	return true;
}

static bool fits(const json_t *v, unsigned types)
{
	return (types & TYPE_STRING && json_is_string(v)) || (types & TYPE_INTEGER && json_is_integer(v)) ||
	       (types & TYPE_NUMBER && json_is_number(v)) || (types & TYPE_BOOLEAN && json_is_boolean(v)) ||
	       (types & TYPE_OBJECT && json_is_object(v)) || (types & TYPE_ARRAY && json_is_array(v)) ||
	       (types & TYPE_STRINGS && is_strings(v));
}

static const struct {
	unsigned type;
	const char *name;
} type_names[] = {
	{ TYPE_STRING, "a string" },   { TYPE_INTEGER, "an integer" }, { TYPE_NUMBER, "a number" }, { TYPE_BOOLEAN, "true or false" },
	{ TYPE_OBJECT, "an object" }, { TYPE_ARRAY, "a list" },	 { TYPE_STRINGS, "a list of strings" },
};

static const char *expected(unsigned types, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
		if (types & type_names[i].type)
			n += (size_t)snprintf(out + n, n < cap ? cap - n : 0, "%s%s", n ? " or " : "", type_names[i].name);
	return out;
}

static const char *found(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		break;
	}
	return "null";
}

/* ---- keys ---- */

/* Edit distance, to name the key that was probably meant. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t n = MIN(strlen(b), sizeof(row) / sizeof(row[0]) - 1);

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			unsigned up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);

			best = MIN(best, MIN(up, row[j - 1]) + 1);
			diagonal = up;
			row[j] = best;
		}
	}
	return row[n];
}

static const struct config_key *find_key(const struct config_keys *keys, const char *name)
{
	for (size_t i = 0; i < keys->count; i++)
		if (strcmp(keys->key[i].name, name) == 0)
			return &keys->key[i];
	return NULL;
}

static const char *nearest(const struct config_keys *keys, const char *name)
{
	const char *best = "";
	unsigned least = UINT32_MAX;

	for (size_t i = 0; i < keys->count; i++) {
		unsigned d = distance(name, keys->key[i].name);

		if (d < least) {
			least = d;
			best = keys->key[i].name;
		}
	}
	return best;
}

static struct config_node child(const struct config_node *n, const char *key, json_t *value)
{
	struct config_node c = { .source = n->source, .value = value };
	int len = snprintf(c.pointer, sizeof(c.pointer), "%s/%s", n->pointer, key);

	if (len < 0 || (size_t)len >= sizeof(c.pointer)) /* so long that it places nothing: its parent's must do */
		memcpy(c.pointer, n->pointer, sizeof(c.pointer));
	return c;
}

static void check_member(const struct config_node *m, const struct config_key *k)
{
	char types[128];

	if (!fits(m->value, k->types))
		config_bad(m, "found %s, expected %s", found(m->value), expected(k->types, types, sizeof(types)));
	else if (k->support == SUPPORT_REFUSED)
		config_bad(m, "\"%s\" is not supported by this version; leave it out", k->name);
	else if (k->support == SUPPORT_NO_EFFECT)
		config_warn(m, "\"%s\" is not supported by this version and has no effect", k->name);
}

void config_check(const struct config_node *n, const struct config_keys *keys)
{
	const char *name;
	json_t *value;

	if (!n->value)
		return;
	if (!json_is_object(n->value)) {
		config_bad(n, "found %s, expected an object: %s", found(n->value), keys->what);
		return;
	}
	json_object_foreach(n->value, name, value) {
		const struct config_key *k = find_key(keys, name);
		struct config_node m = child(n, name, value);

		if (k)
			check_member(&m, k);
		else
			config_bad(&m, "unknown key \"%s\" in %s; the nearest known one is \"%s\"", name, keys->what,
			    nearest(keys, name));
	}
}

struct config_node config_get(const struct config_node *n, const char *key, unsigned types)
{
	json_t *v = json_object_get(n->value, key);

	return child(n, key, v && fits(v, types) ? v : NULL);
}

struct config_node config_at(const struct config_node *n, size_t index)
{
	char key[24];

	snprintf(key, sizeof(key), "%zu", index);
	return child(n, key, json_array_get(n->value, index));
}

struct span config_text(const struct config_node *n, const char *key, const char *otherwise)
{
	struct config_node m = config_get(n, key, TYPE_STRING);

	return m.value ? span_of(json_string_value(m.value), json_string_length(m.value)) : span_str(otherwise);
}

bool config_flag(const struct config_node *n, const char *key, bool otherwise)
{
	struct config_node m = config_get(n, key, TYPE_BOOLEAN);

	return m.value ? json_is_true(m.value) : otherwise;
}

int64_t config_integer(const struct config_node *n, const char *key, int64_t least, int64_t most, int64_t otherwise)
{
	struct config_node m = config_get(n, key, TYPE_INTEGER);
	int64_t v = m.value ? json_integer_value(m.value) : otherwise;

	if (!m.value || (v >= least && v <= most))
		return v;
	config_bad(&m, "found %lld, expected %lld to %lld", (long long)v, (long long)least, (long long)most);
	return otherwise;
}

unsigned config_choice(const struct config_node *n, const char *key, const char *const *choices, unsigned otherwise)
{
	struct config_node m = config_get(n, key, TYPE_STRING);
	char all[256] = "";
	size_t len = 0;

	if (!m.value)
		return otherwise;
	for (unsigned i = 0; choices[i]; i++) {
		if (strcmp(choices[i], json_string_value(m.value)) == 0)
			return i;
		len += (size_t)snprintf(all + len, len < sizeof(all) ? sizeof(all) - len : 0, "%s\"%s\"", i ? ", " : "", choices[i]);
	}
	config_bad(&m, "found \"%s\", expected one of %s", json_string_value(m.value), all);
	return otherwise;
}

size_t config_list_count(const struct config_node *n)
{
	return !n->value ? 0 : json_is_array(n->value) ? json_array_size(n->value) : 1;
}

struct config_node config_list_at(const struct config_node *n, size_t index)
{
	return json_is_array(n->value) ? config_at(n, index) : *n;
}

char *config_path(const struct config_source *source, struct span path)
{
	const char *slash = strrchr(source->path, '/');
	char *out = NULL;
	int rc;

	if ((path.len && path.p[0] == '/') || !slash)
		rc = asprintf(&out, "%.*s", SPAN_FMT(path));
	else
		rc = asprintf(&out, "%.*s/%.*s", (int)(slash - source->path), source->path, SPAN_FMT(path));
	return rc < 0 ? NULL : out;
}
