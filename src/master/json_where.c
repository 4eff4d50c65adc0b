#include "master/json_where.h"

#include <stdio.h>

#define DEPTH_MAX 64
#define KEYS_MAX 256 /* of one object that are held against each other */

struct walk {
	struct span text;
	size_t at;
	unsigned line;
	unsigned hit;	     /* line of the last part of the pointer that was found */
	void (*found)(void *ctx, const char *pointer, unsigned line);
	void *ctx;
	char path[JSON_POINTER_MAX];
	unsigned depth;
};

static void value(struct walk *w, size_t path_len, const char *rest);

static char peek(const struct walk *w)
{
	return w->at < w->text.len ? w->text.p[w->at] : '\0';
}

static void skip(struct walk *w)
{
	while (w->at < w->text.len && strchr(" \t\r\n", peek(w)) && peek(w)) {
		w->line += peek(w) == '\n';
		w->at++;
	}
}

/* A string with its quotes; returns what stands between them, escapes as written. */
static struct span string(struct walk *w)
{
	size_t start = ++w->at;

	while (w->at < w->text.len && peek(w) != '"')
		w->at += peek(w) == '\\' ? 2 : 1;
	w->at = MIN(w->at, w->text.len);
	w->at++;
	return span_of(w->text.p + start, MIN(w->at - 1, w->text.len) - start);
}

/* Does the pointer's next part name this key?  Then what follows it, else NULL. */
static const char *follow(const char *rest, struct span key)
{
	if (!rest || *rest != '/' || strlen(rest + 1) < key.len || memcmp(rest + 1, key.p, key.len) != 0)
		return NULL;
	rest += 1 + key.len;
	return *rest == '\0' || *rest == '/' ? rest : NULL;
}

static size_t push(struct walk *w, size_t path_len, struct span key)
{
	int n = snprintf(w->path + path_len, sizeof(w->path) - path_len, "/%.*s", SPAN_FMT(key));

	return MIN(path_len + (size_t)MAX(n, 0), sizeof(w->path) - 1);
}

/* Has the key stood in this object before?  What jansson compares is the decoded key; escapes in keys are nobody's habit. */
static bool seen(const struct span *keys, size_t count, struct span key)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq(keys[i], key))
			return true;
	return false;
}

static void object(struct walk *w, size_t path_len, const char *rest)
{
	struct span keys[KEYS_MAX];
	size_t count = 0;

	for (w->at++, skip(w); peek(w) == '"'; skip(w)) {
		unsigned line = w->line;
		struct span key = string(w);
		size_t len = push(w, path_len, key);
		const char *next = follow(rest, key);

		if (w->found && seen(keys, count, key))
			w->found(w->ctx, w->path, line);
		if (count < KEYS_MAX)
			keys[count++] = key;
		skip(w);
		w->at++; /* the colon */
		skip(w);
		if (next)
			w->hit = w->line;
		value(w, len, next);
		skip(w);
		if (peek(w) == ',')
			w->at++;
	}
	w->at++;
}

static void array(struct walk *w, size_t path_len, const char *rest)
{
	char index[24];

	w->at++;
	skip(w);
	for (unsigned i = 0; peek(w) && peek(w) != ']'; i++) {
		struct span key = span_of(index, (size_t)snprintf(index, sizeof(index), "%u", i));
		const char *next = follow(rest, key);

		if (next)
			w->hit = w->line;
		value(w, push(w, path_len, key), next);
		skip(w);
		if (peek(w) == ',')
			w->at++;
		skip(w);
	}
	w->at++;
}

static void value(struct walk *w, size_t path_len, const char *rest)
{
	skip(w);
	if (++w->depth > DEPTH_MAX)
		w->at = w->text.len;
	else if (peek(w) == '{')
		object(w, path_len, rest);
	else if (peek(w) == '[')
		array(w, path_len, rest);
	else if (peek(w) == '"')
		(void)string(w); /* its text does not matter here */
	else
		while (peek(w) && !strchr(",]} \t\r\n", peek(w)))
			w->at++;
	w->depth--;
}

unsigned json_where(struct span text, const char *pointer)
{
	struct walk w = { .text = text, .line = 1, .hit = 1 };

	skip(&w);
	w.hit = w.line;
	value(&w, 0, pointer);
	return w.hit;
}

void json_duplicates(struct span text, void (*found)(void *ctx, const char *pointer, unsigned line), void *ctx)
{
	struct walk w = { .text = text, .line = 1, .found = found, .ctx = ctx };

	value(&w, 0, NULL);
}
