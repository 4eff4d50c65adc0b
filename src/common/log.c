#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

#define CUT "..."

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static const struct {
	enum log_level level;
	const char *name;
} events[] = {
#define EVENT(id, level, name) { LOG_##level, name },
#include "common/log.def"
#undef EVENT
};

static struct {
	int fd;
	bool json;
	enum log_level level;
	char who[40];
	_Atomic uint64_t dropped;
} sink = { .fd = STDERR_FILENO, .level = LOG_INFO, .who = "sipward" };

void log_setup(int fd, const char *who, bool json, enum log_level level)
{
	sink.fd = fd;
	sink.json = json;
	sink.level = level;
	if (who)
		snprintf(sink.who, sizeof(sink.who), "%s", who);
}

bool log_level_parse(struct span text, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
		if (span_eq(text, span_str(level_names[i]))) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

/* Behind LOG_LINE_MAX there is room for one number, the mark of a cut and what ends value and line. */
static void put(struct log_line *l, struct span s)
{
	size_t n = MIN(s.len, sizeof(l->buf) - l->len);

	memcpy(l->buf + l->len, s.p, n);
	l->len += n;
}

/*
 * One character of JSON from the bytes at s.p: as it is, or as \u escapes.
 * *used: the bytes taken.  What is no UTF-8 becomes U+FFFD, byte by byte.
 */
static uint32_t utf8_next(struct span s, size_t *used)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	uint8_t c = (uint8_t)s.p[0];
	size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	uint32_t code = c & (0x3fU >> more);

	*used = 1;
	if (c < 0x80)
		return c;
	if (c < 0xc2 || c > 0xf4 || more >= s.len)
		return 0xfffd;
	for (size_t i = 1; i <= more; i++) {
		if (((uint8_t)s.p[i] & 0xc0) != 0x80)
			return 0xfffd;
		code = code << 6 | ((uint8_t)s.p[i] & 0x3f);
	}
	if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0xfffd;
	*used = more + 1;
	return code;
}

#define UNIT_MAX 13 /* two \u escapes and snprintf's NUL */

static int json_unit(struct span s, size_t *used, char out[UNIT_MAX])
{
	uint32_t code = utf8_next(s, used);

	if (code == '"' || code == '\\')
		return snprintf(out, UNIT_MAX, "\\%c", (int)code);
	if (code >= 0x20 && code < 0x7f)
		return snprintf(out, UNIT_MAX, "%c", (int)code);
	if (code < 0x10000)
		return snprintf(out, UNIT_MAX, "\\u%04x", (unsigned)code);
	code -= 0x10000;
	return snprintf(out, UNIT_MAX, "\\u%04x\\u%04x", 0xd800 + (unsigned)(code >> 10), 0xdc00 + (unsigned)(code & 0x3ff));
}

static int text_unit(struct span s, size_t *used, char out[UNIT_MAX])
{
	uint8_t c = (uint8_t)s.p[0];

	*used = 1;
	if (c == '"' || c == '\\')
		return snprintf(out, UNIT_MAX, "\\%c", c);
	if (c >= 0x20 && c < 0x7f)
		return snprintf(out, UNIT_MAX, "%c", c);
	return snprintf(out, UNIT_MAX, "\\x%02x", c);
}

static void put_escaped(struct log_line *l, struct span value)
{
	char unit[UNIT_MAX];
	size_t used;

	for (; value.len; value = span_from(value, used)) {
		size_t n = (size_t)(sink.json ? json_unit(value, &used, unit) : text_unit(value, &used, unit));

		if (l->len + n > LOG_LINE_MAX) {
			put(l, SPAN(CUT));
			return;
		}
		put(l, span_of(unit, n));
	}
}

/* May stand in a text line without quotes: nothing that could look like a border between fields. */
static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!(c >= '0' && c <= '9') && !(ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') &&
		    !(c && strchr("-._:/@+,%*[]", c)))
			return false;
	}
	return s.len > 0;
}

/* The key and what stands around it; false: no room for one more field. */
static bool put_key(struct log_line *l, const char *key)
{
	struct span k = span_str(key);

	if (!l->wanted || l->len + k.len + sizeof(",\"\":\"") > LOG_LINE_MAX)
		return false;
	put(l, sink.json ? SPAN(",\"") : SPAN(" "));
	put(l, k);
	put(l, sink.json ? SPAN("\":") : SPAN("="));
	return true;
}

void log_str(struct log_line *l, const char *key, struct span value)
{
	struct span quote = sink.json || !is_plain(value) ? SPAN("\"") : SPAN("");

	if (!put_key(l, key))
		return;
	put(l, quote);
	put_escaped(l, value);
	put(l, quote);
}

void log_cstr(struct log_line *l, const char *key, const char *value)
{
	log_str(l, key, value ? span_str(value) : SPAN(""));
}

void log_num(struct log_line *l, const char *key, int64_t value)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%lld", (long long)value);

	/* Never cut: it would be another number.  Behind LOG_LINE_MAX there is room for it. */
	if (put_key(l, key))
		put(l, span_of(digits, (size_t)n));
}

static PRINTF_LIKE(3, 0) void log_vfmt(struct log_line *l, const char *key, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX];
	int saved = errno, n;

	if (!l->wanted)
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	log_str(l, key, span_of(text, n < 0 ? 0 : MIN((size_t)n, sizeof(text) - 1)));
	errno = saved;
}

void log_fmt(struct log_line *l, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vfmt(l, key, fmt, ap);
	va_end(ap);
}

static void time_text(char *out, size_t size)
{
	struct timespec now;
	struct clock_date d;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_date(now.tv_sec, &d);
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", d.year, d.month, d.day, d.hour, d.minute, d.second,
	    (int)(now.tv_nsec / (long)NSEC_PER_MSEC));
}

void log_begin(struct log_line *l, enum log_event event)
{
	char time[80];
	int n;

	l->len = 0;
	l->wanted = events[event].level <= sink.level;
	if (!l->wanted)
		return;
	time_text(time, sizeof(time));
	n = snprintf(l->buf, sizeof(l->buf),
	    sink.json ? "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"" : "%s %s event=%s", time,
	    level_names[events[event].level], events[event].name);
	l->len = (size_t)n;
	log_cstr(l, "who", sink.who);
}

bool log_end(struct log_line *l)
{
	int saved = errno;
	ssize_t n;

	if (!l->wanted)
		return true;
	put(l, sink.json ? SPAN("}\n") : SPAN("\n"));
	do {
		n = write(sink.fd, l->buf, l->len);
	} while (n < 0 && errno == EINTR);
	errno = saved;
	if (n == (ssize_t)l->len)
		return true;
	atomic_fetch_add_explicit(&sink.dropped, 1, memory_order_relaxed);
	return false;
}

void log_text(enum log_event event, const char *fmt, ...)
{
	struct log_line l;
	va_list ap;

	log_begin(&l, event);
	va_start(ap, fmt);
	log_vfmt(&l, "text", fmt, ap);
	va_end(ap);
	log_end(&l);
}

uint64_t log_dropped(void)
{
	return atomic_load_explicit(&sink.dropped, memory_order_relaxed);
}
