/* check - a property of a fuzz target: said and aborted on when it does not hold. */
#ifndef TESTS_FUZZ_CHECK_H
#define TESTS_FUZZ_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                                       \
	do {                                                                                                           \
		if (!(x)) {                                                                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* Does `part` lie in `whole`, or is there none? */
static inline bool check_within(struct span part, struct span whole)
{
	return part.p == NULL || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

static inline void *check_alloc(size_t len)
{
	void *p = malloc(len ? len : 1);

	CHECK(p != NULL);
	return p;
}

#endif
