/*
 * config_schema: the tables of known keys, config/sipward.schema.json,
 * settings.def, config/example.json and README.md say the same.
 */
#include <criterion/criterion.h>
#include <ctype.h>

#include "common/settings.h"
#include "master/config.h"
#include "support/config_files.h"
#include "support/leaks.h"

TestSuite(config_schema, .fini = leaks_check);

static json_t *load_file(const char *name)
{
	json_error_t error;
	char path[1024];
	json_t *v;

	snprintf(path, sizeof(path), "%s/%s", CONFIG_DIR, name);
	v = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(v, "%s:%d: %s", path, error.line, error.text);
	return v;
}

/* ---- the schema ---- */

static const json_t *schema;

static const json_t *resolve(const json_t *node)
{
	const char *ref = json_string_value(json_object_get(node, "$ref"));
	const json_t *at;

	if (!ref)
		return node;
	cr_assert(strncmp(ref, "#/$defs/", 8) == 0, "%s", ref);
	at = json_object_get(json_object_get(schema, "$defs"), ref + 8);
	cr_assert_not_null(at, "%s leads nowhere", ref);
	return at;
}

/* enum config_type of what a node takes. */
static unsigned types_of(const json_t *given)
{
	const json_t *node = resolve(given), *more = json_object_get(node, "additionalProperties");
	const char *type = json_string_value(json_object_get(node, "type"));
	unsigned types = 0;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(node, "anyOf"), i, one)
		types |= types_of(one);
	if (!type)
		return types;
	if (strcmp(type, "array") == 0)
		return types_of(json_object_get(node, "items")) == TYPE_STRING ? TYPE_STRINGS : TYPE_ARRAY;
	if (strcmp(type, "object") == 0)
		return json_object_get(node, "properties") ? TYPE_OBJECT : types_of(more) & TYPE_STRING ? TYPE_FREE : TYPE_MAP;
	return strcmp(type, "string") == 0 ? TYPE_STRING : strcmp(type, "integer") == 0 ? TYPE_INTEGER :
	    strcmp(type, "number") == 0					       ? TYPE_NUMBER :
	    strcmp(type, "boolean") == 0				       ? TYPE_BOOLEAN :
										 0;
}

/* What lies below a key: the object, a list's element, a map's value. */
static const json_t *below(const json_t *given)
{
	const json_t *node = resolve(given);

	if (json_object_get(node, "items"))
		return resolve(json_object_get(node, "items"));
	return json_object_get(node, "properties") ? node : resolve(json_object_get(node, "additionalProperties"));
}

static bool is_in(const json_t *list, const char *text)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (strcmp(json_string_value(one), text) == 0)
			return true;
	return false;
}

static void compare_choices(const char *path, const struct config_key *k, const json_t *given)
{
	const json_t *node = resolve(given), *items = json_object_get(node, "items");
	const json_t *list = json_object_get(items ? items : node, "enum");
	size_t n = 0;

	for (; k->choices && k->choices[n]; n++)
		cr_assert(is_in(list, k->choices[n]), "%s: \"%s\" is not in the schema", path, k->choices[n]);
	cr_assert_eq(json_array_size(list), n, "%s: the schema has other choices", path);
}

static void compare_bounds(const char *path, const struct config_key *k, const json_t *given)
{
	const json_t *node = resolve(given), *first = json_array_get(json_object_get(node, "anyOf"), 0);

	node = first ? first : node;
	if (!k->least && !k->most)
		return;
	cr_assert_eq(json_number_value(json_object_get(node, "minimum")), (double)k->least, "%s: minimum", path);
	cr_assert_eq(json_number_value(json_object_get(node, "maximum")), (double)k->most, "%s: maximum", path);
}

