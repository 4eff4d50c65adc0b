#include "common/sip/msg_check.h"

#include "common/sip/chars.h"

#define MAX_FORWARDS_MAX 255 /* RFC 3261 20.22 */

void msg_note(struct msg_parser *ps, enum fault code, enum hdr_id id, struct span name, const char *at)
{
	struct msg_fault *f = ps->fault;

	if (f->code != FAULT_NONE && (fault_closes(f->code) || !fault_closes(code)))
		return;
	*f = (struct msg_fault){.code = code, .header = id, .name = name, .offset = (size_t)(at - ps->out->head.p)};
}

static void bad_value(struct msg_parser *ps, const struct msg_header *h)
{
	msg_note(ps, FAULT_BAD_VALUE, h->id, h->name, h->value.p);
}

/* Every value of every Via, also those behind the topmost: a container reads them all. */
static void check_via(struct msg_parser *ps, const struct msg_header *h)
{
	struct sip_msg *out = ps->out;
	struct span rest = h->value;
	struct via other;
	bool top = out->first[HDR_VIA] == (int)(h - out->header);

	while (rest.p) {
		if (!via_parse(rest, top ? &out->via : &other, &rest)) {
			bad_value(ps, h);
			return;
		}
		if (top)
			out->via_rest = rest;
		top = false;
	}
}

/* Route and Record-Route: lists of name-addr, brackets required (RFC 3261 20.30, 20.34). */
static void check_route(struct msg_parser *ps, const struct msg_header *h)
{
	struct span rest = h->value;
	struct name_addr one;

	while (rest.p) {
		if (!name_addr_parse(rest, &one, &rest) || !one.brackets) {
			bad_value(ps, h);
			return;
		}
	}
}

static void check_party(struct msg_parser *ps, const struct msg_header *h, struct name_addr *party, struct span *tag)
{
	struct span rest;

	if (!name_addr_parse(h->value, party, &rest)) {
		bad_value(ps, h);
	} else if (rest.p) { /* one address, no list */
		*party = (struct name_addr){.brackets = false};
		bad_value(ps, h);
	} else {
		*tag = party->tag;
	}
}

/* RFC 3261 25.1: word [ "@" word ]. */
static void check_call_id(struct msg_parser *ps, const struct msg_header *h)
{
	const char *end = h->value.p + h->value.len;
	const char *p = chars_run(h->value.p, end, CHAR_WORD);

	if (p > h->value.p && p < end && *p == '@' && p + 1 < end)
		p = chars_run(p + 1, end, CHAR_WORD);
	if (h->value.len == 0 || p != end)
		bad_value(ps, h);
	else
		ps->out->call_id = h->value;
}

static void check_cseq(struct msg_parser *ps, const struct msg_header *h)
{
	if (!cseq_parse(h->value, &ps->out->cseq))
		bad_value(ps, h);
}

static void check_max_forwards(struct msg_parser *ps, const struct msg_header *h)
{
	uint64_t n;

	if (span_u64(h->value, MAX_FORWARDS_MAX, &n))
		ps->out->max_forwards = (int)n;
	else
		bad_value(ps, h);
}

/* RFC 3261 20.14: 1*DIGIT.  A number too large for any integer is too large for us, not malformed. */
static void check_content_length(struct msg_parser *ps, const struct msg_header *h)
{
	const char *end = h->value.p + h->value.len;
	uint64_t n;

	if (h->value.len == 0 || chars_run(h->value.p, end, CHAR_DIGIT) != end)
		msg_note(ps, FAULT_BAD_LENGTH, h->id, h->name, h->value.p);
	else if (!span_u64(h->value, ps->rules->body_max, &n))
		msg_note(ps, FAULT_BODY_TOO_BIG, h->id, h->name, h->value.p);
	else
		ps->out->content_length = (size_t)n;
}

void msg_check_value(struct msg_parser *ps, const struct msg_header *h)
{
	struct sip_msg *out = ps->out;

	switch (h->id) {
	case HDR_VIA:
		check_via(ps, h);
		break;
	case HDR_FROM:
		check_party(ps, h, &out->from, &out->from_tag);
		break;
	case HDR_TO:
		check_party(ps, h, &out->to, &out->to_tag);
		break;
	case HDR_CALL_ID:
		check_call_id(ps, h);
		break;
	case HDR_CSEQ:
		check_cseq(ps, h);
		break;
	case HDR_MAX_FORWARDS:
		check_max_forwards(ps, h);
		break;
	case HDR_CONTENT_LENGTH:
		check_content_length(ps, h);
		break;
	case HDR_ROUTE:
	case HDR_RECORD_ROUTE:
		check_route(ps, h);
		break;
	default: /* the others are read, if at all, by the policy that acts on them */
		break;
	}
}

/* RFC 3261 8.1.1; Max-Forwards is left out: a proxy adds it (16.6). */
void msg_check_whole(struct msg_parser *ps)
{
	static const enum hdr_id needed[] = {HDR_VIA, HDR_FROM, HDR_TO, HDR_CALL_ID, HDR_CSEQ};
	const struct sip_msg *out = ps->out;
	const char *end = out->head.p + out->head.len;

	if (ps->rules->stream && out->first[HDR_CONTENT_LENGTH] < 0)
		msg_note(ps, FAULT_NO_LENGTH, HDR_CONTENT_LENGTH, SPAN_NONE, end);
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (out->first[needed[i]] < 0)
			msg_note(ps, FAULT_MISSING, needed[i], SPAN_NONE, end);
	if (out->is_request && out->cseq.method.p && !span_eq(out->cseq.method, out->method))
		msg_note(ps, FAULT_CSEQ_METHOD, HDR_CSEQ, SPAN_NONE, out->cseq.method.p);
}
