/*
 * loader - read all files of the configuration and build image and keys; in a
 * short-lived child, so that the master goes on supervising meanwhile.
 *
 * Process: master.  May include: common/base.h, config, image_build, pki, complaint.
 */
#ifndef MASTER_LOADER_H
#define MASTER_LOADER_H

#include <sys/types.h>

#include "common/base.h"
#include "common/image.h"
#include "master/complaint.h"

/* What the master keeps over reloads and gives to every load. */
struct load_secrets {
	uint8_t branch_key[16];
	uint8_t token_secret[32]; /* used when no token_secret_files are given */
};

struct load_result {
	int image_fd; /* sealed memfd */
	int keys_fd;  /* sealed memfd */
};

/*
 * Load in this process; what stands in files that have not changed since
 * `before` was made of them is taken from there (NULL: there is none).  0: *out is filled in (warnings may stand in c);
 * -1: complaints say why, nothing is left behind.
 */
MUST_USE int load_configuration(const char *path, uint64_t generation, const struct load_secrets *secrets,
    const struct image *before, struct complaints *c, struct load_result *out);

#define LOADER_SUMMARY_MAX 512

/* A load under way in a child. */
struct loader {
	pid_t pid; /* 0: none */
	int fd;	   /* readable when the result, or a piece of the complaints, has come */
	char *text; /* complaints and warnings, one per line, malloc'ed; grows while it reads */
	size_t text_len;
	char summary[LOADER_SUMMARY_MAX]; /* what has changed, in one line; "" until it came */
	struct load_result result; /* fds -1 until they came */
	bool ok;
};

/* Fork the child, which inherits `before`.  0 or -errno. */
MUST_USE int loader_start(struct loader *l, const char *path, uint64_t generation, const struct load_secrets *secrets,
    const struct image *before);

/* fd is readable: take what came.  1: finished (see ok, result, text); 0: more to come. */
MUST_USE int loader_read(struct loader *l);

/* Kill a load under way and drop everything it gave. */
void loader_done(struct loader *l);

#endif
