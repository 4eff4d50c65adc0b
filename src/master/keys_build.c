#include "master/keys_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/shm.h"

#define ROOM ((size_t)65536)

struct keys_builder {
	uint8_t *p;
	size_t len, cap;
	bool failed;
};

struct keys_builder *keys_builder_new(void)
{
	return calloc(1, sizeof(struct keys_builder));
}

void keys_builder_free(struct keys_builder *k)
{
	if (!k)
		return;
	if (k->p)
		explicit_bzero(k->p, k->len);
	free(k->p);
	free(k);
}

/* Not realloc: what it leaves behind would hold keys. */
static bool grow(struct keys_builder *k, size_t need)
{
	size_t cap = MAX(k->cap * 2, k->len + need + ROOM);
	uint8_t *p = malloc(cap);

	if (!p) {
		k->failed = true;
		return false;
	}
	if (k->p) {
		memcpy(p, k->p, k->len);
		explicit_bzero(k->p, k->len);
	}
	free(k->p);
	k->p = p;
	k->cap = cap;
	return true;
}

void keys_add(struct keys_builder *k, enum keys_kind kind, uint32_t profile, const void *data, size_t len)
{
	struct keys_record r = { .kind = kind, .profile = profile, .len = (uint32_t)len };
	size_t need = keys_record_size(r.len);

	if (k->failed || (k->cap - k->len < need && !grow(k, need)))
		return;
	memset(k->p + k->len, 0, need);
	memcpy(k->p + k->len, &r, sizeof(r));
	memcpy(k->p + k->len + sizeof(r), data, len);
	k->len += need;
}

const uint8_t *keys_builder_records(const struct keys_builder *k, size_t *len)
{
	*len = k->len;
	return k->p;
}

int keys_builder_finish(struct keys_builder *k, uint64_t generation)
{
	struct keys_header h = { .magic = KEYS_MAGIC, .size = sizeof(h) + k->len, .generation = generation };
	int fd = k->failed ? -ENOMEM : shm_create("sipward-keys"), rc;

	if (fd < 0)
		return fd;
	rc = shm_write(fd, &h, sizeof(h));
	if (rc == 0 && k->len)
		rc = shm_write(fd, k->p, k->len);
	if (rc == 0)
		rc = shm_seal(fd);
	if (rc == 0)
		return fd;
	(void)close(fd); /* the first error is the one that counts */
	return rc;
}
