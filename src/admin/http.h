/*
 * http - what the admin process tells over HTTP: metrics, health, and the
 * status page.  All of it can be read only.
 *
 * Process: admin.  May include: admin/report, admin/metrics, libmicrohttpd.
 * Owns the server and its connections.
 */
#ifndef ADMIN_HTTP_H
#define ADMIN_HTTP_H

#include "admin/admin.h"

/* Serve at the socket that the master made; before the process is confined.  False: no memory. */
MUST_USE bool http_start(struct admin *a);

/* A descriptor to poll for reading; -1: there is no server. */
int http_fd(const struct admin *a);

/* How long to wait for that descriptor at most, ms. */
int http_patience(const struct admin *a);

/* It is readable, or that time has gone by: do what there is to do, without waiting. */
void http_run(struct admin *a);

#endif
