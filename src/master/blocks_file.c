#include "master/blocks_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "blocks.json"
#define FRESH NAME ".new"
#define BYTES_MAX ((size_t)16 << 20) /* more than BLOCKS_MAX of the longest need */
#define FORMAT 1

static int fail(char why[static BLOCKS_WHY_MAX], const char *dir, const char *what)
{
	(void)snprintf(why, BLOCKS_WHY_MAX, "%.300s/" NAME ": %.160s", dir, what); /* cut */
	return -1;
}

/* ---- reading ---- */

/* NULL with the reason in `why`, or, with nothing in it, because there is no file. */
static json_t *load(const char *dir, char why[static BLOCKS_WHY_MAX])
{
	char path[PATH_MAX], text[256];
	json_error_t error;
	struct stat st;
	json_t *root = NULL;
	int fd;

	why[0] = '\0';
	(void)snprintf(path, sizeof(path), "%s/" NAME, dir); /* cut, it is not found */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0) {
		if (errno != ENOENT)
			(void)fail(why, dir, strerror(errno)); /* -1, and so do we */
		return NULL;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > BYTES_MAX) {
		(void)fail(why, dir, "it is not a file that sipward has written"); /* as above */
	} else {
		root = json_loadfd(fd, JSON_REJECT_DUPLICATES, &error);
		if (!root) {
			(void)snprintf(text, sizeof(text), "line %d: not JSON: %.200s", error.line, error.text); /* cut */
			(void)fail(why, dir, text); /* as above */
		}
	}
	(void)close(fd); /* only read from */
	return root;
}

static bool whole_number(const json_t *j, int64_t max, int64_t *out)
{
	if (!json_is_integer(j) || json_integer_value(j) < 0 || json_integer_value(j) > max)
		return false;
	*out = json_integer_value(j);
	return true;
}

static struct span text_of(const json_t *j)
{
	return span_of(json_string_value(j), json_string_length(j));
}

static bool read_row(const json_t *row, struct block *b)
{
	const json_t *name = json_object_get(row, "domain"), *reason = json_object_get(row, "reason"),
		     *until = json_object_get(row, "until");
	int64_t uid, pid;

	*b = (struct block){ .until = BLOCK_NO_END };
	if (json_object_size(row) != 6 || !json_is_string(name) || !json_is_string(reason) ||
	    !whole_number(json_object_get(row, "since"), INT64_MAX, &b->since) ||
	    !(json_is_null(until) || whole_number(until, INT64_MAX, &b->until)) ||
	    !whole_number(json_object_get(row, "uid"), UINT32_MAX, &uid) ||
	    !whole_number(json_object_get(row, "pid"), UINT32_MAX, &pid))
		return false;
	b->uid = (uint32_t)uid;
	b->pid = (uint32_t)pid;
	return block_set(b, text_of(name), text_of(reason)) && block_is_sound(b);
}

static int take(const json_t *root, struct blocks_copy *out, const char *dir, char why[static BLOCKS_WHY_MAX])
{
	const json_t *rows = json_object_get(root, "blocks");
	char text[128];

	if (!json_is_integer(json_object_get(root, "version")) || json_integer_value(json_object_get(root, "version")) != FORMAT ||
	    json_object_size(root) != 2 || !json_is_array(rows))
		return fail(why, dir, "expected {\"version\": 1, \"blocks\": [...]}");
	if (json_array_size(rows) > BLOCKS_MAX)
		return fail(why, dir, "there are too many blocks");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		struct block row;

		if (!read_row(json_array_get(rows, i), &row) || blocks_find(out, block_name(&row))) {
			(void)snprintf(text, sizeof(text), "/blocks/%zu is no block, or one that stands there already", i); /* fits */
			return fail(why, dir, text);
		}
		out->row[out->count++] = row;
	}
	return 0;
}

int blocks_file_read(const char *dir, struct blocks_copy *out, char why[static BLOCKS_WHY_MAX])
{
	json_t *root = load(dir, why);
	int rc = root ? take(root, out, dir, why) : why[0] ? -1 : 0;

	json_decref(root);
	return rc;
}

/* ---- writing ---- */

static json_t *put_row(const struct block *b)
{
	struct span name = block_name(b), reason = block_reason(b);

	return json_pack("{s:s%, s:I, s:o, s:I, s:I, s:s%}", "domain", name.p, name.len, "since", (json_int_t)b->since, "until",
	    b->until == BLOCK_NO_END ? json_null() : json_integer(b->until), "uid", (json_int_t)b->uid, "pid", (json_int_t)b->pid,
	    "reason", reason.p, reason.len);
}

static char *put_all(const struct blocks_copy *c)
{
	json_t *rows = json_array(), *root = json_pack("{s:i, s:O}", "version", FORMAT, "blocks", rows);
	bool ok = root != NULL;
	char *text = NULL;

	for (uint32_t i = 0; i < c->count && ok; i++)
		ok = json_array_append_new(rows, put_row(&c->row[i])) == 0;
	if (ok)
		text = json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	json_decref(root);
	json_decref(rows);
	return text;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

/* The file under its other name, whole and on the disk. */
static int write_fresh(int folder, const char *text)
{
	int fd, rc, saved;

	(void)unlinkat(folder, FRESH, 0); /* of one that was interrupted; there seldom is any */
	fd = openat(folder, FRESH, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	rc = write_all(fd, text, strlen(text));
	saved = errno;
	if (close(fd) != 0 && rc == 0) {
		saved = errno;
		rc = -1;
	}
	if (rc != 0)
		(void)unlinkat(folder, FRESH, 0); /* the first error is the one that counts */
	errno = saved;
	return rc;
}

static int open_folder(const char *dir)
{
	if (mkdir(dir, 0750) != 0 && errno != EEXIST)
		return -1;
	return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int blocks_file_write(const char *dir, const struct blocks_copy *c, char why[static BLOCKS_WHY_MAX])
{
	char *text = put_all(c);
	int folder, rc = -1;

	if (!text)
		return fail(why, dir, "out of memory, or a reason that is not UTF-8");
	folder = open_folder(dir);
	if (folder >= 0 && write_fresh(folder, text) == 0 && renameat(folder, FRESH, folder, NAME) == 0)
		rc = fsync(folder);
	if (rc != 0)
		(void)fail(why, dir, strerror(errno)); /* -1, and so do we */
	if (rc != 0 && folder >= 0)
		(void)unlinkat(folder, FRESH, 0); /* it may not even be there */
	if (folder >= 0)
		(void)close(folder); /* only a way to its files */
	free(text);
	return rc;
}
