#include "master/json_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "master/file_stamp.h"

#define WINDOW ((size_t)256 * 1024)
/* An error this near to the window's end may be but the end of the window: a letter, a number, a word cut in two. */
#define NEAR_END 16
#define FLAGS (JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY | JSON_ALLOW_NUL)

struct json_stream {
	const char *path;
	struct image_stamp stamp;
	int fd;
	char *window;
	size_t len, cap, at;
	bool eof;
	bool begun, array, ended;
	bool comma_due; /* array: an element came, a comma or the end must follow */
	unsigned line;	/* of window[at] */
	unsigned index;
	struct json_problem problem;
};

struct json_stream *json_stream_open(const char *path)
{
	struct json_stream *s = calloc(1, sizeof(*s));
	struct stat st;

	if (!s)
		return NULL;
	*s = (struct json_stream){ .line = 1, .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
	if (s->fd >= 0 && fstat(s->fd, &st) == 0) {
		s->stamp = file_stamp_of(&st);
		if (S_ISREG(st.st_mode))
			return s;
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	}
	json_stream_free(s);
	return NULL;
}

void json_stream_free(struct json_stream *s)
{
	int saved = errno;

	if (!s)
		return;
	if (s->fd >= 0)
		(void)close(s->fd); /* only read from */
	free(s->window);
	free(s);
	errno = saved;
}

const struct image_stamp *json_stream_stamp(const struct json_stream *s)
{
	return &s->stamp;
}

const struct json_problem *json_stream_problem(const struct json_stream *s)
{
	return &s->problem;
}

static enum json_stream_status bad(struct json_stream *s, unsigned line, const char *text)
{
	s->problem.line = line;
	snprintf(s->problem.text, sizeof(s->problem.text), "%s", text);
	return JSON_STREAM_BAD;
}

/* ---- the window ---- */

/* More text behind what is there.  False: there is none, or no room; the problem says why, else the file is at its end. */
static bool refill(struct json_stream *s)
{
	ssize_t n;

	if (s->eof)
		return false;
	if (s->at) {
		memmove(s->window, s->window + s->at, s->len - s->at);
		s->len -= s->at;
		s->at = 0;
	}
	if (s->len == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : WINDOW;
		char *p = cap <= JSON_STREAM_VALUE_MAX ? realloc(s->window, cap) : NULL;

		if (!p) {
			(void)bad(s, s->line, cap > JSON_STREAM_VALUE_MAX ? "a value of more than 16 MiB" : "out of memory");
			return false;
		}
		s->window = p;
		s->cap = cap;
	}
	do
		n = read(s->fd, s->window + s->len, s->cap - s->len);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		(void)bad(s, s->line, strerror(errno));
		return false;
	}
	s->eof = n == 0;
	s->len += (size_t)n;
	return n > 0;
}

static void pass(struct json_stream *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->line += s->window[s->at + i] == '\n';
	s->at += n;
}

/* The next byte that is no blank; -1: the end of the file, or a problem. */
static int peek(struct json_stream *s)
{
	for (;;) {
		while (s->at < s->len) {
			char c = s->window[s->at];

			if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
				return (unsigned char)c;
			pass(s, 1);
		}
		if (!refill(s))
			return -1;
	}
}

/* ---- values ---- */

/* Text that is no value.  In an array nothing behind it can be trusted; of lines the next one can. */
static enum json_stream_status refuse(struct json_stream *s, const json_error_t *error)
{
	unsigned line = s->line - 1 + (unsigned)MAX(error->line, 1);

	s->ended = s->array || error->line > 1;
	while (!s->ended && s->window[s->at] != '\n') {
		pass(s, 1);
		if (s->at == s->len && !refill(s))
			s->ended = true;
	}
	return bad(s, line, error->text);
}

/* jansson sees duplicates cheaply, but says nothing else then: only those few are parsed again. */
static json_t *load(struct span text, bool *duplicates, json_error_t *error)
{
	json_t *value = json_loadb(text.p, text.len, FLAGS | JSON_REJECT_DUPLICATES, error);

	*duplicates = !value && json_error_code(error) == json_error_duplicate_key;
	return *duplicates ? json_loadb(text.p, text.len, FLAGS, error) : value;
}

static enum json_stream_status parse(struct json_stream *s, struct json_element *out)
{
	for (;;) {
		struct span rest = span_of(s->window + s->at, s->len - s->at);
		bool duplicates;
		json_error_t error;
		json_t *value = load(rest, &duplicates, &error);
		size_t reached = (size_t)MAX(error.position, 0);

		if (!s->eof && reached + (value ? 1 : NEAR_END) > rest.len) {
			json_decref(value);
			if (refill(s) || s->eof)
				continue;
			s->ended = true;
			return JSON_STREAM_BAD;
		}
		if (!value)
			return refuse(s, &error);
		*out = (struct json_element){
			.value = value,
			.text = span_head(rest, reached),
			.line = s->line,
			.index = s->index++,
			.in_array = s->array,
			.duplicates = duplicates,
		};
		pass(s, out->text.len);
		s->comma_due = s->array;
		return JSON_STREAM_ELEMENT;
	}
}

#define STIRRED (100 * (int64_t)NSEC_PER_MSEC)

/* Who has changed it a moment ago may be about to go on: what is there now may be all of a line and half of a file. */
static void let_it_rest(const struct image_stamp *stamp)
{
	const struct timespec rest = { .tv_nsec = (long)STIRRED };
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) == 0 &&
	    MAX(stamp->modified, stamp->changed) > (int64_t)now.tv_sec * (int64_t)NSEC_PER_SEC + now.tv_nsec - STIRRED)
		(void)nanosleep(&rest, NULL); /* cut short is fine */
}

/* All has been read: of one file, and of all of it? */
static enum json_stream_status settle(struct json_stream *s)
{
	struct image_stamp now;
	struct stat st;

	let_it_rest(&s->stamp);
	if (fstat(s->fd, &st) == 0) {
		now = file_stamp_of(&st);
		if (file_stamp_same(&s->stamp, &now) && file_stamp_read(s->path, &now) && file_stamp_same(&s->stamp, &now))
			return JSON_STREAM_END;
	}
	return bad(s, s->line, "the file was changed while it was read; put a complete one in its place, then load again");
}

/* The bracket behind the last element was passed: nothing may follow. */
static enum json_stream_status finish(struct json_stream *s)
{
	s->ended = true;
	if (peek(s) >= 0)
		return bad(s, s->line, "there is something behind the end of the list");
	return s->eof ? settle(s) : JSON_STREAM_BAD;
}

enum json_stream_status json_stream_next(struct json_stream *s, struct json_element *out)
{
	int c;

	if (s->ended)
		return JSON_STREAM_END;
	c = peek(s);
	if (!s->begun && c == '[') {
		s->array = true;
		s->at++;
		c = peek(s);
		if (c == ']') {
			s->at++;
			return finish(s);
		}
	}
	s->begun = true;
	if (s->comma_due && c == ']') {
		s->at++;
		return finish(s);
	}
	if (s->comma_due && c == ',') {
		s->at++;
		c = peek(s);
	} else if (s->comma_due && c >= 0) {
		s->ended = true;
		return bad(s, s->line, "expected \",\" or \"]\" behind an element of the list");
	}
	if (c >= 0)
		return parse(s, out);
	s->ended = true;
	if (!s->eof)
		return JSON_STREAM_BAD;
	return s->array ? bad(s, s->line, "the list does not end: expected \"]\"") : settle(s);
}
