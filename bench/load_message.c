/* load_message - what sipward-load sends, and the proof that an answer belongs to its request. */
#include "bench/load_message.h"

#include <stdio.h>
#include <stdlib.h>

#include <sofia-sip/msg.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/su_alloc.h>
#include <sofia-sip/url.h>

/* Stands where an id goes until the template is cut. */
#define PLACE "0iDiDiDiDiDiDiDiDiDiDiDiDiDiDiD0"
_Static_assert(sizeof(PLACE) - 1 == LOAD_ID_LEN, "a place is as long as an id");

#define SDP                                                                                                            \
	"v=0\r\no=load 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                                 \
	"m=audio 49170 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"                           \
	"a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"

static bool complain(const char *what, const char *value)
{
	fprintf(stderr, "sipward-load: %s: %s\n", what, value);
	return false;
}

/* The body: SDP for an INVITE, else text of the size asked for. */
static char *make_body(su_home_t *home, const struct load_shape *shape, const char **type)
{
	char *text;

	if (strcmp(shape->method, "INVITE") == 0 && !shape->size) {
		*type = "application/sdp";
		return su_strdup(home, SDP);
	}
	*type = "text/plain";
	text = su_alloc(home, (isize_t)shape->size + 1);
	if (text) {
		for (size_t i = 0; i < shape->size; i++)
			text[i] = (char)('a' + i % 26);
		text[shape->size] = '\0';
	}
	return text;
}

/* Build the message with sofia-sip: every part of it is parsed and checked on the way. */
static bool add_headers(msg_t *msg, sip_t *sip, su_home_t *home, const struct load_shape *shape, const url_t *from)
{
	const char *host = from->url_host ? from->url_host : "load.invalid";
	const char *type = "";
	char *body = make_body(home, shape, &type);
	msg_pub_t *pub = (msg_pub_t *)sip;
	bool ok = body != NULL;

	ok = ok && msg_header_insert(msg, pub, (msg_header_t *)sip_request_make(home,
	    su_sprintf(home, "%s %s SIP/2.0", shape->method, shape->to))) == 0;
	ok = ok && msg_header_insert(msg, pub, (msg_header_t *)sip_via_make(home,
	    su_sprintf(home, "SIP/2.0/%s %s;branch=z9hG4bK" PLACE ";rport", shape->transport, host))) == 0;
	ok = ok && msg_header_insert(msg, pub, (msg_header_t *)sip_max_forwards_make(home, "70")) == 0;
	ok = ok && msg_header_insert(msg, pub, (msg_header_t *)sip_from_make(home,
	    su_sprintf(home, "<%s>;tag=" PLACE, shape->from))) == 0;
	ok = ok && msg_header_insert(msg, pub, (msg_header_t *)sip_to_make(home, su_sprintf(home, "<%s>", shape->to))) == 0;
	ok = ok && msg_header_insert(msg, pub, (msg_header_t *)sip_call_id_make(home, PLACE "@load.invalid")) == 0;
	ok = ok && msg_header_insert(msg, pub, (msg_header_t *)sip_cseq_make(home, su_sprintf(home, "1 %s", shape->method))) == 0;
	ok = ok && msg_header_insert(msg, pub, (msg_header_t *)sip_contact_make(home,
	    su_sprintf(home, "<sip:load@%s;transport=%s>", host, strcmp(shape->transport, "TLS") ? "tcp" : "tls"))) == 0;
	for (size_t i = 0; ok && i < shape->header_count; i++)
		ok = msg_header_add_str(msg, pub, su_sprintf(home, "%s\n", shape->header[i])) == 0;
	if (ok && *body)
		ok = msg_header_insert(msg, pub, (msg_header_t *)sip_content_type_make(home, type)) == 0 &&
		    msg_header_insert(msg, pub, (msg_header_t *)sip_payload_make(home, body)) == 0;
	return ok && sip_complete_message(msg) == 0 && msg_serialize(msg, pub) == 0 && msg_prepare(msg) > 0;
}

/* The places of the id, and the pieces that requests within a dialog need. */
static bool cut(struct load_template *t)
{
	struct scan_message msg;
	struct span from, via;

	for (const char *at = t->bytes; (at = memmem(at, t->len - (size_t)(at - t->bytes), PLACE, LOAD_ID_LEN)); at += LOAD_ID_LEN) {
		if (t->places == LOAD_PLACES_MAX)
			return false;
		t->place[t->places++] = (size_t)(at - t->bytes);
	}
	if (scan_next(span_of(t->bytes, t->len), &msg) != SCAN_MESSAGE || msg.whole.len != t->len || t->places < 3)
		return false;
	via = msg.line[msg.first[SCAN_VIA]].whole;
	from = msg.line[msg.first[SCAN_FROM]].whole;
	t->via_front = span_head(via, (size_t)((const char *)memmem(via.p, via.len, PLACE, LOAD_ID_LEN) - via.p));
	t->from_front = span_head(from, (size_t)((const char *)memmem(from.p, from.len, PLACE, LOAD_ID_LEN) - from.p));
	t->from_back = span_of(t->from_front.p + t->from_front.len + LOAD_ID_LEN, from.len - t->from_front.len - LOAD_ID_LEN - 2);
	t->uri = span_from(msg.start, span_find(msg.start, ' ') + 1);
	t->uri = span_head(t->uri, span_find(t->uri, ' '));
	return true;
}

