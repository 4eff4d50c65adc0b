#include "master/json_where.h"

#include <stdio.h>
#include <stdlib.h>

/* jansson takes no deeper text (JSON_PARSER_MAX_DEPTH). */
#define DEPTH_MAX 2048

/* A key that was passed, to be held against the others of its object. */
struct passed {
	uint64_t hash; /* of its letters */
	struct span key; /* as written */
	unsigned line;
};

struct walk {
	struct span text;
	size_t at;
	unsigned line;
	unsigned hit; /* line of the last part of the pointer that was found */
	unsigned depth;
	void (*found)(void *ctx, const char *pointer, unsigned line); /* NULL: duplicates do not matter */
	void *ctx;
	struct passed *passed; /* of all objects that are open, the innermost last */
	size_t passed_count, passed_cap;
	bool no_memory;
	char path[JSON_POINTER_MAX];
	size_t path_len;
};

static void value(struct walk *w, const char *rest);

static char peek(const struct walk *w)
{
	return w->at < w->text.len ? w->text.p[w->at] : '\0';
}

static void skip(struct walk *w)
{
	for (char c = peek(w); c == ' ' || c == '\t' || c == '\r' || c == '\n'; c = peek(w)) {
		w->line += c == '\n';
		w->at++;
	}
}

/* A string with its quotes; returns what stands between them, escapes as written. */
static struct span string(struct walk *w)
{
	size_t start = ++w->at, end;

	while (w->at < w->text.len && peek(w) != '"')
		w->at += peek(w) == '\\' ? 2 : 1;
	end = MIN(w->at, w->text.len);
	w->at = MIN(end + 1, w->text.len);
	return span_of(w->text.p + start, end > start ? end - start : 0);
}

/* ---- the letters of a key, escapes resolved ---- */

struct letters {
	struct span rest;
	unsigned char more[4]; /* of a character that was escaped */
	unsigned more_at, more_count;
};

static uint32_t hex4(struct letters *l)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < 4 && l->rest.len; i++) {
		char c = l->rest.p[0];

		n = n << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
		l->rest = span_from(l->rest, 1);
	}
	return n;
}

/* Behind \u: the character, a surrogate pair being one, as UTF-8 into l->more. */
static void read_unicode(struct letters *l)
{
	uint32_t c = hex4(l);
	unsigned n = 0;

	if ((c & 0xfc00) == 0xd800 && l->rest.len >= 6 && l->rest.p[0] == '\\' && l->rest.p[1] == 'u') {
		l->rest = span_from(l->rest, 2);
		c = 0x10000 + ((c & 0x3ff) << 10) + (hex4(l) & 0x3ff);
	}
	if (c < 0x80) {
		l->more[n++] = (unsigned char)c;
	} else {
		unsigned tails = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

		l->more[n++] = (unsigned char)((0xf0u << (3 - tails) & 0xff) | c >> 6 * tails);
		while (tails--)
			l->more[n++] = (unsigned char)(0x80 | (c >> 6 * tails & 0x3f));
	}
	l->more_at = 0;
	l->more_count = n;
}

/* The next byte; -1: the end. */
static int letter(struct letters *l)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *escape;
	char c;

	if (l->more_at < l->more_count)
		return l->more[l->more_at++];
	if (l->rest.len == 0)
		return -1;
	c = l->rest.p[0];
	l->rest = span_from(l->rest, 1);
	if (c != '\\' || l->rest.len == 0)
		return (unsigned char)c;
	c = l->rest.p[0];
	l->rest = span_from(l->rest, 1);
	if (c == 'u') {
		read_unicode(l);
		return l->more[l->more_at++];
	}
	escape = c ? strchr(from, c) : NULL;
	return escape ? to[escape - from] : (unsigned char)c;
}

/* FNV-1a: only sorts; keys are compared in full. */
static uint64_t hash_of(struct span key)
{
	struct letters l = { .rest = key };
	uint64_t h = 0xcbf29ce484222325;

	for (int c = letter(&l); c >= 0; c = letter(&l))
		h = (h ^ (uint64_t)c) * 0x100000001b3;
	return h;
}

static bool same_key(struct span a, struct span b)
{
	struct letters x = { .rest = a }, y = { .rest = b };
	int c;

	do {
		c = letter(&x);
		if (c != letter(&y))
			return false;
	} while (c >= 0);
	return true;
}

/* ---- pointers ---- */

/* Does the pointer's next part name this key?  Then what follows it, else NULL. */
static const char *follow(const char *rest, struct span key)
{
	struct letters l = { .rest = key };

	if (!rest || *rest++ != '/')
		return NULL;
	for (int c = letter(&l); c >= 0; c = letter(&l), rest++) {
		int want = (unsigned char)*rest;

		if (want == '\0' || want == '/')
			return NULL;
		if (want == '~' && (rest[1] == '0' || rest[1] == '1'))
			want = *++rest == '0' ? '~' : '/';
		if (c != want)
			return NULL;
	}
	return *rest == '\0' || *rest == '/' ? rest : NULL;
}

