#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/shm.h"
#include "master/config.h"
#include "master/loader.h"

static int write_keys(struct keys_writer *k, uint64_t generation)
{
	struct keys_header h = { .magic = KEYS_MAGIC, .size = sizeof(h) + k->len, .generation = generation };
	int fd = k->failed ? -ENOMEM : shm_create("sipward-keys"), rc;

	if (fd < 0)
		return fd;
	rc = shm_write(fd, &h, sizeof(h));
	if (rc == 0)
		rc = shm_write(fd, k->p, k->len);
	if (rc == 0)
		rc = shm_seal(fd);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* Both memfds, or neither. */
static int publish(struct config *c, const char *path, uint64_t generation, struct load_result *out)
{
	int image = image_builder_finish(c->b), keys;

	if (image < 0) {
		complain(c->complaints, path, 0, NULL, "the image cannot be built: %s", strerror(-image));
		return -1;
	}
	keys = write_keys(&c->keys, generation);
	if (keys < 0) {
		complain(c->complaints, path, 0, NULL, "the keys cannot be handed over: %s", strerror(-keys));
		close(image);
		return -1;
	}
	*out = (struct load_result){ .image_fd = image, .keys_fd = keys };
	return 0;
}

int load_configuration(const char *path, uint64_t generation, const struct load_secrets *secrets, struct complaints *c,
    struct load_result *out)
{
	struct config config = { .complaints = c, .secrets = secrets, .b = image_builder_new(generation) };
	int rc = -1;

	if (!config.b) {
		complain(c, path, 0, NULL, "out of memory");
		return -1;
	}
	config_read(&config, path);
	if (complaints_errors(c) == 0)
		rc = publish(&config, path, generation, out);
	config_done(&config);
	image_builder_free(config.b);
	return rc;
}
