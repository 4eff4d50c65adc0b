/*
 * msg over a stream of messages: no span leaves the head, and what is accepted
 * has nothing in it that a lenient reader could read otherwise.
 */
#include "common/sip/frame.h"
#include "common/sip/msg.h"
#include "fuzz/check.h"

#define HEAD_MAX 65536
#define FIELDS_MAX 256

static const struct span identity_names[] = {
    {"p-asserted-identity", 19},
    {"p-preferred-identity", 20},
    {"remote-party-id", 15},
};
static const struct hdr_set identity = {identity_names, ARRAY_LEN(identity_names),
					UINT64_C(1) << 19 | UINT64_C(1) << 20 | UINT64_C(1) << 15};

static void check_spans(const struct sip_msg *msg, const struct msg_fault *fault)
{
	const struct span parts[] = {msg->start_line, msg->method,    msg->request_uri_text, msg->request_uri.host,
				     msg->reason,     msg->via.whole, msg->via_rest,	     msg->from.whole,
				     msg->to.whole,   msg->from_tag,  msg->to_tag,	     msg->call_id,
				     msg->cseq.method};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		CHECK(check_within(parts[i], msg->head));
	CHECK(fault->offset <= msg->head.len);
	CHECK(msg->header_count <= FIELDS_MAX);
	for (size_t i = 0; i < msg->header_count; i++) {
		CHECK(check_within(msg->header[i].line, msg->head));
		CHECK(check_within(msg->header[i].name, msg->header[i].line));
		CHECK(check_within(msg->header[i].value, msg->header[i].line));
	}
	for (int id = HDR_OTHER + 1; id < HDR_COUNT; id++)
		CHECK(msg->first[id] == msg_next_header(msg, (enum hdr_id)id, 0));
}

static void check_accepted(const struct sip_msg *msg)
{
	const char *next = msg->start_line.p + msg->start_line.len + 2;

	for (size_t i = 0; i < msg->header_count; i++) {
		const struct msg_header *h = &msg->header[i];

		CHECK(h->line.p == next);
		CHECK(token_valid(h->name));
		CHECK(!hdr_confusing(&identity, h->name));
		CHECK(!(hdr_flags(h->id) & HDR_F_ONCE) || msg_next_header(msg, h->id, i + 1) < 0);
		next = h->line.p + h->line.len;
	}
	CHECK(next + 2 == msg->head.p + msg->head.len);
	for (size_t i = 0; i + 2 < msg->head.len; i++) {
		unsigned char c = (unsigned char)msg->head.p[i];

		CHECK(c != 0x7f && (c >= 0x20 || c == '\t' || c == '\r' || c == '\n'));
		CHECK(c != '\r' || msg->head.p[i + 1] == '\n');
		CHECK(c != '\n' || msg->head.p[i - 1] == '\r');
	}
	CHECK(msg->via.whole.p && msg->from.whole.p && msg->to.whole.p && msg->call_id.len && msg->cseq.method.len);
}

/* Returns the length of the body to skip, or SIZE_MAX when the stream cannot go on. */
static size_t try_head(struct span head)
{
	static struct msg_header header[FIELDS_MAX];
	static const struct msg_rules rules = {.body_max = 65536, .identity = &identity, .stream = true};
	struct sip_msg msg;
	struct msg_fault fault;
	char reason[128];
	enum fault code = msg_parse(head, &rules, header, ARRAY_LEN(header), &msg, &fault);

	CHECK(code == fault.code);
	CHECK(msg_fault_reason(&fault, reason, sizeof(reason)) <= sizeof(reason));
	check_spans(&msg, &fault);
	if (code == FAULT_NONE)
		check_accepted(&msg);
	return fault_closes(code) ? SIZE_MAX : msg.content_length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	size_t skip = 0;

	/* As it is, too: frame lets much less through than msg must stand. */
	(void)try_head(in);
	for (unsigned messages = 0; messages < 64 && skip < in.len; messages++) {
		struct framer fr = {0};
		struct span head;
		enum frame_status st;

		in = span_from(in, skip);
		st = frame_next(&fr, HEAD_MAX, in, &head);
		if (st == FRAME_CRLF || st == FRAME_PING) {
			skip = head.len;
		} else if (st == FRAME_HEAD) {
			char *flat = check_alloc(head.len);
			size_t body = try_head(span_of(flat, frame_unfold(head, flat)));

			free(flat);
			if (body == SIZE_MAX)
				break;
			skip = head.len + body;
		} else {
			break;
		}
	}
	return 0;
}
