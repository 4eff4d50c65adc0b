#include "master/domain_blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/blocks.h"
#include "common/clock.h"
#include "common/log.h"
#include "master/blocks_file.h"
#include "master/reload_report.h"
#include "master/supervise.h"

#define LOOK_AGAIN 60 /* s: to save what could not be saved; and the wall clock may be set meanwhile */

/* ---- words ---- */

/* `by`: who does it now. */
static void tell(enum log_event event, const struct block *b, const struct block *by)
{
	struct log_line l;
	char text[CLOCK_TEXT_MAX];

	log_begin(&l, event);
	log_str(&l, "domain", block_name(b));
	if (by) {
		log_num(&l, "uid", by->uid);
		log_num(&l, "pid", by->pid);
	} else {
		log_cstr(&l, "cause", "its time is over");
	}
	log_cstr(&l, "until", b->until == BLOCK_NO_END ? "lifted" : clock_print(b->until, text));
	log_str(&l, "reason", block_reason(b));
	(void)log_end(&l); /* a dropped line is counted there */
}

/* ---- the file ---- */

/* False: it would not survive a restart, `why` says why.  Logged once, until it has been saved again. */
static bool save(struct master *m, char why[static BLOCKS_WHY_MAX])
{
	struct blocks *b = shared_blocks(&m->shared);
	char *dir = generation_text(&m->current, m->current.img->h->process.state_dir);
	bool ok = dir && blocks_file_write(dir, blocks_now(b), why) == 0;

	if (!dir)
		(void)snprintf(why, BLOCKS_WHY_MAX, "out of memory"); /* fits */
	free(dir);
	if (!ok && !atomic_load(&b->unsaved))
		log_text(EVENT_SYSTEM, "blocked domains will not survive a restart as they are now: %s", why);
	if (ok && atomic_load(&b->unsaved))
		log_text(EVENT_NOTE, "blocked domains are saved again");
	atomic_store(&b->unsaved, !ok);
	return ok;
}

int domain_blocks_load(struct master *m, char why[static 512])
{
	char *dir = generation_text(&m->current, m->current.img->h->process.state_dir);
	struct blocks_copy *rows = calloc(1, sizeof(*rows));
	int rc = -1;

	(void)snprintf(why, 512, "out of memory"); /* fits */
	if (dir && rows)
		rc = blocks_file_read(dir, rows, why);
	if (rc == 0 && rows->count) {
		blocks_set(shared_blocks(&m->shared), rows);
		log_text(EVENT_NOTE, "domains blocked at run time: %u", rows->count);
	}
	free(dir);
	free(rows);
	return rc;
}

void domain_blocks_reloaded(struct master *m)
{
	const struct generation *before = &m->reload.next, *now = &m->current;
	char why[BLOCKS_WHY_MAX];

	if (!span_eq(image_text(before->img, before->img->h->process.state_dir), image_text(now->img, now->img->h->process.state_dir)))
		(void)save(m, why); /* it has been logged */
}

/* ---- changes ---- */

static void tell_workers(struct master *m)
{
	for (size_t i = 0; i < m->child_count; i++)
		if (child_is_worker(&m->children[i]))
			child_tell(&m->children[i], CTL_BLOCKS, 0, 0);
}

/* The end of each, and what is said about it. */
static void done(struct master *m, struct child *admin, uint64_t ticket, const char *what)
{
	char why[BLOCKS_WHY_MAX], text[BLOCKS_WHY_MAX + 512];
	bool saved;

	tell_workers(m);
	saved = save(m, why);
	(void)snprintf(text, sizeof(text), "%s%s%s", what, saved ? "" : "; warning: this will not survive a restart: ",
	    saved ? "" : why); /* fits */
	reload_result(admin, ticket, true, text);
}

static void block(struct master *m, struct child *admin, uint64_t ticket, const struct block *row)
{
	char what[400], until[CLOCK_TEXT_MAX];
	struct span name = block_name(row);

	if (blocks_put(shared_blocks(&m->shared), row) != 0) {
		(void)snprintf(what, sizeof(what), "%d domains are blocked already, that is all there is room for", BLOCKS_MAX); /* fits */
		reload_result(admin, ticket, false, what);
		return;
	}
	tell(EVENT_DOMAIN_BLOCKED, row, row);
	(void)snprintf(what, sizeof(what), "%.*s is blocked until %s", SPAN_FMT(name),
	    row->until == BLOCK_NO_END ? "it is unblocked" : clock_print(row->until, until)); /* fits */
	done(m, admin, ticket, what);
}

static void unblock(struct master *m, struct child *admin, uint64_t ticket, const struct block *by)
{
	struct blocks *b = shared_blocks(&m->shared);
	const struct block *found = blocks_find(blocks_now(b), block_name(by));
	struct span name = block_name(by);
	struct block old;
	char what[400];

	if (!found) {
		(void)snprintf(what, sizeof(what), "%.*s is not blocked", SPAN_FMT(name)); /* fits */
		reload_result(admin, ticket, false, what);
		return;
	}
	old = *found;
	(void)blocks_remove(b, name); /* it is there */
	tell(EVENT_DOMAIN_UNBLOCKED, &old, by);
	(void)snprintf(what, sizeof(what), "%.*s is blocked no more", SPAN_FMT(name)); /* fits */
	done(m, admin, ticket, what);
}

void domain_blocks_ask(struct master *m, struct child *admin, const struct ctl_msg *msg)
{
	struct block row;

	if (msg->text_len != sizeof(row))
		return; /* the admin is not itself */
	memcpy(&row, msg->text, sizeof(row));
	if (!block_is_sound(&row) || (msg->ok && !block_counts(&row, clock_wall_s())))
		reload_result(admin, msg->arg, false, "the master does not understand what to block");
	else if (msg->ok)
		block(m, admin, msg->arg, &row);
	else
		unblock(m, admin, msg->arg, &row);
}

/* ---- time ---- */

/* Lift what has run out; true: there was such.  *next: when the first of the others will. */
static bool lift_over(struct master *m, int64_t wall, int64_t *next)
{
	struct blocks *b = shared_blocks(&m->shared);
	const struct blocks_copy *c = blocks_now(b);
	bool any = false;

	*next = INT64_MAX;
	for (uint32_t i = 0; i < c->count; i++) {
		if (block_counts(&c->row[i], wall)) {
			*next = MIN(*next, c->row[i].until);
			continue;
		}
		tell(EVENT_DOMAIN_UNBLOCKED, &c->row[i], NULL);
		any = true;
	}
	if (any) {
		blocks_expire(b, wall);
		tell_workers(m);
	}
	return any;
}

uint64_t domain_blocks_tick(struct master *m, uint64_t now)
{
	struct blocks *b = shared_blocks(&m->shared);
	int64_t wall = clock_wall_s(), next;
	bool changed = lift_over(m, wall, &next);
	char why[BLOCKS_WHY_MAX];

	if (changed || (atomic_load(&b->unsaved) && m->blocks_save_at <= now)) {
		(void)save(m, why); /* it has been logged */
		m->blocks_save_at = now + LOOK_AGAIN * NSEC_PER_SEC;
	}
	if (blocks_now(b)->count == 0 && !atomic_load(&b->unsaved))
		return NEVER;
	return now + (uint64_t)MIN(MAX(next - wall, 1), LOOK_AGAIN) * NSEC_PER_SEC;
}
