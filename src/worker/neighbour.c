#include "worker/neighbour.h"

#include "common/clock.h"
#include "common/sip/feedback.h"

static struct neighbour_load *entry(struct worker *w, uint64_t id)
{
	return &w->neighbours[id % ARRAY_LEN(w->neighbours)];
}

void neighbour_heard(struct worker *w, uint64_t id, const struct via *via)
{
	struct feedback f;

	if (!feedback_read(via, &f))
		return;
	*entry(w, id) = (struct neighbour_load){ id, w->now + f.validity_ms * NSEC_PER_MSEC, f.percent };
}

/* The same request is shed again or passes again: RFC 7339 5.10.1 wants no half of a retransmission. */
bool neighbour_sheds(struct worker *w, uint64_t id, const struct sip_msg *msg, bool has_token)
{
	const struct neighbour_load *n = entry(w, id);

	if (n->id != id || n->until <= w->now || has_token || msg->to_tag.p || msg->method_id == METHOD_ACK ||
	    msg->method_id == METHOD_CANCEL)
		return false;
	return siphash(&w->way_back_key, msg->call_id.p, msg->call_id.len) % 100 < n->percent;
}
