/* pki: files that fit together, and every way in which they do not. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/pki.h"
#include "support/issue.h"
#include "support/leaks.h"

static char dir[] = "/tmp/sipward-pki-XXXXXX";
static struct issued root, middle, other, edge, edge_rsa, edge_below, expired, future, weak, not_ca;
static struct complaints *c;

/* Files are named in one place and written once per test process. */
static char *path_of(const char *name)
{
	static char path[8][128];
	static unsigned next;
	char *out = path[next++ % 8];

	snprintf(out, sizeof(path[0]), "%s/%s", dir, name);
	return out;
}

static FILE *create(const char *name, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, mode);

	MUST(fd != -1 && fchmod(fd, mode) == 0);
	return fdopen(fd, "w");
}

static void write_certs(const char *name, const struct issued *const *list, size_t count)
{
	FILE *f = create(name, 0644);

	fputs("some words that are no PEM\n", f);
	for (size_t i = 0; i < count; i++)
		MUST(PEM_write_X509(f, list[i]->cert));
	fclose(f);
}

#define CERTS(name, ...)                                                                                               \
	write_certs(name, (const struct issued *const[]){ __VA_ARGS__ },                                               \
	    ARRAY_LEN(((const struct issued *const[]){ __VA_ARGS__ })))

static void write_key(const char *name, EVP_PKEY *key, const char *pass, mode_t mode)
{
	FILE *f = create(name, mode);

	MUST(PEM_write_PKCS8PrivateKey(f, key, pass ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL, (void *)(uintptr_t)pass));
	fclose(f);
}

static void write_text(const char *name, const char *text)
{
	FILE *f = create(name, 0600);

	fputs(text, f);
	fclose(f);
}

static void write_crl(const char *name, X509_CRL *crl, const char *mode)
{
	FILE *f = fopen(path_of(name), mode);

	MUST(f && PEM_write_X509_CRL(f, crl));
	fclose(f);
	X509_CRL_free(crl);
}

static X509_CRL *extended(const struct issued *by, int nid, const char *value)
{
	X509_CRL *crl = issue_crl(by, by, -60, 3600, (const unsigned long[]){ 5, 0 });

	issue_crl_extension(crl, by, nid, value);
	return crl;
}

