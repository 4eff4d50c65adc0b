/*
 * log - one line per event, text or JSON, every byte that came from outside escaped.
 *
 * Process: any.  May include: common/base.h, span, clock.  Owns the line being
 * built and the process-wide sink.
 *
 * Libraries do not log; coordinators do, once per event, from a row in
 * log.def.  A worker's sink is a pipe to the admin process, which writes it
 * out: a hung disk never blocks a call.  A line that does not fit the pipe is
 * dropped and counted.  SIGPIPE must be ignored: the reader may be gone.
 *
 * Text:	2026-11-23T19:49:59.123Z info event=connection_accepted who="worker 0" key=value
 * JSON:	one object a line: time, level, event, who, then the fields
 *
 * In text a value with other characters than letters, digits and -._:/@+,%*[]
 * is quoted; in it \" and \\ stand for " and \ and \xHH for each byte
 * that is not printable ASCII.  In JSON those become \u escapes; what is no
 * UTF-8 becomes U+FFFD.
 *
 *	struct log_line l;
 *	log_begin(&l, EVENT_CONN_REFUSED);
 *	log_str(&l, "peer", peer);
 *	log_num(&l, "port", port);
 *	log_end(&l);
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/base.h"
#include "common/span.h"

#define LOG_LINE_MAX 4000 /* below PIPE_BUF: lines of several writers never mix */

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

enum log_event {
#define EVENT(id, level, name) EVENT_##id,
#include "common/log.def"
#undef EVENT
	EVENT_COUNT
};

struct log_line {
	size_t len;
	bool wanted; /* the level is on */
	char buf[LOG_LINE_MAX + 96];
};

/*
 * Where lines go and how: `fd` is not owned; `who` ("master", "worker 0")
 * stands in each line; NULL keeps what it was.  `json`: JSON lines.  May be
 * called again after a reload.
 */
void log_setup(int fd, const char *who, bool json, enum log_level level);

/* Parse "error", "warn", "info", "debug". */
MUST_USE bool log_level_parse(struct span text, enum log_level *out);

void log_begin(struct log_line *l, enum log_event event);
void log_str(struct log_line *l, const char *key, struct span value); /* escaped; cut when the line is full */
void log_cstr(struct log_line *l, const char *key, const char *value);
void log_num(struct log_line *l, const char *key, int64_t value);
void log_fmt(struct log_line *l, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Write the line in one write(2); errno is kept.  False: dropped. */
bool log_end(struct log_line *l);

/* One event with one free text, for start-up and rare cases: field "text". */
void log_text(enum log_event event, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Lines dropped since the process started. */
uint64_t log_dropped(void);

#endif
