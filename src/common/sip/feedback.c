#include "common/sip/feedback.h"

#include "common/put.h"

#define VALIDITY 500	     /* ms, RFC 7339 4.3 */
#define VALIDITY_MAX 60000   /* nobody shuts us out for longer at a time */

static bool loss(struct span algorithms)
{
	struct span one;

	if (algorithms.len >= 2 && algorithms.p[0] == '"')
		algorithms = span_of(algorithms.p + 1, algorithms.len - 2);
	while (span_cut(&algorithms, ',', &one))
		if (span_ieq(span_trim(one), SPAN("loss")))
			return true;
	return false;
}

bool feedback_offered(const struct via *via)
{
	struct span oc, algorithm;

	return value_param(via->params, SPAN("oc"), &oc) && oc.len == 0 && value_param(via->params, SPAN("oc-algo"), &algorithm) &&
	    loss(algorithm);
}

bool feedback_read(const struct via *via, struct feedback *out)
{
	struct span text;
	uint64_t percent, validity = VALIDITY;

	if (!value_param(via->params, SPAN("oc"), &text) || text.len == 0 || !span_u64(text, 100, &percent))
		return false;
	if (value_param(via->params, SPAN("oc-algo"), &text) && !loss(text))
		return false;
	if (value_param(via->params, SPAN("oc-validity"), &text) && !span_u64(text, UINT32_MAX, &validity))
		return false;
	*out = (struct feedback){ (uint32_t)percent, (uint32_t)MIN(validity, (uint64_t)VALIDITY_MAX) };
	return true;
}

size_t feedback_write(const struct feedback *f, uint64_t sequence, char *out, size_t cap)
{
	struct put o = put_into(out, cap);

	put_span(&o, SPAN(";oc="));
	put_uint(&o, f->percent);
	put_span(&o, SPAN(";oc-algo=\"loss\";oc-validity="));
	put_uint(&o, f->validity_ms);
	put_span(&o, SPAN(";oc-seq="));
	put_uint(&o, sequence / 1000);
	put_char(&o, '.');
	put_uint(&o, sequence % 1000);
	return put_done(&o).len;
}

bool feedback_is_param(struct span name)
{
	return span_ieq(name, SPAN("oc")) || span_ieq(name, SPAN("oc-algo")) || span_ieq(name, SPAN("oc-validity")) ||
	    span_ieq(name, SPAN("oc-seq"));
}
