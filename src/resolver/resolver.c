/*
 * resolver - the process that asks name servers, so that no worker ever waits
 * for one, and none ever reads what one has answered.
 *
 *   worker --question--> [resolver] --answer--> worker
 *
 * It has no keys, no shared memory and no files; it can open sockets to
 * servers and write answers, nothing else.  If it dies, calls go on with the
 * names known already, and the questions that wait are asked again.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/confine.h"
#include "common/ctl.h"
#include "common/handover.h"
#include "common/heritage.h"
#include "common/image.h"
#include "common/log.h"
#include "resolver/lookup.h"
#include "resolver/query.h"

#define LOOKUPS_MAX 128	  /* at once, of all workers together: no more than a server's buffer takes in one burst */
#define HEAR_MAX 64	  /* messages of one worker in one turn, so that it cannot keep us from the others */
#define LOG_LINES 10	  /* about names, in one second */
#define WAIT_MS 1000

/* The channel of one worker, and what it has asked. */
struct asker {
	int fd;
	uint32_t count;
	struct lookup **lookup; /* [share] */
};

struct resolver {
	const struct heritage *h;
	struct image *img;
	struct handover next; /* the generation that is being prepared */
	struct image *next_img;
	struct lookup_owner owner;
	struct asker *asker;  /* [workers] */
	uint32_t share;	      /* questions of one worker at once: who floods us waits for his own */
	struct pollfd *fds;
	uint64_t log_second;
	unsigned log_budget;
	bool stopping;
};

static struct ctl_msg message;

static void reply(const struct resolver *r, uint32_t id, uint64_t generation, const char *text)
{
	message = (struct ctl_msg){ .id = id, .ok = id != CTL_REFUSED, .generation = generation };
	message.text_len = (uint32_t)strlen(text);
	memcpy(message.text, text, message.text_len);
	if (ctl_send(r->h->control_fd, &message) != 0)
		exit(1); /* without the master nobody asks */
}

/* ---- lookups ---- */

static void log_failure(struct resolver *r, const struct resolve_question *q, const struct resolve_answer *a)
{
	uint64_t second = clock_mono_ns() / NSEC_PER_SEC;
	struct log_line line;

	if (r->log_second != second)
		r->log_budget = LOG_LINES;
	r->log_second = second;
	if (r->log_budget == 0)
		return;
	r->log_budget--;
	log_begin(&line, EVENT_NAME_FAILED);
	log_str(&line, "host", span_of(q->host, q->host_len));
	log_cstr(&line, "reason", a->status == RESOLVE_NONE ? "no such name, or no address" : "no name server gives a usable answer");
	(void)log_end(&line); /* a dropped line is counted there */
}

/* A full channel: the worker asks again. */
static void on_done(void *owner, uint32_t worker, const struct resolve_question *q, const struct resolve_answer *a)
{
	struct resolver *r = owner;

	if (a->status != RESOLVE_FOUND)
		log_failure(r, q, a);
	(void)send(r->asker[worker].fd, a, sizeof(*a), MSG_DONTWAIT | MSG_NOSIGNAL); /* as said above */
}

static void on_gone(void *owner, uint32_t worker, struct lookup *l)
{
	struct asker *a = &((struct resolver *)owner)->asker[worker];

	for (uint32_t i = 0; i < a->count; i++)
		if (a->lookup[i] == l) {
			a->lookup[i] = a->lookup[--a->count];
			return;
		}
}

/* Asked again because the answer takes long: it is under way. */
static bool is_known(const struct asker *a, const struct resolve_question *q)
{
	for (uint32_t i = 0; i < a->count; i++) {
		const struct resolve_question *other = lookup_question(a->lookup[i]);

		if (other->incarnation == q->incarnation && other->id == q->id &&
		    lookup_deadline(a->lookup[i]) != UINT64_MAX)
			return true;
	}
	return false;
}

/* A question stays in the channel while its worker has enough under way. */
static void hear(struct resolver *r, uint32_t worker)
{
	struct asker *a = &r->asker[worker];
	struct resolve_question q;

	for (int i = 0; i < HEAR_MAX && a->count < r->share; i++) {
		ssize_t n = recv(a->fd, &q, sizeof(q), MSG_DONTWAIT | MSG_TRUNC);
		struct lookup *l;

		if (n <= 0)
			return; /* nothing more: it cannot end, for the master holds both ends */
		if (!resolve_question_ok(&q, (size_t)n) || is_known(a, &q))
			continue;
		l = lookup_new(&r->owner, worker, &q, clock_mono_ns());
		if (!l)
			continue; /* no memory: it asks again */
		a->lookup[a->count++] = l;
		lookup_run(l);
	}
}

/* Backwards: one that ends takes the last one into its place. */
static void each_lookup(struct resolver *r, void (*step)(struct lookup *, uint64_t now), uint64_t now)
{
	for (uint32_t w = 0; w < r->h->workers; w++)
		for (uint32_t i = r->asker[w].count; i-- > 0;)
			if (i < r->asker[w].count)
				step(r->asker[w].lookup[i], now);
}

static void give_up_late(struct lookup *l, uint64_t now)
{
	if (lookup_deadline(l) <= now)
		lookup_give_up(l);
}

static void run_again(struct lookup *l, uint64_t now)
{
	lookup_run(l);
}

/* ---- generations ---- */

