/*
 * auth: whatever a Proxy-Authorization holds, what is read of it lies in it
 * and has the form that it must have; and no nonce that we did not make is ours.
 */
#include "common/auth/nonces.h"
#include "common/auth/params.h"
#include "fuzz/check.h"

static void try_value(struct span value)
{
	struct auth_params a;

	if (auth_params_parse(value, SPAN("r"), &a) != AUTH_PARAMS_READY)
		return;
	CHECK(check_within(a.nonce, value) && check_within(a.uri, value) && check_within(a.cnonce, value));
	CHECK(check_within(a.response, value) && check_within(a.nc_text, value) && check_within(a.algorithm, value));
	CHECK(a.username_len <= sizeof(a.username) && a.nc > 0 && a.nc_text.len == 8 && a.cnonce.len && a.response.len);
	CHECK(span_find(a.nonce, '"') == a.nonce.len && span_find(a.uri, '"') == a.uri.len && span_find(a.uri, '\\') == a.uri.len);
	/* Nobody else may take it for another realm's. */
	CHECK(auth_params_parse(value, SPAN("R"), &a) == AUTH_PARAMS_FOREIGN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct siphash_key key = { { 1, 2, 3 } };
	char *copy = check_alloc(size); /* so that a byte too far is seen */
	struct nonce_bond bond = { .realm = SPAN("r"), .listener = 1 };
	uint32_t made;

	if (size)
		memcpy(copy, data, size);
	try_value(span_of(copy, size));
	CHECK(nonce_read(&key, &bond, 1000, UINT32_MAX, span_of(copy, size), &made) == NONCE_FOREIGN);
	free(copy);
	return 0;
}
