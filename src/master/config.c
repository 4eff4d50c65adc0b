#include "master/config.h"

#include <openssl/evp.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/heritage.h"
#include "common/log.h"
#include "common/sip/uri.h"
#include "master/pki.h"

#define CONFIG_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define SECRET_MIN 32
#define SECRET_MAX_BYTES 1048576

static const char *const outbound_match[] = { "route", "to", NULL };
static const char *const foreign_uri[] = { "reject", "forward", NULL };
static const char *const log_formats[] = { "text", "json", NULL };
static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };

void keys_add(struct keys_writer *k, enum keys_kind kind, uint32_t profile, const void *data, size_t len)
{
	size_t need = keys_record_size((uint32_t)len);
	struct keys_record r = { .kind = kind, .profile = profile, .len = (uint32_t)len };
	uint8_t *p;

	if (k->failed)
		return;
	if (k->len + need > k->cap) {
		size_t cap = MAX(k->cap * 2, k->len + need + 65536);

		/* Not realloc: what it leaves behind would hold keys. */
		p = malloc(cap);
		if (!p) {
			k->failed = true;
			return;
		}
		if (k->len)
			memcpy(p, k->p, k->len);
		if (k->p)
			explicit_bzero(k->p, k->len);
		free(k->p);
		k->p = p;
		k->cap = cap;
	}
	memset(k->p + k->len, 0, need);
	memcpy(k->p + k->len, &r, sizeof(r));
	memcpy(k->p + k->len + sizeof(r), data, len);
	k->len += need;
}

/* ---- numbers ---- */

static void read_setting(struct config *c, const struct config_node *root, const struct setting_row *row)
{
	const char *dot = strchr(row->key, '.');
	struct config_node section = *root, m;
	const char *key = row->key;
	char name[32];
	double v;

	if (dot) {
		snprintf(name, sizeof(name), "%.*s", (int)(dot - key), key);
		section = config_get(root, name, TYPE_OBJECT);
		key = dot + 1;
	}
	m = config_get(&section, key, row->type == SETTING_SECONDS ? TYPE_NUMBER : TYPE_INTEGER);
	if (!m.value)
		return;
	v = json_number_value(m.value) * (row->type == SETTING_SECONDS ? 1000.0 : 1.0);
	if (v < (double)row->min || v > (double)row->max) {
		double unit = row->type == SETTING_SECONDS ? 1000.0 : 1.0;

		config_bad(&m, "found %g, expected %g to %g%s%s: %s", json_number_value(m.value), (double)row->min / unit,
		    (double)row->max / unit, *row->unit ? " " : "", row->unit, row->sentence);
		return;
	}
	setting_set(&image_builder_header(c->b)->settings, row, (uint64_t)v);
}

static void read_settings(struct config *c, const struct config_node *root)
{
	struct config_node limits = config_get(root, "limits", TYPE_OBJECT), timeouts = config_get(root, "timeouts", TYPE_OBJECT),
			   m = config_get(&limits, "connections", TYPE_INTEGER);
	struct rlimit files;

	config_check(&limits, &config_limits_keys);
	config_check(&timeouts, &config_timeouts_keys);
	for (size_t i = 0; i < setting_row_count; i++)
		read_setting(c, root, &setting_rows[i]);
	if (m.value && getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max != RLIM_INFINITY &&
	    (uint64_t)json_integer_value(m.value) + 64 > files.rlim_max)
		config_bad(&m, "found %lld, but the limit of open files allows %lld; raise it (LimitNOFILE=) or lower this",
		    (long long)json_integer_value(m.value), (long long)files.rlim_max - 64);
}

/* ---- the process ---- */

static uint32_t usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)MAX(CPU_COUNT(&set), 1) : 1;
}

static uint32_t read_workers(const struct config_node *root)
{
	struct config_node m = config_get(root, "workers", TYPE_STRING);

	if (m.value && strcmp(json_string_value(m.value), "auto") != 0)
		config_bad(&m, "found \"%s\", expected a number or \"auto\"", json_string_value(m.value));
	return (uint32_t)config_integer(root, "workers", 1, WORKERS_MAX, MIN(usable_cpus(), (uint32_t)WORKERS_MAX));
}

/* A file that sipward itself writes, made absolute; empty when the key is absent. */
static struct image_str own_path(struct config *c, const struct config_node *root, const char *key, const char *otherwise)
{
	struct span text = config_text(root, key, otherwise);
	char *path = text.len ? config_path(root->source, text) : NULL, *absolute = NULL, cwd[4096];
	struct image_str s;

	if (path && path[0] != '/' && getcwd(cwd, sizeof(cwd)) && asprintf(&absolute, "%s/%s", cwd, path) < 0)
		absolute = NULL;
	s = image_put_text(c->b, span_str(absolute ? absolute : path ? path : ""));
	free(absolute);
	free(path);
	return s;
}

static void read_process(struct config *c, const struct config_node *root)
{
	struct image_process *p = &image_builder_header(c->b)->process;
	struct config_node user = config_get(root, "user", TYPE_STRING), admin = config_get(root, "admin", TYPE_OBJECT);

	p->workers = read_workers(root);
	p->control_socket_given = config_get(root, "control_socket", TYPE_STRING).value != NULL;
	p->control_socket = own_path(c, root, "control_socket", "/run/sipward/control.sock");
	p->state_dir = own_path(c, root, "state_dir", "/var/lib/sipward");
	p->pid_file = own_path(c, root, "pid_file", "");
	p->user = image_put_text(c->b, config_text(root, "user", ""));
	if (user.value && !getpwnam(json_string_value(user.value)))
		config_bad(&user, "there is no user \"%s\"", json_string_value(user.value));
	config_check(&admin, &config_admin_keys);
	p->admin_host = image_put_text(c->b, config_text(&admin, "host", ""));
	p->admin_port = (uint16_t)config_integer(&admin, "port", 0, 65535, 0);
}

