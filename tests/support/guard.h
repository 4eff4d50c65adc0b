/*
 * guard - input that ends at an unreadable page, so that reading one byte too
 * far is a crash even without a sanitizer.
 */
#ifndef TESTS_SUPPORT_GUARD_H
#define TESTS_SUPPORT_GUARD_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/span.h"

/* A copy of the bytes whose end is the end of readable memory.  Freed with the test's process, or by guard_free. */
static inline struct span guard_copy(const void *data, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t body = (len + page - 1) / page * page + page;
	char *p = mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + body, page, PROT_NONE) != 0)
		abort();
	if (len)
		memcpy(p + body - len, data, len);
	return span_of(p + body - len, len);
}

/* Likewise, but it begins where readable memory begins: reading before it is the crash. */
static inline struct span guard_copy_front(const void *data, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t body = (len + page - 1) / page * page + page;
	char *p = mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, page, PROT_NONE) != 0)
		abort();
	if (len)
		memcpy(p + page, data, len);
	return span_of(p + page, len);
}

static inline void guard_free(struct span s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t body = (s.len + page - 1) / page * page + page;

	munmap((void *)((uintptr_t)s.p + s.len - body), body + page);
}

#endif
