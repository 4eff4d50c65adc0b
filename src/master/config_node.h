/*
 * config_node - a value of the configuration that knows where it stands:
 * checking it against a table of keys, and reading it with complaints.
 *
 * Process: master's loader.  May include: common/base.h, span, complaint, json_where, jansson.
 * Owns nothing: values and texts are the caller's.
 *
 * What is known stands in tables (config_keys.c).  config_check holds a value
 * and all below it against its table and complains of every mistake that a
 * table can tell; the getters then treat a value that did not pass as absent,
 * so that nothing is complained about twice.
 */
#ifndef MASTER_CONFIG_NODE_H
#define MASTER_CONFIG_NODE_H

#include <jansson.h>

#include "common/base.h"
#include "common/span.h"
#include "master/complaint.h"
#include "master/json_where.h"

/* A text that values come from. */
struct config_source {
	const char *path;  /* as complaints show it */
	struct span text;
	unsigned line;	   /* of the text's first line in the file: 1, or an element's */
	const char *prefix; /* stands before every pointer: "/17" for an element of an array; "" */
	struct complaints *complaints;
};

struct config_node {
	struct config_source *source;
	json_t *value; /* borrowed; NULL: absent */
	size_t pointer_len;
	char pointer[JSON_POINTER_MAX]; /* RFC 6901, without the source's prefix */
};

/* Which JSON types a key takes; several may be or'ed. */
enum config_type {
	TYPE_STRING = 1,
	TYPE_INTEGER = 2,
	TYPE_NUMBER = 4,  /* integer or fraction */
	TYPE_BOOLEAN = 8,
	TYPE_OBJECT = 16, /* with the keys of `members` */
	TYPE_ARRAY = 32,  /* of objects with the keys of `members` */
	TYPE_STRINGS = 64, /* an array of strings */
	TYPE_MAP = 128,	  /* an object of objects with the keys of `members`, by name */
	TYPE_FREE = 256,  /* an object of strings or lists of them, by name */
};

enum config_support {
	SUPPORT_FULL,
	SUPPORT_NO_EFFECT, /* known, not there yet, harmless: a warning */
	SUPPORT_REFUSED,   /* known, not there yet, and leaving it out would weaken trust or surprise: an error */
};

/* One key of an object. */
struct config_key {
	const char *name;
	unsigned types; /* enum config_type */
	const struct config_keys *members;
	const char *const *choices; /* texts that are taken, ended by NULL; NULL: any */
	int64_t least, most;	    /* of a number; both 0: checked by who reads it */
	bool required;
	enum config_support support;
};

/* All keys of one kind of object. */
struct config_keys {
	const char *what; /* "a listener" */
	const struct config_key *key;
	size_t count;
};

/* Check a node, and all below it, to be an object with these keys, types, choices and bounds. */
void config_check(const struct config_node *n, const struct config_keys *keys);

/* Complain of every key that an object of the text has twice. */
void config_check_duplicates(struct config_source *source);

/* The member, or element; its value is NULL when absent or of none of `types`. */
struct config_node config_get(const struct config_node *n, const char *key, unsigned types);
struct config_node config_at(const struct config_node *n, size_t index);

/* Is the key there, of whatever type? */
bool config_has(const struct config_node *n, const char *key);

/* The text of a string value; what `otherwise` says when the key is absent.  Borrowed. */
struct span config_span(const struct config_node *n);
struct span config_text(const struct config_node *n, const char *key, const char *otherwise);
bool config_flag(const struct config_node *n, const char *key, bool otherwise);

/* `otherwise` also when the value is out of bounds, or not among the choices (NULL-terminated): config_check told. */
int64_t config_integer(const struct config_node *n, const char *key, int64_t least, int64_t most, int64_t otherwise);
unsigned config_choice(const struct config_node *n, const char *key, const char *const *choices, unsigned otherwise);

/* One string or a list of them: how many, and the i-th. */
size_t config_list_count(const struct config_node *n);
struct config_node config_list_at(const struct config_node *n, size_t index);

/* Complain about this very value. */
void config_bad(const struct config_node *n, const char *fmt, ...) PRINTF_LIKE(2, 3);
void config_warn(const struct config_node *n, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Line of the node in its file. */
unsigned config_line(const struct config_node *n);

/* `path` as it is to be opened: relative ones count from the folder of the source's file.  malloc'ed; NULL: no memory. */
MUST_USE char *config_path(const struct config_source *source, struct span path);

#endif
