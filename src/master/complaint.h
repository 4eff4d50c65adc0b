/*
 * complaint - what is wrong in the configuration, collected so that one run
 * reports all of it.
 *
 * Process: master (its loader child and --check).  May include: common/base.h.
 * Owns the texts.
 *
 * Printed one per line as `FILE:LINE: /json/pointer: what is wrong and what is
 * expected`, control bytes shown as `?`.  At most
 * COMPLAINTS_KEPT errors and as many warnings are kept, the rest is counted.
 */
#ifndef MASTER_COMPLAINT_H
#define MASTER_COMPLAINT_H

#include <stdio.h>

#include "common/base.h"

#define COMPLAINTS_KEPT 100

struct complaints;

MUST_USE struct complaints *complaints_new(void);
void complaints_free(struct complaints *c);

/* line 0: none known; pointer NULL or "": the whole file. */
void complain(struct complaints *c, const char *file, unsigned line, const char *pointer, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/* The same, but nothing to refuse the configuration for. */
void complain_warning(struct complaints *c, const char *file, unsigned line, const char *pointer, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

size_t complaints_errors(const struct complaints *c);	/* those not kept included */
size_t complaints_warnings(const struct complaints *c);

/* One line each, warnings with "warning: " behind the pointer; then "... and N more". */
void complaints_print(const struct complaints *c, FILE *out);

#endif
