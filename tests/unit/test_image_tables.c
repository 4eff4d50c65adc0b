/* image: the tables that lead from keyed ids and from addresses to domains. */
#include <unistd.h>

#include "common/policy/route.h"
#include "support/image_rows.h"
#include "support/leaks.h"

TestSuite(image_tables, .fini = leaks_check);

/* Each prefix length is asked; the order is the configuration's, nobody counts twice. */
Test(image_tables, find_address)
{
	static const struct {
		struct image_cidr prefix;
		uint32_t domain;
	} rows[] = {
		{ { { [10] = 0xff, [11] = 0xff, 10, 0, 0, 99 }, 96 + 8 }, 3 }, /* its host bits are not zero */
		{ { { [10] = 0xff, [11] = 0xff, 10, 1, 0, 0 }, 96 + 16 }, 1 },
		{ { { [10] = 0xff, [11] = 0xff, 10, 1, 2, 3 }, 128 }, 3 },
		{ { { [10] = 0xff, [11] = 0xff, 10, 1, 2, 3 }, 128 }, 0 },
		{ { { 0 }, 0 }, 2 },
	};
	const uint8_t near[16] = { [10] = 0xff, [11] = 0xff, 10, 1, 2, 3 }, far[16] = { 0x20, 1 };
	struct image_builder *b = image_builder_new(1);
	struct image *img;
	uint32_t got[4];
	int fd;

	put_rows(b);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(image_claim_name(b, put_domain(b, domains[i].name, NULL)), IMAGE_NONE);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		image_add_address(b, rows[i].prefix, rows[i].domain);
	fd = image_builder_finish(b);
	img = image_attach(fd);
	close(fd);
	image_builder_free(b);
	cr_assert_not_null(img);
	cr_assert_eq(image_find_address(img, near, 0, got, 4), 4);
	cr_assert(got[0] == 0 && got[1] == 1 && got[2] == 2 && got[3] == 3);
	cr_assert_eq(image_find_address(img, near, 0, got, 2), 2);
	cr_assert(got[0] == 0 && got[1] == 1, "the first ones");
	cr_assert_eq(image_find_address(img, near, DOMAIN_WILDCARD, got, 4), 3);
	cr_assert_eq(image_find_address(img, far, 0, got, 4), 1);
	cr_assert_eq(got[0], 2);
	image_free(img);
}

Test(image_tables, find_id)
{
	struct route_keys keys = { .tokens = { .count = 2, .key = { { 1, { { 1 } } }, { 2, { { 2 } } } } }, .branch = { { 3 } } };
	struct image_builder *b = image_builder_new(1);
	struct image *img;
	int fd;

	put_rows(b);
	for (size_t i = 0; i < ARRAY_LEN(domains); i++)
		cr_assert_eq(image_claim_name(b, put_domain(b, domains[i].name, NULL)), IMAGE_NONE);
	image_builder_ids(b, &keys);
	fd = image_builder_finish(b);
	img = image_attach(fd);
	close(fd);
	image_builder_free(b);
	cr_assert_not_null(img);
	for (uint32_t i = 0; i < ARRAY_LEN(domains); i++) {
		for (uint32_t k = 0; k < 2; k++)
			cr_assert_eq(image_find_id(img, k, route_domain_id(img, &keys, k, i)), i, "%s, key %u", domains[i].name, k);
		cr_assert_eq(image_find_id(img, 1, route_domain_id(img, &keys, 0, i)), IMAGE_NONE, "made with another key");
		cr_assert_eq(image_find_id(img, IMAGE_ID_BACK, route_back_id(img, &keys, i)), i);
	}
	cr_assert_eq(image_find_id(img, 0, 12345), IMAGE_NONE);
	image_free(img);
}
