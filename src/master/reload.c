#include "master/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/handover.h"
#include "common/log.h"
#include "master/domain_blocks.h"
#include "master/log_open.h"
#include "master/reload_report.h"
#include "master/restart_only.h"
#include "master/supervise.h"

#define LOAD_TIME (300 * NSEC_PER_SEC)  /* a file that never ends must not end reloading for good */
#define FADE_TIME (5 * NSEC_PER_SEC)	/* until the last worker has unmapped an image, slice by slice */
#define ANSWER_TIME (10 * NSEC_PER_SEC) /* to build a generation; to commit it */

/* ---- the end of a reload ---- */

static void end(struct master *m, bool ok, const char *text)
{
	struct reload *r = &m->reload;

	if (r->log_fd >= 0)
		(void)close(r->log_fd); /* never used */
	r->log_fd = -1;
	for (size_t i = 0; i < m->child_count; i++)
		m->children[i].reload = TOLD_NOTHING;
	r->state = RELOAD_IDLE;
	r->deadline = NEVER;
	reload_report(m, ok, text);
	loader_done(&r->loader); /* last: the text may be the loader's */
}

/* Nothing has changed. */
static void cancel(struct master *m, const char *why)
{
	struct reload *r = &m->reload;

	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].reload != TOLD_NOTHING)
			child_tell(&m->children[i], CTL_CANCEL, r->next.number, 0);
	listeners_cancel(&r->next.listeners);
	generation_done(&r->next);
	end(m, false, why);
}

static void cancel_for(struct master *m, const struct child *c, const char *what, const char *text)
{
	char why[1024];

	(void)snprintf(why, sizeof(why), "%s %s%s%s", child_name(c), what, text[0] ? ": " : "", text); /* cut */
	cancel(m, why);
}

/* ---- committing ---- */

/* Its keys are of no more use; freeing a large image takes milliseconds that no worker has. */
static void fade(struct reload *r)
{
	if (r->next.keys_fd >= 0)
		(void)close(r->next.keys_fd); /* nothing can be done about a failure */
	r->next.keys_fd = -1;
	generation_done(&r->fading);
	r->fading = r->next;
	r->next = (struct generation){ .image_fd = -1, .keys_fd = -1 };
	r->fade_at = clock_mono_ns() + FADE_TIME;
}

static void finish_if_committed(struct master *m)
{
	struct reload *r = &m->reload;
	char *text = NULL;

	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].reload == TOLD_COMMIT)
			return;
	domain_blocks_reloaded(m);
	reload_listeners(&m->current.listeners);
	listeners_retire(&r->next.listeners, &m->current.listeners);
	fade(r);
	if (asprintf(&text, "generation %llu is in use: %s\n%s", (unsigned long long)m->current.number, r->loader.summary,
		r->loader.text ? r->loader.text : "") < 0)
		text = NULL;
	end(m, true, text ? text : "the new generation is in use");
	free(text);
}

static void commit_if_ready(struct master *m)
{
	struct reload *r = &m->reload;
	struct generation old;
	char why[512];

	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].reload == TOLD_PREPARE)
			return;
	if (listeners_listen(&r->next.listeners, why) != 0) {
		cancel(m, why);
		return;
	}
	old = m->current;
	m->current = r->next;
	r->next = old;
	r->state = RELOAD_COMMITTING;
	r->deadline = clock_mono_ns() + ANSWER_TIME;
	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].reload == SAID_READY) {
			m->children[i].reload = TOLD_COMMIT;
			child_tell(&m->children[i], CTL_COMMIT, m->current.number, 0);
		}
	atomic_store(&shared_master(&m->shared)->generation, m->current.number);
	reload_log_to(m, r->log_fd);
	r->log_fd = -1;
	finish_if_committed(m);
}

/* ---- preparing ---- */

static void send_parts(struct child *c, const struct generation *g, const struct heritage_socket *table,
    const bool *fresh, size_t count)
{
	static struct ctl_msg msg; /* large */
	bool worker = child_is_worker(c);
	size_t next = 0;

	msg = (struct ctl_msg){ .ok = 0 };
	do {
		handover_part(&msg, g->number, g->image_fd, worker ? g->keys_fd : -1, table, worker ? fresh : NULL, count,
		    &next);
		child_send(c, &msg);
	} while (!msg.ok);
	c->reload = TOLD_PREPARE;
}

