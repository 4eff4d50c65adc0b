/* facts: the SIP domain identities of a certificate. */
#include <criterion/criterion.h>

#include "common/x509/facts.h"
#include "support/issue.h"

static size_t names_of(const char *text, uint8_t out[static PEER_NAMES_MAX])
{
	struct issued one = issue(&(struct issue){ .subject = "/CN=cn.example", .names = text });
	size_t n = facts_names(one.cert, out);

	issued_free(&one);
	return n;
}

Test(facts_names, kept)
{
	static const struct {
		const char *names, *kept, *why;
	} rows[] = {
		{ NULL, "", "none" },
		{ "URI:sip:a.example", "\x09" "a.example", "a URI" },
		{ "URI:SIP:A.Example.,URI:sip:b.example;lr", "\x09" "a.example\x09" "b.example", "one spelling" },
		{ "URI:sip:192.0.2.1,URI:sip:[2001:DB8:0::1]", "\x09" "192.0.2.1\x0b" "2001:db8::1", "addresses" },
		{ "URI:sip:bob@a.example,DNS:a.example", "", "a person, beside whom DNS names count nothing" },
		{ "URI:sip:,DNS:a.example", "", "no host, but a sip URI" },
		{ "URI:sip:*.example", "", "no wildcards in URIs" },
		{ "URI:sips:a.example,URI:tel:+49,DNS:b.example", "\x09" "b.example", "other schemes" },
		{ "DNS:*.Example,DNS:b.example.", "\x09*.example\x09" "b.example", "DNS" },
		{ "DNS:a.*.example,DNS:*a.example,DNS:*,DNS:192.0.2.1,DNS:*.0.2.1,DNS:a b", "", "no DNS names" },
		{ "email:a@a.example,IP:192.0.2.1,DNS:a.example", "\x09" "a.example", "other kinds" },
	};
	uint8_t out[PEER_NAMES_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = names_of(rows[i].names, out);

		cr_expect(span_eq(span_of(out, n), span_str(rows[i].kept)), "%s: \"%.*s\"", rows[i].why, (int)n, out);
	}
}

/* A name with a NUL in it is no host; and too many names are as good as none. */
Test(facts_names, hostile)
{
	uint8_t out[PEER_NAMES_MAX];
	char text[8192];
	size_t len = 0;

	for (int uri = 0; uri < 2; uri++) {
		struct issued one = issue(&(struct issue){ .subject = "/CN=a", .names = uri ? "URI:sip:a.example_b" : "DNS:a.example_b" });
		GENERAL_NAMES *all = X509_get_ext_d2i(one.cert, NID_subject_alt_name, NULL, NULL);
		ASN1_IA5STRING *name = sk_GENERAL_NAME_value(all, 0)->d.ia5;

		MUST(ASN1_STRING_set(name, uri ? "sip:a.example\0b" : "a.example\0b", uri ? 15 : 11));
		MUST(X509_add1_ext_i2d(one.cert, NID_subject_alt_name, all, 0, X509V3_ADD_REPLACE));
		cr_expect_eq(facts_names(one.cert, out), 0);
		GENERAL_NAMES_free(all);
		issued_free(&one);
	}
	for (int i = 0; i < 200; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%sDNS:host%03d.partner.example", i ? "," : "", i);
	cr_expect_eq(names_of(text, out), 0, "200 of 24 bytes each");
	text[150 * 28 - 1] = '\0';
	cr_expect_eq(names_of(text, out), 150 * 24);
}
