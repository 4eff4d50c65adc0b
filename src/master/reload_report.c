#include "master/reload_report.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ctl.h"
#include "common/log.h"
#include "common/shm.h"
#include "master/supervise.h"

void reload_complaints(const char *path, const struct loader *l)
{
	struct span rest = l->text ? span_of(l->text, l->text_len) : SPAN_NONE, line;
	struct log_line out;

	while (span_cut(&rest, '\n', &line)) {
		bool warning = memmem(line.p, line.len, ": warning: ", 11) != NULL;

		if (line.len == 0)
			continue;
		log_begin(&out, warning ? EVENT_CONFIG_WARNING : EVENT_CONFIG_ERROR);
		log_cstr(&out, "file", path);
		log_str(&out, "text", line);
		(void)log_end(&out); /* a dropped line is counted there */
	}
}

void reload_listeners(const struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->listener[i].fresh)
			log_text(EVENT_LISTENING, "%s %s:%u",
			    l->listener[i].side == SIDE_EXTERNAL ? "external" : "internal", l->listener[i].host,
			    l->listener[i].bound);
}

/* A sealed memfd; below 0: it cannot be made. */
static int long_text(const char *text, size_t len)
{
	int fd = shm_create("sipward-result");

	if (fd >= 0 && shm_write(fd, text, len) == 0 && shm_seal(fd) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd); /* of no use */
	return -1;
}

void reload_result(struct child *asker, uint64_t ticket, bool ok, const char *text)
{
	static struct ctl_msg msg; /* large */
	size_t len = strlen(text);
	int fd = len < sizeof(msg.text) ? -1 : long_text(text, len);

	msg = (struct ctl_msg){ .id = CTL_RESULT, .ok = ok, .arg = ticket };
	if (fd >= 0) {
		msg.fds[msg.fd_count++] = fd;
	} else {
		(void)snprintf(msg.text, sizeof(msg.text), "%s", text); /* fits, or there is no memory for all of it */
		msg.text_len = (uint32_t)strlen(msg.text);
	}
	child_send(asker, &msg);
	if (fd >= 0)
		(void)close(fd); /* the admin has its own */
}

/* Readers copy, then look whether text_seq was even and has stayed. */
static void keep_for_status(struct master_state *s, bool ok, const char *text)
{
	uint32_t seq = atomic_load_explicit(&s->text_seq, memory_order_relaxed);

	atomic_store_explicit(&s->text_seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	(void)snprintf(s->last_reload_text, sizeof(s->last_reload_text), "%s", text); /* cut */
	atomic_store_explicit(&s->text_seq, seq + 2, memory_order_release);
	atomic_store(&s->last_reload_ok, ok);
	atomic_store(&s->last_reload, (uint64_t)clock_wall_s());
	atomic_fetch_add(ok ? &s->reloads : &s->reloads_failed, 1);
}

void reload_report(struct master *m, bool ok, const char *text)
{
	struct reload *r = &m->reload;
	struct span rest = span_str(text), first;
	struct log_line out;

	keep_for_status(shared_master(&m->shared), ok, text);
	if (!span_cut(&rest, '\n', &first)) /* the other lines stand in the log already */
		first = SPAN_NONE;
	log_begin(&out, ok ? EVENT_RELOAD_DONE : EVENT_RELOAD_FAILED);
	log_num(&out, "generation", (int64_t)m->current.number);
	log_str(&out, "text", first);
	(void)log_end(&out); /* a dropped line is counted there */
	for (size_t i = 0; i < r->now.count; i++)
		if (r->now.asker[i])
			reload_result(r->now.asker[i], r->now.ticket[i], ok, text);
	r->now.count = 0;
}

void reload_log_to(struct master *m, int fd)
{
	static struct ctl_msg msg; /* large */
	const struct image_log *log = &m->current.img->h->log;

	if (fd >= 0) {
		if (m->log_fd >= 0)
			(void)close(m->log_fd); /* nothing can be done about a failure */
		m->log_fd = fd;
		msg = (struct ctl_msg){ .id = CTL_LOG_FD, .fd_count = 1, .fds = { fd } };
		for (size_t i = 0; i < m->child_count; i++)
			if (child_is_admin(&m->children[i]))
				child_send(&m->children[i], &msg);
	}
	log_setup(m->log_fd, "master", log->format == LOG_JSON, (enum log_level)log->level);
}
