#include "common/auth/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

static const struct {
	struct span name;
	const EVP_MD *(*md)(void);
	size_t size;
} rows[AUTH_ALGORITHMS] = {
	[AUTH_SHA512_256] = { { "SHA-512-256", 11 }, EVP_sha512_256, 32 },
	[AUTH_SHA256] = { { "SHA-256", 7 }, EVP_sha256, 32 },
	[AUTH_MD5] = { { "MD5", 3 }, EVP_md5, 16 },
};

struct span auth_algorithm_name(enum auth_algorithm a)
{
	return rows[a].name;
}

enum auth_algorithm auth_algorithm_find(struct span name)
{
	size_t i = 0;

	if (!name.p)
		return AUTH_MD5;
	while (i < AUTH_ALGORITHMS && !span_ieq(rows[i].name, name))
		i++;
	return (enum auth_algorithm)i;
}

size_t auth_digest_size(enum auth_algorithm a)
{
	return rows[a].size;
}

/* The parts with colons between them. */
static size_t hash(enum auth_algorithm a, const struct span *part, size_t count, char out[static AUTH_HEX_MAX])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool ok = ctx && EVP_DigestInit_ex(ctx, rows[a].md(), NULL) == 1;

	for (size_t i = 0; i < count && ok; i++)
		ok = (i == 0 || EVP_DigestUpdate(ctx, ":", 1) == 1) &&
		    (part[i].len == 0 || EVP_DigestUpdate(ctx, part[i].p, part[i].len) == 1);
	ok = ok && EVP_DigestFinal_ex(ctx, digest, &len) == 1 && len == rows[a].size;
	EVP_MD_CTX_free(ctx);
	for (size_t i = 0; ok && i < len; i++) {
		out[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	OPENSSL_cleanse(digest, sizeof(digest));
	return ok ? (size_t)len * 2 : 0;
}

size_t auth_digest_ha1(enum auth_algorithm a, struct span user, struct span realm, struct span password,
    char out[static AUTH_HEX_MAX])
{
	return hash(a, (const struct span[]){ user, realm, password }, 3, out);
}

size_t auth_digest_response(const struct auth_digest *d, char out[static AUTH_HEX_MAX])
{
	char ha2[AUTH_HEX_MAX];
	size_t len = hash(d->algorithm, (const struct span[]){ d->method, d->uri }, 2, ha2);

	if (len == 0)
		return 0;
	return hash(d->algorithm,
	    (const struct span[]){ d->ha1, d->nonce, d->nc, d->cnonce, SPAN("auth"), span_of(ha2, len) }, 6, out);
}

bool auth_digest_same(struct span a, struct span b)
{
	return a.len == b.len && a.len && CRYPTO_memcmp(a.p, b.p, a.len) == 0;
}
