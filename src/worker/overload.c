#include "worker/overload.h"

#include <stdlib.h>

#include "common/buckets.h"
#include "common/clock.h"
#include "common/policy/route.h"

enum purpose { FOR_ALL = 'a', FOR_CALLS = 'c', FOR_MESSAGES = 'm', FOR_CONNECTIONS = 'n', FOR_LAG = 'l' };

/* Under which ids a connection is counted. */
struct counted {
	uint32_t count;
	uint64_t id[PEER_DOMAINS_MAX];
};

static struct buckets *shared(const struct worker *w)
{
	return w->h->buckets;
}

/* Nobody can choose where an id lands. */
static uint64_t id_of(const struct worker *w, enum purpose purpose, uint64_t whose)
{
	uint8_t kind = (uint8_t)purpose;
	struct siphash_state s;

	siphash_begin(&s, &w->way_back_key);
	siphash_add(&s, "overload", 8);
	siphash_add(&s, &kind, 1);
	siphash_add(&s, &whose, sizeof(whose));
	return siphash_end(&s) | 1;
}

/* ---- rates ---- */

static bool always_passes(enum method m)
{
	return m == METHOD_ACK || m == METHOD_CANCEL || m == METHOD_BYE || m == METHOD_PRACK;
}

static bool begins_call(const struct sip_msg *msg, bool has_token)
{
	return msg->method_id == METHOD_INVITE && !msg->to_tag.p && !has_token;
}

/* Requests of a dialog may go to twice the rate, those that always pass only count. */
static bool take(struct worker *w, enum purpose purpose, uint64_t whose, uint64_t rate, const struct sip_msg *msg, bool has_token)
{
	bool passes;

	if (rate == 0)
		return true;
	passes = bucket_take(shared(w), id_of(w, purpose, whose), rate, has_token ? 2 : 1, w->now);
	return passes || always_passes(msg->method_id);
}

static enum refusal within(struct worker *w, const struct image_limits *l, uint64_t whose, const struct sip_msg *msg,
    bool has_token)
{
	if (!take(w, FOR_MESSAGES, whose, l->messages_per_second, msg, has_token))
		return l->drop ? REFUSAL_LIMIT_DROPPED : REFUSAL_LIMIT_MESSAGES;
	if (begins_call(msg, has_token) && !take(w, FOR_CALLS, whose, l->calls_per_second, msg, false))
		return l->drop ? REFUSAL_LIMIT_DROPPED : REFUSAL_LIMIT_CALLS;
	return REFUSAL_NONE;
}

static const struct image_limits *limits_at(const struct worker *w, uint32_t index)
{
	return index == IMAGE_NONE ? NULL : (const struct image_limits *)image_at(w->img, w->img->h->limits) + index;
}

/* ---- the worker itself ---- */

/* New dialogs per second that it has carried at most, and so could carry a part of while it is behind. */
static bool lags(struct worker *w, const struct sip_msg *msg, bool has_token)
{
	const struct settings *s = w->img->settings;
	struct load *l = &w->load;
	uint64_t part;

	if (has_token || msg->to_tag.p || always_passes(msg->method_id))
		return false;
	if (l->second != w->wall) {
		l->peak = MAX(l->peak, l->begun);
		l->second = w->wall;
		l->begun = 0;
	}
	l->begun++;
	if (s->loop_lag == 0 || l->turn_ns <= s->loop_lag * NSEC_PER_MSEC)
		return false;
	part = l->peak * s->max_throughput_factor * 10; /* thousandths of so many percent */
	return part == 0 || !bucket_take(shared(w), id_of(w, FOR_LAG, w->h->incarnation), part, 1, w->now);
}

void overload_turn(struct worker *w)
{
	w->load.turn_ns = clock_mono_ns() - w->now;
	if (w->requests)
		counters_latency(w->counters, w->load.turn_ns, w->requests);
}

/* ---- for others ---- */

enum refusal overload_request(struct worker *w, const struct sip_msg *msg, uint32_t domain, bool has_token)
{
	const struct image_limits *l = domain == IMAGE_NONE ? NULL : limits_at(w, image_policy_of(w->img, domain)->limits);

	if (lags(w, msg, has_token) ||
	    !take(w, FOR_ALL, 0, w->img->settings->overload_messages * 1000, msg, has_token))
		return REFUSAL_OVERLOAD;
	return l ? within(w, l, route_back_id(w->img, &w->keys, domain), msg, has_token) : REFUSAL_NONE;
}

enum refusal overload_server(struct worker *w, const struct sip_msg *msg, const struct image_server *server, bool has_token)
{
	const struct image_limits *l = server ? limits_at(w, server->limits) : NULL;

	return l ? within(w, l, route_server_back_id(w->img, &w->keys, server), msg, has_token) : REFUSAL_NONE;
}

bool overload_answer(const struct worker *w, enum refusal r, unsigned *status, struct span *reason)
{
	if (r != REFUSAL_OVERLOAD && r != REFUSAL_LIMIT_CALLS && r != REFUSAL_LIMIT_MESSAGES)
		return false;
	*status = (unsigned)w->img->settings->overload_status;
	*reason = image_text(w->img, w->img->h->overload_reason);
	return true;
}

/* ---- connections ---- */

void overload_gone(struct worker *w, struct conn *c)
{
	for (uint32_t i = 0; c->counted && i < c->counted->count; i++)
		count_add(shared(w), w->h->worker, c->counted->id[i], -1);
	free(c->counted);
	c->counted = NULL;
}

bool overload_judged(struct worker *w, struct conn *c, bool is_new)
{
	bool fits = true;

	overload_gone(w, c);
	for (uint32_t i = 0; i < c->judgement.domain_count; i++) {
		const struct image_limits *l = limits_at(w, image_policy_of(w->img, c->judgement.domain[i])->limits);
		uint64_t id;

		if (!l || !l->connections)
			continue;
		id = id_of(w, FOR_CONNECTIONS, route_back_id(w->img, &w->keys, c->judgement.domain[i]));
		if (is_new && count_sum(shared(w), w->h->workers, id) >= l->connections)
			fits = false;
		if (!c->counted)
			c->counted = calloc(1, sizeof(*c->counted));
		if (c->counted && count_add(shared(w), w->h->worker, id, 1))
			c->counted->id[c->counted->count++] = id;
	}
	return fits;
}
