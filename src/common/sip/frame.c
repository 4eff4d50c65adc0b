#include "common/sip/frame.h"

#include "common/sip/chars.h"

static bool starts_with_crlf(struct span s)
{
	return s.len >= 2 && s.p[0] == '\r' && s.p[1] == '\n';
}

/* RFC 3261 7.5, RFC 5626 4.4.1: what stands between messages.  in.p[0] is CR or LF. */
static enum frame_status between(struct span in, struct span *head)
{
	if (in.p[0] == '\n')
		return FRAME_BAD_LINE;
	if (in.len < 2)
		return FRAME_MORE;
	if (in.p[1] != '\n')
		return FRAME_BAD_LINE;
	if (in.len == 2 || (in.len == 3 && in.p[2] == '\r'))
		return FRAME_MORE;
	if (in.p[2] == '\r') {
		if (in.p[3] != '\n')
			return FRAME_BAD_LINE;
		*head = span_head(in, 4);
		return FRAME_PING;
	}
	*head = span_head(in, 2);
	return FRAME_CRLF;
}

/* The head's end in `in`, which is no longer than a head may be. */
static enum frame_status find_end(struct framer *fr, struct span in, struct span *head)
{
	const char *end = in.p + in.len;
	struct chars_scan scan = chars_scan_of(in.p + fr->scanned, end);

	for (;;) {
		const char *p = chars_scan_control(&scan);

		fr->scanned = (size_t)(p - in.p);
		if (p == end)
			return FRAME_MORE;
		if (*p == '\n')
			return FRAME_BAD_LINE;
		if (*p != '\r')
			continue;
		if (end - p < 2)
			return FRAME_MORE;
		if (p[1] != '\n')
			return FRAME_BAD_LINE;
		if (end - p < 3)
			return FRAME_MORE;
		if (p[2] == ' ' || p[2] == '\t')
			fr->folded = true;
		if (p[2] == '\r') {
			if (end - p < 4)
				return FRAME_MORE;
			if (p[3] != '\n')
				return FRAME_BAD_LINE;
			*head = span_of(in.p, (size_t)(p - in.p) + 4);
			return FRAME_HEAD;
		}
		p = chars_scan_control(&scan); /* the LF of the pair */
	}
}

/*
 * A start line that is merely wrong costs one message, not the connection: it
 * is for sip/msg to refuse.  What can't be text at all (TLS in TLS) ends here.
 */
static bool begins_text(char c)
{
	return (unsigned char)c < 0x7f && char_is(c, CHAR_QUOTED | CHAR_WORD);
}

enum frame_status frame_next(struct framer *fr, size_t head_max, struct span in, struct span *head)
{
	enum frame_status st;

	if (in.len == 0)
		return FRAME_MORE;
	if (fr->scanned == 0) {
		if (in.p[0] == '\r' || in.p[0] == '\n')
			return between(in, head);
		if (!begins_text(in.p[0]))
			return FRAME_NOT_SIP;
	}
	st = find_end(fr, span_head(in, head_max), head);
	return st == FRAME_MORE && in.len >= head_max ? FRAME_TOO_BIG : st;
}

/* The end of the start line, its CRLF included. */
static size_t start_line_len(struct span head)
{
	size_t at = span_find(head, '\n');

	return at < head.len ? at + 1 : head.len;
}

static bool is_fold(struct span head, size_t at)
{
	return head.len - at >= 3 && starts_with_crlf(span_from(head, at)) && char_is(head.p[at + 2], CHAR_BLANK);
}

size_t frame_unfold(struct span head, char *out)
{
	size_t at = start_line_len(head);
	size_t n = at;

	memcpy(out, head.p, at);
	while (at < head.len) {
		size_t plain = span_find(span_from(head, at), '\r');

		memcpy(out + n, head.p + at, plain);
		n += plain;
		at += plain;
		if (at == head.len)
			break;
		if (!is_fold(head, at)) {
			out[n++] = head.p[at++];
			continue;
		}
		/* Several folds in a row are one run of white space: the blanks of the one before go too. */
		while (n > 0 && char_is(out[n - 1], CHAR_BLANK))
			n--;
		out[n++] = ' ';
		at = (size_t)(chars_blanks(head.p + at + 2, head.p + head.len) - head.p);
	}
	return n;
}

const char *frame_status_name(enum frame_status st)
{
	switch (st) {
	case FRAME_HEAD:
		return "head";
	case FRAME_MORE:
		return "more";
	case FRAME_CRLF:
		return "crlf";
	case FRAME_PING:
		return "ping";
	case FRAME_BAD_LINE:
		return "bad_line";
	case FRAME_NOT_SIP:
		return "not_sip";
	case FRAME_TOO_BIG:
		return "too_big";
	}
	return "unknown";
}
