/* follow: an INVITE's container is found by its branch, for as long as it may ring. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/clock.h"
#include "worker/follow.h"

#define BRANCH_LEN 39
#define NOW (1000 * NSEC_PER_SEC)

static struct span branch_of(unsigned n)
{
	static char text[2][BRANCH_LEN + 1];
	static int which;

	which ^= 1;
	snprintf(text[which], sizeof(text[which]), "z9hG4bK%016x%016x", n * 2654435761u, n);
	return span_of(text[which], BRANCH_LEN);
}

static const struct {
	const char *why;
	size_t branch_len;
	const char *id;
	uint64_t later;
	bool found;
} rows[] = {
	{ "at once", BRANCH_LEN, "10.0.0.1:5060;tcp", 0, true },
	{ "after three minutes of ringing", BRANCH_LEN, "10.0.0.1:5060;tcp", 180 * NSEC_PER_SEC, true },
	{ "forgotten", BRANCH_LEN, "10.0.0.1:5060;tcp", 301 * NSEC_PER_SEC, false },
	{ "a branch that is not ours is not kept", BRANCH_LEN - 1, "10.0.0.1:5060;tcp", 0, false },
	{ "not even an empty one", 0, "10.0.0.1:5060;tcp", 0, false },
	{ "the longest id", BRANCH_LEN, "123456789012345678901234567890123456789012345678901234567890123", 0, true },
	{ "too long an id is not kept in part", BRANCH_LEN,
	    "1234567890123456789012345678901234567890123456789012345678901234", 0, false },
};

Test(follow, rows)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct follow *f = follow_new();
		struct span branch = span_head(branch_of(1), rows[i].branch_len), got;

		follow_put(f, branch, span_str(rows[i].id), NOW);
		got = follow_get(f, branch, NOW + rows[i].later);
		cr_assert_eq(got.p != NULL, rows[i].found, "%s", rows[i].why);
		cr_assert(!rows[i].found || span_eq(got, span_str(rows[i].id)), "%s", rows[i].why);
		cr_assert_null(follow_get(f, branch_of(2), NOW).p, "%s: another branch", rows[i].why);
		follow_free(f);
	}
}

Test(follow, the_last_word_counts)
{
	struct follow *f = follow_new();

	follow_put(f, branch_of(1), SPAN("a-longer-name:5060;tcp"), NOW);
	follow_put(f, branch_of(1), SPAN("b:1;tcp"), NOW + 1);
	cr_assert(span_eq(follow_get(f, branch_of(1), NOW + 2), SPAN("b:1;tcp")));
	follow_free(f);
}

Test(follow, many_displace_some_but_confuse_none)
{
	struct follow *f = follow_new();
	unsigned known = 0;

	for (unsigned n = 0; n < 40000; n++) {
		char id[32];

		snprintf(id, sizeof(id), "host%u:5060;tcp", n);
		follow_put(f, branch_of(n), span_str(id), NOW);
	}
	for (unsigned n = 0; n < 40000; n++) {
		struct span got = follow_get(f, branch_of(n), NOW);
		char id[32];

		snprintf(id, sizeof(id), "host%u:5060;tcp", n);
		if (!got.p)
			continue;
		known++;
		cr_assert(span_eq(got, span_str(id)), "%u", n);
	}
	cr_assert(known > 1000 && known < 40000, "%u", known);
	follow_free(f);
}
