#include "worker/outbound.h"

#include "common/policy/inspect.h"
#include "worker/answer.h"
#include "worker/events.h"

void outbound_request(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	counter_add(&w->counters->inside_requests, 1);
	if (msg->method_id == METHOD_OPTIONS && inspect_is_for_us(w->img, msg))
		answer_options(w, c, msg);
	else
		answer_refusal(w, c, msg, REFUSAL_NO_OUTBOUND, SPAN_NONE);
}

void outbound_response(struct worker *w, struct conn *c, const struct sip_msg *msg, struct span raw)
{
	/* No request of ours goes outside, so no response can belong to one. */
	counter_add(&w->counters->outside_responses, 1);
	events_refused(w, c, msg, REFUSAL_RESPONSE_NO_VIA);
}
