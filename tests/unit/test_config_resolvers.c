/* config: name servers and the hosts file in the image.  Mistakes in the list stand in test_resolver.py. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/addr.h"
#include "common/image.h"
#include "support/config_files.h"
#include "support/leaks.h"

TestSuite(config_resolvers, .init = config_files_make, .fini = leaks_check);

static struct config_loaded loaded;

static struct image *load(const char *resolvers)
{
	struct image *img;
	char text[1024];

	snprintf(text, sizeof(text),
	    "{ %s \"listeners\": [ { \"side\": \"internal\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 5060 },"
	    "  { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 5070 } ],"
	    "\"clusters\": { \"a\": { \"servers\": [ { \"host\": \"192.0.2.5\" } ] } } }", resolvers);
	config_write("test.json", text);
	loaded = config_load("test.json");
	cr_assert_eq(loaded.rc, 0, "%s", loaded.text);
	img = image_attach(loaded.result.image_fd);
	cr_assert_not_null(img);
	return img;
}

static void unload(struct image *img)
{
	image_free(img);
	config_loaded_free(&loaded);
	config_files_remove();
}

Test(config_resolvers, list)
{
	static const struct {
		const char *addr;
		uint16_t port;
	} want[] = { { "192.0.2.1", 53 }, { "192.0.2.1", 5353 }, { "2001:db8::1", 53 }, { "2001:db8::1", 99 } };
	struct image *img = load("\"resolvers\": [\"192.0.2.1\", \"192.0.2.1:5353\", \"2001:DB8::1\", \"[2001:db8::1]:99\"],");
	const struct image_resolver *r = image_at(img, img->h->resolvers);
	char text[ADDR_TEXT_MAX];

	cr_assert_eq(img->h->resolvers.count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		(void)addr_print(r[i].addr, text);
		cr_assert_str_eq(text, want[i].addr);
		cr_assert_eq(r[i].port, want[i].port);
	}
	unload(img);
}

Test(config_resolvers, one)
{
	struct image *img = load("\"resolvers\": \"192.0.2.1\",");

	cr_assert_eq(img->h->resolvers.count, 1);
	unload(img);
}

/* Whatever stands in this system's files. */
Test(config_resolvers, from_the_system)
{
	struct image *img = load("");
	const struct image_resolver *r = image_at(img, img->h->resolvers);
	const struct image_alias *a = image_at(img, img->h->aliases);

	cr_assert(img->h->resolvers.count >= 1 && img->h->resolvers.count <= RESOLVERS_MAX);
	for (uint64_t i = 0; i < img->h->resolvers.count; i++)
		cr_assert_eq(r[i].port, 53);
	for (uint64_t i = 0; i < img->h->aliases.count; i++)
		cr_assert_gt(a[i].name.len, 0);
	unload(img);
}
