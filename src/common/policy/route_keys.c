#include "common/policy/route_keys.h"

#include "common/keys_layout.h"

bool route_keys_read(const uint8_t *records, size_t len, struct route_keys *out)
{
	const uint8_t *at = records, *end = records + len;
	bool branch = false;

	*out = (struct route_keys){ 0 };
	while ((size_t)(end - at) >= sizeof(struct keys_record)) {
		const struct keys_record *r = (const struct keys_record *)(const void *)at;
		const uint8_t *data = at + sizeof(*r);
		struct token_keys *t = &out->tokens;

		if (r->len > (size_t)(end - data) || keys_record_size(r->len) > (size_t)(end - at))
			return false;
		if (r->kind == KEYS_TOKEN_SECRET && r->len == 32 && t->count < TOKEN_KEYS_MAX) {
			/* First half: the key; the id is of the second, so that it tells nothing about the first. */
			memcpy(t->key[t->count].key.k, data, 16);
			t->key[t->count++].id = data[16];
		} else if (r->kind == KEYS_BRANCH_KEY && r->len == 16) {
			memcpy(out->branch.k, data, 16);
			branch = true;
		}
		at += keys_record_size(r->len);
	}
	return branch && out->tokens.count > 0;
}
