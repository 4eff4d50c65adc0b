#include "master/config.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/sip/uri.h"

#define CONFIG_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define SECRET_MIN 32
#define SECRET_MAX_BYTES 1048576
#define FILES_BESIDES 64 /* open files that are no connections */

/* ---- numbers ---- */

static void read_setting(struct config *c, const struct config_node *root, const struct setting_row *row)
{
	struct span key = span_str(row->key), section = SPAN_NONE;
	struct config_node from = *root, m;
	double unit = row->type == SETTING_SECONDS ? 1000.0 : 1.0, v;
	char name[64];

	if (span_find(key, '.') < key.len && span_cut(&key, '.', &section)) {
		snprintf(name, sizeof(name), "%.*s", SPAN_FMT(section));
		from = config_get(root, name, TYPE_OBJECT);
	}
	snprintf(name, sizeof(name), "%.*s", SPAN_FMT(key));
	m = config_get(&from, name, row->type == SETTING_SECONDS ? TYPE_NUMBER : TYPE_INTEGER);
	if (!m.value)
		return;
	v = json_number_value(m.value) * unit;
	if (v < (double)row->min || v > (double)row->max) {
		config_bad(&m, "found %.15g, expected %.15g to %.15g%s%s: %s", json_number_value(m.value), (double)row->min / unit,
		    (double)row->max / unit, *row->unit ? " " : "", row->unit, row->sentence);
		return;
	}
	setting_set(&image_builder_header(c->b)->settings, row, (uint64_t)(v + 0.5));
}

static void read_settings(struct config *c, const struct config_node *root)
{
	struct config_node limits = config_get(root, "limits", TYPE_OBJECT), m = config_get(&limits, "connections", TYPE_INTEGER),
			   lost = config_get(root, "affinity_failure_status", TYPE_INTEGER);
	struct rlimit files;

	for (size_t i = 0; i < setting_row_count; i++)
		read_setting(c, root, &setting_rows[i]);
	if (lost.value && json_integer_value(lost.value) > 0 && json_integer_value(lost.value) < 400)
		config_bad(&lost, "found %lld, expected 0 or 400 to 699", (long long)json_integer_value(lost.value));
	if (m.value && getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max != RLIM_INFINITY &&
	    json_integer_value(m.value) > (json_int_t)files.rlim_max - FILES_BESIDES)
		config_bad(&m, "found %lld, but the limit of open files allows %lld; raise it (LimitNOFILE=) or lower this",
		    (long long)json_integer_value(m.value), (long long)files.rlim_max - FILES_BESIDES);
}

/* ---- the rest of the top level ---- */

static void read_local_domains(struct config *c, const struct config_node *root)
{
	struct config_node list = config_get(root, "local_domains", TYPE_STRINGS);
	char canonical[CONFIG_HOST_MAX];

	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);
		struct span host = config_host(&e, canonical);

		image_add_host(c->b, host, HOST_LOCAL_DOMAIN);
		if (host.len)
			(void)json_object_setn_new(c->local, host.p, host.len, json_true()); /* missing: a warning less */
	}
}

/* A secret of any length becomes a key by its digest; its file is of no use to who reads the digest. */
static void read_secret(struct config *c, const struct config_node *n)
{
	struct pki_file file = config_file(n);
	struct pki_der text = { 0 };
	uint8_t key[32];

	if (file.path && pki_read_file(&file, SECRET_MAX_BYTES, c->complaints, &text)) {
		if (text.len < SECRET_MIN)
			config_bad(n, "\"%s\" holds %zu bytes, expected at least %d secret ones", file.path, text.len, SECRET_MIN);
		else if (EVP_Digest(text.p, text.len, key, NULL, EVP_sha256(), NULL) == 1)
			keys_add(c->keys, KEYS_TOKEN_SECRET, 0, key, sizeof(key));
		else
			config_bad(n, "the digest of \"%s\" cannot be made", file.path);
		explicit_bzero(text.p, text.len);
		free(text.p);
	}
	explicit_bzero(key, sizeof(key));
	free((void *)(uintptr_t)file.path);
}

static void read_secrets(struct config *c, const struct config_node *root)
{
	struct config_node list = config_get(root, "token_secret_files", TYPE_STRING | TYPE_STRINGS);

	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);

		read_secret(c, &e);
	}
	if (config_list_count(&list) == 0)
		keys_add(c->keys, KEYS_TOKEN_SECRET, 0, c->secrets->token_secret, sizeof(c->secrets->token_secret));
	keys_add(c->keys, KEYS_BRANCH_KEY, 0, c->secrets->branch_key, sizeof(c->secrets->branch_key));
}

static void read_choices(struct config *c, const struct config_node *root)
{
	struct image_header *h = image_builder_header(c->b);

	h->outbound_match_to = (uint8_t)config_choice(root, "outbound_match", config_outbound_match, 0);
	h->foreign_request_uri = (uint8_t)config_choice(root, "foreign_request_uri", config_foreign_uri, FOREIGN_REJECT);
}

static void read_sections(struct config *c, const struct config_node *root)
{
	struct config_node outbound = config_get(root, "default_outbound_tls", TYPE_STRING);

	read_settings(c, root);
	config_read_process(c, root);
	config_read_resolvers(c, root);
	read_choices(c, root);
	config_read_tls(c, root);
	c->outbound_profile = IMAGE_NONE;
	config_read_listeners(c, root); /* it may choose the profile */
	if (outbound.value) {
		c->outbound_profile = config_profile_index(c, &outbound);
		config_check_outbound(c, &outbound, c->outbound_profile);
	}
	config_read_overload(c, root);
	config_read_clusters(c, root);
	read_local_domains(c, root);
	config_read_identity(c, root);
	read_secrets(c, root);
	config_reuse_context(c, root);
	config_read_domains(c, root);
	config_read_rules(c, root); /* the names that it may not ask for stand in domains too */
}

void config_read(struct config *c, const char *path)
{
	struct pki_file file = { path, path, 0, "" };
	struct pki_der text = { 0 };
	struct config_node root = { .source = &c->source };
	json_error_t error;

	c->source = (struct config_source){ .path = path, .line = 1, .prefix = "", .complaints = c->complaints };
	if (!pki_read_file(&file, CONFIG_MAX_BYTES, c->complaints, &text))
		return;
	c->source.text = span_of(text.p, text.len);
	c->root = json_loadb((const char *)text.p, text.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	if (!c->root) {
		complain(c->complaints, path, (unsigned)MAX(error.line, 1), NULL, "not JSON: %s", error.text);
		return;
	}
	config_check_duplicates(&c->source);
	root.value = c->root;
	config_check(&root, &config_top_keys);
	if (json_is_object(root.value))
		read_sections(c, &root);
}

void config_done(struct config *c)
{
	for (size_t i = 0; i < c->cas_count; i++) {
		free(c->cas[i].path);
		free(c->cas[i].spki);
	}
	for (size_t i = 0; i < c->domain_file_count; i++)
		free(c->domain_files[i]);
	free(c->cas);
	free(c->domain_files);
	free(c->profile);
	free(c->where);
	json_decref(c->identities);
	json_decref(c->identity_last);
	json_decref(c->headers);
	json_decref(c->kept);
	json_decref(c->unstripped);
	json_decref(c->local);
	json_decref(c->cas_at);
	json_decref(c->root);
	image_builder_free(c->b);
	keys_builder_free(c->keys);
	free((void *)(uintptr_t)c->source.text.p);
}
