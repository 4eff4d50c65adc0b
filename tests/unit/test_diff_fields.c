/* diff_fields: all of a value decides, its beginning is shown. */
#include <criterion/criterion.h>

#include <string.h>

#include "master/diff_fields.h"
#include "support/leaks.h"

TestSuite(diff_fields, .fini = leaks_check);

static struct fields a, b;

static const char *printed(void)
{
	static char text[256];

	(void)fields_print(&a, &b, 0, text, sizeof(text));
	return text;
}

Test(diff_fields, texts_and_numbers)
{
	fields_text(&a, "key", SPAN("one"));
	fields_text(&b, "key", SPAN("two"));
	fields_number(&a, "n", 7);
	fields_number(&b, "n", 7);
	fields_flag(&a, "f", true);
	fields_flag(&b, "f", true);
	cr_assert(!fields_same(&a, &b, 0));
	cr_assert(fields_same(&a, &b, 1) && fields_same(&a, &b, 2));
	cr_assert(!fields_all_same(&a, &b));
	cr_assert_str_eq(printed(), "key: one -> two");
}

Test(diff_fields, borders_between_parts_count)
{
	fields_begin(&a, "list");
	fields_add(&a, SPAN("ab"));
	fields_add(&a, SPAN("c"));
	fields_begin(&b, "list");
	fields_add(&b, SPAN("a"));
	fields_add(&b, SPAN("bc"));
	cr_assert(!fields_same(&a, &b, 0));
	cr_assert_str_eq(printed(), "list: ab, c -> a, bc");
}

Test(diff_fields, what_is_cut_or_hidden_still_decides)
{
	char text[300];

	memset(text, 'x', sizeof(text));
	fields_text(&a, "long", span_of(text, sizeof(text)));
	text[299] = 'y';
	fields_text(&b, "long", span_of(text, sizeof(text)));
	cr_assert(!fields_same(&a, &b, 0));
	cr_assert_str_eq(printed(), "long", "there is nothing to show");
	cr_assert_eq(strlen(a.field[0].shown), FIELD_SHOWN - 1);
	fields_begin(&a, "bytes");
	fields_begin(&b, "bytes");
	fields_add_hidden(&a, "1", 1);
	fields_add_hidden(&b, "2", 1);
	cr_assert(!fields_same(&a, &b, 1));
}

Test(diff_fields, a_set_has_no_order)
{
	fields_begin(&a, "set");
	fields_add_member(&a, SPAN("one"));
	fields_add_member(&a, SPAN("two"));
	fields_begin(&b, "set");
	fields_add_member(&b, SPAN("two"));
	cr_assert(!fields_same(&a, &b, 0));
	fields_add_member(&b, SPAN("one"));
	cr_assert(fields_same(&a, &b, 0));
}

Test(diff_fields, none_and_control_bytes)
{
	fields_text(&a, "key", SPAN_NONE);
	fields_text(&b, "key", SPAN("a\nb\x1b"));
	cr_assert_str_eq(printed(), "key: none -> a?b?");
}

/* At every length, also where the value is cut in the middle of a part. */
Test(diff_fields, every_length)
{
	char text[2 * FIELD_SHOWN];

	memset(text, 'x', sizeof(text));
	for (size_t n = 0; n < sizeof(text); n++) {
		a.count = 0;
		fields_begin(&a, "key");
		fields_add(&a, span_of(text, n));
		fields_add(&a, SPAN("end"));
		cr_assert_eq(strlen(a.field[0].shown), MIN(n + (n ? 2 : 0) + 3, (size_t)FIELD_SHOWN - 1), "%zu", n);
	}
}
