/* token: what is written is read back, and nothing else is. */
#include <criterion/criterion.h>

#include "common/sip/token.h"
#include "support/guard.h"

#define CALL_ID SPAN("a84b4c76e66710@pc33.partner.example")
#define NOW 1700000000u
#define LIFETIME 86400u

static const struct siphash_key back_key = { { 1, 2, 3 } };
static const struct token_keys keys = { 2, { { 9, { { 4, 5, 6 } } }, { 7, { { 7, 8, 9 } } } } };
static const struct way_back back = { BACK_INSIDE, UINT64_MAX - 5, 70000, 3, 0x1122334455667788, 0x99aabbccddeeff00, NOW };
static const struct dialog_token dialog = { DIALOG_FROM_OUTSIDE, 0xfedcba9876543210, 5, NOW };

static struct span write_dialog(const struct token_keys *with, char text[static TOKEN_TEXT_MAX])
{
	return span_of(text, dialog_token_write(with, &dialog, CALL_ID, text));
}

static enum token_status read_dialog(const struct token_keys *with, struct span text)
{
	struct dialog_token t;
	size_t key;

	return dialog_token_read(with, text, CALL_ID, NOW, LIFETIME, &t, &key);
}

Test(token, way_back_is_read_as_written)
{
	char text[TOKEN_TEXT_MAX];
	struct span s = span_of(text, way_back_write(&back_key, &back, text));
	struct way_back got;

	cr_assert_leq(s.len, TOKEN_TEXT_MAX);
	cr_assert_eq(way_back_read(&back_key, guard_copy(s.p, s.len), &got), TOKEN_VALID);
	cr_assert_eq(got.kind, back.kind);
	cr_assert_eq(got.container, back.container);
	cr_assert_eq(got.incarnation, back.incarnation);
	cr_assert_eq(got.slot, back.slot);
	cr_assert_eq(got.generation, back.generation);
	cr_assert_eq(got.domain, back.domain);
	cr_assert_eq(got.time, back.time);
}

static const struct datagram_back datagram = { .kind = BACK_OUTSIDE, .listener = 9, .addr = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
	.local = { 0x20, 1 }, .port = 5060, .domain = 0x1122334455667788, .time = NOW };

Test(token, datagram_is_read_as_written)
{
	char text[TOKEN_TEXT_MAX];
	struct span s = span_of(text, datagram_back_write(&back_key, &datagram, text));
	struct datagram_back got = { 0 };
	struct way_back wb;

	cr_assert_leq(s.len, TOKEN_TEXT_MAX);
	cr_assert_eq(datagram_back_read(&back_key, guard_copy(s.p, s.len), &got), TOKEN_VALID);
	cr_assert_eq(got.kind, datagram.kind);
	cr_assert_eq(got.listener, datagram.listener);
	cr_assert_arr_eq(got.addr, datagram.addr, 16);
	cr_assert_arr_eq(got.local, datagram.local, 16);
	cr_assert_eq(got.port, datagram.port);
	cr_assert_eq(got.domain, datagram.domain);
	cr_assert_eq(got.time, datagram.time);
	cr_assert_neq(way_back_read(&back_key, s, &wb), TOKEN_VALID, "the other kind");
	for (size_t at = 0; at < s.len; at++) {
		text[at] ^= 1;
		cr_assert_neq(datagram_back_read(&back_key, s, &got), TOKEN_VALID, "changed at %zu", at);
		text[at] ^= 1;
	}
}

Test(token, dialog_is_read_as_written)
{
	char text[TOKEN_TEXT_MAX];
	struct span s = write_dialog(&keys, text);
	struct dialog_token got;
	size_t key = 5;

	cr_assert_leq(s.len, TOKEN_TEXT_MAX);
	cr_assert_eq(dialog_token_read(&keys, guard_copy(s.p, s.len), CALL_ID, NOW, LIFETIME, &got, &key), TOKEN_VALID);
	cr_assert_eq(key, 0);
	cr_assert_eq(got.direction, dialog.direction);
	cr_assert_eq(got.container, dialog.container);
	cr_assert_eq(got.domain, dialog.domain);
	cr_assert_eq(got.time, dialog.time);
}

/* base64url: safe in a parameter of Via and in the user part of a URI, whatever it holds. */
Test(token, text_is_base64url)
{
	char text[TOKEN_TEXT_MAX];
	struct way_back wb = back;

	for (unsigned i = 0; i < 200; i++) {
		size_t len;

		wb.slot = i * 7919;
		len = way_back_write(&back_key, &wb, text);
		for (size_t at = 0; at < len; at++)
			cr_assert(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text[at]), "'%c'", text[at]);
	}
}

