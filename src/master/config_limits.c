#include <string.h>

#include "master/config.h"

/* Thousandths of what is written. */
static uint64_t rate_of(const struct config_node *n, const char *key)
{
	struct config_node v = config_get(n, key, TYPE_NUMBER);

	return v.value && json_number_value(v.value) > 0 ? (uint64_t)(json_number_value(v.value) * 1000 + 0.5) : 0;
}

uint32_t config_limits_row(struct config *c, const struct image_limits *row)
{
	/* Neighbours mostly have the same. */
	if (c->limits_index == IMAGE_NONE || memcmp(row, &c->limits_last, sizeof(*row)) != 0) {
		c->limits_index = image_add_limits(c->b, row);
		c->limits_last = *row;
	}
	return c->limits_index;
}

uint32_t config_limits(struct config *c, const struct config_node *n)
{
	struct config_node limits = config_get(n, "limits", TYPE_OBJECT);
	struct image_limits row;

	if (!limits.value)
		return IMAGE_NONE;
	row = (struct image_limits){
		.connections = (uint32_t)config_integer(&limits, "connections", 0, 1000000, 0),
		.drop = config_choice(&limits, "action", config_limit_action, 0),
		.calls_per_second = rate_of(&limits, "calls_per_second"),
		.messages_per_second = rate_of(&limits, "messages_per_second"),
	};
	return config_limits_row(c, &row);
}

void config_read_overload(struct config *c, const struct config_node *root)
{
	struct config_node o = config_get(root, "overload", TYPE_OBJECT);

	c->limits_index = IMAGE_NONE;
	if (o.value)
		image_builder_header(c->b)->overload_reason = image_put_text(c->b, config_text(&o, "reason", ""));
}
