/* shm: what has been sealed stays as it is, and nothing else is mapped. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/shm.h"
#include "support/leaks.h"

TestSuite(shm, .fini = leaks_check);

Test(shm, written_sealed_and_mapped)
{
	size_t len = 3 << 20;
	char *big = malloc(len);
	int fd = shm_create("test");
	struct span s = SPAN_NONE;

	cr_assert_geq(fd, 0);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	memset(big, 'b', len);
	cr_assert_eq(shm_write(fd, "head", 4), 0);
	cr_assert_eq(shm_write(fd, big, len), 0);
	cr_assert_eq(shm_write(fd, NULL, 0), 0);
	cr_assert_eq(shm_seal(fd), 0);
	cr_assert_eq(shm_map(fd, &s), 0);
	cr_assert_eq(s.len, len + 4);
	cr_assert_eq(memcmp(s.p, "head", 4), 0);
	cr_assert_eq(memcmp(s.p + 4, big, len), 0);

	cr_assert_eq(shm_write(fd, "x", 1), -EPERM, "sealed");
	cr_assert_eq(ftruncate(fd, 1), -1);
	cr_assert_eq(ftruncate(fd, (off_t)len * 2), -1);
	cr_assert_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	cr_assert_eq(mprotect((void *)(uintptr_t)s.p, s.len, PROT_READ), 0, "the mapping stands");
	shm_unmap(s);
	shm_unmap(SPAN_NONE);
	close(fd);
	free(big);
}

Test(shm, refuses_to_map_what_could_change)
{
	int fd = shm_create("test"), pipes[2], some;
	struct span s = SPAN("untouched");

	cr_assert_eq(shm_write(fd, "x", 1), 0);
	cr_assert_eq(shm_map(fd, &s), -EPERM, "not sealed");
	some = fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW);
	cr_assert_eq(some, 0);
	cr_assert_eq(shm_map(fd, &s), -EPERM, "could be cut");
	cr_assert_eq(shm_seal(fd), 0);
	cr_assert_eq(shm_seal(fd), -EPERM, "the seals are sealed");
	close(fd);
	cr_assert_eq(shm_map(fd, &s), -EBADF);

	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	cr_assert_eq(shm_map(fd, &s), -EPERM, "no memfd");
	close(fd);
	cr_assert_eq(pipe(pipes), 0);
	cr_assert_eq(shm_map(pipes[0], &s), -EPERM, "no memfd");

	fd = shm_create("test");
	cr_assert_eq(shm_seal(fd), 0);
	cr_assert_eq(shm_map(fd, &s), -ENODATA, "empty");
	close(fd);
	cr_assert(span_eq(s, SPAN("untouched")));
}

Test(shm, can_not_be_sealed_while_mapped_for_writing)
{
	int fd = shm_create("test");
	void *p;

	cr_assert_eq(shm_write(fd, "x", 1), 0);
	p = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(p, MAP_FAILED);
	cr_assert_eq(shm_seal(fd), -EBUSY);
	munmap(p, 1);
	cr_assert_eq(shm_seal(fd), 0);
	close(fd);
}
