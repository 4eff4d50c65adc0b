#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/image.h"
#include "common/policy/route_keys.h"
#include "master/config.h"
#include "master/loader.h"

/* Tokens name domains by keyed ids; the image leads back. */
static void put_ids(struct config *c)
{
	struct route_keys keys;
	size_t len;
	const uint8_t *records = keys_builder_records(c->keys, &len);

	if (records && route_keys_read(records, len, &keys))
		image_builder_ids(c->b, &keys);
	else
		image_builder_fail(c->b);
	explicit_bzero(&keys, sizeof(keys));
}

/* An image that leads out of itself must not reach a worker, which does not look. */
static int verified(struct config *c, int fd)
{
	struct image *img = image_attach(fd);
	bool good = img && image_verify(img);

	if (good)
		config_check_shared(c, img);
	image_free(img);
	if (good)
		return fd;
	(void)close(fd); /* of no use */
	return -EBADMSG;
}

/* Both memfds, or neither. */
static int publish(struct config *c, const char *path, uint64_t generation, struct load_result *out)
{
	int image, keys;

	put_ids(c);
	image = image_builder_finish(c->b);
	if (image >= 0)
		image = verified(c, image);
	if (image < 0) {
		complain(c->complaints, path, 0, NULL, "the image cannot be built: %s", strerror(-image));
		return -1;
	}
	keys = keys_builder_finish(c->keys, generation);
	if (keys < 0) {
		complain(c->complaints, path, 0, NULL, "the keys cannot be handed over: %s", strerror(-keys));
		(void)close(image); /* sealed and of no use */
		return -1;
	}
	*out = (struct load_result){ .image_fd = image, .keys_fd = keys };
	return 0;
}

int load_configuration(const char *path, uint64_t generation, const struct load_secrets *secrets,
    const struct image *before, struct complaints *c, struct load_result *out)
{
	struct config config = {
		.complaints = c,
		.secrets = secrets,
		.before = before,
		.b = image_builder_new(generation),
		.keys = keys_builder_new(),
		.identities = json_object(),
		.headers = json_object(),
		.kept = json_object(),
		.unstripped = json_object(),
		.local = json_object(),
		.cas_at = json_object(),
	};
	int rc = -1;

	if (config.b && config.keys && config.identities && config.headers && config.kept && config.unstripped && config.local && config.cas_at)
		config_read(&config, path);
	else
		complain(c, path, 0, NULL, "out of memory");
	if (complaints_errors(c) == 0)
		rc = publish(&config, path, generation, out);
	config_done(&config);
	return rc;
}
