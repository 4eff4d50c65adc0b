#include "worker/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/auth/users.h"
#include "common/clock.h"
#include "common/ctl.h"
#include "common/handover.h"
#include "common/log.h"
#include "common/policy/route_keys.h"
#include "worker/accept.h"
#include "worker/auth.h"
#include "worker/blocked.h"
#include "worker/conn_table.h"
#include "worker/links.h"
#include "worker/tls_session.h"
#include "worker/upstream.h"

/* An image that a reload has replaced. */
struct retired {
	struct retired *next;
	struct image *img;
};

static struct retired *retired;

#define BLOCKED_SLICE 64 /* names looked up in the new image in one turn */

/* A generation that is being built, or is ready. */
struct control {
	uint64_t generation; /* 0: none is prepared */
	struct image *img;
	void *keys_map;
	size_t keys_size;
	struct tls_contexts *contexts;
	struct route_keys keys;
	struct auth_users *users;
	struct image_blocked blocked; /* of img */
	bool building;
	struct handover handover;
};

/* Large, and only ever one at a time. */
static struct ctl_msg message;

static void send_text(int fd, uint32_t id, uint64_t generation, const char *text)
{
	message = (struct ctl_msg){ .id = id, .ok = id == CTL_READY, .generation = generation };
	message.text_len = (uint32_t)MIN(strlen(text), sizeof(message.text) - 1);
	memcpy(message.text, text, message.text_len);
	if (ctl_send(fd, &message) != 0)
		_exit(1); /* the master is gone, or has stopped listening: nobody would ever tell us anything again */
}

void control_say_running(struct worker *w)
{
	send_text(w->h->control_fd, CTL_RUNNING, w->img->h->generation, "");
}

void control_say_refused(const struct heritage *h, const char *why)
{
	send_text(h->control_fd, CTL_REFUSED, 0, why);
}

/* ---- building ---- */

static void drop_keys(struct control *p)
{
	if (p->keys_map)
		munmap(p->keys_map, p->keys_size);
	p->keys_map = NULL;
}

static void cancel(struct control *p)
{
	drop_keys(p);
	handover_drop(&p->handover);
	tls_contexts_free(p->contexts);
	auth_users_free(p->users);
	image_free(p->img);
	explicit_bzero(&p->keys, sizeof(p->keys));
	*p = (struct control){ 0 };
}

static const struct keys_header *map_keys(struct control *p, int fd)
{
	const struct keys_header *h;
	struct stat st;

	if (fstat(fd, &st) != 0 || (size_t)st.st_size < sizeof(*h))
		return NULL;
	p->keys_size = (size_t)st.st_size;
	p->keys_map = mmap(NULL, p->keys_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p->keys_map == MAP_FAILED) {
		p->keys_map = NULL;
		return NULL;
	}
	h = p->keys_map;
	return h->magic == KEYS_MAGIC && h->size == p->keys_size ? h : NULL;
}

/* Attach everything; the contexts are then built step by step.  NULL, or why not. */
static const char *begin(struct worker *w, struct control *p, int image_fd, int keys_fd)
{
	const struct keys_header *keys;

	p->img = image_attach(image_fd);
	if (!p->img)
		return "the image cannot be attached";
	keys = map_keys(p, keys_fd);
	if (!keys || keys->generation != p->img->h->generation || !route_keys_read((const uint8_t *)(keys + 1), keys->size - sizeof(*keys), &p->keys))
		return "the keys cannot be read";
	p->users = auth_users_new((const uint8_t *)(keys + 1), keys->size - sizeof(*keys), &p->img->h->hash_key);
	if (!p->users)
		return "the users of proxy authentication cannot be read";
	p->contexts = tls_contexts_new(p->img, keys, w->contexts);
	if (!p->contexts)
		return "out of memory";
	image_blocked_begin(&p->blocked, w->h->blocks);
	p->generation = p->img->h->generation;
	p->building = true;
	return NULL;
}

/* A key of its own for the way back: what it signs means nothing elsewhere. */
static struct siphash_key derive_way_back(const struct siphash_key *branch)
{
	uint64_t half[2] = { siphash(branch, "way back 0", 10), siphash(branch, "way back 1", 10) };
	struct siphash_key k;

	memcpy(k.k, half, sizeof(k.k));
	return k;
}

/* Unmapping a large image at once would hold up the loop. */
static void retire(struct image *img)
{
	struct retired *r = img ? malloc(sizeof(*r)) : NULL;

	if (!r) {
		image_free(img);
		return;
	}
	*r = (struct retired){ retired, img };
	retired = r;
}

/* A slice of what is retired; true: there is more. */
static bool free_retired(void)
{
	struct retired *r = retired;

	if (r && image_free_some(r->img)) {
		retired = r->next;
		free(r);
	}
	return retired != NULL;
}

void control_took(struct worker *w, uint64_t begun)
{
	_Atomic uint64_t *longest = &w->h->states[w->h->worker].reload_us;
	uint64_t us = (clock_cpu_ns() - begun) / 1000;

	if (us > atomic_load(longest))
		atomic_store(longest, us);
}

