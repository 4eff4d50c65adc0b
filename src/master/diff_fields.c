#include "master/diff_fields.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Nobody gains by two settings of his that look the same here. */
static const struct siphash_key key_of_all = { { 's', 'i', 'p', 'w', 'a', 'r', 'd' } };

void fields_begin(struct fields *f, const char *key)
{
	struct field *new = &f->field[f->count++];

	assert(f->count <= FIELDS_MAX);
	new->key = key;
	new->sum = 0;
	new->len = 0;
	new->shown[0] = '\0';
	siphash_begin(&new->hash, &key_of_all);
}

static struct field *last(struct fields *f)
{
	return &f->field[f->count - 1];
}

/* What comes from a file may hold anything; one line is one change. */
static void show(struct field *l, struct span part)
{
	for (size_t i = 0; i < part.len && l->len < FIELD_SHOWN; i++)
		l->shown[l->len++] = (unsigned char)part.p[i] < 0x20 || part.p[i] == 0x7f ? '?' : part.p[i];
	if (l->len == FIELD_SHOWN) {
		memcpy(l->shown + FIELD_SHOWN - 3, "..", 3);
		return;
	}
	l->shown[l->len] = '\0';
}

void fields_add(struct fields *f, struct span part)
{
	struct field *l = last(f);

	siphash_add_field(&l->hash, part.p, part.len);
	if (l->len)
		show(l, SPAN(", "));
	show(l, part);
}

void fields_add_hidden(struct fields *f, const void *bytes, size_t len)
{
	siphash_add_field(&last(f)->hash, bytes, len);
}

void fields_add_member(struct fields *f, struct span part)
{
	last(f)->sum += siphash(&key_of_all, part.p, part.len);
}

void fields_text(struct fields *f, const char *key, struct span text)
{
	fields_begin(f, key);
	fields_add(f, text);
}

void fields_number(struct fields *f, const char *key, uint64_t n)
{
	char text[24];

	fields_text(f, key, span_of(text, (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)n)));
}

void fields_flag(struct fields *f, const char *key, bool on)
{
	fields_text(f, key, on ? SPAN("true") : SPAN("false"));
}

bool fields_same(const struct fields *a, const struct fields *b, size_t i)
{
	struct siphash_state x = a->field[i].hash, y = b->field[i].hash;

	return a->field[i].sum == b->field[i].sum && siphash_end(&x) == siphash_end(&y);
}

bool fields_all_same(const struct fields *a, const struct fields *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!fields_same(a, b, i))
			return false;
	return true;
}

size_t fields_print(const struct fields *a, const struct fields *b, size_t i, char *out, size_t cap)
{
	const struct field *x = &a->field[i], *y = &b->field[i];
	int n;

	if (strcmp(x->shown, y->shown) == 0) /* it differs in what is not shown */
		n = snprintf(out, cap, "%s", x->key);
	else
		n = snprintf(out, cap, "%s: %s -> %s", x->key, x->shown[0] ? x->shown : "none", y->shown[0] ? y->shown : "none");
	return MIN((size_t)MAX(n, 0), cap - 1);
}
