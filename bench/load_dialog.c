/* load_dialog - ACK and BYE, routed as the answer to their INVITE says. */
#include "bench/load_message.h"

#include <stdio.h>

struct writer {
	char *p;
	size_t len, cap;
	bool full;
};

static void put(struct writer *w, struct span s)
{
	if (w->cap - w->len < s.len)
		w->full = true;
	if (w->full)
		return;
	memcpy(w->p + w->len, s.p, s.len);
	w->len += s.len;
}

static void put_str(struct writer *w, const char *text)
{
	put(w, span_str(text));
}

/* The last value of a comma-separated list, commas in <> and quotes not counted; the rest stays in *list. */
static struct span cut_last(struct span *list)
{
	size_t comma = list->len;
	bool quoted = false, angle = false;
	struct span last;

	for (size_t i = 0; i < list->len; i++) {
		char c = list->p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '<' || c == '>'))
			angle = c == '<';
		else if (!quoted && !angle && c == ',')
			comma = i;
	}
	last = span_trim(comma == list->len ? *list : span_from(*list, comma + 1));
	*list = comma == list->len ? SPAN_NONE : span_head(*list, comma);
	return last;
}

/* RFC 3261 12.1.2: the route set of a caller is Record-Route in reverse order. */
static void put_routes(struct writer *w, const struct scan_message *answer)
{
	for (unsigned i = answer->count; i-- > 0;) {
		struct span list = answer->line[i].value;

		if (answer->line[i].id != SCAN_RECORD_ROUTE)
			continue;
		while (list.p) {
			put_str(w, "Route: ");
			put(w, cut_last(&list));
			put_str(w, "\r\n");
		}
	}
}

/* The URI of Contact: within <>, else up to the first ';'. */
static struct span remote_target(const struct scan_message *answer)
{
	struct span value = scan_value(answer, SCAN_CONTACT);
	size_t open = span_find(value, '<');

	if (open == value.len)
		return span_head(value, span_find(value, ';'));
	value = span_from(value, open + 1);
	return span_head(value, span_find(value, '>'));
}

/* As the request's id was written by load_template_write: it stands in the answer's Call-ID, which matched. */
static struct span id_text(const struct scan_message *answer)
{
	return span_head(scan_value(answer, SCAN_CALL_ID), LOAD_ID_LEN);
}

size_t load_dialog_write(
    const struct load_template *t, const struct scan_message *answer, const char *method, uint32_t cseq, char *out, size_t cap)
{
	struct writer w = { .p = out, .cap = cap };
	bool in_dialog = scan_response_status(answer) < 300;
	struct span target = in_dialog ? remote_target(answer) : t->uri;
	char line[64];

	if (!target.len || !scan_value(answer, SCAN_TO).len)
		return 0;
	put_str(&w, method);
	put_str(&w, " ");
	put(&w, target);
	put_str(&w, " SIP/2.0\r\n");
	put(&w, t->via_front);
	put(&w, id_text(answer));
	/* A 2xx's ACK and a BYE are transactions of their own; the ACK of a refusal has the INVITE's branch (17.1.1.3). */
	if (in_dialog)
		put(&w, span_head(span_str(method), 1));
	put_str(&w, ";rport\r\nMax-Forwards: 70\r\n");
	if (in_dialog)
		put_routes(&w, answer);
	put(&w, t->from_front);
	put(&w, id_text(answer));
	put(&w, t->from_back);
	put_str(&w, "\r\nTo: ");
	put(&w, scan_value(answer, SCAN_TO));
	put_str(&w, "\r\nCall-ID: ");
	put(&w, scan_value(answer, SCAN_CALL_ID));
	put_str(&w, "\r\nCSeq: ");
	put(&w, span_of(line, (size_t)snprintf(line, sizeof(line), "%u %s\r\n", cseq, method)));
	put_str(&w, "Content-Length: 0\r\n\r\n");
	return w.full ? 0 : w.len;
}