static bool must_be_told(const struct child *c)
{
	return c->state != CHILD_ABSENT && c->reload == TOLD_NOTHING;
}

/* Tell all children that have not been told; false: cancelled. */
static bool tell_prepare(struct master *m)
{
	struct reload *r = &m->reload;
	struct heritage_socket *table;
	bool *fresh, any = false;
	size_t count;

	for (size_t i = 0; i < m->child_count; i++)
		any = any || must_be_told(&m->children[i]);
	if (!any)
		return true;

	if (listeners_table(&r->next.listeners, &table, &fresh, &count) != 0) {
		cancel(m, strerror(ENOMEM));
		return false;
	}
	for (size_t i = 0; i < m->child_count; i++)
		if (must_be_told(&m->children[i]))
			send_parts(&m->children[i], &r->next, table, fresh, count);
	free(table);
	free(fresh);
	return true;
}

/* Open the new log before anything is committed, if it goes somewhere else. */
static bool open_log(struct master *m, char why[static 512])
{
	struct generation *now = &m->current, *next = &m->reload.next;
	char *to;

	if (span_eq(image_text(now->img, now->img->h->log.to), image_text(next->img, next->img->h->log.to)))
		return true;
	to = generation_text(next, next->img->h->log.to);
	m->reload.log_fd = to ? log_open(to) : -ENOMEM;
	if (m->reload.log_fd < 0)
		(void)snprintf(why, 512, "/log/to: cannot open %s: %s", to ? to : "", strerror(-m->reload.log_fd));
	free(to);
	return m->reload.log_fd >= 0;
}

#define WHY_MAX 2048

/* Whatever a running sipward cannot take, in one go; a line each. */
static bool fits_running(struct master *m, char why[static WHY_MAX])
{
	const struct image *next = m->reload.next.img;
	const char *pointer[RESTART_ONLY_MAX];
	size_t count = restart_only_differs(m->current.img, next, pointer), len = 0;
	char more[512];

	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(why + len, WHY_MAX - len, "%.300s: %s: a change needs a restart\n", m->config_path, pointer[i]); /* fits */
	if (connections_fit(next, m->shared.rows_per_worker, m->workers, more))
		return count == 0;
	(void)snprintf(why + len, WHY_MAX - len, "%s", more); /* cut */
	return false;
}

static bool adopt_result(struct master *m, char why[static WHY_MAX])
{
	struct reload *r = &m->reload;
	struct generation *next = &r->next;

	next->image_fd = r->loader.result.image_fd;
	next->keys_fd = r->loader.result.keys_fd;
	r->loader.result = (struct load_result){ -1, -1 };
	next->img = image_attach(next->image_fd);
	if (!next->img) {
		(void)snprintf(why, 512, "the new image cannot be used: %s", strerror(errno));
		return false;
	}
	next->number = next->img->h->generation;
	return fits_running(m, why) && open_log(m, why) &&
	       listeners_prepare(next->img, &m->current.listeners, m->workers, &next->listeners, why) == 0;
}

void reload_loaded(struct master *m)
{
	struct reload *r = &m->reload;
	char why[WHY_MAX];

	if (loader_read(&r->loader) == 0)
		return;
	reload_complaints(m->config_path, &r->loader);
	if (!r->loader.ok) {
		end(m, false, r->loader.text ? r->loader.text : "the configuration is bad");
		return;
	}
	if (!adopt_result(m, why)) {
		cancel(m, why);
		return;
	}
	r->state = RELOAD_PREPARING;
	r->deadline = clock_mono_ns() + ANSWER_TIME;
	r->last_number = r->next.number;
	if (tell_prepare(m))
		commit_if_ready(m);
}

/* ---- events ---- */

static void begin(struct master *m)
{
	struct reload *r = &m->reload;
	int rc;

	r->again = false;
	r->now = r->then;
	r->then.count = 0;
	log_text(EVENT_RELOAD_STARTED, "%s", m->config_path);
	rc = loader_start(&r->loader, m->config_path, r->last_number + 1, &m->secrets, m->current.img);
	if (rc != 0) {
		end(m, false, strerror(-rc));
		return;
	}
	r->state = RELOAD_LOADING;
	r->deadline = clock_mono_ns() + LOAD_TIME;
}