static void write_crls(void)
{
	static const unsigned long none[] = { 0 }, some[] = { 300, 5, 0x80, 70000, 0 };

	write_crl("root.crl", issue_crl(&root, &root, -60, 3600, some), "w");
	write_crl("both.crl", issue_crl(&root, &root, -60, 3600, none), "w");
	write_crl("both.crl", issue_crl(&middle, &middle, -60, 0, some), "a");
	write_crl("old.crl", issue_crl(&root, &root, -7200, -3600, some), "w");
	write_crl("tomorrow.crl", issue_crl(&root, &root, 3600, 7200, some), "w");
	write_crl("stranger.crl", issue_crl(&other, &other, -60, 3600, some), "w");
	write_crl("forged.crl", issue_crl(&other, &root, -60, 3600, some), "w");
	write_crl("delta.crl", extended(&root, NID_delta_crl, "critical,DER:020101"), "w");
	write_crl("indirect.crl", extended(&root, NID_issuing_distribution_point, "critical,indirectCRL:TRUE"), "w");
	write_crl("reasons.crl",
	    extended(&root, NID_issuing_distribution_point, "critical,onlysomereasons:keyCompromise"), "w");
	write_crl("attributes.crl", extended(&root, NID_issuing_distribution_point, "critical,onlyAA:TRUE"), "w");
	write_crl("unknown.crl", extended(&root, NID_netscape_comment, "critical,what?"), "w");
	write_text("damaged.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
}

static void make_certs(void)
{
	root = issue(&(struct issue){ .subject = "/CN=Root", .ca = true });
	middle = issue(&(struct issue){ .subject = "/CN=Middle", .by = &root, .ca = true });
	other = issue(&(struct issue){ .subject = "/CN=Other", .ca = true });
	edge = issue(&(struct issue){ .subject = "/CN=edge.example", .by = &root });
	edge_rsa = issue(&(struct issue){ .subject = "/CN=edge.example", .by = &root, .key = ISSUE_RSA });
	edge_below = issue(&(struct issue){ .subject = "/CN=edge.example", .by = &middle, .to = 7200 });
	expired = issue(&(struct issue){ .subject = "/CN=expired", .by = &root, .from = -7200, .to = -3600 });
	future = issue(&(struct issue){ .subject = "/CN=future", .by = &root, .from = 3600 });
	weak = issue(&(struct issue){ .subject = "/CN=weak", .by = &root, .key = ISSUE_RSA_1024 });
	not_ca = issue(&(struct issue){ .subject = "/CN=leaf", .by = &root });
}

static void begin(void)
{
	make_certs();
	MUST(mkdtemp(dir));
	CERTS("root.pem", &root);
	CERTS("middle.pem", &middle);
	CERTS("bundle.pem", &root, &middle, &root);
	CERTS("edge.pem", &edge);
	CERTS("edge_rsa.pem", &edge_rsa);
	CERTS("chain.pem", &edge_below, &middle);
	CERTS("long.pem", &edge_below, &middle, &root);
	CERTS("gap.pem", &edge_below, &root);
	CERTS("reversed.pem", &middle, &edge_below);
	CERTS("expired.pem", &expired);
	CERTS("future.pem", &future);
	CERTS("weak.pem", &weak);
	CERTS("leaf.pem", &not_ca);
	write_key("edge.key", edge.key, NULL, 0600);
	write_key("edge_rsa.key", edge_rsa.key, NULL, 0600);
	write_key("below.key", edge_below.key, NULL, 0600);
	write_key("middle.key", middle.key, NULL, 0600);
	write_key("expired.key", expired.key, NULL, 0600);
	write_key("future.key", future.key, NULL, 0600);
	write_key("weak.key", weak.key, NULL, 0600);
	write_key("open.key", edge.key, NULL, 0644);
	write_key("locked.key", edge.key, "secret", 0600);
	write_text("old_locked.key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
				     "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n"
				     "-----END RSA PRIVATE KEY-----\n");
	write_text("empty.pem", "");
	write_text("words.pem", "no certificate here\n");
	write_text("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	write_text("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
	write_text("damaged.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	write_crls();
	c = complaints_new();
}

static void finish(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	MUST(system(command) == 0);
	complaints_free(c);
	leaks_check();
}

TestSuite(pki, .init = begin, .fini = finish);

/* The files of a profile by name, NULL-terminated; certificates and keys side by side. */
struct files {
	const char *certificate[3], *key[3], *trust[3], *crl[3];
};

static size_t named(const char *const *names, const char *pointer, struct pki_file out[3])
{
	size_t n = 0;

	for (; n < 3 && names[n]; n++)
		out[n] = (struct pki_file){ .path = path_of(names[n]),
			.config_file = "edge.json",
			.line = 10 + (unsigned)n,
			.pointer = pointer };
	return n;
}

static bool load(const struct files *files, struct pki_profile *out)
{
	struct pki_file cert[3], key[3], trust[3], crl[3];
	struct pki_input in = { .certificate = cert, .private_key = key, .trust = trust, .crl = crl };

	in.certificate_count = named(files->certificate, "/tls/edge/certificate", cert);
	(void)named(files->key, "/tls/edge/private_key", key);
	in.trust_count = named(files->trust, "/tls/edge/trust/0", trust);
	in.crl_count = named(files->crl, "/tls/edge/crl/0", crl);
	return pki_load(&in, c, out);
}

/* All complaints so far, and start anew. */
static char *complaints_text(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	complaints_print(c, f);
	fclose(f);
	complaints_free(c);
	c = complaints_new();
	return text;
}

static bool is_cert(const struct pki_der *der, const struct issued *want)
{
	const unsigned char *p = der->p;
	X509 *cert = d2i_X509(NULL, &p, (long)der->len);
	bool same = cert && X509_cmp(cert, want->cert) == 0;

	X509_free(cert);
	return same;
}

Test(pki, reads_a_whole_profile)
{
	struct files files = { .certificate = { "edge_rsa.pem", "chain.pem" },
		.key = { "edge_rsa.key", "below.key" },
		.trust = { "root.pem", "bundle.pem" },
		.crl = { "root.crl", "both.crl" } };
	static const uint8_t serials[][4] = { { 1, 5 }, { 1, 0x80 }, { 2, 1, 44 }, { 3, 1, 17, 112 } };
	const unsigned char *p;
	struct pki_profile out;
	EVP_PKEY *key;

	cr_assert(load(&files, &out), "%s", complaints_text());
	cr_assert_eq(complaints_warnings(c), 0, "%s", complaints_text());
	cr_assert_eq(out.identity_count, 2);
	cr_assert(is_cert(&out.identity[0].leaf, &edge_rsa));
	cr_assert_eq(out.identity[0].chain_count, 0);
	cr_assert(is_cert(&out.identity[1].leaf, &edge_below));
	cr_assert_eq(out.identity[1].chain_count, 1);
	cr_assert(is_cert(&out.identity[1].chain[0], &middle));
	cr_assert(labs((long)(out.identity[1].not_after - time(NULL) - 7200)) < 60);
	p = out.identity[1].key.p;
	key = d2i_AutoPrivateKey(NULL, &p, (long)out.identity[1].key.len);
	cr_assert_eq(EVP_PKEY_eq(key, edge_below.key), 1);
	EVP_PKEY_free(key);

	cr_assert_eq(out.trust_count, 2, "each once");
	cr_assert(is_cert(&out.trust[0], &root));
	cr_assert(is_cert(&out.trust[1], &middle));
	cr_assert_eq(out.crl_count, 3);
	cr_assert_arr_eq(out.crl[0].issuer.sha256, out.trust_spki[0].sha256, 32);
	cr_assert_arr_eq(out.crl[2].issuer.sha256, out.trust_spki[1].sha256, 32);
	cr_assert(labs((long)(out.crl[0].next_update - time(NULL) - 3600)) < 60);
	cr_assert_eq(out.crl[2].next_update, INT64_MAX);
	cr_assert_eq(out.crl[1].revoked_count, 0);
	cr_assert_eq(out.crl[0].revoked_count, ARRAY_LEN(serials));
	for (size_t i = 0; i < ARRAY_LEN(serials); i++) {
		cr_assert_eq(out.crl[0].revoked[i].len, serials[i][0], "serial %zu", i);
		cr_assert_arr_eq(out.crl[0].revoked[i].bytes, serials[i] + 1, serials[i][0]);
	}
	pki_profile_done(&out);
	pki_profile_done(&out);
}

Test(pki, takes_what_may_be)
{
	static const struct {
		struct files files;
		const char *warning, *why;
	} rows[] = {
		{ { .trust = { "root.pem" } }, NULL, "no certificate of our own" },
		{ { .certificate = { "edge.pem" }, .key = { "edge.key" } }, NULL, "no trust" },
		{ { .certificate = { "long.pem" }, .key = { "below.key" } }, NULL, "the root stands in the chain" },
		{ { .trust = { "middle.pem" } }, NULL, "an intermediate as anchor" },
		{ { .certificate = { "chain.pem" }, .key = { "below.key" }, .trust = { "root.pem" }, .crl = { "both.crl" } },
		    NULL, "a list of the CA that stands in our chain" },
		{ { .certificate = { "expired.pem" }, .key = { "expired.key" } },
		    "edge.json:10: /tls/edge/certificate: warning: ", "has expired" },
		{ { .certificate = { "future.pem" }, .key = { "future.key" } }, "is not yet valid", "not yet valid" },
		{ { .certificate = { "edge.pem" }, .key = { "open.key" } }, "everybody", "readable by all" },
		{ { .trust = { "root.pem" }, .crl = { "old.crl" } }, "has expired", "an old list: the profile decides" },
	};
	struct pki_profile out;
	char *text;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool ok = load(&rows[i].files, &out);
		size_t warnings = complaints_warnings(c);

		text = complaints_text();
		cr_assert(ok, "%s: %s", rows[i].why, text);
		cr_assert_eq(warnings, rows[i].warning ? 1 : 0, "%s: %s", rows[i].why, text);
		cr_assert(!rows[i].warning || strstr(text, rows[i].warning), "%s: %s", rows[i].why, text);
		free(text);
		pki_profile_done(&out);
	}
}

Test(pki, refuses_with_the_file_and_the_reason)
{
	static const struct {
		struct files files;
		const char *where, *what;
	} rows[] = {
#define OUR(cert, key_file) { .certificate = { cert }, .key = { key_file } }
#define TRUST(file) { .trust = { file } }
#define CRL(file) { .trust = { "root.pem" }, .crl = { file } }
		{ OUR("none.pem", "edge.key"), "certificate: ", "/none.pem: cannot be read: No such file or directory" },
		{ OUR(".", "edge.key"), "certificate: ", "is not a regular file" },
		{ OUR("empty.pem", "edge.key"), "certificate: ", "/empty.pem: holds no certificate in PEM form" },
		{ OUR("words.pem", "edge.key"), "certificate: ", "holds no certificate" },
		{ OUR("edge.key", "edge.key"), "certificate: ", "holds no certificate" },
		{ OUR("damaged.pem", "edge.key"), "certificate: ", "certificate 1 cannot be decoded" },
		{ OUR("cut.pem", "edge.key"), "certificate: ", "damaged PEM" },
		{ OUR("gap.pem", "below.key"), "certificate: ", "certificate 1, \"CN=edge.example\", is not signed by the next" },
		{ OUR("reversed.pem", "middle.key"), "certificate: ", "is not signed by the next" },
		{ OUR("weak.pem", "weak.key"), "certificate: ", "key that is too short" },
		{ OUR("edge.pem", "none.key"), "private_key: ", "/none.key: cannot be read" },
		{ OUR("edge.pem", "edge.pem"), "private_key: ", "/edge.pem: holds no private key" },
		{ OUR("edge.pem", "damaged.key"), "private_key: ", "private key 1 cannot be decoded" },
		{ OUR("edge.pem", "locked.key"), "private_key: ", "is encrypted" },
		{ OUR("edge.pem", "old_locked.key"), "private_key: ", "is encrypted" },
		{ OUR("edge.pem", "below.key"), "private_key: ", "/below.key: does not fit the certificate " },
		{ OUR("edge.pem", "edge_rsa.key"), "private_key: ", "does not fit the certificate " },
		{ TRUST("none.pem"), "trust/0: ", "cannot be read" },
		{ TRUST("leaf.pem"), "trust/0: ", "certificate \"CN=leaf\" is not a CA's" },
		{ TRUST("damaged.pem"), "trust/0: ", "cannot be decoded" },
		{ CRL("none.crl"), "crl/0: ", "cannot be read" },
		{ CRL("root.pem"), "crl/0: ", "holds no CRL" },
		{ CRL("damaged.crl"), "crl/0: ", "CRL 1 cannot be decoded" },
		{ CRL("tomorrow.crl"), "crl/0: ", "CRL 1 of \"CN=Root\" is not yet valid" },
		{ CRL("stranger.crl"), "crl/0: ", "signed by none of the CAs" },
		{ CRL("both.crl"), "crl/0: ", "CRL 2 of \"CN=Middle\" was signed by none" },
		{ CRL("forged.crl"), "crl/0: ", "a signature that no CA of that name made" },
		{ CRL("delta.crl"), "crl/0: ", "is a delta list" },
		{ CRL("indirect.crl"), "crl/0: ", "is an indirect list" },
		{ CRL("reasons.crl"), "crl/0: ", "some reasons only" },
		{ CRL("attributes.crl"), "crl/0: ", "attribute certificates" },
		{ CRL("unknown.crl"), "crl/0: ", "critical extension" },
#undef OUR
#undef TRUST
#undef CRL
	};
	struct pki_profile out;
	char *text;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool ok = load(&rows[i].files, &out);
		size_t errors = complaints_errors(c);

		text = complaints_text();
		cr_assert(!ok, "row %zu: %s", i, rows[i].what);
		cr_assert_eq(errors, 1, "row %zu, %s: %s", i, rows[i].what, text);
		cr_assert_eq(strncmp(text, "edge.json:10: /tls/edge/", 24), 0, "%s", text);
		cr_assert_not_null(strstr(text, rows[i].where), "row %zu, %s: %s", i, rows[i].where, text);
		cr_assert_not_null(strstr(text, rows[i].what), "row %zu, %s: %s", i, rows[i].what, text);
		free(text);
		pki_profile_done(&out);
	}
}

Test(pki, refuses_two_certificates_of_one_key_type)
{
	struct files files = { .certificate = { "edge.pem", "chain.pem" }, .key = { "edge.key", "below.key" } };
	struct pki_profile out;
	char *text;

	cr_assert(!load(&files, &out));
	text = complaints_text();
	cr_assert_not_null(strstr(text, "edge.json:11: /tls/edge/certificate"), "%s", text);
	cr_assert_not_null(strstr(text, "same key type"), "%s", text);
	free(text);
	pki_profile_done(&out);
}

Test(pki, reports_everything_in_one_run)
{
	struct files files = { .certificate = { "none.pem", "weak.pem" },
		.key = { "locked.key", "edge.key" },
		.trust = { "leaf.pem" } };
	struct pki_profile out;

	cr_assert(!load(&files, &out));
	cr_assert_eq(complaints_errors(c), 5, "%s", complaints_text());
	pki_profile_done(&out);
}

Test(pki, gives_the_keys_of_a_domains_cas)
{
	struct pki_file file = { .path = path_of("bundle.pem"), .config_file = "a.json", .line = 3, .pointer = "/trust" };
	struct image_spki *spki;
	size_t count = 7;

	cr_assert(pki_load_cas(&file, c, &spki, &count));
	cr_assert_eq(count, 2);
	free(spki);
	file.path = path_of("leaf.pem");
	count = 7;
	cr_assert(!pki_load_cas(&file, c, &spki, &count));
	cr_assert_eq(count, 7, "untouched on failure");
	cr_assert_eq(complaints_errors(c), 1);
}

Test(pki, reads_files_up_to_a_limit)
{
	struct pki_file file = { .path = path_of("words.pem"), .config_file = "a.json", .line = 3, .pointer = "/x" };
	struct pki_der der = { 0 };

	cr_assert(pki_read_file(&file, 20, c, &der));
	cr_assert_eq(der.len, 20);
	cr_assert_eq(memcmp(der.p, "no certificate here\n", 20), 0);
	pki_der_done(&der);
	cr_assert_null(der.p);
	cr_assert(!pki_read_file(&file, 19, c, &der));
	cr_assert_null(der.p);
	cr_assert_eq(mkfifo(path_of("fifo"), 0600), 0);
	file.path = path_of("fifo");
	cr_assert(!pki_read_file(&file, 20, c, &der), "and does not wait for a writer");
	cr_assert_eq(complaints_errors(c), 2);
}

Test(pki, asks_the_library_about_lists)
{
	static const struct {
		enum pki_list kind;
		const char *list;
		bool ok;
	} rows[] = {
		{ PKI_CIPHERS, "ECDHE+AESGCM", true },
		{ PKI_CIPHERS, "NONSENSE", false },
		{ PKI_CIPHERSUITES, "TLS_AES_256_GCM_SHA384", true },
		{ PKI_CIPHERSUITES, "TLS_NONSENSE", false },
		{ PKI_GROUPS, "X25519:P-256", true },
		{ PKI_GROUPS, "P-17", false },
	};
	struct pki_file where = { .config_file = "a.json", .line = 3, .pointer = "/tls/edge/ciphers" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(pki_check_list(rows[i].kind, rows[i].list, &where, c), rows[i].ok, "%s", rows[i].list);
	cr_assert_eq(complaints_errors(c), 3);
}
