#include "common/counters.h"

const struct counter_row counter_rows[] = {
#define COUNTER(field, metric, type, sentence)                                                                         \
	{ #field, metric, COUNTER_IS_##type, sentence, offsetof(struct counters, field) },
#define COUNTER_IS_COUNTER false
#define COUNTER_IS_GAUGE true
#include "common/counters.def"
#undef COUNTER
};

const size_t counter_row_count = ARRAY_LEN(counter_rows);

uint64_t counter_row_get(const struct counters *c, const struct counter_row *row)
{
	return counter_get((const _Atomic uint64_t *)(const void *)((const char *)c + row->offset));
}

void counters_latency(struct counters *c, uint64_t ns, uint64_t n)
{
	unsigned i = 0;

	while (i < LATENCY_BUCKETS - 1 && ns > latency_edge_ns(i))
		i++;
	counter_add(&c->latency[i], n);
	counter_add(&c->latency_sum, ns * n);
}