/* The words by which the schema tells what this version does not do. */
static void compare_support(const char *path, const struct config_key *k, const json_t *given)
{
	const char *text = json_string_value(json_object_get(given, "description"));

	cr_assert_not_null(text, "%s has no description", path);
	cr_assert_eq(strstr(text, "Not supported by this version: refused.") != NULL, k->support == SUPPORT_REFUSED, "%s", path);
	cr_assert(k->support != SUPPORT_NO_EFFECT || strstr(text, "Without effect in this version."), "%s", path);
}

static void compare(const char *path, const struct config_keys *keys, const json_t *node)
{
	const json_t *properties = json_object_get(node, "properties"), *required = json_object_get(node, "required");
	size_t needed = 0;

	cr_assert(json_is_false(json_object_get(node, "additionalProperties")), "%s: the schema lets unknown keys pass", path);
	cr_assert_eq(json_object_size(properties), keys->count, "%s: the schema knows %zu keys, config_keys.c %zu", path,
	    json_object_size(properties), keys->count);
	for (size_t i = 0; i < keys->count; i++) {
		const struct config_key *k = &keys->key[i];
		const json_t *given = json_object_get(properties, k->name);
		char whole[256];

		snprintf(whole, sizeof(whole), "%s/%s", path, k->name);
		cr_assert_not_null(given, "%s is not in the schema", whole);
		cr_assert_eq(types_of(given), k->types, "%s: types %#x, in the schema %#x", whole, k->types, types_of(given));
		cr_assert_eq(is_in(required, k->name), k->required, "%s: required", whole);
		needed += k->required;
		compare_choices(whole, k, given);
		compare_bounds(whole, k, given);
		compare_support(whole, k, given);
		if (k->members)
			compare(whole, k->members, below(given));
	}
	cr_assert_eq(json_array_size(required), needed, "%s: the schema requires more", path);
}

Test(config_schema, keys)
{
	json_t *whole = load_file("sipward.schema.json");

	schema = whole;
	compare("", &config_top_keys, schema);
	json_decref(whole);
}

/* Bounds and defaults of the single numbers. */
Test(config_schema, settings)
{
	json_t *whole = load_file("sipward.schema.json");

	schema = whole;
	for (size_t i = 0; i < setting_row_count; i++) {
		const struct setting_row *r = &setting_rows[i];
		double unit = r->type == SETTING_SECONDS ? 1000 : 1;
		struct span key = span_str(r->key), section;
		const json_t *node = schema;
		char name[64];

		while (span_cut(&key, '.', &section)) {
			snprintf(name, sizeof(name), "%.*s", SPAN_FMT(section));
			node = resolve(json_object_get(json_object_get(node, "properties"), name));
			cr_assert_not_null(node, "%s", r->key);
		}
		cr_assert_float_eq(json_number_value(json_object_get(node, "minimum")) * unit, (double)r->min, 1e-6, "%s", r->key);
		cr_assert_float_eq(json_number_value(json_object_get(node, "maximum")) * unit, (double)r->max, 1e-6, "%s", r->key);
		cr_assert_float_eq(json_number_value(json_object_get(node, "default")) * unit, (double)r->def, 1e-6, "%s", r->key);
	}
	json_decref(whole);
}

/* ---- the example ---- */

static bool has_key(const json_t *objects, const char *key)
{
	const json_t *one;
	size_t i;

	json_array_foreach(objects, i, one)
		if (json_object_get(one, key))
			return true;
	return false;
}

/* The objects below a key of all objects in `list`, as one list. */
static json_t *gather(const json_t *list, const struct config_key *k)
{
	json_t *out = json_array(), *found, *each;
	const json_t *one;
	const char *name;
	size_t i;

	json_array_foreach(list, i, one) {
		found = json_object_get(one, k->name);
		if (json_is_array(found))
			json_array_extend(out, found);
		else if (k->types & TYPE_MAP)
			json_object_foreach(found, name, each)
				json_array_append(out, each);
		else if (found)
			json_array_append(out, found);
	}
	return out;
}

