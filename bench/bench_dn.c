/*
 * bench_dn - nanoseconds to bring a distinguished name into its canonical form,
 * out of a certificate and out of a configuration, and to print it.
 *
 *   bench_dn [SECONDS]     default 1 for each line
 */
#include <stdlib.h>

#include "bench/repeat.h"
#include "common/dn.h"
#include "common/x509/facts.h"

#define TEXT SPAN("CN=sip.partner.example,OU=Interconnect Europe,O=Partner GmbH & Co. KG,L=K\303\266ln,ST=NRW,C=DE")

static bool from_certificate(const void *arg)
{
	struct dn dn;

	return facts_name_dn(arg, &dn) == DN_OK;
}

static bool from_text(const void *arg)
{
	struct dn dn;

	return dn_from_text(TEXT, &dn, NULL) == DN_OK;
}

static bool print(const void *arg)
{
	const struct dn *dn = arg;
	char text[1024];

	return dn_print(dn->bytes, dn->len, text, sizeof(text)) > 0;
}

static bool add(X509_NAME *name, const char *type, const char *value)
{
	return X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0) == 1;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	X509_NAME *name = X509_NAME_new();
	struct dn certificate, text;
	int rc;

	if (!name || !add(name, "C", "DE") || !add(name, "ST", "NRW") || !add(name, "L", "K\303\266ln") ||
	    !add(name, "O", "Partner GmbH & Co. KG") || !add(name, "OU", "Interconnect Europe") || !add(name, "CN", "sip.partner.example") ||
	    facts_name_dn(name, &certificate) != DN_OK || dn_from_text(TEXT, &text, NULL) != DN_OK || text.len != certificate.len ||
	    memcmp(text.bytes, certificate.bytes, text.len) != 0) {
		fprintf(stderr, "bench_dn: the two are not the same name\n");
		return 1;
	}
	rc = repeat("facts_name_dn, 6 attributes", from_certificate, name, seconds) | repeat("dn_from_text", from_text, NULL, seconds) |
	     repeat("dn_print", print, &text, seconds);
	X509_NAME_free(name);
	return rc;
}
