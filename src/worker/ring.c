#include "worker/ring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SETUP_FLAGS                                                                                                    \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |                        \
	    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED)

/* Linux 6.12; liburing 2.3 does not know it, and calls the field of the minimal wait `pad`. */
#define FEAT_MIN_TIMEOUT (1U << 15)
#define MIN_WAIT_USEC pad

/* Entries of the submission queue when there is not memory for what was asked: full, it is only submitted more often. */
#define ENTRIES_MIN 256

#define BUFFER_GROUP 0
#define BUFFERS_MAX 32768
#define SLOT_BITS 24
#define SUBMIT_TRIES 64

/* With a minimal wait and no time-out the kernel would return after the minimal wait, with nothing. */
#define LONG_WAIT_NS (3600ULL * 1000000000ULL)

/* What a send has to tell may wait so long, see wait_for: a tick of the slowest clock, for which no timer is set anew. */
#define SENDS_WAIT_NS 4000000ULL

struct ring {
	struct io_uring ring;
	struct io_uring_buf_ring *buf_ring;
	size_t buf_ring_size;
	uint8_t *memory; /* the receive buffers */
	unsigned buffers, buffer_size;
	unsigned out;	 /* buffers that we hold */
	unsigned sends;	 /* queued since the last turn */
	uint8_t *lent;	 /* per buffer: we hold it */
	int broken;	 /* -errno of a submission that could not be made */
};

/*
 * Set-up
 */

/* seccomp cannot see what goes through a ring, so the ring itself refuses what a worker has no use for. */
static const uint8_t allowed_ops[] = {
	IORING_OP_ACCEPT, IORING_OP_RECV, IORING_OP_SEND, IORING_OP_CONNECT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
};

static const char *why_not(int err)
{
	switch (err) {
	case ENOSYS:
		return "io_uring is not in this kernel";
	case EPERM:
	case EACCES:
		return "io_uring is forbidden: see sysctl kernel.io_uring_disabled and the seccomp profile of the container";
	case EINVAL:
		return "io_uring of this kernel is too old: Linux 6.1 is needed";
	case ENOMEM:
		return "io_uring got no memory: raise RLIMIT_MEMLOCK (LimitMEMLOCK=) or lower the size of the ring";
	case EMFILE:
	case ENFILE:
		return "io_uring got no file descriptor: raise RLIMIT_NOFILE";
	}
	return "io_uring could not be set up";
}

