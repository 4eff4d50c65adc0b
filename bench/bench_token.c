/*
 * bench_token - nanoseconds to write and to read the tokens in Via and
 * Record-Route, and the keyed id of a name.
 *
 *   bench_token [SECONDS]     default 1 for each line
 */
#include <stdlib.h>

#include "bench/repeat.h"
#include "common/sip/token.h"

static const struct token_keys keys = { 2, { { 9, { { 4, 5, 6 } } }, { 8, { { 1, 2, 3 } } } } };
static const struct way_back back = { BACK_OUTSIDE, 77, 5, 6, 1234567, 0, 1000 };
static const struct dialog_token dialog = { DIALOG_FROM_OUTSIDE, 77, 1234567, 1000 };

#define CALL_ID SPAN("3848276298220188511@edge7.partner.example")

static bool write_back(const void *arg)
{
	char text[TOKEN_TEXT_MAX];

	return way_back_write(&keys.key[0].key, &back, text) > 0;
}

static bool read_back(const void *arg)
{
	struct way_back got;

	return way_back_read(&keys.key[0].key, *(const struct span *)arg, &got) == TOKEN_VALID;
}

static bool write_dialog(const void *arg)
{
	char text[TOKEN_TEXT_MAX];

	return dialog_token_write(&keys, &dialog, CALL_ID, text) > 0;
}

static bool read_dialog(const void *arg)
{
	struct dialog_token got;
	size_t key;

	return dialog_token_read(&keys, *(const struct span *)arg, CALL_ID, 1001, 60, &got, &key) == TOKEN_VALID;
}

static bool name(const void *arg)
{
	return token_name_id(&keys, 0, SPAN("partner.example")) != 0;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	char text[TOKEN_TEXT_MAX], dialog_text[TOKEN_TEXT_MAX];
	struct span one = span_of(text, way_back_write(&keys.key[0].key, &back, text));
	struct span two = span_of(dialog_text, dialog_token_write(&keys, &dialog, CALL_ID, dialog_text));

	return repeat("way_back_write", write_back, NULL, seconds) | repeat("way_back_read", read_back, &one, seconds) |
	       repeat("dialog_token_write", write_dialog, NULL, seconds) | repeat("dialog_token_read", read_dialog, &two, seconds) |
	       repeat("token_name_id", name, NULL, seconds);
}