static bool check_uri(su_home_t *home, const char *what, const char *text, url_t **out)
{
	*out = url_make(home, text);
	if (!*out || !((*out)->url_type == url_sip || (*out)->url_type == url_sips || (*out)->url_type == url_tel))
		return complain(what, text);
	return true;
}

bool load_template_make(const struct load_shape *shape, struct load_template *out)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct load_template t = { 0 };
	url_t *from, *to;
	char *text = NULL;
	size_t len = 0;
	msg_t *msg = NULL;
	bool ok = false;

	if (su_home_init(home) == 0 && check_uri(home, "--from is no SIP or TEL URI", shape->from, &from) &&
	    check_uri(home, "--to is no SIP or TEL URI", shape->to, &to)) {
		msg = msg_create(sip_default_mclass(), 0);
		ok = msg && add_headers(msg, sip_object(msg), home, shape, from);
		text = ok ? msg_as_string(home, msg, NULL, 0, &len) : NULL;
		t.len = len;
		t.bytes = text ? malloc(len) : NULL;
		ok = t.bytes && memcpy(t.bytes, text, len) && cut(&t);
		if (!ok)
			complain("no valid request can be made with this method and these headers", shape->method);
	}
	if (msg)
		msg_destroy(msg);
	su_home_deinit(home);
	if (ok)
		*out = t;
	else
		load_template_done(&t);
	return ok;
}

void load_template_done(struct load_template *t)
{
	free(t->bytes);
	*t = (struct load_template){ 0 };
}

static void hex8(uint32_t v, char *out)
{
	for (int i = 7; i >= 0; i--, v >>= 4)
		out[i] = "0123456789abcdef"[v & 15];
}

static void write_id(const struct load_id *id, char *out)
{
	hex8(id->run, out);
	hex8(id->conn, out + 8);
	hex8(id->slot, out + 16);
	hex8(id->seq, out + 24);
}

void load_template_write(const struct load_template *t, const struct load_id *id, char *out)
{
	char text[LOAD_ID_LEN];

	write_id(id, text);
	memcpy(out, t->bytes, t->len);
	for (unsigned i = 0; i < t->places; i++)
		memcpy(out + t->place[i], text, LOAD_ID_LEN);
}

static bool read_hex8(const char *p, uint32_t *out)
{
	uint32_t v = 0;

	for (int i = 0; i < 8; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

static bool read_id(struct span text, struct load_id *out)
{
	return text.len >= LOAD_ID_LEN && read_hex8(text.p, &out->run) && read_hex8(text.p + 8, &out->conn) &&
	    read_hex8(text.p + 16, &out->slot) && read_hex8(text.p + 24, &out->seq);
}

/* One Via, of one value, and one of each of the others. */
static bool single(const struct scan_message *msg)
{
	unsigned seen[SCAN_NAME_COUNT] = { 0 };

	for (unsigned i = 0; i < msg->count; i++)
		seen[msg->line[i].id]++;
	if (seen[SCAN_VIA] != 1 || seen[SCAN_FROM] != 1 || seen[SCAN_TO] != 1 || seen[SCAN_CALL_ID] != 1 || seen[SCAN_CSEQ] != 1)
		return false;
	return !memchr(scan_value(msg, SCAN_VIA).p, ',', scan_value(msg, SCAN_VIA).len);
}

enum load_match load_match(
    const struct scan_message *msg, uint32_t run, struct load_id *id, uint32_t *cseq, struct span *method)
{
	struct span branch, tag, number, rest = scan_value(msg, SCAN_CSEQ), call_id = scan_value(msg, SCAN_CALL_ID);
	uint64_t n;

	if (!read_id(call_id, id) || id->run != run)
		return LOAD_MATCH_STRANGER;
	if (!single(msg) || !span_cut(&rest, ' ', &number) || !span_u64(number, INT32_MAX, &n))
		return LOAD_MATCH_MIXED;
	branch = scan_param(scan_value(msg, SCAN_VIA), SPAN("branch"));
	tag = scan_param(scan_value(msg, SCAN_FROM), SPAN("tag"));
	/* The branch of a BYE has one letter behind the id. */
	if (branch.len < 7 + LOAD_ID_LEN || branch.len > 8 + LOAD_ID_LEN || memcmp(branch.p, "z9hG4bK", 7) != 0)
		return LOAD_MATCH_MIXED;
	if (memcmp(branch.p + 7, call_id.p, LOAD_ID_LEN) != 0 || !span_eq(tag, span_head(call_id, LOAD_ID_LEN)))
		return LOAD_MATCH_MIXED;
	if ((branch.len > 7 + LOAD_ID_LEN) != (n > 1))
		return LOAD_MATCH_MIXED;
	*cseq = (uint32_t)n;
	*method = span_trim(rest);
	return LOAD_MATCH_OK;
}
