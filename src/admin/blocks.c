#include "admin/blocks.h"

#include <stdio.h>
#include <string.h>

#include "admin/report.h"
#include "common/clock.h"
#include "common/image_blocked.h"

#define LOOKED_AT 1000000 /* domains, for the one that was probably meant */
#define NEAR_ENOUGH 3	  /* letters that differ */

/* ---- what is blocked ---- */

/* All rows of one moment, into the admin's own memory. */
static const struct blocks_copy *take(const struct admin *a)
{
	static struct blocks_copy copy; /* large, and one question at a time */
	uint64_t version;

	do {
		const struct blocks_copy *c;

		version = blocks_version(a->h->blocks);
		c = blocks_copy(a->h->blocks, version);
		copy.count = MIN(c->count, BLOCKS_MAX);
		memcpy(copy.row, c->row, copy.count * sizeof(copy.row[0]));
	} while (blocks_version(a->h->blocks) != version);
	return &copy;
}

static json_t *row(const struct admin *a, const struct block *b, int64_t now)
{
	struct span name = block_name(b), reason = block_reason(b);
	bool ends = b->until != BLOCK_NO_END;

	return json_pack("{s:s%, s:I, s:o, s:o, s:I, s:I, s:s%, s:b}", "domain", name.p, name.len, "since", (json_int_t)b->since,
	    "until", ends ? json_integer(b->until) : json_null(), "left", ends ? json_integer(b->until - now) : json_null(), "uid",
	    (json_int_t)b->uid, "pid", (json_int_t)b->pid, "reason", reason.p, reason.len, "configured",
	    image_find_entry(a->img, name) != IMAGE_NONE);
}

json_t *blocks_list(const struct admin *a, uint32_t limit)
{
	const struct blocks_copy *c = take(a);
	json_t *rows = json_array();
	int64_t now = clock_wall_s();
	json_int_t count = 0;

	for (uint32_t i = 0; i < c->count; i++)
		if (block_counts(&c->row[i], now) && count++ < limit)
			json_array_append_new(rows, row(a, &c->row[i], now));
	return json_pack("{s:I, s:b, s:o}", "count", count, "saved", atomic_load(&a->h->blocks->unsaved) == 0, "blocks", rows);
}

json_t *blocks_report(const struct admin *a)
{
	json_t *j = blocks_list(a, BLOCKS_MAX);

	if (j)
		json_object_set_new(j, "ok", json_true());
	return j;
}

/* As text an entry's name is what a block names it by. */
static struct span entry_name(const struct admin *a, uint32_t domain, char text[static BLOCK_NAME_MAX])
{
	struct span name = image_domain_name(a->img, domain);
	int n = snprintf(text, BLOCK_NAME_MAX, "%s%.*s", a->img->domain[domain].flags & DOMAIN_WILDCARD ? "*." : "", SPAN_FMT(name));

	return span_of(text, MIN((size_t)MAX(n, 0), (size_t)BLOCK_NAME_MAX - 1));
}

void blocks_follow(struct admin *a)
{
	static struct image_blocked set;

	image_blocked_make(&set, a->img, a->h->blocks, clock_wall_s());
	a->img->blocked = set.count ? &set : NULL;
}

/* ---- what is asked for ---- */

/* The entry that was probably meant; empty: none is near. */
static struct span nearest(const struct admin *a, struct span name, char text[static BLOCK_NAME_MAX])
{
	uint32_t count = (uint32_t)MIN(a->img->h->domains.count, LOOKED_AT), best = IMAGE_NONE;
	unsigned least = NEAR_ENOUGH + 1;

	for (uint32_t i = 0; i < count && least > 1; i++) {
		struct span other = image_domain_name(a->img, i);
		size_t len = other.len + (a->img->domain[i].flags & DOMAIN_WILDCARD ? 2 : 0);
		unsigned d;

		if (MAX(len, name.len) - MIN(len, name.len) >= least)
			continue;
		d = span_distance(name, entry_name(a, i, text));
		if (d < least) {
			least = d;
			best = i;
		}
	}
	return best == IMAGE_NONE ? SPAN_NONE : entry_name(a, best, text);
}

static json_t *not_configured(const struct admin *a, struct span name)
{
	uint32_t wider = image_find_domain(a->img, name);
	char text[BLOCK_NAME_MAX], shown[1024];
	struct span meant = wider != IMAGE_NONE ? entry_name(a, wider, text) : nearest(a, name, text);

	(void)snprintf(shown, sizeof(shown), "%.*s is not configured: nobody would be blocked%s%.*s%s; --force blocks it nevertheless, for when a reload brings it",
	    SPAN_FMT(name), !meant.len ? "" : wider != IMAGE_NONE ? "; it belongs to the entry " : "; did you mean ", SPAN_FMT(meant),
	    meant.len && wider == IMAGE_NONE ? "?" : ""); /* fits */
	return report_error(shown);
}

static struct span text_of(const json_t *question, const char *key)
{
	const json_t *j = json_object_get(question, key);

	return span_of(json_string_value(j), json_string_length(j));
}

json_t *blocks_question(const struct admin *a, const json_t *question, bool block, struct block *out)
{
	const json_t *seconds = json_object_get(question, "for");
	struct block b = { .since = clock_wall_s(), .until = BLOCK_NO_END };
	struct span name = text_of(question, "name"), reason = text_of(question, "reason");

	if (reason.len > BLOCK_REASON_MAX)
		return report_error("the reason is too long: at most 200 bytes");
	if (!block_set(&b, name, reason))
		return report_error("expected \"name\", a domain like example.net or *.example.net, and a \"reason\" without control characters");
	if (seconds) {
		if (!json_is_integer(seconds) || json_integer_value(seconds) < 1 || json_integer_value(seconds) > BLOCK_TIME_MAX)
			return report_error("\"for\" is a number of seconds, at most ten years");
		b.until = b.since + json_integer_value(seconds);
	}
	if (block && !json_is_true(json_object_get(question, "force")) && image_find_entry(a->img, block_name(&b)) == IMAGE_NONE)
		return not_configured(a, block_name(&b));
	*out = b;
	return NULL;
}
