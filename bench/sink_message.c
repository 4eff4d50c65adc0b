/* sink_message - count a message, show it, answer it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sink.h"
#include "common/siphash.h"

#define SDP                                                                                                            \
	"v=0\r\no=sink 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"                                 \
	"m=audio 49172 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"

bool sink_out_put(struct sink_out *out, struct span bytes)
{
	if (out->cap - out->len < bytes.len) {
		size_t cap = MAX(out->cap * 2, out->len + bytes.len + 4096);
		char *p = realloc(out->p, cap);

		if (!p)
			return false;
		out->p = p;
		out->cap = cap;
	}
	memcpy(out->p + out->len, bytes.p, bytes.len);
	out->len += bytes.len;
	return true;
}

static void count_method(struct sink_counts *c, struct span method)
{
	unsigned i;

	method = span_head(method, sizeof(c->method[0].name) - 1);
	for (i = 0; i < c->methods; i++) {
		if (strlen(c->method[i].name) == method.len && memcmp(c->method[i].name, method.p, method.len) == 0)
			break;
	}
	if (i == c->methods) {
		if (i == SINK_METHODS_MAX)
			return;
		memcpy(c->method[i].name, method.p, method.len);
		c->methods++;
	}
	c->method[i].count++;
}

/* Values in a list: commas within <> and quotes do not count. */
static unsigned values(struct span list)
{
	bool quoted = false, angle = false;
	unsigned n = 1;

	for (size_t i = 0; i < list.len; i++) {
		char c = list.p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '<' || c == '>'))
			angle = c == '<';
		else if (!quoted && !angle && c == ',')
			n++;
	}
	return n;
}

/* Values of the identity header, over all its lines. */
static unsigned identities(const struct sink_options *o, const struct scan_message *msg)
{
	unsigned found = 0;

	for (unsigned i = 0; i < msg->count; i++) {
		const struct scan_line *line = &msg->line[i];

		if (line->name.len == o->identity.len && span_ieq(line->name, o->identity))
			found += values(line->value);
	}
	return found;
}

void sink_count(struct sink_counts *c, const struct sink_options *o, const struct scan_message *msg)
{
	struct span method = scan_method(msg);
	unsigned n;

	c->bytes += msg->whole.len;
	if (!method.p) {
		c->responses++;
		return;
	}
	c->requests++;
	count_method(c, method);
	n = identities(o, msg);
	c->identity_one += n == 1;
	c->identity_none += n == 0;
	c->identity_more += n > 1;
	if (o->forbid.p)
		c->forbidden += memmem(msg->whole.p, msg->whole.len, o->forbid.p, o->forbid.len) != NULL;
}

void sink_show(const struct sink_counts *c, const struct scan_message *msg, const char *from)
{
	printf("===== message %" PRIu64 " from %s, %zu bytes =====\n", c->requests + c->responses, from, msg->whole.len);
	fwrite(msg->whole.p, 1, msg->whole.len, stdout);
	printf("\n");
	fflush(stdout);
}

static bool put_str(struct sink_out *out, const char *text)
{
	return sink_out_put(out, span_str(text));
}

/* The tag of a dialog hangs on its Call-ID alone, so that a retransmission gets the same one. */
static bool put_to(struct sink_out *out, const struct scan_message *msg, const struct scan_line *to)
{
	static const struct siphash_key key = { "sipward-sink tag" };
	struct span call_id = scan_value(msg, SCAN_CALL_ID);
	char tag[32];

	if (scan_param(to->value, SPAN("tag")).p)
		return sink_out_put(out, to->whole);
	snprintf(tag, sizeof(tag), ";tag=s%016" PRIx64 "\r\n", siphash(&key, call_id.p, call_id.len));
	return sink_out_put(out, span_head(to->whole, to->whole.len - 2)) && put_str(out, tag);
}

/* RFC 3261 8.2.6.2: Via, From, To, Call-ID and CSeq as they came; 12.1.1: Record-Route too. */
static bool put_copies(struct sink_out *out, const struct scan_message *msg, unsigned status)
{
	bool ok = true;

	for (unsigned i = 0; ok && i < msg->count; i++) {
		const struct scan_line *line = &msg->line[i];

		switch (line->id) {
		case SCAN_TO:
			ok = status > 100 ? put_to(out, msg, line) : sink_out_put(out, line->whole);
			break;
		case SCAN_RECORD_ROUTE:
			ok = status == 100 || status > 299 || sink_out_put(out, line->whole);
			break;
		case SCAN_VIA:
		case SCAN_FROM:
		case SCAN_CALL_ID:
		case SCAN_CSEQ:
			ok = sink_out_put(out, line->whole);
			break;
		default:
			break;
		}
	}
	return ok;
}