void reload_ask(struct master *m, struct child *asker, uint64_t ticket)
{
	struct tickets *t = &m->reload.then;

	if (leaving(m)) {
		log_text(EVENT_NOTE, "no reload: on the way out");
		if (asker)
			reload_result(asker, ticket, false, "sipward is on its way out");
		return;
	}
	if (asker && t->count == TICKETS_MAX) {
		reload_result(asker, ticket, false, "too many wait for a reload already");
		return;
	}
	if (asker) {
		t->asker[t->count] = asker;
		t->ticket[t->count++] = ticket;
	}
	m->reload.again = true; /* reload_tick begins it */
}

void reload_answer(struct master *m, struct child *c, const struct ctl_msg *msg)
{
	struct reload *r = &m->reload;

	if (r->state == RELOAD_PREPARING && c->reload == TOLD_PREPARE && msg->generation == r->next.number) {
		if (msg->id == CTL_READY) {
			c->reload = SAID_READY;
			commit_if_ready(m);
		} else if (msg->id == CTL_REFUSED) {
			cancel_for(m, c, "refuses the new generation", msg->text);
		}
	} else if (r->state == RELOAD_COMMITTING && c->reload == TOLD_COMMIT && msg->id == CTL_COMMITTED &&
		   msg->generation == m->current.number) {
		c->reload = TOLD_NOTHING;
		finish_if_committed(m);
	}
}

void reload_death(struct master *m, struct child *c)
{
	bool told = c->reload != TOLD_NOTHING;

	c->reload = TOLD_NOTHING;
	for (size_t i = 0; i < m->reload.now.count; i++)
		if (m->reload.now.asker[i] == c)
			m->reload.now.asker[i] = NULL;
	for (size_t i = 0; i < m->reload.then.count; i++)
		if (m->reload.then.asker[i] == c)
			m->reload.then.asker[i] = NULL;
	if (told && m->reload.state == RELOAD_PREPARING)
		cancel_for(m, c, "has died while the new generation was being prepared", c->refusal);
	else if (told && m->reload.state == RELOAD_COMMITTING)
		finish_if_committed(m); /* its replacement gets the new generation */
}

static void too_late(struct master *m)
{
	struct reload *r = &m->reload;

	if (r->state == RELOAD_LOADING) {
		end(m, false, "the configuration took too long to load");
		return;
	}
	for (size_t i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];

		if (r->state == RELOAD_PREPARING && c->reload == TOLD_PREPARE) {
			cancel_for(m, c, "did not get ready for the new generation in time", "");
			return;
		}
		if (r->state == RELOAD_COMMITTING && c->reload == TOLD_COMMIT) {
			log_text(EVENT_SYSTEM, "%s does not commit: it is ended", child_name(c));
			child_kill(c);
		}
	}
	r->deadline = NEVER; /* the deaths end it */
}

uint64_t reload_tick(struct master *m, uint64_t now)
{
	struct reload *r = &m->reload;

	if (r->state != RELOAD_IDLE && r->deadline <= now)
		too_late(m);
	if (r->state == RELOAD_IDLE && r->again && m->phase == PHASE_SERVING)
		begin(m);
	if (r->state == RELOAD_PREPARING)
		(void)tell_prepare(m); /* cancelled or not, there is nothing more to do now */
	if (r->fade_at <= now) {
		generation_done(&r->fading);
		r->fade_at = NEVER;
	}
	return r->state == RELOAD_IDLE ? r->fade_at : MIN(r->deadline, r->fade_at);
}

void reload_abandon(struct master *m)
{
	m->reload.again = false;
	if (m->reload.state == RELOAD_LOADING)
		end(m, false, "sipward is on its way out");
	else if (m->reload.state == RELOAD_PREPARING)
		cancel(m, "sipward is on its way out");
}

void reload_reopen_log(struct master *m)
{
	char *to = generation_text(&m->current, m->current.img->h->log.to);
	int fd = to ? log_open(to) : -ENOMEM;

	if (fd >= 0) {
		reload_log_to(m, fd);
		log_text(EVENT_LOG_REOPENED, "%s", to);
	} else {
		log_text(EVENT_SYSTEM, "the log cannot be opened anew and goes on as it is: %s", strerror(-fd));
	}
	free(to);
}
