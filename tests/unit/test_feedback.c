/* feedback: RFC 7339's parameters are understood as they stand there, or not at all. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/sip/feedback.h"
#include "support/guard.h"

static struct via via_of(const char *params)
{
	static char text[512];
	struct via via;
	struct span rest;

	snprintf(text, sizeof(text), "SIP/2.0/TLS a.example;branch=z9hG4bK1%s", params);
	cr_assert(via_parse(guard_copy(text, strlen(text)), &via, &rest), "%s", text);
	return via;
}

Test(feedback, read)
{
	static const struct {
		const char *params;
		bool good;
		uint32_t percent, validity_ms;
	} rows[] = {
		{ "", false, 0, 0 },
		{ ";oc", false, 0, 0 },
		{ ";oc=20", true, 20, 500 },
		{ ";oc=0;oc-validity=0", true, 0, 0 },
		{ ";OC=100;OC-Validity=1000;oc-seq=1282321615.782", true, 100, 1000 },
		{ ";oc=20;oc-algo=\"loss\"", true, 20, 500 },
		{ ";oc=20;oc-algo=\"rate\"", false, 0, 0 },
		{ ";oc=101", false, 0, 0 },
		{ ";oc=-1", false, 0, 0 },
		{ ";oc=1.5", false, 0, 0 },
		{ ";oc=20;oc-validity=x", false, 0, 0 },
		{ ";oc=20;oc-validity=4000000000", true, 20, 60000 },
		{ ";x=\";oc=20\"", false, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct via via = via_of(rows[i].params);
		struct feedback f = { 7, 7 };

		cr_assert_eq(feedback_read(&via, &f), rows[i].good, "%s", rows[i].params);
		if (rows[i].good)
			cr_assert(f.percent == rows[i].percent && f.validity_ms == rows[i].validity_ms, "%s", rows[i].params);
		else
			cr_assert(f.percent == 7 && f.validity_ms == 7, "%s: untouched", rows[i].params);
	}
}

Test(feedback, offered)
{
	struct via via = via_of(FEEDBACK_OFFER);

	cr_assert(feedback_offered(&via));
	via = via_of(";oc;oc-algo=\"rate, LOSS\"");
	cr_assert(feedback_offered(&via));
	via = via_of(";oc;oc-algo=\"rate\"");
	cr_assert_not(feedback_offered(&via));
	via = via_of(";oc");
	cr_assert_not(feedback_offered(&via));
	via = via_of(";oc=5;oc-algo=\"loss\"");
	cr_assert_not(feedback_offered(&via), "an answer, no offer");
}

Test(feedback, written_is_read)
{
	struct feedback f = { 50, 500 }, got;
	char text[128];
	size_t len = feedback_write(&f, 12345, text, sizeof(text) - 1);
	struct via via;

	cr_assert(span_eq(span_of(text, len), SPAN(";oc=50;oc-algo=\"loss\";oc-validity=500;oc-seq=12.345")));
	text[len] = '\0';
	via = via_of(text);
	cr_assert(feedback_read(&via, &got) && got.percent == 50 && got.validity_ms == 500);
	cr_assert_eq(feedback_write(&f, 1, text, 10), 0);
}