/* Swap between two events: from here on everything is judged and routed by the new generation. */
static void use(struct worker *w, struct control *p)
{
	struct tls_contexts *old_contexts = w->contexts;
	struct image *old_img = w->img;

	w->img = p->img;
	blocked_use(w, &p->blocked);
	w->contexts = p->contexts;
	w->keys = p->keys;
	auth_use(w, p->users);
	w->way_back_key = derive_way_back(&w->keys.branch);
	tls_contexts_commit(w->contexts, w->img);
	tls_contexts_free(old_contexts);
	if (w->upstreams)
		upstreams_reload(w);
	if (w->links)
		links_reload(w);
	if (w->listeners) {
		listeners_update(w, p->handover.sockets, p->handover.count);
		for (size_t i = 0; i < p->handover.count; i++)
			p->handover.sockets[i].fd = -1; /* the listeners' now */
	}
	handover_drop(&p->handover);
	retire(old_img);
	log_setup(w->h->log_fd, NULL, w->img->h->log.format == LOG_JSON, (enum log_level)w->img->h->log.level);
	counter_set(&w->counters->generation, w->img->h->generation);
	atomic_store(&w->h->states[w->h->worker].generation, w->img->h->generation);
	w->sweep = 0; /* judge all again */
	w->reloaded = true;
	explicit_bzero(&p->keys, sizeof(p->keys));
	*p = (struct control){ 0 };
}

int control_first_generation(struct worker *w, char why[static 256])
{
	struct control p = { 0 };
	const char *error = begin(w, &p, w->h->image_fd, w->h->keys_fd);
	int more = 1;

	while (!error && (more = tls_contexts_step(p.contexts, why)) > 0)
		;
	close(w->h->image_fd);
	close(w->h->keys_fd);
	if (error)
		snprintf(why, 256, "%s", error);
	if (error || more < 0) {
		cancel(&p);
		return -1;
	}
	drop_keys(&p);
	use(w, &p);
	if (tls_session_share(w->h->sessions, w->h->sessions_size, w->keys.branch.k, w->h->incarnation,
		&w->counters->resumed_elsewhere) == 0)
		return 0;
	snprintf(why, 256, "sessions cannot be shared");
	return -1;
}

/* Some blocked domains, then one context; false: there are no more, and the master is told how it went. */
static bool build(struct worker *w, struct control *p)
{
	uint64_t begun = clock_cpu_ns();
	char why[256];
	int more = 1;

	if (!image_blocked_more(&p->blocked, p->img, w->h->blocks, w->wall, BLOCKED_SLICE))
		more = tls_contexts_step(p->contexts, why);
	control_took(w, begun);
	if (more > 0)
		return true;
	p->building = false;
	if (more == 0) {
		drop_keys(p);
		send_text(w->h->control_fd, CTL_READY, p->generation, "");
	} else {
		uint64_t generation = p->generation;

		cancel(p);
		send_text(w->h->control_fd, CTL_REFUSED, generation, why);
	}
	return false;
}

bool control_step(struct worker *w)
{
	uint64_t begun;
	bool more;

	if (retired) {
		begun = clock_cpu_ns();
		more = free_retired();
		control_took(w, begun);
		if (more)
			return true;
	}
	return w->control->building && build(w, w->control);
}

/* ---- messages ---- */

static void prepare(struct worker *w)
{
	struct control *p = w->control;
	uint64_t begun = clock_cpu_ns();
	const char *why = NULL;
	int more;

	if (message.arg == 0) {
		cancel(p); /* a first part begins anew */
		atomic_store(&w->h->states[w->h->worker].reload_us, 0);
	}
	more = handover_take(&p->handover, &message, true);
	if (more == 0)
		return;
	if (more < 0)
		why = more == -ENOMEM ? "out of memory" : "the new generation came in a form that is not understood";
	if (!why)
		why = begin(w, p, p->handover.image_fd, p->handover.keys_fd);
	control_took(w, begun);
	if (!why)
		return;
	cancel(p);
	send_text(w->h->control_fd, CTL_REFUSED, message.generation, why);
}

static void commit(struct worker *w)
{
	struct control *p = w->control;
	uint64_t begun = clock_cpu_ns();

	if (p->generation != message.generation || p->building)
		return; /* the master has cancelled it meanwhile */
	use(w, p);
	control_took(w, begun);
	send_text(w->h->control_fd, CTL_COMMITTED, w->img->h->generation, "");
}

static void act(struct worker *w)
{
	switch (message.id) {
	case CTL_PREPARE:
		prepare(w);
		break;
	case CTL_COMMIT:
		commit(w);
		break;
	case CTL_CANCEL:
		cancel(w->control);
		break;
	case CTL_BLOCKS:
		blocked_follow(w);
		break;
	case CTL_DRAIN:
		w->draining = true;
		listeners_stop(w);
		w->sweep = 0;
		log_text(EVENT_DRAINING, "no new connections; waiting for %u", conn_table_count(w->conns));
		break;
	case CTL_STOP:
		w->stopping = true;
		break;
	case CTL_ADOPT:
		listeners_adopt(w, (uint32_t)message.arg);
		break;
	case CTL_RELEASE:
		listeners_release(w, (uint32_t)message.arg);
		break;
	default:
		break;
	}
}

void control_on_event(struct worker *w)
{
	int n;

	while ((n = ctl_recv(w->h->control_fd, CTL_TO, &message)) > 0)
		act(w);
	if (n < 0)
		w->stopping = true; /* without a master nobody would replace or reload us */
}

int control_new(struct worker *w)
{
	w->control = calloc(1, sizeof(*w->control));
	if (!w->control)
		return -ENOMEM;
	ring_poll(w->ring, RING_POLL_CONTROL, 0, w->h->control_fd);
	return 0;
}
