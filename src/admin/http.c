#include "admin/http.h"

#include <microhttpd.h>
#include <stdlib.h>

#include "admin/metrics.h"
#include "admin/report.h"
#include "common/addr.h"

#define CONNECTIONS_MAX 64U
#define PATIENCE 10U /* s without a byte */
#define FOUND_MAX 200 /* domains told by one search */

/* The status page, see page.S. */
extern const char admin_page[], admin_page_end[];

/* What is told of a path: a text of malloc, its type, and the status. */
struct page {
	char *text;
	size_t len;
	const char *type;
	unsigned status;
};

static struct page of_text(unsigned status, const char *text)
{
	char *copy = strdup(text);

	return (struct page){ copy, copy ? strlen(copy) : 0, "text/plain; charset=utf-8", status };
}

static struct page of_json(json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(j);
	return (struct page){ text, text ? strlen(text) : 0, "application/json", MHD_HTTP_OK };
}

static struct page metrics(struct admin *a, struct MHD_Connection *c)
{
	struct page p = { .type = "text/plain; version=0.0.4; charset=utf-8", .status = MHD_HTTP_OK };

	p.text = metrics_text(a, &p.len);
	return p;
}

/* The admin process answers: that is all. */
static struct page healthz(struct admin *a, struct MHD_Connection *c)
{
	return of_text(MHD_HTTP_OK, "ok\n");
}

static struct page readyz(struct admin *a, struct MHD_Connection *c)
{
	const char *why = report_not_ready(a);
	char text[128];

	if (!why)
		return of_text(MHD_HTTP_OK, "ready\n");
	(void)snprintf(text, sizeof(text), "not ready: %s\n", why);
	return of_text(MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static struct page status(struct admin *a, struct MHD_Connection *c)
{
	return of_json(report_page(a));
}

/* ?q=TEXT: a domain's name, or a distinguished name. */
static struct page search(struct admin *a, struct MHD_Connection *c)
{
	const char *q = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "q");

	return of_json(q && strchr(q, '=') ? report_lookup(a, q) : report_domains(a, q ? q : "", FOUND_MAX));
}

static struct page root(struct admin *a, struct MHD_Connection *c)
{
	size_t len = (size_t)(admin_page_end - admin_page);
	char *copy = malloc(len);

	if (copy)
		memcpy(copy, admin_page, len);
	return (struct page){ copy, len, "text/html; charset=utf-8", MHD_HTTP_OK };
}

static const struct {
	const char *path;
	struct page (*make)(struct admin *a, struct MHD_Connection *c);
} pages[] = {
	{ "/", root }, { "/metrics", metrics }, { "/healthz", healthz }, { "/readyz", readyz }, { "/status.json", status },
	{ "/domains.json", search },
};

/* A stranger's web page that has its own name lead to this machine: a browser here would read for it. */
static bool rebound(const struct admin *a, struct MHD_Connection *c)
{
	const char *text = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	struct span host = text ? span_str(text) : SPAN_NONE;
	uint8_t addr[16];

	if (a->img->h->process.admin_allow.count || !host.len)
		return false;
	host = *text == '[' ? span_head(span_from(host, 1), span_find(span_from(host, 1), ']')) : span_head(host, span_find(host, ':'));
	return !span_ieq(host, SPAN("localhost")) && !(addr_parse(host, addr) && addr_is_loopback(addr));
}

static struct page page_of(struct admin *a, struct MHD_Connection *c, const char *path, const char *method)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return of_text(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (rebound(a, c))
		return of_text(MHD_HTTP_MISDIRECTED_REQUEST, "ask for 127.0.0.1, ::1 or localhost, or configure \"allow\"\n");
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (strcmp(path, pages[i].path) == 0)
			return pages[i].make(a, c);
	return of_text(MHD_HTTP_NOT_FOUND, "nothing here: / /metrics /healthz /readyz /status.json /domains.json\n");
}

/* The page runs its own script and style, and asks nobody but us. */
static void add_headers(struct MHD_Response *r, const struct page *p)
{
	static const char *const headers[][2] = {
		{ MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Content-Security-Policy",
		    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
		    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	};

	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, p->type);
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		(void)MHD_add_response_header(r, headers[i][0], headers[i][1]);
	if (p->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *path, const char *method, const char *version,
    const char *upload, size_t *upload_len, void **seen)
{
	struct MHD_Response *r;
	enum MHD_Result rc;
	struct page p;

	if (!*seen) { /* the head alone; the answer comes when the request is whole */
		*seen = c;
		return MHD_YES;
	}
	if (*upload_len) { /* a body: thrown away */
		*upload_len = 0;
		return MHD_YES;
	}
	p = page_of(ctx, c, path, method);
	if (!p.text)
		return MHD_NO;
	r = MHD_create_response_from_buffer(p.len, p.text, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(p.text);
		return MHD_NO;
	}
	add_headers(r, &p);
	rc = MHD_queue_response(c, p.status, r);
	MHD_destroy_response(r);
	return rc;
}

/* Loopback, or who is in /admin/allow. */
static enum MHD_Result may_connect(void *ctx, const struct sockaddr *from, socklen_t len)
{
	const struct admin *a = ctx;
	uint8_t addr[16];

	(void)addr_from_sockaddr(from, addr);
	if (a->img->h->process.admin_allow.count == 0)
		return addr_is_loopback(addr) ? MHD_YES : MHD_NO;
	return image_cidr_has(a->img, a->img->h->process.admin_allow, addr) ? MHD_YES : MHD_NO;
}

bool http_start(struct admin *a)
{
	if (a->h->admin_fd < 0)
		return true;
	a->http = MHD_start_daemon(MHD_USE_EPOLL, 0, may_connect, a, answer, a, MHD_OPTION_LISTEN_SOCKET,
	    a->h->admin_fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, PATIENCE, MHD_OPTION_END);
	return a->http != NULL;
}

int http_fd(const struct admin *a)
{
	return a->http ? MHD_get_daemon_info(a->http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd : -1;
}

int http_patience(const struct admin *a)
{
	MHD_UNSIGNED_LONG_LONG ms;

	return a->http && MHD_get_timeout(a->http, &ms) == MHD_YES ? (int)MIN(ms, 1000ULL) : 1000;
}

void http_run(struct admin *a)
{
	if (a->http)
		(void)MHD_run(a->http);
}
