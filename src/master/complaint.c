#include "master/complaint.h"

#include <stdarg.h>
#include <stdlib.h>

struct complaints {
	char *line[COMPLAINTS_KEPT];
	size_t kept, errors, warnings;
};

struct complaints *complaints_new(void)
{
	return calloc(1, sizeof(struct complaints));
}

void complaints_free(struct complaints *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->kept; i++)
		free(c->line[i]);
	free(c);
}

PRINTF_LIKE(6, 0)
static void keep(struct complaints *c, const char *file, unsigned line, const char *pointer, const char *kind,
    const char *fmt, va_list args)
{
	char *what = NULL, *whole = NULL;

	if (c->kept == COMPLAINTS_KEPT)
		return;
	if (vasprintf(&what, fmt, args) < 0)
		return;
	if (asprintf(&whole, "%s:%u: %s%s%s%s", file, line, pointer ? pointer : "", pointer && *pointer ? ": " : "", kind, what) >= 0)
		c->line[c->kept++] = whole;
	free(what);
}

void complain(struct complaints *c, const char *file, unsigned line, const char *pointer, const char *fmt, ...)
{
	va_list args;

	c->errors++;
	va_start(args, fmt);
	keep(c, file, line, pointer, "", fmt, args);
	va_end(args);
}

void complain_warning(struct complaints *c, const char *file, unsigned line, const char *pointer, const char *fmt, ...)
{
	va_list args;

	c->warnings++;
	va_start(args, fmt);
	keep(c, file, line, pointer, "warning: ", fmt, args);
	va_end(args);
}

size_t complaints_errors(const struct complaints *c)
{
	return c->errors;
}

size_t complaints_warnings(const struct complaints *c)
{
	return c->warnings;
}

void complaints_print(const struct complaints *c, FILE *out)
{
	for (size_t i = 0; i < c->kept; i++)
		fprintf(out, "%s\n", c->line[i]);
	if (c->errors + c->warnings > c->kept)
		fprintf(out, "... and %zu more\n", c->errors + c->warnings - c->kept);
}
