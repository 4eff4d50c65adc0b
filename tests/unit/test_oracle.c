/*
 * oracle: sofia-sip as a second reader.  Whatever msg_parse accepts must look
 * the same to it: the same header lines, method, URIs, tags and numbers.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/su.h>
#include <sofia-sip/url.h>

#include "common/sip/frame.h"
#include "common/sip/msg.h"
#include "support/guard.h"

#define FIELDS_MAX 256
#define MESSAGES_MAX 8

static const struct span identity_names[] = {
	{ "p-asserted-identity", 19 },
	{ "p-preferred-identity", 20 },
};
static const struct hdr_set identity = { identity_names, 2, UINT64_C(1) << 19 | UINT64_C(1) << 20 };

/* Messages whose parts are easily read in two ways, beside the corpus. */
#define TAIL "Call-ID: 1@a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
static const char *const table[] = {
	"OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/TLS a\r\nFrom: sip:a@b;tag=1\r\nTo: <sip:a@b;tag=no>;x=y;tag=2\r\n" TAIL,
	"OPTIONS sip:b@c:5061;transport=tls?a=b SIP/2.0\r\nv:SIP / 2.0 / TLS a : 5061 ;rport; branch = z,SIP/2.0/UDP b\r\n"
	"Via: SIP/2.0/TCP [::1]:5060;branch=\tq\r\nf:\"a\\\"<sip:x@y>;tag=no\" <sip:a:p@b>; tag = 1\r\nt: A B <tel:+49>\r\n" TAIL,
	"OPTIONS sips:b;c=d@e SIP/2.0\r\nFrom : a<sip:1.2.3.4>\r\nTo\t:sip:[::1]:1\r\nVIA: sip/2.0/tls [2001:db8::1]\r\n"
	"Subject: a:b\r\nS: ;;,,\r\nRoute: <sip:a;lr>, <sip:b>\r\nRecord-Route: \"x,y\" <sip:c>\r\nContact: *\r\n" TAIL,
	"OPTIONS sip:%61@b SIP/2.0\r\nVia: SIP/2.0/TLS a;received=::1;x=\"a;branch=b,c\"\r\nFrom: <sip:%61@b>\r\nTo: <sip:a@b>\r\n"
	"P-Asserted-Identity: <sip:a@b>, <tel:+1>\r\nX: SIP/2.0\r\nMax-Forwards: 0070\r\n" TAIL,
	"SIP/2.0 299 a  b: c\r\nVia: SIP/2.0/TLS a;branch=1\r\nFrom: sip:a@b\r\nTo: sip:c@d;tag=x\r\n" TAIL,
};

static msg_mclass_t *mclass;

static void setup(void)
{
	cr_assert_eq(su_init(), 0);
	mclass = sip_extend_mclass(NULL);
	cr_assert_not_null(mclass);
}

static unsigned hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* Percent escapes decoded: sofia decodes some when it reads a URI. */
static size_t unescape(struct span s, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '%' && s.len - i > 2 && strspn(s.p + i + 1, "0123456789abcdefABCDEF") >= 2) {
			out[n++] = (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
			i += 2;
		} else {
			out[n++] = s.p[i];
		}
	}
	return n;
}

static void same(const char *what, const char *where, struct span ours, const char *theirs)
{
	static char a[16384], b[16384];
	struct span other = span_str(theirs);
	size_t n, m;

	cr_assert_lt(MAX(ours.len, other.len), sizeof(a));
	n = unescape(ours, a);
	m = unescape(other, b);
	cr_assert(n == m && memcmp(a, b, n) == 0, "%s of %s: '%.*s', sofia: '%s'", what, where, SPAN_FMT(ours),
	    theirs ? theirs : "(none)");
}

