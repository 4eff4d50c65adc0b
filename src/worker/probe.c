#include "common/clock.h"
#include "common/put.h"
#include "worker/events.h"
#include "worker/options.h"
#include "worker/pool.h"

#define URI_MAX (HOST_MAX + 16)
#define BRANCH_START "z9hG4bKprobe"
#define BRANCH_LEN (sizeof(BRANCH_START) - 1 + 32)

/* ---- what is sent ---- */

/*
 * The number of the probe and a keyed hash of it and of the container: what
 * else comes over that connection can't pass for its answer, nor can an answer
 * that is meant for another.
 */
static struct span write_branch(const struct upstreams *us, const struct upstream *u, uint64_t sequence,
    char out[static BRANCH_LEN])
{
	struct put o = put_into(out, BRANCH_LEN);
	struct siphash_state s;

	siphash_begin(&s, &us->probe_key);
	siphash_add(&s, &sequence, sizeof(sequence));
	siphash_add(&s, u->id, u->id_len);
	put_span(&o, SPAN(BRANCH_START));
	put_hex(&o, sequence);
	put_hex(&o, siphash_end(&s));
	return put_done(&o);
}

/* "sip:host:port" */
static struct span server_uri(const struct worker *w, const struct image_server *s, char out[static URI_MAX])
{
	struct put o = put_into(out, URI_MAX);
	struct span host = image_text(w->img, s->host);
	bool brackets = span_find(host, ':') < host.len;

	put_span(&o, SPAN("sip:"));
	put_span(&o, brackets ? SPAN("[") : SPAN(""));
	put_span(&o, host);
	put_span(&o, brackets ? SPAN("]:") : SPAN(":"));
	put_uint(&o, s->port);
	return put_done(&o);
}

/* What its queue has no room for is not sent, and so not answered in time. */
static void send_probe(struct worker *w, struct upstream *u)
{
	char uri[URI_MAX], branch[BRANCH_LEN];
	struct options probe = { .run = siphash(&w->upstreams->probe_key, u->id, u->id_len) };

	u->probe.sequence = ++w->upstreams->probes;
	u->probe.due = w->now + u->probe.timeout;
	u->probe.next = w->now + u->probe.interval;
	probe.uri = server_uri(w, u->server, uri);
	probe.branch = write_branch(w->upstreams, u, u->probe.sequence, branch);
	probe.number = (uint32_t)u->probe.sequence;
	if (options_send(w, u->conn, &probe))
		counter_add(&w->counters->probes, 1);
}

/* ---- what it says ---- */

static void answered(struct worker *w, struct upstream *u)
{
	u->probe.due = 0;
	u->probe.failed = 0;
	if (u->state != STATE_UP)
		upstream_proved(w, u, "answers");
}

static void unanswered(struct worker *w, struct upstream *u)
{
	u->probe.due = 0;
	u->probe.failed++;
	counter_add(&w->counters->probes_failed, 1);
	if (u->state == STATE_PROVING || (u->state == STATE_UP && u->probe.failed >= u->probe.allowed))
		upstream_sickened(w, u);
}

/* The container that sent it, if it is an answer to any of our probes to it. */
static struct upstream *asked(const struct worker *w, const struct conn *c, const struct sip_msg *msg)
{
	char branch[BRANCH_LEN];
	uint64_t sequence = 0;

	if (msg->via.branch.len != BRANCH_LEN || memcmp(msg->via.branch.p, BRANCH_START, sizeof(BRANCH_START) - 1) != 0)
		return NULL;
	for (size_t i = sizeof(BRANCH_START) - 1; i < BRANCH_LEN - 16; i++) {
		char digit = ascii_lower(msg->via.branch.p[i]);

		sequence = sequence << 4 | (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
	}
	for (struct upstream *u = w->upstreams->first; u; u = u->next)
		if (u->conn == c && u->port == c->port && memcmp(u->addr, c->addr, 16) == 0 &&
		    span_eq(write_branch(w->upstreams, u, sequence, branch), msg->via.branch))
			return u;
	return NULL;
}

bool upstream_probed(struct worker *w, struct conn *c, const struct sip_msg *msg)
{
	struct upstream *u = asked(w, c, msg);
	char branch[BRANCH_LEN];

	if (!u)
		return false;
	/* One that comes too late, or twice, says nothing. */
	if (msg->status < 200 || !u->probe.due || !span_eq(write_branch(w->upstreams, u, u->probe.sequence, branch), msg->via.branch))
		return true;
	if (msg->status == 408 || msg->status == 503)
		unanswered(w, u);
	else
		answered(w, u);
	return true;
}

/* ---- when ---- */

void probe_configure(struct worker *w, struct upstream *u)
{
	const struct image_cluster *found = NULL;

	for (const struct pool *p = w->upstreams->pools; p; p = p->next)
		for (size_t i = 0; i < p->member_count; i++) {
			const struct image_cluster *cluster = &w->img->cluster[p->cluster];

			if (p->member[i].u == u && cluster->probe_interval && (!found || cluster->probe_interval < found->probe_interval))
				found = cluster;
		}
	if (!u->server)
		return; /* retired: no longer asked */
	u->probe.interval = found ? found->probe_interval * NSEC_PER_MSEC : 0;
	u->probe.timeout = found ? found->probe_timeout * NSEC_PER_MSEC : 0;
	u->probe.allowed = found ? found->probe_failures : 0;
	u->probe.next = MIN(u->probe.next, w->now + u->probe.interval);
	if (!found && (u->state == STATE_PROVING || u->state == STATE_SICK))
		upstream_proved(w, u, "no longer probed");
}

bool probe_start(struct worker *w, struct upstream *u)
{
	u->probe.failed = 0;
	u->probe.due = 0;
	if (!u->probe.interval || !u->server)
		return false;
	send_probe(w, u);
	return true;
}

uint64_t probe_tick(struct worker *w, struct upstream *u)
{
	if (!u->probe.interval || !u->server || u->state < STATE_PROVING)
		return UINT64_MAX;
	if (u->probe.due && u->probe.due <= w->now)
		unanswered(w, u);
	if (!u->probe.due && u->probe.next <= w->now)
		send_probe(w, u);
	return u->probe.due ? u->probe.due : u->probe.next;
}