static void *map_anonymous(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void buffer_add(struct ring *r, unsigned id)
{
	io_uring_buf_ring_add(r->buf_ring, r->memory + (size_t)id * r->buffer_size, r->buffer_size,
	    (unsigned short)id, io_uring_buf_ring_mask(r->buffers), 0);
	io_uring_buf_ring_advance(r->buf_ring, 1);
}

static int buffers_init(struct ring *r, const struct ring_config *config)
{
	struct io_uring_buf_reg reg = { .bgid = BUFFER_GROUP, .ring_entries = config->buffers };
	int rc;

	r->buffers = config->buffers;
	r->buffer_size = config->buffer_size;
	r->buf_ring_size = r->buffers * sizeof(struct io_uring_buf);
	r->buf_ring = map_anonymous(r->buf_ring_size);
	r->memory = map_anonymous((size_t)r->buffers * r->buffer_size);
	r->lent = calloc(r->buffers, 1);
	if (!r->buf_ring || !r->memory || !r->lent)
		return -ENOMEM;
	/* What peers sent does not belong into a core file; a kernel without this advice changes nothing else. */
	(void)madvise(r->memory, (size_t)r->buffers * r->buffer_size, MADV_DONTDUMP);
	reg.ring_addr = (uintptr_t)r->buf_ring;
	rc = io_uring_register_buf_ring(&r->ring, &reg, 0);
	if (rc < 0)
		return rc;
	io_uring_buf_ring_init(r->buf_ring);
	for (unsigned id = 0; id < r->buffers; id++)
		buffer_add(r, id);
	return 0;
}

/* Allow what is in the table, no register call at all, and start the ring. */
static int restrict_and_enable(struct ring *r)
{
	struct io_uring_restriction rules[ARRAY_LEN(allowed_ops) + 1] = { 0 };
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(allowed_ops); i++) {
		rules[i].opcode = IORING_RESTRICTION_SQE_OP;
		rules[i].sqe_op = allowed_ops[i];
	}
	rules[ARRAY_LEN(allowed_ops)].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rules[ARRAY_LEN(allowed_ops)].sqe_flags = IOSQE_BUFFER_SELECT;
	rc = io_uring_register((unsigned)r->ring.ring_fd, IORING_REGISTER_RESTRICTIONS, rules, ARRAY_LEN(rules));
	if (rc < 0)
		return rc;
	return io_uring_register((unsigned)r->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* Entry i of the submission queue is always element i of the array: ring_submit has only to move the tail. */
static void map_entries(struct ring *r)
{
	for (unsigned i = 0; i < r->ring.sq.ring_entries; i++)
		r->ring.sq.array[i] = i;
}

static int ring_init(struct ring *r, const struct ring_config *config, unsigned entries)
{
	struct io_uring_params params = { .flags = SETUP_FLAGS, .cq_entries = 4 * entries };
	int rc;

	rc = io_uring_queue_init_params(entries, &r->ring, &params);
	if (rc < 0) {
		r->ring.ring_fd = -1;
		return rc;
	}
	map_entries(r);
	rc = buffers_init(r, config);
	return rc < 0 ? rc : restrict_and_enable(r);
}

static bool power_of_two(unsigned n)
{
	return n && (n & (n - 1)) == 0;
}

static struct ring *ring_of(const struct ring_config *config, unsigned entries, int *rc)
{
	struct ring *r = calloc(1, sizeof(*r));

	*rc = -ENOMEM;
	if (!r)
		return NULL;
	*rc = ring_init(r, config, entries);
	if (*rc < 0) {
		ring_free(r);
		return NULL;
	}
	return r;
}

/*
 * Newer kernels charge the queues of all rings of a user to one RLIMIT_MEMLOCK,
 * and give back what a dead worker had only a while later.  So many workers, or
 * a replaced one, may have to do with a smaller ring.
 */
struct ring *ring_new(const struct ring_config *config, const char **why)
{
	unsigned entries = config->entries;
	struct ring *r;
	int rc;

	assert(power_of_two(config->entries) && power_of_two(config->buffers));
	assert(config->buffers <= BUFFERS_MAX && config->buffer_size > 0);
	*why = "";
	while (!(r = ring_of(config, entries, &rc)) && rc == -ENOMEM && entries > ENTRIES_MIN)
		entries /= 2;
	if (!r) {
		*why = why_not(-rc);
		errno = -rc;
	}
	return r;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	if (r->ring.ring_fd >= 0)
		io_uring_queue_exit(&r->ring);
	if (r->memory)
		munmap(r->memory, (size_t)r->buffers * r->buffer_size);
	if (r->buf_ring)
		munmap(r->buf_ring, r->buf_ring_size);
	free(r->lent);
	free(r);
}

/*
 * Submission
 */

static uint64_t word(enum ring_op op, uint32_t slot, uint32_t generation)
{
	assert(slot < (1U << SLOT_BITS));
	return (uint64_t)op << 56 | (uint64_t)slot << 32 | generation;
}

/* One io_uring_enter with everything that is queued; what it returned. */
static int enter(struct ring *r, unsigned wait_nr, unsigned flags, struct io_uring_getevents_arg *arg)
{
	struct io_uring_sq *sq = &r->ring.sq;
	unsigned queued = sq->sqe_tail - IO_URING_READ_ONCE(*sq->khead);

	io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
	return io_uring_enter2((unsigned)r->ring.ring_fd, queued, wait_nr, flags, (sigset_t *)(void *)arg,
	    arg ? sizeof(*arg) : _NSIG / 8);
}

/*
 * The next free entry.  When the queue is full it is submitted first; the
 * kernel refuses that only for want of memory, which letting it run its
 * pending work gives back.
 */
static struct io_uring_sqe *entry(struct ring *r, enum ring_op op, uint32_t slot, uint32_t generation)
{
	static struct io_uring_sqe nowhere;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	for (int tries = 0; !sqe && tries < SUBMIT_TRIES && !r->broken; tries++) {
		int rc = enter(r, 0, tries ? IORING_ENTER_GETEVENTS : 0, NULL);

		if (rc < 0 && rc != -EAGAIN && rc != -EBUSY && rc != -EINTR)
			r->broken = rc;
		sqe = io_uring_get_sqe(&r->ring);
	}
	if (!sqe) {
		/* The next turn reports it and the worker ends, so the operation may go nowhere. */
		r->broken = r->broken ? r->broken : -EAGAIN;
		sqe = &nowhere;
	}
	sqe->user_data = word(op, slot, generation);
	return sqe;
}

void ring_accept(struct ring *r, uint32_t slot, uint32_t generation, int fd)
{
	struct io_uring_sqe *sqe = entry(r, RING_ACCEPT, slot, generation);

	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
}

void ring_recv(struct ring *r, uint32_t slot, uint32_t generation, int fd)
{
	struct io_uring_sqe *sqe = entry(r, RING_RECV, slot, generation);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
}

void ring_send(struct ring *r, uint32_t slot, uint32_t generation, int fd, const void *data, size_t len)
{
	struct io_uring_sqe *sqe = entry(r, RING_SEND, slot, generation);

	io_uring_prep_send(sqe, fd, data, MIN(len, (size_t)INT32_MAX), MSG_NOSIGNAL | MSG_WAITALL);
	r->sends++;
}

void ring_connect(struct ring *r, uint32_t slot, uint32_t generation, int fd, const struct sockaddr *addr,
    socklen_t len)
{
	struct io_uring_sqe *sqe = entry(r, RING_CONNECT, slot, generation);

	io_uring_prep_connect(sqe, fd, addr, len);
}

void ring_poll(struct ring *r, uint32_t slot, uint32_t generation, int fd)
{
	struct io_uring_sqe *sqe = entry(r, RING_POLL, slot, generation);

	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
}

void ring_cancel(struct ring *r, enum ring_op op, uint32_t slot, uint32_t generation)
{
	struct io_uring_sqe *sqe = entry(r, RING_CANCEL, slot, generation);

	io_uring_prep_cancel64(sqe, word(op, slot, generation), 0);
}

/*
 * Waiting and completions
 */

static struct __kernel_timespec timespec_of(uint64_t ns)
{
	return (struct __kernel_timespec){ .tv_sec = (long long)(ns / 1000000000), .tv_nsec = (long long)(ns % 1000000000) };
}

/*
 * The minimal wait: up to min_wait_usec for `batch` completions; once that has
 * passed, what there is, or the first one, ends the wait.
 *
 * Without it: nearly every send completes while it is submitted, and would end
 * the wait before it began.  So one more completion than there are sends is
 * waited for, but not for long, in case one of them has to wait for its peer.
 */
static unsigned wait_for(const struct ring *r, const struct ring_wait *wait, uint64_t *timeout_ns,
    struct io_uring_getevents_arg *arg)
{
	uint64_t usec = MIN(wait->batch_ns, wait->timeout_ns) / 1000;

	*timeout_ns = wait->timeout_ns;
	if (wait->timeout_ns == 0)
		return 0;
	if (wait->batch > 1 && usec && r->ring.features & FEAT_MIN_TIMEOUT) {
		arg->MIN_WAIT_USEC = (uint32_t)MIN(usec, (uint64_t)UINT32_MAX);
		if (wait->timeout_ns == UINT64_MAX)
			*timeout_ns = LONG_WAIT_NS;
		return MIN(wait->batch, r->ring.cq.ring_entries);
	}
	if (r->sends)
		*timeout_ns = MIN(wait->timeout_ns, SENDS_WAIT_NS);
	return MIN(r->sends + 1, r->ring.cq.ring_entries);
}

int ring_turn(struct ring *r, const struct ring_wait *wait)
{
	struct io_uring_getevents_arg arg = { 0 };
	struct __kernel_timespec ts;
	uint64_t timeout_ns;
	unsigned wait_nr = wait_for(r, wait, &timeout_ns, &arg);
	int rc;

	r->sends = 0;
	if (wait_nr && timeout_ns != UINT64_MAX) {
		ts = timespec_of(timeout_ns);
		arg.ts = (uintptr_t)&ts;
	}
	if (r->broken)
		return r->broken;
	rc = enter(r, wait_nr, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg);
	/* A completion that the kernel had no memory for is gone, and with it the truth about what is in flight. */
	if (IO_URING_READ_ONCE(*r->ring.cq.koverflow))
		return -EBADR;
	/* Want of memory (EAGAIN) or of room for completions (EBUSY) leaves the rest queued for the next turn. */
	return rc >= 0 || rc == -ETIME || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY ? 0 : rc;
}

/* Data in a buffer of ours, or -1; a buffer without data goes straight back. */
static int buffer_of(struct ring *r, const struct io_uring_cqe *cqe)
{
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	if (!(cqe->flags & IORING_CQE_F_BUFFER))
		return -1;
	assert(id < r->buffers && !r->lent[id]);
	if (cqe->res <= 0) {
		buffer_add(r, id);
		return -1;
	}
	r->lent[id] = 1;
	r->out++;
	return (int)id;
}

bool ring_next(struct ring *r, struct ring_event *event)
{
	struct io_uring_cq *cq = &r->ring.cq;
	unsigned head = *cq->khead;
	const struct io_uring_cqe *cqe;

	if (head == io_uring_smp_load_acquire(cq->ktail))
		return false;
	cqe = &cq->cqes[head & cq->ring_mask];
	*event = (struct ring_event){
		.op = (enum ring_op)(cqe->user_data >> 56),
		.slot = (uint32_t)(cqe->user_data >> 32) & ((1U << SLOT_BITS) - 1),
		.generation = (uint32_t)cqe->user_data,
		.res = cqe->res,
		.more = (cqe->flags & IORING_CQE_F_MORE) != 0,
		.buffer = buffer_of(r, cqe),
	};
	io_uring_smp_store_release(cq->khead, head + 1);
	return true;
}

uint8_t *ring_buffer(struct ring *r, int buffer)
{
	assert(buffer >= 0 && (unsigned)buffer < r->buffers && r->lent[buffer]);
	return r->memory + (size_t)buffer * r->buffer_size;
}

void ring_buffer_put(struct ring *r, int buffer)
{
	assert(buffer >= 0 && (unsigned)buffer < r->buffers && r->lent[buffer]);
	r->lent[buffer] = 0;
	r->out--;
	buffer_add(r, (unsigned)buffer);
}

unsigned ring_buffers_out(const struct ring *r)
{
	return r->out;
}
