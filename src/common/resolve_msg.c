#include "common/resolve_msg.h"

bool resolve_question_ok(const struct resolve_question *q, size_t len)
{
	char canonical[HOST_MAX];
	enum host_kind kind;
	struct span host;

	if (len != sizeof(*q) || q->protocol > PROTO_UDP || q->host_len == 0 || q->host_len > RESOLVE_NAME_MAX)
		return false;
	host = span_of(q->host, q->host_len);
	/* One spelling only: upper case, a last dot or an address would be another question than it looks like. */
	return host_parse(host, &kind) && kind == HOST_NAME && span_eq(span_of(canonical, host_canon(host, canonical)), host);
}

bool resolve_answer_ok(const struct resolve_answer *a, size_t len)
{
	if (len != sizeof(*a) || a->status >= RESOLVE_STATUSES || a->ttl == 0 || a->ttl > RESOLVE_TTL_MAX)
		return false;
	if (a->count > RESOLVE_TARGETS_MAX || (a->count > 0) != (a->status == RESOLVE_FOUND))
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->target[i].port == 0)
			return false;
	return true;
}
