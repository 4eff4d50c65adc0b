/*
 * token: no text that we did not write is valid, what we write is read back,
 * and a change of any bit of it is found out.
 */
#include "common/sip/token.h"
#include "fuzz/check.h"

static const struct siphash_key back_key = { { 1, 2, 3 } };
static const struct token_keys keys = { 2, { { 9, { { 4, 5, 6 } } }, { 7, { { 7, 8, 9 } } } } };

static void try_text(struct span text)
{
	struct way_back wb;
	struct dialog_token t;
	size_t key;
	struct datagram_back db;

	CHECK(way_back_read(&back_key, text, &wb) != TOKEN_VALID);
	CHECK(datagram_back_read(&back_key, text, &db) != TOKEN_VALID);
	CHECK(dialog_token_read(&keys, text, SPAN("call"), 1000, 1000, &t, &key) != TOKEN_VALID);
}

static void try_way_back(const struct way_back *wb, uint8_t place)
{
	char text[TOKEN_TEXT_MAX];
	struct span s = span_of(text, way_back_write(&back_key, wb, text));
	struct way_back got;

	CHECK(way_back_read(&back_key, s, &got) == TOKEN_VALID);
	CHECK(got.incarnation == wb->incarnation && got.slot == wb->slot && got.generation == wb->generation);
	CHECK(got.domain == wb->domain && got.time == wb->time && got.kind == wb->kind && got.container == wb->container);
	text[place % s.len] ^= (char)(1 << place / 32);
	CHECK(way_back_read(&back_key, s, &got) != TOKEN_VALID);
}

static void try_dialog(const struct dialog_token *t, struct span call_id, uint8_t place)
{
	char text[TOKEN_TEXT_MAX];
	struct span s = span_of(text, dialog_token_write(&keys, t, call_id, text));
	struct dialog_token got;
	size_t key;

	CHECK(dialog_token_read(&keys, s, call_id, t->time, 60, &got, &key) == TOKEN_VALID && key == 0);
	CHECK(got.direction == t->direction && got.container == t->container && got.domain == t->domain && got.time == t->time);
	CHECK(dialog_token_read(&keys, s, call_id, t->time + 61, 60, &got, &key) == TOKEN_EXPIRED);
	CHECK(call_id.len == 0 || dialog_token_read(&keys, s, span_from(call_id, 1), t->time, 60, &got, &key) == TOKEN_FORGED);
	text[place % s.len] ^= (char)(1 << place / 32);
	CHECK(dialog_token_read(&keys, s, call_id, t->time, 60, &got, &key) != TOKEN_VALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct {
		uint64_t a, b;
		uint32_t c, d, e;
		uint8_t place, direction;
	} in = { 0 };

	memcpy(&in, data, MIN(size, sizeof(in)));
	try_text(span_of(data, size));
	try_way_back(&(struct way_back){ in.direction, in.a, in.c, in.d, in.b, ~in.a, in.e }, in.place);
	try_dialog(&(struct dialog_token){ in.direction, in.a, in.b, in.e }, span_of(data, size), in.place);
	return 0;
}