/* All objects of the kind that `wanted` describes; `objects` are of the kind of `at`. */
static void collect(const struct config_keys *at, const json_t *objects, const struct config_keys *wanted, json_t *out)
{
	if (at == wanted)
		json_array_extend(out, (json_t *)(uintptr_t)objects);
	for (size_t i = 0; i < at->count; i++) {
		json_t *inner = at->key[i].members ? gather(objects, &at->key[i]) : NULL;

		if (inner)
			collect(at->key[i].members, inner, wanted, out);
		json_decref(inner);
	}
}

static void covers(const struct config_keys *keys, const json_t *root)
{
	json_t *objects = json_array();

	collect(&config_top_keys, root, keys, objects);
	for (size_t i = 0; i < keys->count; i++) {
		if (keys->key[i].support == SUPPORT_REFUSED)
			continue;
		cr_assert(has_key(objects, keys->key[i].name), "\"%s\" of %s is not in example.json", keys->key[i].name, keys->what);
		if (keys->key[i].members)
			covers(keys->key[i].members, root);
	}
	json_decref(objects);
}

Test(config_schema, example_has_every_key)
{
	json_t *example = load_file("example.json"), *list = json_array();

	json_array_append(list, example);
	covers(&config_top_keys, list);
	json_decref(list);
	json_decref(example);
}

/* Given the files that it names, it is taken. */
Test(config_schema, example_is_good)
{
	struct issued ca = issue(&(struct issue){ .subject = "/CN=CA", .ca = true, .key_usage = "keyCertSign,cRLSign" });
	json_t *example = load_file("example.json");
	struct config_loaded l;
	X509_CRL *crl = issue_crl(&ca, &ca, -60, 3600, (const unsigned long[]){ 7, 0 });
	char cmd[1024];
	FILE *f;

	config_files_make();
	snprintf(cmd, sizeof(cmd), "cd %s && mv secret s && mkdir pki secret && mv other.pem edge.pem edge.key pki && mv users secret/users.json && cp s secret/token-1.key && cp s secret/token-2.key",
	    config_dir);
	cr_assert_eq(system(cmd), 0);
	config_certs("pki/ca.pem", &ca, NULL);
	f = config_create("pki/ca.crl");
	cr_assert(PEM_write_X509_CRL(f, crl));
	fclose(f);
	snprintf(cmd, sizeof(cmd), "%s/test.json", config_dir);
	cr_assert_eq(json_dump_file(example, cmd, 0), 0);
	l = config_load("test.json");
	cr_assert_eq(l.rc, 0, "%s", l.text);
	config_loaded_free(&l);
	config_files_remove();
	X509_CRL_free(crl);
	issued_free(&ca);
	json_decref(example);
}

/* ---- the manual ---- */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Does the word stand there by itself, not as a part of another? */
static bool names(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		if ((p == text || !is_word(p[-1])) && !is_word(p[len]))
			return true;
	return false;
}

/* What stands below a key that this version refuses needs no words. */
static void list_missing(const char *text, const struct config_keys *keys, FILE *missing)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (!names(text, keys->key[i].name))
			fprintf(missing, "\n%s of %s", keys->key[i].name, keys->what);
		if (keys->key[i].members && keys->key[i].support != SUPPORT_REFUSED)
			list_missing(text, keys->key[i].members, missing);
	}
}

Test(config_schema, readme_names_every_key)
{
	FILE *f = fopen(CONFIG_DIR "/../README.md", "r"), *missing;
	char *text = NULL, *list = NULL;
	size_t room = 0, len;

	cr_assert_not_null(f);
	cr_assert_gt(getdelim(&text, &room, '\0', f), 0);
	fclose(f);
	missing = open_memstream(&list, &len);
	cr_assert_not_null(missing);
	list_missing(text, &config_top_keys, missing);
	fclose(missing);
	cr_expect_eq(len, 0, "README.md does not name:%s", list);
	free(list);
	free(text);
}
