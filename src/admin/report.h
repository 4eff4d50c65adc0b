/*
 * report - what operators ask for, as JSON, from read-only mappings.
 *
 * Process: admin.  May include: all of common, admin.h, jansson.  Owns nothing;
 * the JSON it returns is the caller's.
 */
#ifndef ADMIN_REPORT_H
#define ADMIN_REPORT_H

#include <jansson.h>

#include "admin/admin.h"

/* Each returns a new object, NULL when memory runs out. */
MUST_USE json_t *report_status(const struct admin *a);
MUST_USE json_t *report_connections(const struct admin *a, const char *domain); /* NULL: all */

/* The first domains whose name holds `part`, in any case; "": any. */
MUST_USE json_t *report_domains(const struct admin *a, const char *part, size_t limit);

/* The status, and what the status page shows besides. */
MUST_USE json_t *report_page(const struct admin *a);

/* Why no calls should be sent here, static text; NULL: they may. */
const char *report_not_ready(const struct admin *a);

/* The entry of a DN in text form, or the nearest one and how it differs. */
MUST_USE json_t *report_lookup(const struct admin *a, const char *dn);

/* The nearest configured DN and how this one differs, as "nearest" and "difference"; nothing if there is none. */
void report_nearest(const struct image *img, const uint8_t *dn, size_t len, json_t *out);

/* {"ok": ok, "text": text}: what the master said, which may quote a file that is not UTF-8. */
MUST_USE json_t *report_result(bool ok, struct span text);
/* {"ok": false, "error": text} */
MUST_USE json_t *report_error(const char *text);

#endif
