#include "common/mailbox.h"

#include <stdatomic.h>

#define LINE 64
#define RING_LARGE ((size_t)1 << 20)
#define RING_SMALL ((size_t)256 << 10)
#define MANY_WORKERS 32		 /* each of them has a ring for each */
#define RESTART ((uint64_t)64 << 10) /* an empty ring that is filled further begins at its front again */
#define RECORD sizeof(uint64_t)	 /* in front of each message: its length */
#define SKIP UINT64_MAX		 /* instead of a length: the next record stands at the front */

/*
 * A part: this line, a mail_line for each worker, the rings.  The order in
 * which the words are written is what the other side relies on.
 */
struct mail_owner {
	_Atomic uint64_t incarnation; /* 0: the rest is being cleaned */
} __attribute__((aligned(LINE)));

struct mail_line {
	struct {
		_Atomic uint64_t to; /* what we have written is for this incarnation */
		_Atomic uint64_t tail;
	} __attribute__((aligned(LINE))) out;
	struct {
		_Atomic uint64_t from; /* what we have read is of this incarnation */
		_Atomic uint64_t head;
	} __attribute__((aligned(LINE))) in;
};

static size_t ring_bytes(uint32_t workers)
{
	return workers > MANY_WORKERS ? RING_SMALL : RING_LARGE;
}

static size_t head_bytes(uint32_t workers)
{
	size_t n = sizeof(struct mail_owner) + workers * sizeof(struct mail_line);

	return (n + REGION_PAGE - 1) / REGION_PAGE * REGION_PAGE;
}

size_t mailbox_bytes(uint32_t workers)
{
	return head_bytes(workers) + workers * ring_bytes(workers);
}

size_t mailbox_message_max(uint32_t workers)
{
	return ring_bytes(workers) - RECORD;
}

static struct mail_owner *owner(const struct mailbox *m, uint32_t worker)
{
	return (struct mail_owner *)(void *)(m->all + worker * m->each);
}

/* Of `worker`'s part, what concerns `other`. */
static struct mail_line *line(const struct mailbox *m, uint32_t worker, uint32_t other)
{
	return (struct mail_line *)(void *)(owner(m, worker) + 1) + other;
}

static char *ring(const struct mailbox *m, uint32_t worker, uint32_t other)
{
	return m->all + worker * m->each + head_bytes(m->workers) + other * m->ring;
}

void mailbox_open(struct mailbox *m, void *all, uint32_t workers, uint32_t self, uint64_t incarnation)
{
	*m = (struct mailbox){ .all = all, .each = mailbox_bytes(workers), .ring = ring_bytes(workers),
		.workers = workers, .self = self, .incarnation = incarnation };
	/* Who reads anything of what follows will find that the incarnation has changed. */
	atomic_store(&owner(m, self)->incarnation, 0);
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i < workers; i++) {
		struct mail_line *l = line(m, self, i);

		atomic_store_explicit(&l->out.to, 0, memory_order_relaxed);
		atomic_store_explicit(&l->out.tail, 0, memory_order_relaxed);
		atomic_store_explicit(&l->in.from, 0, memory_order_relaxed);
		atomic_store_explicit(&l->in.head, 0, memory_order_relaxed);
	}
	atomic_store(&owner(m, self)->incarnation, incarnation);
}

uint64_t mailbox_incarnation(const struct mailbox *m, uint32_t worker)
{
	return worker < m->workers ? atomic_load_explicit(&owner(m, worker)->incarnation, memory_order_acquire) : 0;
}

/* Is that a worker that we can talk with? */
static bool is_other(const struct mailbox *m, uint32_t worker)
{
	return worker < m->workers && worker != m->self;
}

/* ---- writing ---- */

static void put(const struct mailbox *m, char *to, uint64_t at, const void *data, size_t len)
{
	size_t off = at % m->ring, first = MIN(len, m->ring - off);

	if (first)
		memcpy(to + off, data, first);
	if (len > first)
		memcpy(to, (const char *)data + first, len - first);
}

/* Another incarnation: nothing of what was written is for it, and it has read nothing. */
static void begin_writing(struct mailbox *m, uint32_t worker, uint64_t incarnation)
{
	struct mail_line *own = line(m, m->self, worker);

	m->peer[worker].to = incarnation;
	m->peer[worker].tail = 0;
	atomic_store_explicit(&own->out.tail, 0, memory_order_relaxed);
	atomic_store_explicit(&own->out.to, incarnation, memory_order_release);
}

/* How far the other says that it has read us. */
static uint64_t read_so_far(const struct mailbox *m, uint32_t worker)
{
	const struct mail_line *theirs = line(m, worker, m->self);

	if (atomic_load_explicit(&theirs->in.from, memory_order_acquire) != m->incarnation)
		return 0;
	return atomic_load_explicit(&theirs->in.head, memory_order_acquire);
}

