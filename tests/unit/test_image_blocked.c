/* image_blocked: which entries a table of names blocks, and when it is to be looked at again. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/image_blocked.h"
#include "support/image_rows.h"
#include "support/leaks.h"

TestSuite(image_blocked, .fini = leaks_check);

static const char *const names[] = { "one.example", "*.one.example", "two.example", "three.example" };
enum { ONE, WILD, TWO, THREE };

static struct image *image_of(size_t more)
{
	struct image_builder *b = image_builder_new(1);
	struct image *img;
	char name[32];
	int fd;

	put_rows(b);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		cr_assert_eq(image_claim_name(b, put_domain(b, names[i], NULL)), IMAGE_NONE);
	for (size_t i = 0; i < more; i++) {
		snprintf(name, sizeof(name), "d%zu.example", i);
		cr_assert_eq(image_claim_name(b, put_domain(b, name, NULL)), IMAGE_NONE);
	}
	fd = image_builder_finish(b);
	image_builder_free(b);
	img = image_attach(fd);
	close(fd);
	cr_assert_not_null(img);
	return img;
}

static void block(struct blocks *t, const char *name, int64_t until)
{
	struct block b = { .until = until };

	cr_assert(block_set(&b, span_str(name), SPAN_NONE));
	cr_assert_eq(blocks_put(t, &b), 0);
}

/* As text, so that a failure tells which: the indexes of what is usable. */
static const char *usable(struct image *img, const struct image_blocked *set)
{
	static char text[8];
	size_t n = 0;

	img->blocked = set->count ? set : NULL;
	for (uint32_t i = 0; i < ARRAY_LEN(names); i++)
		if (image_domain_usable(img, i))
			text[n++] = (char)('0' + i);
	text[n] = '\0';
	return text;
}

Test(image_blocked, exactly_the_entry_that_is_named)
{
	struct image *img = image_of(0);
	struct blocks *t = calloc(1, sizeof(*t));
	static struct image_blocked set;

	image_blocked_make(&set, img, t, 100);
	cr_assert_str_eq(usable(img, &set), "0123");
	cr_assert_eq(set.until, INT64_MAX);
	block(t, "*.one.example", BLOCK_NO_END);
	block(t, "three.example", 200);
	block(t, "a.one.example", BLOCK_NO_END); /* names below the wildcard are no entries */
	block(t, "unknown.example", 150);
	image_blocked_make(&set, img, t, 100);
	cr_assert_str_eq(usable(img, &set), "02");
	cr_assert_eq(set.count, 2);
	cr_assert_eq(set.until, 150, "also for one that is not configured: a reload may bring it");
	image_blocked_make(&set, img, t, 200);
	cr_assert_str_eq(usable(img, &set), "023", "at its end it counts no more");
	cr_assert_eq(set.until, INT64_MAX);
	free(t);
	image_free(img);
}

Test(image_blocked, in_slices_while_the_table_changes)
{
	struct image *img = image_of(0);
	struct blocks *t = calloc(1, sizeof(*t));
	static struct image_blocked set;
	unsigned steps = 1;

	block(t, "one.example", BLOCK_NO_END);
	block(t, "two.example", BLOCK_NO_END);
	block(t, "three.example", BLOCK_NO_END);
	image_blocked_begin(&set, t);
	cr_assert(image_blocked_more(&set, img, t, 100, 2));
	blocks_remove(t, SPAN("one.example"));
	cr_assert(image_blocked_more(&set, img, t, 100, 2), "it begins anew");
	while (image_blocked_more(&set, img, t, 100, 1))
		steps++;
	cr_assert_eq(steps, 2);
	cr_assert_str_eq(usable(img, &set), "01");
	free(t);
	image_free(img);
}

/* As many as there can be: each is found, and no other. */
Test(image_blocked, full)
{
	struct image *img = image_of(2 * BLOCKS_MAX);
	struct blocks *t = calloc(1, sizeof(*t));
	struct blocks_copy *rows = calloc(1, sizeof(*rows));
	static struct image_blocked set;

	for (; rows->count < BLOCKS_MAX; rows->count++) {
		struct block *b = &rows->row[rows->count];
		char name[32];

		snprintf(name, sizeof(name), "d%u.example", 2 * rows->count);
		b->until = BLOCK_NO_END;
		cr_assert(block_set(b, span_str(name), SPAN_NONE));
	}
	blocks_set(t, rows);
	image_blocked_make(&set, img, t, 100);
	cr_assert_eq(set.count, BLOCKS_MAX);
	img->blocked = &set;
	for (uint32_t i = 0; i < 2 * BLOCKS_MAX; i++)
		cr_assert_eq(image_domain_usable(img, (uint32_t)ARRAY_LEN(names) + i), i % 2 == 1, "domain %u", i);
	free(rows);
	free(t);
	image_free(img);
}
