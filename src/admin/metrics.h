/*
 * metrics - all numbers in Prometheus' text format, version 0.0.4.
 *
 * Process: admin.  May include: admin/admin.h, admin/certificates, jansson.  Owns nothing.
 *
 * Names, types and HELP texts stand in common/counters.def and in the table
 * here; README's and Grafana's names are tested against what is told.
 */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include "admin/admin.h"

/* A text of malloc; NULL: no memory. */
MUST_USE char *metrics_text(const struct admin *a, size_t *len);

#endif