static const char *reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} known[] = { { 100, "Trying" }, { 180, "Ringing" }, { 200, "OK" }, { 202, "Accepted" }, { 302, "Moved Temporarily" },
		{ 404, "Not Found" }, { 486, "Busy Here" }, { 500, "Server Internal Error" }, { 503, "Service Unavailable" },
		{ 603, "Decline" } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].status == status)
			return known[i].reason;
	}
	return "As Asked For";
}

static bool put_end(struct sink_out *out, const struct scan_message *msg, unsigned status, const char *contact)
{
	struct span method = scan_method(msg), type = scan_value(msg, SCAN_CONTENT_TYPE);
	char text[128 + SINK_ADDRESS_LEN];

	if (status > 100 && status < 300) {
		snprintf(text, sizeof(text), "Contact: <sip:sink@%s;transport=tcp>\r\n", contact);
		if (!put_str(out, text))
			return false;
	}
	if (status > 199 && span_eq(method, SPAN("OPTIONS")) && !put_str(out, "Accept: application/sdp\r\n"))
		return false;
	if (status < 200 || status > 299 || !span_eq(method, SPAN("INVITE")) || !span_ieq(type, SPAN("application/sdp")))
		return put_str(out, "Content-Length: 0\r\n\r\n");
	snprintf(text, sizeof(text), "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n", sizeof(SDP) - 1);
	return put_str(out, text) && sink_out_put(out, SPAN(SDP));
}

static bool put_answer(struct sink_counts *c, struct sink_out *out, const struct scan_message *msg, unsigned status, const char *contact)
{
	size_t start = out->len;
	char line[64];

	snprintf(line, sizeof(line), "SIP/2.0 %u %s\r\n", status, reason(status));
	if (!put_str(out, line) || !put_copies(out, msg, status) || !put_end(out, msg, status, contact)) {
		out->len = start;
		return false;
	}
	c->answers++;
	return true;
}

bool sink_answer(struct sink_counts *c, const struct sink_options *o, const struct scan_message *msg, const char *contact,
    unsigned parts, struct sink_out *out)
{
	struct span method = scan_method(msg);

	if (!method.p || span_eq(method, SPAN("ACK")))
		return true;
	if ((parts & SINK_PROVISIONAL) && o->ringing && span_eq(method, SPAN("INVITE")))
		if (!put_answer(c, out, msg, 100, contact) || !put_answer(c, out, msg, 180, contact))
			return false;
	return !(parts & SINK_FINAL) || put_answer(c, out, msg, o->status, contact);
}

bool sink_as_expected(const struct sink_counts *c)
{
	return !c->identity_none && !c->identity_more && !c->forbidden;
}

/* Methods came from outside: only letters, digits and the marks of a token go into the JSON as they are. */
static void print_method(const char *name)
{
	putchar('"');
	for (; *name; name++)
		putchar(*name > ' ' && *name < 0x7f && *name != '"' && *name != '\\' ? *name : '?');
	putchar('"');
}

void sink_print(const struct sink_counts *c, double cpu_seconds)
{
	printf("{\"requests\":%" PRIu64 ",\"methods\":{", c->requests);
	for (unsigned i = 0; i < c->methods; i++) {
		if (i)
			putchar(',');
		print_method(c->method[i].name);
		printf(":%" PRIu64, c->method[i].count);
	}
	printf("},\"responses\":%" PRIu64 ",\"answers\":%" PRIu64 ",\"identity\":{\"one\":%" PRIu64 ",\"none\":%" PRIu64
	       ",\"more\":%" PRIu64 "},\"forbidden\":%" PRIu64 ",",
	    c->responses, c->answers, c->identity_one, c->identity_none, c->identity_more, c->forbidden);
	printf("\"bad\":%" PRIu64 ",\"pings\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"cpu_seconds\":%.6f}\n",
	    c->bad, c->pings, c->connections, c->bytes, cpu_seconds);
	fflush(stdout);
}
