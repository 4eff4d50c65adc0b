#include "admin/totals.h"

#include "common/peer.h"
#include "common/policy/inspect.h"
#include "common/sip/msg.h"

uint64_t totals_of(const struct admin *a, size_t offset)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < a->h->workers; w++)
		n += counter_get((const _Atomic uint64_t *)(const void *)((const char *)&a->h->counters[w] + offset));
	return n;
}

uint64_t totals_latency(const struct admin *a, unsigned bucket)
{
	return totals_of(a, offsetof(struct counters, latency) + bucket * sizeof(uint64_t));
}

static const char *fault_text(int i)
{
	return fault_name((enum fault)i);
}

static const char *refusal_text(int i)
{
	return refusal_name((enum refusal)i);
}

static const char *verdict_text(int i)
{
	return peer_verdict_name((enum peer_verdict)i);
}

const struct totals_reasons totals_reasons[TOTALS_REASONS] = {
	{ "malformed", "sipward_malformed_total", "Messages refused as not well formed, by what is wrong with them",
	    offsetof(struct counters, fault), FAULT_COUNT, fault_text },
	{ "refused", "sipward_refusals_total", "Well-formed messages refused or dropped, by reason", offsetof(struct counters, refusal),
	    REFUSAL_COUNT, refusal_text },
	{ "peers", "sipward_peer_verdicts_total", "Peers that were refused or taken as untrusted, by why they are not trusted",
	    offsetof(struct counters, verdict), PEER_VERDICT_COUNT, verdict_text },
};

uint64_t totals_reason(const struct admin *a, const struct totals_reasons *t, int reason)
{
	return totals_of(a, t->offset + (size_t)reason * sizeof(uint64_t));
}
