/*
 * The configuration: whatever the file says, either complaints come of it, one
 * line each, or an image that can be attached.
 *
 * Names are not resolved and patterns not expanded here: that would ask the
 * machine, not the code.
 */
#include <glob.h>
#include <netdb.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/image.h"
#include "fuzz/check.h"
#include "master/loader.h"

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	return EAI_NONAME;
}

int glob(const char *pattern, int flags, int (*on_error)(const char *path, int error), glob_t *out)
{
	return GLOB_NOMATCH;
}

static void check_lines(const char *text, size_t len, const char *path)
{
	struct span rest = span_of(text, len), line;

	while (rest.len && span_cut(&rest, '\n', &line)) {
		CHECK(line.len == 0 || span_istarts(line, span_str(path)) || span_istarts(line, SPAN("... and ")));
		for (size_t i = 0; i < line.len; i++)
			CHECK((unsigned char)line.p[i] >= 0x20 && line.p[i] != 0x7f);
	}
}

static void check_complaints(const struct complaints *c, const char *path)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CHECK(out != NULL);
	complaints_print(c, out);
	CHECK(fclose(out) == 0);
	CHECK((len > 0) == (complaints_errors(c) + complaints_warnings(c) > 0));
	check_lines(text, len, path);
	free(text);
}

/* Every domain of the image is found by its name. */
static void check_image(int fd)
{
	struct image *img = image_attach(fd);

	CHECK(img != NULL);
	for (uint64_t i = 0; i < img->h->domains.count; i++) {
		const struct image_domain *d = &img->domain[i];

		if (!(d->flags & DOMAIN_WILDCARD))
			CHECK(image_find_domain(img, image_text(img, d->name)) == i);
	}
	image_free(img);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct load_secrets secrets = { .branch_key = { 1 }, .token_secret = { 2 } };
	struct complaints *c = complaints_new();
	int fd = memfd_create("config", MFD_CLOEXEC), rc;
	struct load_result result;
	char path[64];

	CHECK(c != NULL && fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = load_configuration(path, 1, &secrets, c, &result);
	CHECK((rc == 0) == (complaints_errors(c) == 0));
	check_complaints(c, path);
	if (rc == 0) {
		check_image(result.image_fd);
		close(result.image_fd);
		close(result.keys_fd);
	}
	complaints_free(c);
	close(fd);
	return 0;
}
