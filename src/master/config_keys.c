#include "master/config.h"

/* Shorthands of these tables. */
#define S TYPE_STRING
#define I TYPE_INTEGER
#define N TYPE_NUMBER
#define B TYPE_BOOLEAN
#define O TYPE_OBJECT
#define A TYPE_ARRAY
#define M TYPE_MAP
#define SL (TYPE_STRING | TYPE_STRINGS)

#define NEEDED .required = true
#define IDLE .support = SUPPORT_NO_EFFECT
#define REFUSED .support = SUPPORT_REFUSED
#define PORT_MAX 65535

#define KEYS(name, what, rows) const struct config_keys name = { what, rows, ARRAY_LEN(rows) }

/* ---- choices, in the order of the enums in image_layout ---- */

const char *const config_sides[] = { "external", "internal", NULL };
const char *const config_protocols[] = { "TLS", "TCP", "UDP", NULL };
const char *const config_client_certificate[] = { "require", "request", "off", NULL };
const char *const config_peer_usage[] = { "strict", "any_tls", NULL };
const char *const config_crl_check[] = { "leaf", "all", NULL };
const char *const config_crl_expired[] = { "reject", "warn", NULL };
const char *const config_expired_connections[] = { "close", "keep_until_idle", NULL };
const char *const config_min_version[] = { "1.2", "1.3", NULL };
const char *const config_assert_on[] = { "all", "rfc5876", "rfc3325", NULL };
const char *const config_on_violation[] = { "reject", "strip", NULL };
const char *const config_match[] = { "any", "all", NULL };
const char *const config_reuse[] = { "alias", "always", "never", NULL };
const char *const config_limit_action[] = { "reject", "drop", NULL };
const char *const config_outbound_match[] = { "route", "to", NULL };
const char *const config_foreign_uri[] = { "reject", "forward", NULL };
const char *const config_log_format[] = { "text", "json", NULL };
const char *const config_log_level[] = { "error", "warn", "info", "debug", NULL };
static const char *const algorithms[] = { "SHA-512-256", "SHA-256", "MD5", NULL };

/* ---- objects, the inner ones first ---- */

static const struct config_key proxy_auth[] = {
	{ "realm", S, NEEDED },
	{ "users_file", S, NEEDED },
	{ "algorithms", TYPE_STRINGS, .choices = algorithms },
	{ "nonce_lifetime", N, .least = 1, .most = 86400 },
	{ "allow_cleartext", B },
};
static KEYS(proxy_auth_keys, "proxy authentication", proxy_auth);

static const struct config_key auth_user[] = {
	{ "user", S, NEEDED },	{ "uri", S },	  { "from", SL },
	{ "SHA-512-256", S },	{ "SHA-256", S }, { "MD5", S },
};
KEYS(config_auth_user_keys, "a user", auth_user);

static const struct config_key listener[] = {
	{ "side", S, .choices = config_sides, NEEDED },
	{ "protocol", S, .choices = config_protocols, NEEDED },
	{ "host", S, NEEDED },
	{ "port", I, .most = PORT_MAX, NEEDED },
	{ "tls", S },
	{ "advertise", S },
	{ "allow", SL },
	{ "methods", TYPE_STRINGS },
	{ "enforce", B },
	{ "proxy_auth", O, &proxy_auth_keys },
	{ "proxy_protocol_from", SL, REFUSED },
};
static KEYS(listener_keys, "a listener", listener);

static const struct config_key server_name[] = {
	{ "names", SL, NEEDED },
	{ "certificate", SL, NEEDED },
	{ "private_key", SL, NEEDED },
	{ "ocsp_response", SL },
};
static KEYS(server_name_keys, "a certificate chosen by name", server_name);

static const struct config_key tls[] = {
	{ "certificate", SL },
	{ "private_key", SL },
	{ "ocsp_response", SL },
	{ "trust", SL },
	{ "any_trusted_ca", B },
	{ "crl", SL },
	{ "crl_check", S, .choices = config_crl_check },
	{ "crl_expired", S, .choices = config_crl_expired },
	{ "client_certificate", S, .choices = config_client_certificate },
	{ "min_version", S, .choices = config_min_version },
	{ "ciphers", S },
	{ "ciphersuites", S },
	{ "groups", S },
	{ "resumption", B },
	{ "resumption_lifetime", N, .least = 1, .most = 604800 },
	{ "server_names", A, &server_name_keys },
	{ "peer_usage", S, .choices = config_peer_usage },
	{ "expired_connections", S, .choices = config_expired_connections },
};
static KEYS(tls_keys, "a TLS profile", tls);

static const struct config_key domain_limits[] = {
	{ "connections", I, .least = 0, .most = 1000000 },
	{ "calls_per_second", N, .least = 0, .most = 1000000 },
	{ "messages_per_second", N, .least = 0, .most = 1000000 },
	{ "action", S, .choices = config_limit_action },
};
static KEYS(domain_limits_keys, "the limits of a domain or server", domain_limits);

static const struct config_key server[] = {
	{ "host", S, NEEDED },
	{ "port", I, .least = 1, .most = PORT_MAX },
	{ "protocol", S, .choices = config_protocols },
	{ "tls", S },
	{ "distinguished_name", SL },
	{ "weight", I, .least = 0, .most = 1000000 },
	{ "source_address", S },
	{ "limits", O, &domain_limits_keys },
	{ "overload_control", B },
};
static KEYS(server_keys, "a server", server);

