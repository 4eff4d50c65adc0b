/*
 * base - compiler attributes and the few macros that every file may use.
 *
 * Process: any.  May include: nothing of ours.  Owns nothing.
 */
#ifndef COMMON_BASE_H
#define COMMON_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ignoring the result is a compile error; a deliberate ignore says why. */
#define MUST_USE __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The struct that holds `member` at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* a + b and a * b into *out; false (and *out untouched) when they do not fit. */
#define ADD_OVERFLOWS(a, b, out) __builtin_add_overflow((a), (b), (out))
#define MUL_OVERFLOWS(a, b, out) __builtin_mul_overflow((a), (b), (out))

#endif