static void same_port(const char *where, unsigned ours, const char *theirs)
{
	uint64_t port = 0;

	if (theirs && *theirs)
		cr_assert(span_u64(span_str(theirs), 65535, &port), "%s: sofia's port '%s'", where, theirs);
	cr_assert_eq(ours, port, "%s: port %u, sofia: %s", where, ours, theirs ? theirs : "none");
}

static void same_uri(const char *what, const char *where, const struct sip_uri *ours, const url_t *theirs)
{
	if (ours->scheme == URI_OTHER)
		return;
	if (ours->scheme == URI_TEL) {
		cr_assert_eq(theirs->url_type, url_tel, "%s of %s", what, where);
		same(what, where, ours->user, theirs->url_user);
		return;
	}
	cr_assert_eq(theirs->url_type, ours->scheme == URI_SIP ? url_sip : url_sips, "%s of %s", what, where);
	same(what, where, ours->user, theirs->url_user);
	same(what, where, ours->password, theirs->url_password);
	same(what, where, ours->host, theirs->url_host);
	same_port(where, ours->port, theirs->url_port);
	same(what, where, ours->params, theirs->url_params);
	same(what, where, ours->headers, theirs->url_headers);
}

/* The lines of the message, one after another, as sofia cut them; values of a list after the first own none. */
static void same_lines(const char *where, const struct sip_msg *ours, msg_t *theirs)
{
	size_t i = 0;

	for (msg_header_t *h = *msg_chain_head(theirs); h; h = h->sh_succ) {
		msg_hclass_t *c = h->sh_class;
		struct span line = span_of(h->sh_data, h->sh_len);

		if (c == sip_request_class || c == sip_status_class || c == sip_separator_class || c == sip_payload_class)
			continue;
		if (line.len == 0)
			continue;
		cr_assert_lt(i, ours->header_count, "%s: sofia sees a header more: %.*s", where, SPAN_FMT(line));
		cr_assert(span_eq(ours->header[i].line, line), "%s: '%.*s', sofia: '%.*s'", where,
		    SPAN_FMT(ours->header[i].line), SPAN_FMT(line));
		i++;
	}
	cr_assert_eq(i, ours->header_count, "%s: sofia sees %zu headers of %zu", where, i, ours->header_count);
}

static void same_start_line(const char *where, const struct sip_msg *ours, const sip_t *theirs)
{
	cr_assert_eq(ours->is_request, theirs->sip_request != NULL, "%s", where);
	if (ours->is_request) {
		same("method", where, ours->method, theirs->sip_request->rq_method_name);
		same_uri("Request-URI", where, &ours->request_uri, theirs->sip_request->rq_url);
	} else {
		cr_assert_eq(ours->status, (unsigned)theirs->sip_status->st_status, "%s", where);
		same("reason", where, ours->reason, theirs->sip_status->st_phrase);
	}
}

static size_t count_vias(const struct sip_msg *msg)
{
	size_t n = 0;
	struct via via;

	for (int i = msg->first[HDR_VIA]; i >= 0; i = msg_next_header(msg, HDR_VIA, (size_t)i + 1)) {
		struct span rest = msg->header[i].value;

		for (; rest.p && via_parse(rest, &via, &rest);)
			n++;
	}
	return n;
}

static void same_values(const char *where, const struct sip_msg *ours, const sip_t *theirs)
{
	size_t vias = 0;

	for (const sip_via_t *v = theirs->sip_via; v; v = v->v_next)
		vias++;
	cr_assert_eq(vias, count_vias(ours), "%s: sofia sees %zu Via values", where, vias);
	same("Via host", where, ours->via.host, theirs->sip_via->v_host);
	same_port(where, ours->via.port, theirs->sip_via->v_port);
	same("branch", where, ours->via.branch, theirs->sip_via->v_branch);
	same_uri("From", where, &ours->from.uri, theirs->sip_from->a_url);
	same("From tag", where, ours->from_tag, theirs->sip_from->a_tag);
	same_uri("To", where, &ours->to.uri, theirs->sip_to->a_url);
	same("To tag", where, ours->to_tag, theirs->sip_to->a_tag);
	same("Call-ID", where, ours->call_id, theirs->sip_call_id->i_id);
	cr_assert_eq(ours->cseq.number, theirs->sip_cseq->cs_seq, "%s: CSeq", where);
	same("CSeq method", where, ours->cseq.method, theirs->sip_cseq->cs_method_name);
	cr_assert_eq(ours->content_length, theirs->sip_content_length->l_length, "%s: Content-Length", where);
	cr_assert_eq(ours->max_forwards, theirs->sip_max_forwards ? (int)theirs->sip_max_forwards->mf_count : -1, "%s", where);
}

