/* span: comparing, cutting and numbers, at the borders. */
#include <criterion/criterion.h>

#include "common/span.h"
#include "support/guard.h"

Test(span, compares_without_case_and_in_full)
{
	cr_assert(span_ieq(SPAN("Call-ID"), SPAN("cALL-id")));
	cr_assert(!span_ieq(SPAN("Call-ID"), SPAN("Call-I")));
	cr_assert(!span_ieq(SPAN("@"), SPAN("`")), "only letters fold");
	cr_assert(!span_eq(span_of("a\0b", 3), span_of("a", 1)), "a NUL ends nothing");
}

Test(span, trims_and_cuts)
{
	struct span rest = SPAN(" a , b,,c"), head;
	static const char *want[] = { " a ", " b", "", "c" };

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		cr_assert(span_cut(&rest, ',', &head));
		cr_assert(span_eq(head, span_str(want[i])), "part %zu", i);
	}
	cr_assert(!span_cut(&rest, ',', &head));
	cr_assert(span_eq(span_trim(SPAN(" \t x y\t ")), SPAN("x y")));
	cr_assert_eq(span_trim(SPAN("  ")).len, 0);
}

Test(span, numbers_are_digits_only_and_do_not_wrap)
{
	static const char *bad[] = { "", "+1", "-1", " 1", "1 ", "0x1", "1.0", "18446744073709551616", "99999999999999999999" };
	uint64_t n = 7;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_assert(!span_u64(guard_copy(bad[i], strlen(bad[i])), UINT64_MAX, &n), "'%s'", bad[i]);
	cr_assert_eq(n, 7, "untouched on failure");
	cr_assert(span_u64(SPAN("18446744073709551615"), UINT64_MAX, &n));
	cr_assert_eq(n, UINT64_MAX);
	cr_assert(span_u64(SPAN("000255"), 255, &n));
	cr_assert_eq(n, 255);
	cr_assert(!span_u64(SPAN("256"), 255, &n));
}

Test(span, distance_counts_letters)
{
	static const struct {
		const char *a, *b;
		unsigned want;
	} rows[] = { { "", "", 0 }, { "abc", "ABC", 0 }, { "abc", "", 3 }, { "", "abc", 3 }, { "listners", "listeners", 1 }, { "ab", "ba", 2 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(span_distance(guard_copy(rows[i].a, strlen(rows[i].a)), guard_copy(rows[i].b, strlen(rows[i].b))), rows[i].want,
		    "'%s' '%s'", rows[i].a, rows[i].b);
}
