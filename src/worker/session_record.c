#include "worker/session_record.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "common/x509/facts.h"
#include "worker/known.h"

#define NONCE 12
#define TAG 16
#define PEER_FIELD 3 /* context-specific tag of the certificate in SSL_SESSION */

/* What is sealed: this, the facts, the session. */
struct head {
	uint64_t magic; /* of this layout: records never outlive the program that wrote them, but who knows */
	int64_t handshake;
	uint64_t listener, maker;
	uint32_t facts_len; /* 0: none */
	uint32_t session_len;
};

#define MAGIC (UINT64_C(0x31305345) << 32 | sizeof(struct peer_facts))

/* ---- the session without the certificate ---- */

/* One element of a SEQUENCE: its whole length; 0: not well-formed. */
static size_t element(const uint8_t *p, size_t left, int *tag, int *class)
{
	const uint8_t *at = p;
	long len;
	int rc = ASN1_get_object(&at, &len, tag, class, (long)left);

	return rc & 0x80 || rc & 1 || len < 0 ? 0 : (size_t)(at - p) + (size_t)len;
}

/* Copy the elements but for that one; the length, or 0. */
static size_t copy_elements(const uint8_t *p, size_t len, uint8_t *out)
{
	size_t n = 0;

	while (len) {
		int tag, class;
		size_t whole = element(p, len, &tag, &class);

		if (whole == 0 || whole > len)
			return 0;
		if (class != V_ASN1_CONTEXT_SPECIFIC || tag != PEER_FIELD) {
			memcpy(out + n, p, whole);
			n += whole;
		}
		p += whole;
		len -= whole;
	}
	return n;
}

/* DER of the session into out[cap]; the length, or 0. */
static size_t put_session(SSL_SESSION *session, uint8_t *out, size_t cap)
{
	unsigned char *der = NULL;
	int len = i2d_SSL_SESSION(session, &der), tag, class;
	const uint8_t *inner = der;
	uint8_t *copy = len > 0 ? malloc((size_t)len) : NULL, *at = out;
	size_t n = 0, total = 0;
	long inner_len = 0;

	if (copy && !(ASN1_get_object(&inner, &inner_len, &tag, &class, len) & 0x80))
		n = copy_elements(inner, (size_t)inner_len, copy);
	if (n)
		total = (size_t)ASN1_object_size(1, (int)n, V_ASN1_SEQUENCE);
	if (total && total <= cap) {
		ASN1_put_object(&at, 1, (int)n, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
		memcpy(at, copy, n);
	}
	if (copy)
		OPENSSL_cleanse(copy, (size_t)len);
	free(copy);
	OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
	return total <= cap ? total : 0;
}

/* ---- facts ---- */

/* They come from a worker, which may be another's by now: lengths first. */
static struct peer_facts *get_facts(const uint8_t *p, size_t len)
{
	struct peer_facts *f = len >= sizeof(*f) ? malloc(len) : NULL;

	if (!f)
		return NULL;
	memcpy(f, p, len);
	f->references = 1;
	if (f->chain_count >= 1 && f->chain_count <= PEER_CHAIN_MAX + 1 && f->names_len <= PEER_NAMES_MAX && peer_facts_size(f) == len &&
	    facts_are_sound(f))
		return known_share(f);
	free(f);
	return NULL;
}

/* ---- sealing ---- */

EVP_CIPHER_CTX *session_seal_new(const uint8_t key[static SESSION_KEY_BYTES])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, NULL, 1) == 1)
		return c;
	EVP_CIPHER_CTX_free(c);
	return NULL;
}

