/*
 * corpus: what frame and msg together make of each message of the fuzz corpus,
 * however its bytes arrive.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sip/frame.h"
#include "common/sip/msg.h"
#include "support/guard.h"

#define HEAD_MAX 65536
#define FIELDS_MAX 256
#define SPLITS_MAX 4096

static const struct span identity_names[] = {
	{ "p-asserted-identity", 19 },
	{ "p-preferred-identity", 20 },
};
static const struct hdr_set identity = { identity_names, 2, UINT64_C(1) << 19 | UINT64_C(1) << 20 };

/* A file of the corpus, and what its first message is. */
static const struct {
	const char *file, *want;
} rows[] = {
#include "corpus_msg.inc"
};

static struct span read_file(const char *name)
{
	static char data[1 << 16];
	char path[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), CORPUS_DIR "/msg/%s.sip", name);
	f = fopen(path, "rb");
	cr_assert_not_null(f, "%s", path);
	n = fread(data, 1, sizeof(data), f);
	fclose(f);
	return guard_copy(data, n);
}

static const char *parsed(struct span head)
{
	static struct msg_header header[FIELDS_MAX];
	static const struct msg_rules rules = { .body_max = 65536, .identity = &identity, .stream = true };
	struct sip_msg msg;
	struct msg_fault fault;
	char *flat = malloc(head.len);
	const char *name;

	cr_assert_not_null(flat);
	name = fault_name(msg_parse(span_of(flat, frame_unfold(head, flat)), &rules, header, FIELDS_MAX, &msg, &fault));
	free(flat);
	return name;
}

/* The first message's outcome when `first` bytes come, and then `step` bytes at a time. */
static const char *outcome(struct span in, size_t first, size_t step)
{
	struct framer fr = { 0 };
	struct span head;
	size_t have = MIN(first, in.len);

	for (;;) {
		enum frame_status st = frame_next(&fr, HEAD_MAX, span_head(in, have), &head);

		if (st == FRAME_HEAD)
			return parsed(head);
		if (st == FRAME_CRLF || st == FRAME_PING) {
			in = span_from(in, head.len);
			have -= head.len;
			fr = (struct framer){ 0 };
		} else if (st != FRAME_MORE || have == in.len) {
			return frame_status_name(st);
		} else {
			have += MIN(step, in.len - have);
		}
	}
}

Test(corpus, at_once)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = read_file(rows[i].file);

		cr_assert_str_eq(outcome(in, in.len, 0), rows[i].want, "%s", rows[i].file);
		guard_free(in);
	}
}

Test(corpus, byte_at_a_time)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = read_file(rows[i].file);

		cr_assert_str_eq(outcome(in, 0, 1), rows[i].want, "%s", rows[i].file);
		guard_free(in);
	}
}

Test(corpus, at_every_split)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = read_file(rows[i].file);

		for (size_t at = 0; at < MIN(in.len, (size_t)SPLITS_MAX); at++)
			cr_assert_str_eq(outcome(in, at, in.len), rows[i].want, "%s at %zu", rows[i].file, at);
		guard_free(in);
	}
}