bool mailbox_send(struct mailbox *m, uint32_t worker, uint64_t incarnation, struct span head, struct span body)
{
	uint64_t len, need, used, tail;
	char *to;

	if (!is_other(m, worker) || incarnation == 0 || mailbox_incarnation(m, worker) != incarnation)
		return false;
	if (ADD_OVERFLOWS(head.len, body.len, &len) || len > m->ring - RECORD)
		return false;
	need = RECORD + (len + RECORD - 1) / RECORD * RECORD;
	if (m->peer[worker].to != incarnation)
		begin_writing(m, worker, incarnation);
	tail = m->peer[worker].tail;
	used = tail - read_so_far(m, worker);
	to = ring(m, m->self, worker);
	if (used == 0 && tail % m->ring >= RESTART && need <= tail % m->ring) {
		used = m->ring - tail % m->ring;
		put(m, to, tail, &(uint64_t){ SKIP }, RECORD);
		tail += used;
	}
	if (used > m->ring || need > m->ring - used)
		return false;
	put(m, to, tail, &len, RECORD);
	put(m, to, tail + RECORD, head.p, head.len);
	put(m, to, tail + RECORD + head.len, body.p, body.len);
	m->peer[worker].tail = tail + need;
	atomic_store_explicit(&line(m, m->self, worker)->out.tail, tail + need, memory_order_release);
	return true;
}

/* ---- reading ---- */

static void get(const struct mailbox *m, const char *from, uint64_t at, void *data, size_t len)
{
	size_t off = at % m->ring, first = MIN(len, m->ring - off);

	if (first)
		memcpy(data, from + off, first);
	if (len > first)
		memcpy((char *)data + first, from, len - first);
}

/* Another incarnation writes: nothing of it has been read. */
static void begin_reading(struct mailbox *m, uint32_t worker, uint64_t incarnation)
{
	struct mail_line *own = line(m, m->self, worker);

	m->peer[worker].from = incarnation;
	m->peer[worker].head = 0;
	atomic_store_explicit(&own->in.head, 0, memory_order_relaxed);
	atomic_store_explicit(&own->in.from, incarnation, memory_order_release);
}

/*
 * Copy the message at `at`, of whose ring `n` bytes are said to be filled from
 * there on; its end, 0: it is none.  Only the copies are looked at.
 */
static uint64_t copy_message(const struct mailbox *m, const char *from, uint64_t at, uint64_t n, char *room,
    struct span *out)
{
	uint64_t len;

	if (n > m->ring || n < RECORD || n % RECORD != 0)
		return 0;
	get(m, from, at, &len, RECORD);
	if (len == SKIP) {
		uint64_t rest = m->ring - at % m->ring;

		if (rest == m->ring || rest + RECORD > n)
			return 0; /* at the front there is nothing to skip, and behind it there is always something */
		at += rest;
		n -= rest;
		get(m, from, at, &len, RECORD);
	}
	if (len > n - RECORD)
		return 0;
	get(m, from, at + RECORD, room, len);
	*out = span_of(room, len);
	return at + RECORD + (len + RECORD - 1) / RECORD * RECORD;
}

enum mail_status mailbox_take(struct mailbox *m, uint32_t worker, char *room, struct span *out)
{
	uint64_t from = is_other(m, worker) ? mailbox_incarnation(m, worker) : 0, tail, end;
	struct mail_peer *p;
	struct mail_line *theirs;
	struct span got = SPAN_NONE;

	if (from == 0 || from == m->peer[worker].deaf)
		return MAIL_NONE;
	p = &m->peer[worker];
	theirs = line(m, worker, m->self);
	if (p->from != from)
		begin_reading(m, worker, from);
	if (atomic_load_explicit(&theirs->out.to, memory_order_acquire) != m->incarnation)
		return MAIL_NONE;
	tail = atomic_load_explicit(&theirs->out.tail, memory_order_acquire);
	if (tail == p->head)
		return MAIL_NONE;
	end = copy_message(m, ring(m, worker, m->self), p->head, tail - p->head, room, &got);
	/* If it started anew meanwhile, what was copied may be of both. */
	atomic_thread_fence(memory_order_seq_cst);
	if (mailbox_incarnation(m, worker) != from)
		return MAIL_NONE;
	if (end == 0) {
		p->deaf = from;
		return MAIL_BROKEN;
	}
	p->head = end;
	atomic_store_explicit(&line(m, m->self, worker)->in.head, end, memory_order_release);
	*out = got;
	return MAIL_READY;
}
