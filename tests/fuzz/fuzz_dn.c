/*
 * Distinguished names: what is printed of a canonical form reads as the same
 * form; what is printed of a certificate's name does, too; and no bytes that
 * stand where a canonical form should are read behind their end.
 */
#include "common/dn.h"
#include "common/x509/facts.h"
#include "fuzz/check.h"

static bool same(const struct dn *a, const struct dn *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* One line, ready to be pasted: no control byte, and the same name again. */
static void check_print(const char *text, size_t len, const struct dn *want)
{
	struct dn again;

	for (size_t i = 0; i < len; i++)
		CHECK((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
	CHECK(dn_from_text(span_of(text, len), &again, NULL) == DN_OK);
	CHECK(same(&again, want));
}

static void check_text(struct span text)
{
	static char printed[DN_TEXT_MAX];
	size_t where = SIZE_MAX, n;
	char why[256];
	struct dn dn;

	(void)dn_looks_reversed(text); /* only that it reads no further */
	if (dn_from_text(text, &dn, &where) != DN_OK) {
		CHECK(where <= text.len);
		return;
	}
	CHECK(where == text.len);
	n = dn_print(dn.bytes, dn.len, printed, sizeof(printed));
	if (n)
		check_print(printed, n, &dn);
	n = dn_explain_difference(dn.bytes, dn.len, dn.bytes, dn.len, why, sizeof(why));
	CHECK(span_eq(span_of(why, n), SPAN("no difference")));
}

/* The bytes as a certificate's name. */
static void check_name(const uint8_t *data, size_t size)
{
	static char printed[DN_TEXT_MAX];
	const unsigned char *p = data;
	X509_NAME *name = d2i_X509_NAME(NULL, &p, (long)size);
	struct dn_ava avas[DN_AVA_MAX];
	struct dn dn;
	int count;
	size_t n;

	if (!name)
		return;
	count = facts_name_avas(name, avas);
	if (count > 0 && dn_from_avas(avas, (size_t)count, &dn) == DN_OK) {
		n = dn_print_avas(avas, (size_t)count, printed, sizeof(printed));
		if (n)
			check_print(printed, n, &dn);
		CHECK(X509_NAME_cmp(name, name) == 0);
	}
	X509_NAME_free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[512];

	check_text(span_of(data, size));
	if (size <= 65536)
		check_name(data, size);
	CHECK(dn_print(data, size, out, sizeof(out)) <= sizeof(out));
	CHECK(dn_explain_difference(data, size, data, size / 2, out, sizeof(out)) <= sizeof(out));
	return 0;
}
