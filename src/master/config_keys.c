#include "master/config.h"

/* Shorthands of this table. */
#define S TYPE_STRING
#define I TYPE_INTEGER
#define N TYPE_NUMBER
#define B TYPE_BOOLEAN
#define O TYPE_OBJECT
#define A TYPE_ARRAY
#define L TYPE_STRINGS

#define KEYS(name, what, rows) const struct config_keys config_##name##_keys = { what, rows, ARRAY_LEN(rows) }

const char *const config_protocols[] = { "TLS", "TCP", "UDP", NULL };

/* In the order of enum method, from METHOD_INVITE on. */
const char *const config_methods[] = { "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "INFO",
	"SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "PUBLISH", NULL };

static const struct config_key top[] = {
	{ "$schema", S },
	{ "workers", I | S },
	{ "listeners", A },
	{ "tls", O },
	{ "default_outbound_tls", S },
	{ "local_domains", L },
	{ "clusters", O },
	{ "default_cluster", S },
	{ "routing_rules", A },
	{ "external_domains", A },
	{ "external_domain_files", S | L },
	{ "identity", O },
	{ "limits", O },
	{ "timeouts", O },
	{ "retry_after", I },
	{ "outbound_match", S },
	{ "foreign_request_uri", S },
	{ "token_secret_files", S | L },
	{ "token_lifetime", I },
	{ "log", O },
	{ "admin", O, SUPPORT_NO_EFFECT },
	{ "control_socket", S },
	{ "state_dir", S },
	{ "pid_file", S },
	{ "user", S },
	{ "drain_timeout", N },
};
KEYS(top, "the configuration", top);

static const struct config_key listener[] = {
	{ "side", S },	  { "protocol", S }, { "host", S },    { "port", I },
	{ "tls", S },	  { "advertise", S }, { "allow", S | L }, { "methods", L },
	{ "enforce", B }, { "proxy_auth", O, SUPPORT_REFUSED }, { "proxy_protocol_from", S | L, SUPPORT_REFUSED },
};
KEYS(listener, "a listener", listener);

static const struct config_key tls[] = {
	{ "certificate", S | L },	 { "private_key", S | L },	{ "trust", S | L },	 { "any_trusted_ca", B },
	{ "crl", S | L },		 { "crl_check", S },		{ "crl_expired", S },	 { "client_certificate", S },
	{ "min_version", S },		 { "ciphers", S },		{ "ciphersuites", S },	 { "groups", S },
	{ "resumption", B },		 { "resumption_lifetime", N },	{ "peer_usage", S },	 { "expired_connections", S },
	{ "server_names", A, SUPPORT_REFUSED },
};
KEYS(tls, "a TLS profile", tls);

static const struct config_key server_name[] = { { "names", S | L }, { "certificate", S | L }, { "private_key", S | L } };
KEYS(server_name, "a server name", server_name);

static const struct config_key cluster[] = { { "servers", A } };
KEYS(cluster, "a cluster", cluster);

static const struct config_key server[] = {
	{ "host", S }, { "port", I }, { "protocol", S }, { "weight", I }, { "source_address", S },
	{ "tls", S, SUPPORT_REFUSED }, { "distinguished_name", S | L, SUPPORT_REFUSED },
};
KEYS(server, "a server", server);

static const struct config_key domain[] = {
	{ "domain", S },
	{ "distinguished_name", S | L },
	{ "protocol", S },
	{ "host", S },
	{ "port", I },
	{ "hosts", A },
	{ "tls", S },
	{ "sni", S },
	{ "trust", S | L },
	{ "subject_alt_names", S | L, SUPPORT_REFUSED },
	{ "match", S, SUPPORT_REFUSED },
	{ "spki_sha256", S | L, SUPPORT_REFUSED },
	{ "trusted_addresses", S | L },
	{ "trust_udp", B },
	{ "proxy_auth", O, SUPPORT_REFUSED },
	{ "trust_domain", B },
	{ "limits", O, SUPPORT_NO_EFFECT },
	{ "identity", O },
	{ "reuse", S },
	{ "allow_wildcard", B },
	{ "enforce", B },
	{ "enabled", B },
	{ "metrics", B },
};
KEYS(domain, "an external domain", domain);

static const struct config_key domain_host[] = { { "host", S }, { "port", I } };
KEYS(domain_host, "a host of an external domain", domain_host);

static const struct config_key domain_limits[] = { { "connections", I }, { "calls_per_second", N }, { "messages_per_second", N } };
KEYS(domain_limits, "the limits of an external domain", domain_limits);

static const struct config_key identity[] = {
	{ "header", S },    { "strip", S | L },	      { "unstrip", S | L },
	{ "keep", S | L },  { "assert_on", S },	      { "source", S },
	{ "vouches_for", S | L }, { "vouches_for_numbers", S | L }, { "on_violation", S },
};
KEYS(identity, "an identity policy", identity);

static const struct config_key limits[] = {
	{ "header_bytes", I }, { "header_fields", I },	  { "body_bytes", I }, { "connections", I },
	{ "handshakes", I },   { "handshakes_per_source", I }, { "queue_bytes", I },
};
KEYS(limits, "the limits", limits);

static const struct config_key timeouts[] = { { "handshake", N }, { "message", N }, { "connect", N }, { "idle", N }, { "pong", N } };
KEYS(timeouts, "the timeouts", timeouts);

static const struct config_key log_keys[] = { { "to", S }, { "format", S }, { "level", S }, { "access", S, SUPPORT_NO_EFFECT } };
KEYS(log, "the log", log_keys);

static const struct config_key admin[] = { { "host", S }, { "port", I }, { "allow", S | L } };
KEYS(admin, "the admin server", admin);

static const struct config_key rule[] = { { "enabled", B }, { "match", O }, { "cluster", S }, { "reject", I } };
KEYS(rule, "a routing rule", rule);

static const struct config_key match[] = {
	{ "method", S | L }, { "to", S | L },	       { "from", S | L }, { "request_uri", S | L },	 { "source", S | L },
	{ "destination", S | L }, { "headers", O }, { "domain", S | L }, { "distinguished_name", S | L },
};
KEYS(match, "the conditions of a routing rule", match);

static const struct config_key proxy_auth[] = {
	{ "realm", S }, { "users_file", S }, { "algorithms", L }, { "nonce_lifetime", N }, { "allow_cleartext", B },
};
KEYS(proxy_auth, "proxy authentication", proxy_auth);