bool json_pointer_push(char pointer[static JSON_POINTER_MAX], size_t *len, struct span key)
{
	size_t n = *len;

	if (n + 1 >= JSON_POINTER_MAX)
		return false;
	pointer[n++] = '/';
	for (size_t i = 0; i < key.len; i++) {
		bool escaped = key.p[i] == '~' || key.p[i] == '/';

		if (n + escaped + 1 >= JSON_POINTER_MAX) {
			pointer[*len] = '\0';
			return false;
		}
		if (escaped)
			pointer[n++] = '~';
		pointer[n++] = !escaped ? key.p[i] : key.p[i] == '~' ? '0' : '1';
	}
	pointer[n] = '\0';
	*len = n;
	return true;
}

/* ---- keys that stand twice ---- */

static void pass(struct walk *w, struct span key, unsigned line)
{
	struct passed *p = w->passed;

	if (!w->found)
		return;
	if (w->passed_count == w->passed_cap) {
		size_t cap = MAX(w->passed_cap * 2, (size_t)64);

		p = realloc(p, cap * sizeof(*p));
		if (!p) {
			w->no_memory = true;
			return;
		}
		w->passed = p;
		w->passed_cap = cap;
	}
	p[w->passed_count++] = (struct passed){ .hash = hash_of(key), .key = key, .line = line };
}

/* By hash; of one hash in the order of the text. */
static int by_hash(const void *a, const void *b)
{
	const struct passed *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->key.p < y->key.p ? -1 : 1;
}

/* The object whose keys were passed from `base` on is at its end. */
static void settle(struct walk *w, size_t base)
{
	size_t n = w->passed_count - base, len = w->path_len;
	struct passed *p = n ? w->passed + base : NULL;

	if (n > 1)
		qsort(p, n, sizeof(*p), by_hash);
	for (size_t i = 1; i < n; i++) {
		if (p[i].hash != p[i - 1].hash || !same_key(p[i].key, p[i - 1].key))
			continue;
		(void)json_pointer_push(w->path, &w->path_len, p[i].key); /* else its object's must do */
		w->found(w->ctx, w->path, p[i].line);
		w->path_len = len;
		w->path[len] = '\0';
	}
	w->passed_count = base;
}

/* ---- the walk ---- */

/* The value of a key or an index; the colon, or nothing, stands before it. */
static void member(struct walk *w, struct span key, const char *rest)
{
	const char *next = follow(rest, key);
	size_t len = w->path_len;

	if (next)
		w->hit = w->line;
	if (w->found)
		(void)json_pointer_push(w->path, &w->path_len, key); /* else its parent's must do */
	value(w, next);
	w->path_len = len;
	w->path[len] = '\0';
	skip(w);
	if (peek(w) == ',')
		w->at++;
	skip(w);
}

static void object(struct walk *w, const char *rest)
{
	size_t base = w->passed_count;

	w->at++;
	skip(w);
	while (peek(w) == '"') {
		unsigned line = w->line;
		struct span key = string(w);

		pass(w, key, line);
		skip(w);
		w->at += peek(w) == ':';
		skip(w);
		member(w, key, rest);
	}
	w->at += peek(w) == '}';
	if (w->found)
		settle(w, base);
}

static void array(struct walk *w, const char *rest)
{
	char index[24];

	w->at++;
	skip(w);
	for (unsigned i = 0; peek(w) && peek(w) != ']' && peek(w) != '}'; i++) {
		size_t before = w->at;

		member(w, span_of(index, (size_t)snprintf(index, sizeof(index), "%u", i)), rest);
		if (w->at == before)
			break;
	}
	w->at += peek(w) == ']';
}

static void value(struct walk *w, const char *rest)
{
	if (w->depth == DEPTH_MAX) {
		w->at = w->text.len;
		return;
	}
	w->depth++;
	if (peek(w) == '{')
		object(w, rest);
	else if (peek(w) == '[')
		array(w, rest);
	else if (peek(w) == '"')
		(void)string(w); /* its text does not matter here */
	else
		while (peek(w) && !strchr(",]} \t\r\n", peek(w)))
			w->at++;
	w->depth--;
}

unsigned json_where(struct span text, const char *pointer)
{
	struct walk w = { .text = text, .line = 1 };

	skip(&w);
	w.hit = w.line;
	value(&w, pointer);
	return w.hit;
}

bool json_duplicates(struct span text, void (*found)(void *ctx, const char *pointer, unsigned line), void *ctx)
{
	struct walk w = { .text = text, .line = 1, .found = found, .ctx = ctx };

	skip(&w);
	value(&w, NULL);
	free(w.passed);
	return !w.no_memory;
}
