#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/x509/facts.h"
#include "tools/ctl.h"

/* Print one subject; false: it can match nothing. */
static bool print_subject(const X509 *cert, json_t *list)
{
	static struct dn dn;
	const X509_NAME *name = X509_get_subject_name(cert);
	char text[DN_TEXT_MAX];
	size_t n = facts_name_print(name, text, sizeof(text));
	enum dn_status st = facts_name_dn(name, &dn);

	if (list)
		json_array_append_new(list, json_pack("{s:s%, s:b, s:s}", "dn", text, n, "usable", st == DN_OK, "status",
						dn_status_name(st)));
	else
		printf("%.*s\n", (int)n, text);
	if (st != DN_OK)
		fprintf(stderr, "sipwardctl: this name can match nothing: %s\n", dn_status_name(st));
	return st == DN_OK;
}

int ctl_dn(const char *path, bool json)
{
	json_t *list = json ? json_array() : NULL;
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	bool usable = false;
	X509 *cert;

	if (!f) {
		perror(path);
		return EXIT_FAILED;
	}
	/* The first certificate is the peer's own; the chain behind it is of no use in the configuration. */
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	if (cert)
		usable = print_subject(cert, list);
	else
		fprintf(stderr, "sipwardctl: %s: no PEM certificate in it\n", path);
	ERR_clear_error();
	X509_free(cert);
	if (f != stdin)
		fclose(f);
	if (list && json_array_size(list)) {
		json_dumpf(json_array_get(list, 0), stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(list);
	return usable ? EXIT_OK : EXIT_FAILED;
}
