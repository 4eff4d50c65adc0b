/*
 * leaks - make a Criterion suite fail for leaked memory in sanitizer builds:
 * TestSuite(name, .fini = leaks_check).
 *
 * Criterion ends its test processes without looking at LeakSanitizer, and
 * counts nothing that fails in a .fini; so a leak ends the runner.
 */
#ifndef TESTS_SUPPORT_LEAKS_H
#define TESTS_SUPPORT_LEAKS_H

#include <signal.h>
#include <unistd.h>

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
	if (__lsan_do_recoverable_leak_check() != 0)
		kill(getppid(), SIGABRT);
#endif
}

#endif
