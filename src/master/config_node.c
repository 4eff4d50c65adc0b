#include "master/config_node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define POINTER_WHOLE_MAX (JSON_POINTER_MAX + 64)

unsigned config_line(const struct config_node *n)
{
	return n->source->line - 1 + json_where(n->source->text, n->pointer);
}

/* ---- complaints ---- */

PRINTF_LIKE(3, 0)
static void tell(const struct config_node *n, bool warning, const char *fmt, va_list args)
{
	struct complaints *c = n->source->complaints;
	char what[1024], pointer[POINTER_WHOLE_MAX];
	/* To find a line the text is walked: not for what is only counted. */
	bool kept = (warning ? complaints_warnings(c) : complaints_errors(c)) < COMPLAINTS_KEPT;

	vsnprintf(what, sizeof(what), fmt, args);
	snprintf(pointer, sizeof(pointer), "%s%s", n->source->prefix, n->pointer);
	(warning ? complain_warning : complain)(c, n->source->path, kept ? config_line(n) : 0, pointer, "%s", what);
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
	const struct config_source *s = ctx;
	const char *key = strrchr(pointer, '/');
	char whole[POINTER_WHOLE_MAX];

	snprintf(whole, sizeof(whole), "%s%s", s->prefix, pointer);
	complain(s->complaints, s->path, s->line - 1 + line, whole, "duplicate key \"%s\": expected each key once", key ? key + 1 : "");
}

void config_check_duplicates(struct config_source *source)
{
	if (!json_duplicates(source->text, duplicate, source))
		complain(source->complaints, source->path, source->line, source->prefix, "out of memory");
}

/* ---- members ---- */

static struct config_node child(const struct config_node *n, struct span key, json_t *value)
{
	struct config_node c;

	c.source = n->source;
	c.value = value;
	c.pointer_len = n->pointer_len;
	memcpy(c.pointer, n->pointer, n->pointer_len + 1);
	(void)json_pointer_push(c.pointer, &c.pointer_len, key); /* too long: its parent's must do */
	return c;
}

static bool is_array_of(const json_t *v, json_type type)
{
	if (!json_is_array(v))
		return false;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (json_typeof(json_array_get(v, i)) != type)
			return false;
	return true;
}

static bool fits(const json_t *v, unsigned types)
{
	return (types & TYPE_STRING && json_is_string(v)) || (types & TYPE_INTEGER && json_is_integer(v)) ||
	       (types & TYPE_NUMBER && json_is_number(v)) || (types & TYPE_BOOLEAN && json_is_boolean(v)) ||
	       (types & (TYPE_OBJECT | TYPE_MAP | TYPE_FREE) && json_is_object(v)) || (types & TYPE_ARRAY && json_is_array(v)) ||
	       (types & TYPE_STRINGS && is_array_of(v, JSON_STRING));
}

struct config_node config_get(const struct config_node *n, const char *key, unsigned types)
{
	json_t *v = json_object_get(n->value, key);

	return child(n, span_str(key), v && fits(v, types) ? v : NULL);
}

bool config_has(const struct config_node *n, const char *key)
{
	return json_object_get(n->value, key) != NULL;
}

struct config_node config_at(const struct config_node *n, size_t index)
{
	char key[24];

	return child(n, span_of(key, (size_t)snprintf(key, sizeof(key), "%zu", index)), json_array_get(n->value, index));
}

/* ---- checking ---- */

static const struct {
	unsigned type;
	const char *name;
} type_names[] = {
	{ TYPE_STRING, "a string" },  { TYPE_INTEGER, "an integer" },	{ TYPE_NUMBER, "a number" },
	{ TYPE_BOOLEAN, "true or false" }, { TYPE_OBJECT | TYPE_MAP | TYPE_FREE, "an object" },
	{ TYPE_ARRAY, "a list of objects" }, { TYPE_STRINGS, "a list of strings" },
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
		unsigned d = span_distance(span_str(name), span_str(keys->key[i].name));

		if (d < least) {
			least = d;
			best = keys->key[i].name;
		}
	}
	return best;
}

static unsigned choice_of(const char *const *choices, struct span text)
{
	unsigned i = 0;

	while (choices[i] && !span_eq(span_str(choices[i]), text))
		i++;
	return i;
}

static void check_choice(const struct config_node *m, const char *const *choices)
{
	char all[256] = "";
	size_t len = 0;

	if (choices[choice_of(choices, config_span(m))])
		return;
	for (unsigned i = 0; choices[i]; i++)
		len += (size_t)snprintf(all + len, len < sizeof(all) ? sizeof(all) - len : 0, "%s\"%s\"", i ? ", " : "", choices[i]);
	config_bad(m, "found \"%s\", expected %s%s", json_string_value(m->value), choices[1] ? "one of " : "", all);
}

