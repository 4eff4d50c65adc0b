#include "master/complaint.h"

#include <stdarg.h>
#include <stdlib.h>

/* Errors and warnings have room of their own, lest many warnings hide an error. */
enum kind { KIND_ERROR, KIND_WARNING, KIND_COUNT };

static const char *const kind_mark[KIND_COUNT] = { "", "warning: " };

struct complaints {
	char *line[KIND_COUNT * COMPLAINTS_KEPT]; /* in the order of their coming */
	size_t lines;
	size_t kept[KIND_COUNT], count[KIND_COUNT];
};

struct complaints *complaints_new(void)
{
	return calloc(1, sizeof(struct complaints));
}

void complaints_free(struct complaints *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->lines; i++)
		free(c->line[i]);
	free(c);
}

/* Values of the files stand in complaints, and one complaint is one line. */
static char *printable(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return text;
}

PRINTF_LIKE(6, 0)
static void keep(struct complaints *c, const char *file, unsigned line, const char *pointer, enum kind kind,
    const char *fmt, va_list args)
{
	char *what = NULL, *whole = NULL;

	c->count[kind]++;
	if (c->kept[kind] == COMPLAINTS_KEPT || vasprintf(&what, fmt, args) < 0)
		return;
	if (asprintf(&whole, "%s:%u: %s%s%s%s", file, line, pointer ? pointer : "", pointer && *pointer ? ": " : "",
		kind_mark[kind], what) >= 0) {
		c->line[c->lines++] = printable(whole);
		c->kept[kind]++;
	}
	free(what);
}

void complain(struct complaints *c, const char *file, unsigned line, const char *pointer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	keep(c, file, line, pointer, KIND_ERROR, fmt, args);
	va_end(args);
}

void complain_warning(struct complaints *c, const char *file, unsigned line, const char *pointer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	keep(c, file, line, pointer, KIND_WARNING, fmt, args);
	va_end(args);
}

size_t complaints_errors(const struct complaints *c)
{
	return c->count[KIND_ERROR];
}

size_t complaints_warnings(const struct complaints *c)
{
	return c->count[KIND_WARNING];
}

void complaints_print(const struct complaints *c, FILE *out)
{
	size_t all = c->count[KIND_ERROR] + c->count[KIND_WARNING];

	for (size_t i = 0; i < c->lines; i++)
		fprintf(out, "%s\n", c->line[i]);
	if (all > c->lines)
		fprintf(out, "... and %zu more\n", all - c->lines);
}
