#include "common/sip/msg.h"

static const struct {
	unsigned status;
	bool closes;
	const char *name;
	const char *reason;
} rows[FAULT_COUNT] = {
#define FAULT(id, status, closes, name, reason) [FAULT_##id] = {status, closes, name, reason},
#include "common/sip/fault.def"
#undef FAULT
};

unsigned fault_status(enum fault f)
{
	return rows[f].status;
}

bool fault_closes(enum fault f)
{
	return rows[f].closes;
}

const char *fault_name(enum fault f)
{
	return rows[f].name;
}

/* What to call the header in a reason phrase; a name as received only when nothing in it can do harm there. */
static struct span header_name(const struct msg_fault *fault)
{
	if (fault->header != HDR_OTHER)
		return hdr_name(fault->header);
	return token_valid(fault->name) ? fault->name : SPAN("header");
}

static size_t append(char *out, size_t cap, size_t n, struct span text)
{
	size_t room = MIN(text.len, cap - n);

	if (room)
		memcpy(out + n, text.p, room);
	return n + room;
}

size_t msg_fault_reason(const struct msg_fault *fault, char *out, size_t cap)
{
	struct span reason = span_str(rows[fault->code].reason);
	size_t at = span_find(reason, '%');
	size_t n = append(out, cap, 0, span_head(reason, at));

	if (at == reason.len)
		return n;
	n = append(out, cap, n, header_name(fault));
	return append(out, cap, n, span_from(reason, at + 2));
}
