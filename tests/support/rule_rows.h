/*
 * rule_rows - routing rules for an image that a test builds by hand, and asking them.
 */
#ifndef TESTS_SUPPORT_RULE_ROWS_H
#define TESTS_SUPPORT_RULE_ROWS_H

#include <criterion/criterion.h>

#include "common/policy/rules.h"
#include "master/image_build.h"

/* A rule with a condition of each kind. */
UNUSED static void put_rule(struct image_builder *b, struct image_section texts)
{
	const struct image_place place = { .net.bits = 96, .port = 5060 };
	const struct image_section places = image_put_array(b, &place, 1, sizeof(place));
	struct image_condition c[RULE_FIELD_COUNT];

	for (uint8_t i = 0; i < RULE_FIELD_COUNT; i++)
		c[i] = (struct image_condition){
			.field = i,
			.name = image_put_text(b, SPAN("x-name")),
			.values = i == RULE_SOURCE || i == RULE_DESTINATION ? places : texts,
		};
	(void)image_add_rule(b, &(struct image_rule){ .conditions = image_put_array(b, c, ARRAY_LEN(c), sizeof(c[0])) });
	(void)image_add_rule(b, &(struct image_rule){ .cluster = IMAGE_NONE, .status = 403 });
}

/* Whatever a condition has become, asking it does no harm. */
UNUSED static void ask_rules(const struct image *img)
{
	static const uint8_t addr[16];
	static struct msg_header header = { .name = { "X-Name", 6 }, .value = { "value", 5 } };
	struct sip_msg msg = { .header = &header, .header_count = 1, .method = SPAN("text") };
	struct rules_ask ask = { .msg = &msg, .source = addr, .local = addr, .local_port = 5060 };
	struct rules_choice got;

	cr_assert(uri_parse(SPAN("sip:a@b.example"), &msg.to.uri));
	msg.from = msg.to;
	msg.request_uri = msg.to.uri;
	ask.domain = img->h->domains.count ? 0 : IMAGE_NONE;
	rules_choose(img, &ask, &got);
	cr_assert(got.cluster < img->h->clusters.count || (got.reject >= 400 && got.reject <= 699));
}

#endif
