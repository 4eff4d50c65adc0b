/*
 * The configuration: whatever the text, it is refused with a complaint or
 * becomes an image that can be attached, and each complaint is one line of its
 * file.  The text is read as a configuration, and as a file of domains that it
 * names; no name is resolved and no other file is looked for.
 */
#include <glob.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/image.h"
#include "fuzz/check.h"
#include "master/json_stream.h"
#include "master/json_where.h"
#include "master/loader.h"

static char path[64];

/* In place of the C library's: a fuzzer must not ask the network, ... */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	return EAI_NONAME;
}

/* ... nor walk the file system. */
int glob(const char *pattern, int flags, int (*errfunc)(const char *, int), glob_t *out)
{
	static char *found[2];

	found[0] = path;
	out->gl_pathc = 1;
	out->gl_pathv = found;
	return 0;
}

void globfree(glob_t *out)
{
	out->gl_pathc = 0;
}

static void check_lines(const struct complaints *c)
{
	size_t len, lines = 0, told = complaints_errors(c) + complaints_warnings(c), prefix = strlen(path);
	char *text, *rest, *line;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	complaints_print(c, f);
	fclose(f);
	for (rest = text; (line = strsep(&rest, "\n")) && *line; lines++)
		CHECK(strncmp(line, "... and ", 8) == 0 || (strncmp(line, path, prefix) == 0 && line[prefix] == ':'));
	CHECK(rest == NULL); /* no line was empty */
	CHECK(lines == told || lines <= 2 * COMPLAINTS_KEPT + 1);
	free(text);
}

static void check_load(void)
{
	static const struct load_secrets secrets;
	struct complaints *c = complaints_new();
	struct load_result r;

	if (!c)
		return;
	if (load_configuration(path, 1, &secrets, NULL, c, &r) == 0) {
		struct image *img = image_attach(r.image_fd);

		CHECK(img && complaints_errors(c) == 0);
		CHECK(img->h->listeners.count > 0 && img->h->clusters.count > 0);
		image_free(img);
		close(r.image_fd);
		close(r.keys_fd);
	} else {
		CHECK(complaints_errors(c) > 0);
	}
	check_lines(c);
	complaints_free(c);
}

static void check_stream(size_t size)
{
	struct json_stream *s = json_stream_open(path);
	enum json_stream_status st;
	struct json_element e;
	unsigned line = 1;

	if (!s)
		return;
	for (size_t n = 0; (st = json_stream_next(s, &e)) != JSON_STREAM_END; n++) {
		CHECK(n <= size);
		if (st == JSON_STREAM_BAD)
			continue;
		CHECK(e.line >= line && e.text.len > 0);
		line = e.line;
		json_decref(e.value);
	}
	json_stream_free(s);
}

static void count(void *ctx, const char *pointer, unsigned line)
{
	CHECK(pointer[0] == '/' && line > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check_load();
	check_stream(size);
	if (!json_duplicates(span_of(data, size), count, NULL))
		abort();
	CHECK(json_where(span_of(data, size), "/listeners/0/port") > 0);
	close(fd);
	return 0;
}