static bool use_servers(struct resolver *r)
{
	const struct image_resolver *server = image_at(r->img, r->img->h->resolvers);

	return query_servers(r->owner.queries, server, r->img->h->resolvers.count) == 0;
}

static void cancel(struct resolver *r)
{
	image_free(r->next_img);
	r->next_img = NULL;
	handover_drop(&r->next);
}

static void prepare(struct resolver *r)
{
	uint64_t generation = message.generation;
	int more;

	if (message.arg == 0)
		cancel(r); /* a first part begins anew */
	more = handover_take(&r->next, &message, false);
	if (more == 0)
		return;
	if (more > 0)
		r->next_img = image_attach(r->next.image_fd);
	handover_drop(&r->next); /* sockets are not for us */
	if (r->next_img) {
		reply(r, CTL_READY, generation, "");
		return;
	}
	cancel(r);
	reply(r, CTL_REFUSED, generation, "the image cannot be attached");
}

static bool same_servers(const struct image *a, const struct image *b)
{
	struct image_section x = a->h->resolvers, y = b->h->resolvers;

	return x.count == y.count &&
	       memcmp(image_at(a, x), image_at(b, y), x.count * sizeof(struct image_resolver)) == 0;
}

/* c-ares takes other servers only while nothing is asked: what was under way begins anew with them. */
static void commit(struct resolver *r)
{
	struct image *old = r->img;
	bool same;

	if (!r->next_img || r->next_img->h->generation != message.generation)
		return;
	r->img = r->next_img;
	r->next_img = NULL;
	r->owner.img = r->img;
	same = same_servers(old, r->img);
	image_free(old);
	if (!same) {
		query_cancel(r->owner.queries);
		if (!use_servers(r))
			exit(1); /* out of memory: the master starts another one */
		each_lookup(r, run_again, 0);
	}
	log_setup(r->h->log_fd, NULL, r->img->h->log.format == LOG_JSON, (enum log_level)r->img->h->log.level);
	reply(r, CTL_COMMITTED, r->img->h->generation, "");
}

static void act(struct resolver *r)
{
	switch (message.id) {
	case CTL_PREPARE:
		prepare(r);
		break;
	case CTL_COMMIT:
		commit(r);
		break;
	case CTL_CANCEL:
		cancel(r);
		break;
	case CTL_STOP:
		r->stopping = true;
		break;
	default:
		break;
	}
}

static void on_control(struct resolver *r)
{
	int n;

	while ((n = ctl_recv(r->h->control_fd, CTL_TO, &message)) > 0)
		act(r);
	if (n < 0)
		r->stopping = true;
}

/* ---- the loop ---- */

static void turn(struct resolver *r)
{
	uint32_t workers = r->h->workers;
	struct pollfd *asked = r->fds + 1, *sockets = asked + workers;
	size_t count = query_poll(r->owner.queries, sockets);

	r->fds[0] = (struct pollfd){ .fd = r->h->control_fd, .events = POLLIN };
	for (uint32_t i = 0; i < workers; i++)
		asked[i] = (struct pollfd){ .fd = r->asker[i].count < r->share ? r->asker[i].fd : -1, .events = POLLIN };
	if (poll(r->fds, 1 + workers + count, query_timeout(r->owner.queries, WAIT_MS)) < 0 && errno != EINTR)
		exit(1);
	query_run(r->owner.queries, sockets, count);
	for (uint32_t i = 0; i < workers; i++)
		if (asked[i].revents)
			hear(r, i);
	each_lookup(r, give_up_late, clock_mono_ns());
	if (r->fds[0].revents)
		on_control(r);
}

static int start(struct resolver *r)
{
	uint32_t workers = r->h->workers;

	r->share = MAX(LOOKUPS_MAX / workers, 1);
	r->asker = calloc(workers, sizeof(*r->asker));
	r->fds = calloc(1 + workers + QUERY_FDS_MAX, sizeof(*r->fds));
	r->img = image_attach(r->h->image_fd);
	close(r->h->image_fd);
	if (!r->asker || !r->fds || !r->img)
		return -1;
	for (uint32_t i = 0; i < workers; i++) {
		r->asker[i].fd = r->h->question_fds[i];
		r->asker[i].lookup = calloc(r->share, sizeof(*r->asker[i].lookup));
		if (!r->asker[i].lookup)
			return -1;
	}
	r->owner = (struct lookup_owner){ .owner = r, .done = on_done, .gone = on_gone, .queries = query_new(), .img = r->img };
	return r->owner.queries && use_servers(r) ? 0 : -1;
}

NORETURN void resolver_main(const struct heritage *h)
{
	struct resolver r = { .h = h };
	const char *why = NULL;

	log_setup(h->log_fd, "resolver", false, LOG_INFO);
	if (confine_drop(h->drop, h->uid, h->gid) != 0)
		why = "it cannot become the user that it is to run as";
	else if (start(&r) != 0)
		why = "c-ares cannot be set up, or memory is out";
	else if (confine(CONFINE_RESOLVER) != 0)
		why = "it cannot be confined";
	if (why) {
		reply(&r, CTL_REFUSED, 0, why);
		exit(1);
	}
	log_setup(h->log_fd, NULL, r.img->h->log.format == LOG_JSON, (enum log_level)r.img->h->log.level);
	reply(&r, CTL_RUNNING, r.img->h->generation, "");
	while (!r.stopping)
		turn(&r);
	exit(0);
}
