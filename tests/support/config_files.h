/*
 * config_files - a folder with what a configuration names: CA, edge, secrets;
 * and loading a configuration from it.
 *
 * Everything aborts on failure: a test cannot go on without.
 */
#ifndef TESTS_SUPPORT_CONFIG_FILES_H
#define TESTS_SUPPORT_CONFIG_FILES_H

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/complaint.h"
#include "master/loader.h"
#include "support/issue.h"

static char config_dir[] = "/tmp/sipward-config-XXXXXX";

UNUSED static FILE *config_create(const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", config_dir, name);
	f = fopen(path, "w");
	MUST(f);
	return f;
}

UNUSED static void config_write(const char *name, const char *text)
{
	FILE *f = config_create(name);

	MUST(fputs(text, f) >= 0 && fclose(f) == 0);
}

UNUSED static void config_certs(const char *name, const struct issued *first, const struct issued *second)
{
	FILE *f = config_create(name);

	MUST(PEM_write_X509(f, first->cert) && (!second || PEM_write_X509(f, second->cert)) && fclose(f) == 0);
}

/* ca.pem, other.pem, two.pem (both), edge.pem, edge.key, secret, short, and a folder domains/. */
UNUSED static void config_files_make(void)
{
	struct issued ca = issue(&(struct issue){ .subject = "/O=Peering/CN=CA", .ca = true, .key_usage = "keyCertSign,cRLSign" }),
		      other = issue(&(struct issue){ .subject = "/O=Other/CN=CA", .ca = true, .key_usage = "keyCertSign,cRLSign" }),
		      edge = issue(&(struct issue){ .subject = "/CN=edge.example", .by = &ca, .serial = 5 });
	char path[256];
	FILE *f;

	MUST(mkdtemp(config_dir));
	snprintf(path, sizeof(path), "%s/domains", config_dir);
	MUST(mkdir(path, 0700) == 0);
	config_certs("ca.pem", &ca, NULL);
	config_certs("other.pem", &other, NULL);
	config_certs("two.pem", &ca, &other);
	config_certs("edge.pem", &edge, NULL);
	f = config_create("edge.key");
	MUST(fchmod(fileno(f), 0600) == 0 && PEM_write_PKCS8PrivateKey(f, edge.key, NULL, NULL, 0, NULL, NULL) && fclose(f) == 0);
	config_write("secret", "a secret of more than thirty-two bytes");
	config_write("short", "too short");
	config_write("users", "");
	issued_free(&ca);
	issued_free(&other);
	issued_free(&edge);
}

static int config_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

UNUSED static void config_files_remove(void)
{
	MUST(nftw(config_dir, config_remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* What came of a load.  Free with config_loaded_free. */
struct config_loaded {
	int rc;
	struct load_result result; /* when rc is 0 */
	size_t errors, warnings;
	char *text; /* all complaints */
};

UNUSED static struct config_loaded config_load_after(const char *name, const struct image *before)
{
	static const struct load_secrets secrets = { .branch_key = "branch key 16 b", .token_secret = "token secret" };
	struct complaints *c = complaints_new();
	struct config_loaded out = { 0 };
	char path[256];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", config_dir, name);
	out.rc = load_configuration(path, 3, &secrets, before, c, &out.result);
	out.errors = complaints_errors(c);
	out.warnings = complaints_warnings(c);
	f = open_memstream(&out.text, &len);
	MUST(f);
	complaints_print(c, f);
	fclose(f);
	complaints_free(c);
	return out;
}

UNUSED static struct config_loaded config_load(const char *name)
{
	return config_load_after(name, NULL);
}

UNUSED static void config_loaded_free(struct config_loaded *l)
{
	if (l->rc == 0) {
		close(l->result.image_fd);
		close(l->result.keys_fd);
	}
	free(l->text);
}

#endif
