/* digest: the vectors of RFC 7616 3.9.1 and, with the algorithm of RFC 8760, the same request hashed by another program. */
#include <criterion/criterion.h>

#include "common/auth/digest.h"

static const struct {
	enum auth_algorithm algorithm;
	const char *response;
} rows[] = {
	{ AUTH_MD5, "8ca523f5e9506fed4657c9700eebdbec" },
	{ AUTH_SHA256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" },
	{ AUTH_SHA512_256, "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0" },
};

Test(auth_digest, vectors)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char ha1[AUTH_HEX_MAX], got[AUTH_HEX_MAX];
		struct auth_digest d = {
			.algorithm = rows[i].algorithm,
			.nonce = SPAN("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"),
			.nc = SPAN("00000001"),
			.cnonce = SPAN("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"),
			.method = SPAN("GET"),
			.uri = SPAN("/dir/index.html"),
		};
		size_t len = auth_digest_ha1(d.algorithm, SPAN("Mufasa"), SPAN("http-auth@example.org"), SPAN("Circle of Life"), ha1);

		d.ha1 = span_of(ha1, len);
		len = auth_digest_response(&d, got);
		cr_assert(auth_digest_same(span_of(got, len), span_str(rows[i].response)), "%zu: %.*s", i, (int)len, got);
		cr_assert_eq(len, auth_digest_size(d.algorithm) * 2);
		got[0] ^= 1;
		cr_assert_not(auth_digest_same(span_of(got, len), span_str(rows[i].response)));
	}
}

Test(auth_digest, names)
{
	cr_assert_eq(auth_algorithm_find(SPAN("SHA-512-256")), AUTH_SHA512_256);
	cr_assert_eq(auth_algorithm_find(SPAN("sha-256")), AUTH_SHA256);
	cr_assert_eq(auth_algorithm_find(SPAN("MD5")), AUTH_MD5);
	cr_assert_eq(auth_algorithm_find(SPAN_NONE), AUTH_MD5);
	cr_assert_eq(auth_algorithm_find(SPAN("SHA-256-sess")), AUTH_ALGORITHMS);
	cr_assert_eq(auth_algorithm_find(span_of("", 0)), AUTH_ALGORITHMS);
	cr_assert_not(auth_digest_same(SPAN("a"), SPAN("ab")));
	cr_assert_not(auth_digest_same(SPAN_NONE, SPAN_NONE), "nothing proves nothing");
}