static void read_log(struct config *c, const struct config_node *root)
{
	struct config_node n = config_get(root, "log", TYPE_OBJECT), to = config_get(&n, "to", TYPE_STRING);
	struct image_log *log = &image_builder_header(c->b)->log;
	struct span text = config_text(&n, "to", "stderr");

	config_check(&n, &config_log_keys);
	log->format = (uint8_t)config_choice(&n, "format", log_formats, LOG_TEXT);
	log->level = (uint8_t)config_choice(&n, "level", log_levels, LOG_INFO);
	log->access = image_put_text(c->b, SPAN(""));
	if (span_eq(text, SPAN("journal")))
		config_bad(&to, "\"journal\" is not supported by this version; \"stderr\" reaches the journal under systemd");
	log->to = span_eq(text, SPAN("stderr")) ? image_put_text(c->b, text) : own_path(c, &n, "to", "stderr");
}

/* ---- the rest of the top level ---- */

static void read_local_domains(struct config *c, const struct config_node *root)
{
	struct config_node list = config_get(root, "local_domains", TYPE_STRINGS);
	char canonical[HOST_MAX];

	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);

		image_add_host(c->b, config_host(&e, canonical), HOST_LOCAL_DOMAIN);
	}
}

static void read_rules(const struct config_node *root)
{
	struct config_node list = config_get(root, "routing_rules", TYPE_ARRAY);

	for (size_t i = 0; i < json_array_size(list.value); i++) {
		struct config_node n = config_at(&list, i), match = config_get(&n, "match", TYPE_OBJECT);

		config_check(&n, &config_rule_keys);
		config_check(&match, &config_match_keys);
		if (config_flag(&n, "enabled", true))
			config_bad(&n, "routing rules are not supported by this version; set \"enabled\": false or leave it out");
	}
}

static void read_secrets(struct config *c, const struct config_node *root)
{
	struct config_node list = config_get(root, "token_secret_files", TYPE_STRING | TYPE_STRINGS);
	uint8_t key[32];

	for (size_t i = 0; i < config_list_count(&list); i++) {
		struct config_node e = config_list_at(&list, i);
		char *path = config_path(e.source, span_str(json_string_value(e.value)));
		struct pki_file file = { path, e.source->path, config_line(&e), e.pointer };
		struct pki_der text = { 0 };

		if (path && pki_read_file(&file, SECRET_MAX_BYTES, c->complaints, &text)) {
			if (text.len < SECRET_MIN)
				config_bad(&e, "\"%s\" holds %zu bytes, expected at least %d secret ones", path, text.len, SECRET_MIN);
			else if (EVP_Digest(text.p, text.len, key, NULL, EVP_sha256(), NULL) == 1)
				keys_add(&c->keys, KEYS_TOKEN_SECRET, 0, key, sizeof(key));
			explicit_bzero(text.p, text.len);
			free(text.p);
		}
		free(path);
	}
	if (config_list_count(&list) == 0)
		keys_add(&c->keys, KEYS_TOKEN_SECRET, 0, c->secrets->token_secret, sizeof(c->secrets->token_secret));
	keys_add(&c->keys, KEYS_BRANCH_KEY, 0, c->secrets->branch_key, sizeof(c->secrets->branch_key));
	explicit_bzero(key, sizeof(key));
}

static void read_sections(struct config *c, const struct config_node *root)
{
	struct config_node outbound = config_get(root, "default_outbound_tls", TYPE_STRING);
	struct image_header *h = image_builder_header(c->b);

	config_check(root, &config_top_keys);
	if (!json_is_object(root->value))
		return;
	read_settings(c, root);
	read_process(c, root);
	read_log(c, root);
	h->outbound_match_to = (uint8_t)config_choice(root, "outbound_match", outbound_match, 0);
	h->foreign_request_uri = (uint8_t)config_choice(root, "foreign_request_uri", foreign_uri, FOREIGN_REJECT);
	config_read_tls(c, root);
	if (outbound.value)
		(void)config_profile_index(c, &outbound); /* checked; used when connections are opened to outside */
	config_read_listeners(c, root);
	config_read_clusters(c, root);
	read_local_domains(c, root);
	config_read_identity(c, root);
	read_rules(root);
	read_secrets(c, root);
	config_read_domains(c, root);
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
	c->root = json_loadb((const char *)text.p, text.len, JSON_ALLOW_NUL, &error);
	if (!c->root) {
		complain(c->complaints, path, (unsigned)MAX(error.line, 1), NULL, "not JSON: %s", error.text);
		return;
	}
	config_check_duplicates(&c->source);
	root.value = c->root;
	read_sections(c, &root);
}

void config_done(struct config *c)
{
	for (size_t i = 0; i < c->cas_count; i++) {
		free(c->cas[i].path);
		free(c->cas[i].spki);
	}
	free(c->cas);
	free(c->profile);
	free(c->where);
	if (c->keys.p)
		explicit_bzero(c->keys.p, c->keys.len);
	free(c->keys.p);
	json_decref(c->root);
	free((void *)(uintptr_t)c->source.text.p);
}
