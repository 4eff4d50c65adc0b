/* settings: every row is of one piece, and is found by its key only. */
#include <criterion/criterion.h>

#include "common/settings.h"

Test(settings, rows)
{
	struct settings s;

	settings_defaults(&s);
	cr_assert_eq(setting_row_count * sizeof(uint64_t), sizeof(s), "each field has a row");
	for (size_t i = 0; i < setting_row_count; i++) {
		const struct setting_row *r = &setting_rows[i];

		cr_assert(r->def >= r->min && r->def <= r->max, "%s: default out of bounds", r->key);
		cr_assert_eq(setting_get(&s, r), r->def, "%s: default", r->key);
		cr_assert_eq(setting_find(span_str(r->key)), r, "%s: found", r->key);
		cr_assert(strlen(r->sentence) > 10, "%s: a sentence", r->key);
		for (size_t j = 0; j < i; j++)
			cr_assert_neq(setting_rows[j].offset, r->offset, "%s and %s are one field", r->key, setting_rows[j].key);
	}
}

Test(settings, set_touches_one_field)
{
	struct settings s;

	for (size_t i = 0; i < setting_row_count; i++) {
		settings_defaults(&s);
		setting_set(&s, &setting_rows[i], 4711);
		for (size_t j = 0; j < setting_row_count; j++)
			cr_assert_eq(setting_get(&s, &setting_rows[j]), i == j ? 4711 : setting_rows[j].def, "%s: set %s",
			    setting_rows[j].key, setting_rows[i].key);
	}
}

/* The figures of the contract. */
Test(settings, defaults)
{
	struct settings s;

	settings_defaults(&s);
	cr_assert_eq(s.header_bytes, 65536);
	cr_assert_eq(s.header_fields, 256);
	cr_assert_eq(s.body_bytes, 1048576);
	cr_assert_eq(s.handshake_timeout, 5000);
	cr_assert_eq(s.message_timeout, 10000);
	cr_assert_eq(s.connect_timeout, 5000);
	cr_assert_eq(s.idle_timeout, 3600000);
	cr_assert_eq(s.pong_timeout, 10000);
	cr_assert_eq(s.retry_after, 5);
	cr_assert_eq(s.token_lifetime, 86400);
}

Test(settings, unknown)
{
	static const char *const keys[] = { "", "limits", "limits.", "limits.header_byte", "limits.header_bytes.", "header_bytes",
		"LIMITS.header_bytes" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		cr_assert_null(setting_find(span_str(keys[i])), "\"%s\"", keys[i]);
}
