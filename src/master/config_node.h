/*
 * config_node - a value of the configuration that knows where it stands: reading with complaints.
 *
 * Process: master's loader.  May include: common/base.h, span, complaint, json_where, jansson.
 * Owns nothing but the text of a source, which config_source_done frees.
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
	char pointer[JSON_POINTER_MAX];
};

/* Which JSON types a key takes; several may be or'ed. */
enum config_type {
	TYPE_STRING = 1,
	TYPE_INTEGER = 2,
	TYPE_NUMBER = 4,  /* integer or fraction */
	TYPE_BOOLEAN = 8,
	TYPE_OBJECT = 16,
	TYPE_ARRAY = 32,
	TYPE_STRINGS = 64, /* an array of strings */
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
	enum config_support support;
};

/* All keys of one kind of object. */
struct config_keys {
	const char *what; /* "a listener" */
	const struct config_key *key;
	size_t count;
};

/*
 * Check a node to be an object with these keys and types; every mistake is
 * complained about.  A value of a wrong type is then treated as absent.
 */
void config_check(const struct config_node *n, const struct config_keys *keys);

/* The member, or element; its value is NULL when absent or of none of `types`. */
struct config_node config_get(const struct config_node *n, const char *key, unsigned types);
struct config_node config_at(const struct config_node *n, size_t index);

/* Texts borrow from the value. */
struct span config_text(const struct config_node *n, const char *key, const char *otherwise);
bool config_flag(const struct config_node *n, const char *key, bool otherwise);

/* An integer within bounds; outside them: complaint, and `otherwise`. */
int64_t config_integer(const struct config_node *n, const char *key, int64_t least, int64_t most, int64_t otherwise);

/* Index of the text among `choices` (NULL-terminated); another text: complaint, and `otherwise`. */
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

/* Duplicate keys of a parsed text. */
void config_check_duplicates(struct config_source *source);

#endif