static const struct config_key cluster[] = {
	{ "servers", A, &server_keys, NEEDED },
	{ "probe_interval", N, .least = 0, .most = 3600 },
	{ "probe_timeout", N, .least = 0, .most = 3600 },
	{ "probe_failures", I, .least = 1, .most = 100 },
};
static KEYS(cluster_keys, "a cluster", cluster);

static const struct config_key match[] = {
	{ "method", SL },      { "to", SL },	       { "from", SL },	     { "request_uri", SL },	   { "source", SL },
	{ "destination", SL }, { "headers", TYPE_FREE }, { "domain", SL }, { "distinguished_name", SL },
};
static KEYS(match_keys, "the conditions of a routing rule", match);

static const struct config_key rule[] = {
	{ "enabled", B },
	{ "match", O, &match_keys },
	{ "cluster", S },
	{ "reject", I, .least = 400, .most = 699 },
};
static KEYS(rule_keys, "a routing rule", rule);

static const struct config_key identity[] = {
	{ "header", S },
	{ "strip", SL },
	{ "unstrip", SL },
	{ "keep", SL },
	{ "assert_on", S, .choices = config_assert_on },
	{ "source", S },
	{ "vouches_for", SL },
	{ "vouches_for_numbers", SL },
	{ "on_violation", S, .choices = config_on_violation },
};
static KEYS(identity_keys, "an identity policy", identity);

static const struct config_key domain_host[] = {
	{ "host", S, NEEDED },
	{ "port", I, .least = 1, .most = PORT_MAX },
};
static KEYS(domain_host_keys, "a host of an external domain", domain_host);

static const struct config_key domain[] = {
	{ "domain", S, NEEDED },
	{ "distinguished_name", SL },
	{ "protocol", S, .choices = config_protocols },
	{ "host", S },
	{ "port", I, .least = 1, .most = PORT_MAX },
	{ "hosts", A, &domain_host_keys },
	{ "tls", S },
	{ "sni", S },
	{ "trust", SL },
	{ "subject_alt_names", SL },
	{ "match", S, .choices = config_match },
	{ "spki_sha256", SL },
	{ "trusted_addresses", SL },
	{ "trust_udp", B },
	{ "proxy_auth", O, &proxy_auth_keys },
	{ "trust_domain", B },
	{ "limits", O, &domain_limits_keys },
	{ "identity", O, &identity_keys },
	{ "reuse", S, .choices = config_reuse },
	{ "allow_wildcard", B },
	{ "retry_after", B },
	{ "overload_control", B },
	{ "options_ping", I, .least = 0, .most = 86400 },
	{ "crlf_ping", I, .least = 0, .most = 86400 },
	{ "enforce", B },
	{ "enabled", B },
	{ "metrics", B, IDLE },
};
KEYS(config_domain_keys, "an external domain", domain);

/* Bounds of these two stand in settings.def. */
static const struct config_key limits[] = {
	{ "header_bytes", I }, { "header_fields", I }, { "body_bytes", I }, { "connections", I },
	{ "handshakes", I }, { "handshakes_per_source", I }, { "queue_bytes", I },
};
static KEYS(limits_keys, "the limits", limits);

static const struct config_key overload[] = {
	{ "status", I }, { "reason", S }, { "messages_per_second", I }, { "loop_lag", N }, { "max_throughput_factor", I },
};
static KEYS(overload_keys, "overload", overload);

static const struct config_key timeouts[] = {
	{ "handshake", N }, { "message", N }, { "connect", N }, { "idle", N }, { "pong", N },
};
static KEYS(timeouts_keys, "the timeouts", timeouts);

static const struct config_key log_rows[] = {
	{ "to", S },
	{ "format", S, .choices = config_log_format },
	{ "level", S, .choices = config_log_level },
	{ "access", S, IDLE },
};
static KEYS(log_keys, "the log", log_rows);

static const struct config_key admin[] = {
	{ "host", S, NEEDED },
	{ "port", I, .least = 0, .most = PORT_MAX, NEEDED },
	{ "allow", SL },
};
static KEYS(admin_keys, "the admin server", admin);

static const struct config_key top[] = {
	{ "$schema", S },
	{ "workers", I | S, .least = 1, .most = WORKERS_MAX },
	{ "listeners", A, &listener_keys, NEEDED },
	{ "tls", M, &tls_keys },
	{ "default_outbound_tls", S },
	{ "local_domains", TYPE_STRINGS },
	{ "clusters", M, &cluster_keys, NEEDED },
	{ "default_cluster", S },
	{ "routing_rules", A, &rule_keys },
	{ "external_domains", A, &config_domain_keys },
	{ "external_domain_files", SL },
	{ "identity", O, &identity_keys },
	{ "limits", O, &limits_keys },
	{ "overload", O, &overload_keys },
	{ "timeouts", O, &timeouts_keys },
	{ "resolvers", SL },
	{ "retry_after", I },
	{ "outbound_match", S, .choices = config_outbound_match },
	{ "foreign_request_uri", S, .choices = config_foreign_uri },
	{ "token_secret_files", SL },
	{ "affinity_failure_status", I },
	{ "token_lifetime", I },
	{ "log", O, &log_keys },
	{ "admin", O, &admin_keys },
	{ "control_socket", S },
	{ "state_dir", S },
	{ "pid_file", S },
	{ "user", S },
	{ "drain_timeout", N },
};
KEYS(config_top_keys, "the configuration", top);
