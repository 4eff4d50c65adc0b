#include "common/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3: can never be run */
#endif

int shm_create(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

int shm_write(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOSPC;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

#define MOVED_AT_ONCE ((size_t)4 << 20)

/* The whole pages of it, but not what stands beside it there. */
static void let_go(const char *p, size_t len)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)p + page - 1) & ~(page - 1),
		  to = ((uintptr_t)p + len) & ~(page - 1);

	if (from < to)
		(void)madvise((void *)from, to - from, MADV_DONTNEED); /* memory is all that is lost */
}

int shm_move(int fd, void *data, size_t len)
{
	const char *p = data;
	int rc = 0;

	while (len && rc == 0) {
		size_t n = len < MOVED_AT_ONCE ? len : MOVED_AT_ONCE;

		rc = shm_write(fd, p, n);
		let_go(p, n);
		p += n;
		len -= n;
	}
	return rc;
}

int shm_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS) == 0 ? 0 : -errno;
}

int shm_map(int fd, struct span *out)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *p;

	if (seals < 0)
		return errno == EINVAL ? -EPERM : -errno;
	if ((seals & SEALS) != SEALS)
		return -EPERM;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_size == 0)
		return -ENODATA;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*out = span_of(p, (size_t)st.st_size);
	return 0;
}

void shm_unmap(struct span bytes)
{
	if (bytes.len)
		munmap((void *)(uintptr_t)bytes.p, bytes.len);
}

bool shm_unmap_some(struct span *bytes, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), mapped = (bytes->len + page - 1) & ~(page - 1), left;

	left = mapped > n ? (mapped - n) & ~(page - 1) : 0;
	shm_unmap(span_of(bytes->p + left, mapped - left));
	*bytes = span_head(*bytes, left);
	return left == 0;
}