/* A string, or each of a list. */
static void check_strings(const struct config_node *m, const struct config_key *k)
{
	for (size_t i = 0; i < config_list_count(m); i++) {
		struct config_node e = config_list_at(m, i);

		/* What reads it as a C string would see another text than the operator. */
		if (memchr(json_string_value(e.value), '\0', json_string_length(e.value)))
			config_bad(&e, "found \"%s\" and a NUL behind it, expected text", json_string_value(e.value));
		else if (k->choices)
			check_choice(&e, k->choices);
	}
}

/* A value of a wrong type; of a list that is to hold strings, each that is none. */
static void complain_type(const struct config_node *m, unsigned types)
{
	char text[128];

	if (!json_is_array(m->value) || !(types & TYPE_STRINGS)) {
		config_bad(m, "found %s, expected %s", found(m->value), expected(types, text, sizeof(text)));
		return;
	}
	for (size_t i = 0; i < json_array_size(m->value); i++) {
		struct config_node e = config_at(m, i);

		if (!json_is_string(e.value))
			config_bad(&e, "found %s, expected a string", found(e.value));
	}
}

static void check_below(const struct config_node *m, const struct config_key *k)
{
	const char *name;
	json_t *value;

	if (json_is_array(m->value)) {
		for (size_t i = 0; i < json_array_size(m->value); i++) {
			struct config_node e = config_at(m, i);

			config_check(&e, k->members);
		}
		return;
	}
	if (!(k->types & (TYPE_MAP | TYPE_FREE))) {
		config_check(m, k->members);
		return;
	}
	json_object_foreach(m->value, name, value) {
		struct config_node e = child(m, span_str(name), value);

		if (k->types & TYPE_MAP)
			config_check(&e, k->members);
		else if (fits(value, TYPE_STRING | TYPE_STRINGS))
			check_strings(&e, k);
		else
			complain_type(&e, TYPE_STRING | TYPE_STRINGS);
	}
}

static void check_member(const struct config_node *m, const struct config_key *k)
{
	double number = json_number_value(m->value);

	if (!fits(m->value, k->types)) {
		complain_type(m, k->types);
		return;
	}
	if (json_is_number(m->value) && (k->least || k->most) && (number < (double)k->least || number > (double)k->most))
		config_bad(m, "found %.15g, expected %lld to %lld", number, (long long)k->least, (long long)k->most);
	if (json_is_string(m->value) || is_array_of(m->value, JSON_STRING))
		check_strings(m, k);
	if (k->members || k->types & TYPE_FREE)
		check_below(m, k);
	if (k->support == SUPPORT_REFUSED)
		config_bad(m, "\"%s\" is not supported by this version; leave it out", k->name);
	else if (k->support == SUPPORT_NO_EFFECT)
		config_warn(m, "\"%s\" is not supported by this version and has no effect", k->name);
}

void config_check(const struct config_node *n, const struct config_keys *keys)
{
	const char *name;
	json_t *value;

	if (!json_is_object(n->value)) {
		config_bad(n, "found %s, expected an object: %s", found(n->value), keys->what);
		return;
	}
	json_object_foreach(n->value, name, value) {
		const struct config_key *k = find_key(keys, name);
		struct config_node m = child(n, span_str(name), value);

		if (k)
			check_member(&m, k);
		else
			config_bad(&m, "unknown key \"%s\" in %s; did you mean \"%s\"?", name, keys->what, nearest(keys, name));
	}
	for (size_t i = 0; i < keys->count; i++)
		if (keys->key[i].required && !config_has(n, keys->key[i].name)) {
			struct config_node m = child(n, span_str(keys->key[i].name), NULL);
			char types[128];

			config_bad(&m, "missing in %s; expected %s", keys->what, expected(keys->key[i].types, types, sizeof(types)));
		}
}

/* ---- reading ---- */

struct span config_span(const struct config_node *n)
{
	return span_of(json_string_value(n->value), json_string_length(n->value));
}

struct span config_text(const struct config_node *n, const char *key, const char *otherwise)
{
	struct config_node m = config_get(n, key, TYPE_STRING);

	return m.value ? config_span(&m) : span_str(otherwise);
}

bool config_flag(const struct config_node *n, const char *key, bool otherwise)
{
	const json_t *v = json_object_get(n->value, key);

	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

int64_t config_integer(const struct config_node *n, const char *key, int64_t least, int64_t most, int64_t otherwise)
{
	const json_t *v = json_object_get(n->value, key);
	int64_t i = json_integer_value(v);

	return json_is_integer(v) && i >= least && i <= most ? i : otherwise;
}

unsigned config_choice(const struct config_node *n, const char *key, const char *const *choices, unsigned otherwise)
{
	const json_t *v = json_object_get(n->value, key);
	unsigned i = v && json_is_string(v) ? choice_of(choices, span_of(json_string_value(v), json_string_length(v))) : 0;

	return v && json_is_string(v) && choices[i] ? i : otherwise;
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