/* Encrypt or decrypt in place; false: the library fails, or the seal is broken. */
static bool crypt(EVP_CIPHER_CTX *c, bool seal, const uint8_t nonce[static NONCE], struct span id, struct span binding, uint8_t *data,
    size_t len, uint8_t tag[static TAG])
{
	uint8_t lengths[2] = { (uint8_t)id.len, (uint8_t)binding.len };
	int n = 0;
	bool ok = EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, seal) == 1 &&
		  EVP_CipherUpdate(c, NULL, &n, lengths, sizeof(lengths)) == 1 &&
		  EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)id.p, (int)id.len) == 1 &&
		  EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)binding.p, (int)binding.len) == 1 &&
		  EVP_CipherUpdate(c, data, &n, data, (int)len) == 1;

	if (ok && !seal)
		ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1;
	ok = ok && EVP_CipherFinal_ex(c, data + len, &n) == 1;
	if (ok && seal)
		ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1;
	ERR_clear_error();
	return ok;
}

static struct span id_of(const SSL_SESSION *session)
{
	unsigned len;
	const unsigned char *id = SSL_SESSION_get_id(session, &len);

	return span_of(id, len);
}

static struct span binding_of(const SSL_SESSION *session)
{
	unsigned len;
	const unsigned char *context = SSL_SESSION_get0_id_context(session, &len);

	return span_of(context, len);
}

/* A record: nonce, tag, then what is sealed. */
size_t session_record_seal(EVP_CIPHER_CTX *seal, const struct session_record *r, uint8_t out[static SESSION_RECORD_MAX])
{
	struct head h = { .magic = MAGIC, .handshake = r->handshake, .listener = r->listener, .maker = r->maker,
		.facts_len = r->facts ? (uint32_t)peer_facts_size(r->facts) : 0 };
	uint8_t *data = out + NONCE + TAG;
	size_t room = SESSION_RECORD_MAX - NONCE - TAG;

	if (sizeof(h) + h.facts_len > room || RAND_bytes(out, NONCE) != 1)
		return 0;
	room -= sizeof(h) + h.facts_len;
	h.session_len = (uint32_t)put_session(r->session, data + sizeof(h) + h.facts_len, room);
	if (h.session_len == 0)
		return 0;
	memcpy(data, &h, sizeof(h));
	if (h.facts_len)
		memcpy(data + sizeof(h), r->facts, h.facts_len);
	if (!crypt(seal, true, out, id_of(r->session), binding_of(r->session), data, sizeof(h) + h.facts_len + h.session_len, out + NONCE))
		return 0;
	return NONCE + TAG + sizeof(h) + h.facts_len + h.session_len;
}

static bool take_apart(const uint8_t *data, size_t len, struct session_record *out)
{
	const unsigned char *der;
	struct head h;

	if (len < sizeof(h))
		return false;
	memcpy(&h, data, sizeof(h));
	if (h.magic != MAGIC || h.facts_len > len - sizeof(h) || h.session_len != len - sizeof(h) - h.facts_len)
		return false;
	*out = (struct session_record){ .handshake = h.handshake, .listener = h.listener, .maker = h.maker };
	if (h.facts_len && !(out->facts = get_facts(data + sizeof(h), h.facts_len)))
		return false;
	der = data + sizeof(h) + h.facts_len;
	out->session = d2i_SSL_SESSION(NULL, &der, (long)h.session_len);
	if (out->session)
		return true;
	ERR_clear_error();
	peer_facts_put(out->facts);
	return false;
}

bool session_record_open(EVP_CIPHER_CTX *seal, struct span id, struct span binding, const uint8_t *record, size_t len,
    struct session_record *out)
{
	uint8_t data[SESSION_RECORD_MAX], tag[TAG];
	bool ok;

	if (len < NONCE + TAG || len > SESSION_RECORD_MAX || id.len > UINT8_MAX || binding.len > UINT8_MAX)
		return false;
	memcpy(tag, record + NONCE, TAG);
	len -= NONCE + TAG;
	memcpy(data, record + NONCE + TAG, len);
	ok = crypt(seal, false, record, id, binding, data, len, tag) && take_apart(data, len, out);
	OPENSSL_cleanse(data, len);
	return ok;
}
