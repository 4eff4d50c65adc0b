#include "worker/buf.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 16384 /* the size kept for reuse */
#define KEPT_MAX 64

static struct {
	void *block[KEPT_MAX];
	size_t count;
} kept;

static void *block_get(size_t size)
{
	if (size == BLOCK_SIZE && kept.count)
		return kept.block[--kept.count];
	return malloc(size);
}

static void block_put(void *p, size_t size)
{
	if (size == BLOCK_SIZE && kept.count < KEPT_MAX)
		kept.block[kept.count++] = p;
	else
		free(p);
}

static bool grow(struct buf *b, size_t n)
{
	size_t need, cap = BLOCK_SIZE;
	uint8_t *p;

	if (ADD_OVERFLOWS(b->len, n, &need) || need > SIZE_MAX / 2)
		return false;
	while (cap < need)
		cap *= 2;
	p = block_get(cap);
	if (!p)
		return false;
	if (b->len)
		memcpy(p, b->p + b->off, b->len);
	if (b->p)
		block_put(b->p, b->cap);
	b->p = p;
	b->off = 0;
	b->cap = cap;
	return true;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	if (b->p && n <= b->cap - b->off - b->len)
		return b->p + b->off + b->len;
	if (b->p && n <= b->cap - b->len && b->len <= b->off) {
		memcpy(b->p, b->p + b->off, b->len);
		b->off = 0;
		return b->p + b->len;
	}
	return grow(b, n) ? b->p + b->off + b->len : NULL;
}

void buf_commit(struct buf *b, size_t n)
{
	b->len += n;
}

bool buf_append(struct buf *b, const void *data, size_t n)
{
	uint8_t *room;

	if (n == 0)
		return true;
	room = buf_reserve(b, n);
	if (!room)
		return false;
	memcpy(room, data, n);
	b->len += n;
	return true;
}

void buf_consume(struct buf *b, size_t n)
{
	b->off += n;
	b->len -= n;
	if (b->len == 0)
		buf_clear(b);
}

void buf_clear(struct buf *b)
{
	if (b->p)
		block_put(b->p, b->cap);
	*b = (struct buf){ 0 };
}
