#include "master/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/blocks.h"
#include "common/buckets.h"
#include "common/mailbox.h"
#include "common/presence.h"
#include "common/session_store.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int region_make(struct shared_region *r, const char *name, size_t each, size_t count)
{
	const int seals = F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	int rc;

	if (MUL_OVERFLOWS(each, count, &r->size))
		return -EOVERFLOW;
	r->each = each;
	r->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->fd < 0)
		return -errno;
	if (ftruncate(r->fd, (off_t)r->size) == 0) {
		r->p = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
		if (r->p != MAP_FAILED && fcntl(r->fd, F_ADD_SEALS, seals) == 0)
			return 0;
	}
	rc = -errno;
	(void)close(r->fd); /* the caller exits, and the mapping goes with it */
	return rc;
}

int shared_init(struct shared *s, uint32_t workers, size_t rows)
{
	int rc;

	while (rows > 1 && rows * sizeof(struct conn_row) % REGION_PAGE != 0)
		rows--;
	s->rows_per_worker = rows;
	rc = region_make(&s->region[SHARED_COUNTERS], "sipward-counters", sizeof(struct counters), workers);
	if (rc == 0)
		rc = region_make(&s->region[SHARED_ROWS], "sipward-rows", rows * sizeof(struct conn_row), workers);
	if (rc == 0)
		rc = region_make(&s->region[SHARED_STATES], "sipward-states", sizeof(struct worker_state), workers);
	if (rc == 0)
		rc = region_make(&s->region[SHARED_MAIL], "sipward-mail", mailbox_bytes(workers), workers);
	if (rc == 0)
		rc = region_make(&s->region[SHARED_PRESENCE], "sipward-presence", sizeof(struct presence), workers);
	if (rc == 0)
		rc = region_make(&s->region[SHARED_BUCKETS], "sipward-buckets", buckets_bytes(workers), 1);
	if (rc == 0)
		rc = region_make(&s->region[SHARED_NONCES], "sipward-nonces", NONCES_BYTES, 1);
	if (rc == 0)
		rc = region_make(&s->region[SHARED_SESSIONS], "sipward-sessions", SESSION_STORE_BYTES, 1);
	if (rc == 0)
		rc = region_make(&s->region[SHARED_BLOCKS], "sipward-blocks", sizeof(struct blocks), 1);
	if (rc == 0)
		rc = region_make(&s->region[SHARED_MASTER], "sipward-master", sizeof(struct master_state), 1);
	return rc;
}

/* Map [from, to) of the region again, where it is, without the right to write. */
static int remap(const struct shared_region *r, size_t from, size_t to)
{
	if (from >= to)
		return 0;
	if (mmap(r->p + from, to - from, PROT_READ, MAP_SHARED | MAP_FIXED, r->fd, (off_t)from) == MAP_FAILED)
		return -errno;
	return 0;
}

int shared_narrow(const struct shared *s, uint32_t worker)
{
	size_t page = page_size();
	int rc = 0;

	for (size_t i = 0; i < SHARED_REGIONS && rc == 0; i++) {
		const struct shared_region *r = &s->region[i];
		size_t from = r->size, to = r->size; /* what stays writable */

		if (worker != UINT32_MAX && i > SHARED_MASTER)
			continue; /* every worker writes these */
		if (worker != UINT32_MAX && i < SHARED_BLOCKS) {
			from = worker * r->each / page * page;
			to = ((worker + 1) * r->each + page - 1) / page * page;
		}
		rc = remap(r, 0, MIN(from, r->size));
		if (rc == 0)
			rc = remap(r, to, r->size);
	}
	return rc;
}

void shared_drop(struct shared *s)
{
	for (size_t i = 0; i < SHARED_REGIONS; i++) {
		(void)munmap(s->region[i].p, s->region[i].size); /* a whole mapping of ours: cannot fail */
		s->region[i].p = NULL;
	}
}

/* Only where there is data: touching the holes would fill them with memory. */
static void clean_part(const struct shared_region *r, uint32_t worker)
{
	off_t at = (off_t)(worker * r->each), end = (off_t)((worker + 1) * r->each);

	while (at < end) {
		off_t data = lseek(r->fd, at, SEEK_DATA);
		off_t hole;

		if (data < 0 || data >= end)
			return;
		hole = lseek(r->fd, data, SEEK_HOLE);
		if (hole < 0 || hole > end)
			hole = end;
		memset(r->p + data, 0, (size_t)(hole - data));
		at = hole;
	}
}

void shared_clean(const struct shared *s, uint32_t worker)
{
	struct counters *own = &shared_counters(s)[worker];

	for (size_t i = 0; i < counter_row_count; i++)
		if (counter_rows[i].gauge)
			counter_set((_Atomic uint64_t *)(void *)((char *)own + counter_rows[i].offset), 0);
	clean_part(&s->region[SHARED_ROWS], worker);
	clean_part(&s->region[SHARED_PRESENCE], worker);
}
