#include "worker/post.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mailbox.h"
#include "common/presence.h"

/* What is taken from the others in one turn: their peers must not keep ours waiting. */
#define TURN_MESSAGES 256
#define TURN_BYTES ((size_t)1 << 20)
#define TURN_EACH 32 /* of one worker */

struct post_office {
	struct mailbox box;
	char *room;		 /* the message that is being looked at */
	bool wake[WORKERS_MAX];	 /* at the end of this turn */
	bool any;		 /* of them */
	bool more;		 /* something has come, or was left by the last turn */
	uint32_t first;		 /* whose ring is looked at first */
	int64_t wall;		 /* when the rings were looked at */
};

int post_new(struct worker *w)
{
	const struct heritage *h = w->h;
	struct post_office *o = calloc(1, sizeof(*o));
	char *room = malloc(mailbox_message_max(h->workers));

	if (!o || !room || h->mail_each != mailbox_bytes(h->workers)) {
		free(o);
		free(room);
		return -ENOMEM;
	}
	o->room = room;
	mailbox_open(&o->box, h->mail, h->workers, h->worker, h->incarnation);
	w->post = o;
	ring_poll(w->ring, RING_POLL_MAIL, 0, h->mail_fds[h->worker]);
	return 0;
}

void post_free(struct worker *w)
{
	if (!w->post)
		return;
	free(w->post->room);
	free(w->post);
	w->post = NULL;
}

/* ---- to others ---- */

uint64_t post_incarnation(const struct worker *w, uint32_t worker)
{
	if (worker >= w->h->workers || atomic_load(&w->h->states[worker].pid) == 0)
		return 0;
	return mailbox_incarnation(&w->post->box, worker);
}

int post_worker(const struct worker *w, uint64_t incarnation)
{
	for (uint32_t i = 0; incarnation && i < w->h->workers; i++)
		if (mailbox_incarnation(&w->post->box, i) == incarnation)
			return post_incarnation(w, i) == incarnation ? (int)i : -1;
	return -1;
}

bool post_find(const struct worker *w, uint64_t domain, uint32_t *worker, struct post *to)
{
	uint32_t at = w->h->worker, slot, generation;

	while (presence_find(w->h->presence, w->h->workers, w->h->worker, domain, &at, &slot, &generation)) {
		uint64_t incarnation = post_incarnation(w, at);

		if (incarnation == 0)
			continue; /* it died, and has not begun anew */
		*worker = at;
		to->slot = slot;
		to->generation = generation;
		to->incarnation = incarnation;
		to->domain = domain;
		return true;
	}
	return false;
}

bool post_send(struct worker *w, uint32_t worker, const struct post *p, struct span bytes)
{
	struct post_office *o = w->post;

	if (!mailbox_send(&o->box, worker, p->incarnation, span_of(p, sizeof(*p)), bytes)) {
		counter_add(&w->counters->mail_refused, 1);
		return false;
	}
	counter_add(&w->counters->mail_sent, 1);
	o->wake[worker] = o->any = true;
	return true;
}

void post_flush(struct worker *w)
{
	struct post_office *o = w->post;
	const uint64_t one = 1;

	if (!o->any)
		return;
	o->any = false;
	for (uint32_t i = 0; i < w->h->workers; i++) {
		if (!o->wake[i])
			continue;
		o->wake[i] = false;
		/* Fails only when it has been woken 2^64 times without a look, and then it need not be again. */
		if (write(w->h->mail_fds[i], &one, sizeof(one)) < 0)
			continue;
	}
}

/* ---- from others ---- */

static void not_understood(struct worker *w, uint32_t from)
{
	counter_add(&w->counters->mail_broken, 1);
	if (w->log_budget == 0)
		return;
	w->log_budget--;
	log_text(EVENT_SYSTEM, "worker %u: its mail is not understood", from);
}

/* What was sent is what somebody says who may be in a stranger's hands. */
static bool is_post(const struct worker *w, const struct post *p)
{
	return p->kind < POST_KINDS && p->from_outside <= 1 && p->domain_count <= PEER_DOMAINS_MAX &&
	       p->incarnation == w->h->incarnation;
}

static void deliver(struct worker *w, uint32_t from, struct span bytes)
{
	struct post p;

	if (bytes.len >= sizeof(p))
		memcpy(&p, bytes.p, sizeof(p));
	if (bytes.len < sizeof(p) || !is_post(w, &p)) {
		not_understood(w, from);
		return;
	}
	counter_add(&w->counters->mail_received, 1);
	conn_mail(w, &p, span_from(bytes, sizeof(p)));
}

/* Up to TURN_EACH messages of one worker; how many. */
static unsigned read_from(struct worker *w, uint32_t from, size_t *bytes)
{
	struct span message;
	unsigned n = 0;

	while (n < TURN_EACH && *bytes < TURN_BYTES) {
		enum mail_status status = mailbox_take(&w->post->box, from, w->post->room, &message);

		if (status == MAIL_NONE)
			return n;
		n++;
		if (status == MAIL_BROKEN) {
			not_understood(w, from);
			return n;
		}
		*bytes += message.len;
		deliver(w, from, message);
	}
	w->post->more = true;
	return n;
}

/* Another worker has the first word each time. */
static void read_all(struct worker *w)
{
	struct post_office *o = w->post;
	unsigned messages = 0;
	size_t bytes = 0;

	o->wall = w->wall;
	o->more = false;
	o->first = (o->first + 1) % w->h->workers;
	for (uint32_t i = 0; i < w->h->workers; i++) {
		if (messages >= TURN_MESSAGES || bytes >= TURN_BYTES) {
			o->more = true;
			return;
		}
		messages += read_from(w, (o->first + i) % w->h->workers, &bytes);
	}
}

void post_on_event(struct worker *w)
{
	uint64_t count;

	/* Empty when two completions told of it; then the rings are looked at all the same. */
	if (read(w->h->mail_fds[w->h->worker], &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	w->post->more = true;
}

void post_step(struct worker *w)
{
	/* Each worker can read each eventfd: a wake-up that was stolen costs a second. */
	if (w->post->more || w->post->wall != w->wall)
		read_all(w);
}

bool post_pending(const struct worker *w)
{
	return w->post->more;
}
