/*
 * leaks - make a Criterion suite fail for leaked memory in sanitizer builds,
 * which otherwise pass in silence: TestSuite(name, .fini = leaks_check).
 */
#ifndef TESTS_SUPPORT_LEAKS_H
#define TESTS_SUPPORT_LEAKS_H

#include <criterion/criterion.h>

#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_CHECKED 1
#endif
#endif

#ifdef LEAKS_CHECKED
#include <sanitizer/lsan_interface.h>
#endif

static inline void leaks_check(void)
{
#ifdef LEAKS_CHECKED
	cr_assert_eq(__lsan_do_recoverable_leak_check(), 0, "leaked memory");
#endif
}

#endif