/* One whole message: accepted by us, then read by both. */
static void compare(const char *where, const struct sip_msg *ours)
{
	size_t len = ours->head.len + ours->content_length;
	char *whole = malloc(len + 1);
	msg_t *theirs;
	const sip_t *sip;

	/* The body does not matter; sofia wants as much as Content-Length says. */
	memset(whole, 'x', len + 1);
	memcpy(whole, ours->head.p, ours->head.len);
	theirs = msg_make(mclass, MSG_DO_EXTRACT_COPY, whole, (ssize_t)len);
	cr_assert_not_null(theirs, "%s", where);
	sip = (const sip_t *)msg_object(theirs);
	cr_assert(sip && sip->sip_via && sip->sip_from && sip->sip_to && sip->sip_call_id && sip->sip_cseq &&
		      sip->sip_content_length && (sip->sip_request || sip->sip_status), "%s: sofia misses a header", where);
	same_start_line(where, ours, sip);
	same_lines(where, ours, theirs);
	same_values(where, ours, sip);
	msg_destroy(theirs);
	free(whole);
}

/* Compare every message of a stream that is accepted; returns how many there were. */
static unsigned compare_stream(const char *where, struct span in)
{
	static struct msg_header header[FIELDS_MAX];
	static const struct msg_rules rules = { .body_max = 1 << 20, .identity = &identity, .stream = true };
	unsigned accepted = 0;

	for (unsigned i = 0; i < MESSAGES_MAX && in.len; i++) {
		struct framer fr = { 0 };
		struct sip_msg msg;
		struct msg_fault fault;
		struct span head;
		enum frame_status st = frame_next(&fr, 65536, in, &head);
		char *flat;
		enum fault code;
		size_t body;

		if (st == FRAME_CRLF || st == FRAME_PING) {
			in = span_from(in, head.len);
			continue;
		}
		if (st != FRAME_HEAD)
			break;
		flat = malloc(head.len);
		code = msg_parse(span_of(flat, frame_unfold(head, flat)), &rules, header, FIELDS_MAX, &msg, &fault);
		body = msg.content_length;
		if (code == FAULT_NONE) {
			accepted++;
			compare(where, &msg);
		}
		free(flat);
		if (fault_closes(code))
			break;
		in = span_from(in, head.len + body);
	}
	return accepted;
}

Test(oracle, table, .init = setup)
{
	char where[32];

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		snprintf(where, sizeof(where), "row %zu", i);
		cr_assert_eq(compare_stream(where, span_str(table[i])), 1, "%s is accepted", where);
	}
}

Test(oracle, corpus, .init = setup)
{
	static char data[1 << 16];
	DIR *dir = opendir(CORPUS_DIR "/msg");
	struct dirent *entry;
	unsigned accepted = 0;

	cr_assert_not_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[512];
		FILE *f;
		size_t n;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), CORPUS_DIR "/msg/%s", entry->d_name);
		f = fopen(path, "rb");
		cr_assert_not_null(f);
		n = fread(data, 1, sizeof(data), f);
		fclose(f);
		accepted += compare_stream(entry->d_name, span_of(data, n));
	}
	closedir(dir);
	cr_assert_gt(accepted, 80, "only %u messages compared", accepted);
}
