/*
 * URIs, hosts and header values: parts lie in the whole, what is canonical
 * stays as it is, and a value ends where the next one begins.
 */
#include "common/sip/uri.h"
#include "common/sip/value.h"
#include "fuzz/check.h"

static void check_host(struct span text)
{
	char canon[HOST_MAX], bracketed[HOST_MAX + 2], again[HOST_MAX];
	enum host_kind kind;
	bool host = host_parse(text, &kind);
	size_t n = host_canon(text, canon);

	CHECK(host || n == 0);
	if (n == 0)
		return;
	if (memchr(canon, ':', n)) {
		bracketed[0] = '[';
		memcpy(bracketed + 1, canon, n);
		bracketed[n + 1] = ']';
		CHECK(host_canon(span_of(bracketed, n + 2), again) == n);
	} else {
		CHECK(host_canon(span_of(canon, n), again) == n);
	}
	CHECK(memcmp(canon, again, n) == 0);
}

static void check_uri(struct span text)
{
	struct sip_uri u;
	struct span value;

	if (!uri_parse(text, &u))
		return;
	CHECK(span_eq(u.whole, text));
	CHECK(check_within(u.user, text) && check_within(u.password, text) && check_within(u.host, text));
	CHECK(check_within(u.params, text) && check_within(u.headers, text));
	for (size_t i = 0; i < text.len; i++)
		CHECK(text.p[i] > 0x20 && text.p[i] < 0x7f);
	if (u.scheme == URI_SIP || u.scheme == URI_SIPS)
		check_host(u.host);
	if (uri_param(u.params, SPAN("lr"), &value))
		CHECK(check_within(value, text));
}

static void check_name_addrs(struct span rest)
{
	struct name_addr a;
	struct span tag;

	while (rest.p) {
		struct span value = rest;

		if (!name_addr_parse(value, &a, &rest))
			return;
		CHECK(check_within(a.whole, value) && check_within(a.uri.whole, a.whole));
		CHECK(check_within(a.params, value) && check_within(a.display, a.whole));
		CHECK(rest.p == NULL || rest.p[-1] == ',');
		CHECK(value_param(a.params, SPAN("tag"), &tag) == (a.tag.p != NULL));
	}
}

static void check_vias(struct span rest)
{
	struct via v;
	struct span branch;
	enum host_kind kind;

	while (rest.p) {
		struct span value = rest;

		if (!via_parse(value, &v, &rest))
			return;
		CHECK(check_within(v.whole, value) && check_within(v.sent_by, v.whole) &&
		      check_within(v.params, value));
		CHECK(host_parse(v.host, &kind));
		CHECK(value_param(v.params, SPAN("branch"), &branch) == (v.branch.p != NULL));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct cseq cseq;

	check_uri(text);
	check_host(text);
	check_name_addrs(text);
	check_vias(text);
	if (cseq_parse(text, &cseq))
		CHECK(cseq.number <= INT32_MAX && token_valid(cseq.method));
	return 0;
}
