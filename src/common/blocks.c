#include "common/blocks.h"

#include <errno.h>
#include <string.h>

/* ---- one row ---- */

/* An IPv6 address is canonical without brackets, and as an operator may write it. */
static size_t canon(struct span host, char out[static HOST_MAX])
{
	char bracketed[HOST_MAX];

	if (span_find(host, ':') == host.len || host.len + 2 > sizeof(bracketed) || host.p[0] == '[')
		return host_canon(host, out);
	bracketed[0] = '[';
	memcpy(bracketed + 1, host.p, host.len);
	bracketed[host.len + 1] = ']';
	return host_canon(span_of(bracketed, host.len + 2), out);
}

bool block_set(struct block *b, struct span name, struct span reason)
{
	bool wildcard = span_istarts(name, SPAN("*."));
	size_t star = wildcard ? 2 : 0, len;
	char canonical[HOST_MAX];

	len = canon(span_from(name, star), canonical);
	if (len == 0 || reason.len > sizeof(b->reason))
		return false;
	for (size_t i = 0; i < reason.len; i++)
		if ((unsigned char)reason.p[i] < 0x20 || reason.p[i] == 0x7f)
			return false;
	memcpy(b->name, "*.", star);
	memcpy(b->name + star, canonical, len);
	b->name_len = (uint16_t)(star + len);
	if (reason.len)
		memcpy(b->reason, reason.p, reason.len);
	b->reason_len = (uint16_t)reason.len;
	return true;
}

bool block_is_sound(const struct block *b)
{
	struct block same = { .since = b->since, .until = b->until, .uid = b->uid, .pid = b->pid };

	if (b->name_len > sizeof(b->name) || b->reason_len > sizeof(b->reason) ||
	    !block_set(&same, block_name(b), block_reason(b)))
		return false;
	if (!span_eq(block_name(&same), block_name(b)))
		return false;
	return b->since >= 0 && b->since <= INT64_MAX - BLOCK_TIME_MAX &&
	       (b->until == BLOCK_NO_END || (b->until >= 0 && b->until <= b->since + BLOCK_TIME_MAX));
}

const struct block *blocks_find(const struct blocks_copy *c, struct span name)
{
	for (uint32_t i = 0; i < MIN(c->count, BLOCKS_MAX); i++)
		if (span_eq(block_name(&c->row[i]), name))
			return &c->row[i];
	return NULL;
}

/* ---- the writer ---- */

/* The copy that nobody reads, with what stands in the other one. */
static struct blocks_copy *begin(struct blocks *b)
{
	uint64_t version = blocks_version(b);
	struct blocks_copy *next = &b->copy[(version + 1) % 2];
	const struct blocks_copy *now = &b->copy[version % 2];

	next->count = now->count;
	memcpy(next->row, now->row, now->count * sizeof(now->row[0]));
	return next;
}

static void commit(struct blocks *b)
{
	(void)atomic_fetch_add(&b->version, 1); /* the number before is known */
}

int blocks_put(struct blocks *b, const struct block *row)
{
	const struct blocks_copy *now = blocks_now(b);
	const struct block *old = blocks_find(now, block_name(row));
	uint32_t at = old ? (uint32_t)(old - now->row) : now->count;
	struct blocks_copy *next;

	if (at == BLOCKS_MAX)
		return -ENOSPC;
	next = begin(b);
	next->row[at] = *row;
	next->count += !old;
	commit(b);
	return 0;
}

void blocks_set(struct blocks *b, const struct blocks_copy *rows)
{
	struct blocks_copy *next = begin(b);

	next->count = rows->count;
	memcpy(next->row, rows->row, rows->count * sizeof(rows->row[0]));
	commit(b);
}

void blocks_expire(struct blocks *b, int64_t now)
{
	struct blocks_copy *next = begin(b);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < next->count; i++)
		if (block_counts(&next->row[i], now))
			next->row[kept++] = next->row[i];
	next->count = kept;
	commit(b);
}

bool blocks_remove(struct blocks *b, struct span name)
{
	const struct blocks_copy *now = blocks_now(b);
	const struct block *old = blocks_find(now, name);
	struct blocks_copy *next;
	size_t at;

	if (!old)
		return false;
	at = (size_t)(old - now->row);
	next = begin(b);
	next->count--;
	memmove(&next->row[at], &next->row[at + 1], (next->count - at) * sizeof(next->row[0]));
	commit(b);
	return true;
}