/* Every other character at every place, the ones that only differ in case included. */
Test(token, any_changed_character_is_forged)
{
	char text[TOKEN_TEXT_MAX], wb_text[TOKEN_TEXT_MAX];
	struct span s = write_dialog(&keys, text);
	struct span w = span_of(wb_text, way_back_write(&back_key, &back, wb_text));
	struct way_back got = { 0 };

	for (size_t at = 0; at < s.len; at++)
		for (const char *c = "AaZz09-_B"; *c; c++) {
			char was = text[at];

			text[at] = *c;
			if (*c != was)
				cr_assert_eq(read_dialog(&keys, s), TOKEN_FORGED, "dialog: '%c' at %zu", *c, at);
			text[at] = was;
		}
	for (size_t at = 0; at < w.len; at++) {
		char was = wb_text[at];

		wb_text[at] = was == 'x' ? 'y' : 'x';
		cr_assert_eq(way_back_read(&back_key, w, &got), TOKEN_FORGED, "way back, at %zu", at);
		wb_text[at] = was;
	}
	cr_assert_eq(got.slot, 0, "untouched on failure");
}

Test(token, other_lengths_are_no_token_of_ours_that_verifies)
{
	char text[TOKEN_TEXT_MAX + 1];
	struct span s = write_dialog(&keys, text);
	struct way_back wb;

	for (size_t len = 0; len < s.len; len++)
		cr_assert_eq(read_dialog(&keys, guard_copy(text, len)), len < 4 ? TOKEN_NOT_OURS : TOKEN_FORGED, "%zu", len);
	text[s.len] = 'A';
	cr_assert_eq(read_dialog(&keys, span_of(text, s.len + 1)), TOKEN_FORGED, "a byte more");
	cr_assert_eq(way_back_read(&back_key, s, &wb), TOKEN_NOT_OURS, "the other kind");
	cr_assert_eq(read_dialog(&keys, SPAN_NONE), TOKEN_NOT_OURS);
}

Test(token, other_user_parts_are_not_ours)
{
	static const char *users[] = {
		"alice", "+493012345", "", "sw1", "sw2dAAAA", "550e8400-e29b-41d4-a716-446655440000",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.", ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	for (size_t i = 0; i < ARRAY_LEN(users); i++)
		cr_assert_eq(read_dialog(&keys, guard_copy(users[i], strlen(users[i]))), TOKEN_NOT_OURS, "%s", users[i]);
}

Test(token, serves_one_call_only)
{
	char text[TOKEN_TEXT_MAX];
	struct span s = write_dialog(&keys, text);
	struct dialog_token got;
	size_t key;

	cr_assert_eq(dialog_token_read(&keys, s, SPAN("A84b4c76e66710@pc33.partner.example"), NOW, LIFETIME, &got, &key),
	    TOKEN_FORGED);
	cr_assert_eq(dialog_token_read(&keys, s, SPAN_NONE, NOW, LIFETIME, &got, &key), TOKEN_FORGED);
}

Test(token, ages)
{
	static const struct {
		const char *why;
		uint32_t now;
		enum token_status want;
	} rows[] = {
		{ "at once", NOW, TOKEN_VALID },
		{ "at the end of its life", NOW + LIFETIME, TOKEN_VALID },
		{ "a second later", NOW + LIFETIME + 1, TOKEN_EXPIRED },
		{ "made by an edge whose clock is ahead", NOW - 100, TOKEN_VALID },
	};
	char text[TOKEN_TEXT_MAX];
	struct span s = write_dialog(&keys, text);
	struct dialog_token got;
	size_t key;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(dialog_token_read(&keys, s, CALL_ID, rows[i].now, LIFETIME, &got, &key), rows[i].want, "%s",
		    rows[i].why);
}

Test(token, keys_rotate)
{
	static const struct token_keys rotated = { 2, { { 7, { { 7, 8, 9 } } }, { 9, { { 4, 5, 6 } } } } };
	static const struct token_keys same_id = { 2, { { 9, { { 1 } } }, { 9, { { 4, 5, 6 } } } } };
	static const struct token_keys foreign = { 1, { { 9, { { 66 } } } } };
	char text[TOKEN_TEXT_MAX];
	struct span s = write_dialog(&keys, text);
	struct dialog_token got;
	size_t key;

	cr_assert_eq(dialog_token_read(&rotated, s, CALL_ID, NOW, LIFETIME, &got, &key), TOKEN_VALID);
	cr_assert_eq(key, 1, "made with what is now the second key");
	cr_assert_eq(dialog_token_read(&same_id, s, CALL_ID, NOW, LIFETIME, &got, &key), TOKEN_VALID);
	cr_assert_eq(key, 1, "of two keys with one id the right one");
	cr_assert_eq(read_dialog(&foreign, s), TOKEN_FORGED);
}

Test(token, name_ids)
{
	uint64_t id = token_name_id(&keys, 0, SPAN("partner.example"));

	cr_assert_neq(id, 0);
	cr_assert_eq(id, token_name_id(&keys, 0, SPAN("partner.example")));
	cr_assert_neq(id, token_name_id(&keys, 1, SPAN("partner.example")), "keyed");
	cr_assert_neq(id, token_name_id(&keys, 0, SPAN("*.partner.example")));
}
