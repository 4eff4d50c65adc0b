/*
 * config: what each mistake is called and where, and what the image says of a
 * configuration without one.  To add a case, add a row.
 */
#include <criterion/criterion.h>
#include <jansson.h>

#include "support/config_files.h"
#include "support/leaks.h"

TestSuite(config, .init = config_files_make, .fini = leaks_check);

static const char base[] =
    "{ \"listeners\": ["
    "  { \"side\": \"external\", \"protocol\": \"TLS\", \"host\": \"127.0.0.1\", \"port\": 5061, \"tls\": \"edge\" },"
    "  { \"side\": \"internal\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 5060 } ],"
    "\"tls\": { \"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": [\"ca.pem\"] } },"
    "\"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\", \"port\": 5070 } ] } } }";

/* Load `base` with the members of `patch` in place of its own; null takes one away. */
static struct config_loaded load_patched(const char *patch)
{
	json_error_t error;
	json_t *whole = json_loads(base, 0, &error), *over = json_loads(patch, JSON_ALLOW_NUL, &error), *value;
	const char *key;
	char *text;

	cr_assert(whole && over, "%s in %s", error.text, patch);
	json_object_foreach(over, key, value) {
		if (json_is_null(value))
			json_object_del(whole, key);
		else
			json_object_set(whole, key, value);
	}
	text = json_dumps(whole, JSON_INDENT(2));
	config_write("test.json", text);
	free(text);
	json_decref(whole);
	json_decref(over);
	return config_load("test.json");
}

/* Shorthands: one listener more, one profile, one server, one domain, with these members. */
#define EXTERNAL "\"side\": \"external\", \"protocol\": \"TLS\", \"host\": \"127.0.0.1\", \"port\": 5061, \"tls\": \"edge\""
#define LISTENER(members) "{ \"listeners\": [ { " EXTERNAL ", " members " } ] }"
#define PROFILE(members) "{ \"tls\": { \"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": \"ca.pem\", " members " } } }"
#define SERVER(members) "{ \"clusters\": { \"main\": { \"servers\": [ { " members " } ] } } }"
#define PIN "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define DOMAIN(members) "{ \"external_domains\": [ { \"domain\": \"partner.example\", " members " } ] }"
#define DOMAIN_IDENTITY(members) DOMAIN("\"identity\": { " members " }")
#define IDENTITY(members) "{ \"identity\": { " members " } }"
#define TWO_CAS "\"tls\": { \"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": \"two.pem\" } }"

/* ---- mistakes: each is the only one, at that place, in these words ---- */

static const struct {
	const char *patch, *want;
} bad[] = {
	/* keys and types */
	{ "{ \"listenrs\": [] }", ": /listenrs: unknown key \"listenrs\" in the configuration; did you mean \"listeners\"?" },
	{ "{ \"Workers\": 1 }", "did you mean \"workers\"?" },
	{ "{ \"limits\": { \"header_byte\": 1 } }", ": /limits/header_byte: unknown key \"header_byte\" in the limits; did you mean \"header_bytes\"?" },
	{ "{ \"timeouts\": [] }", ": /timeouts: found a list, expected an object" },
	{ "{ \"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\" }, 5 ] } } }", ": /clusters/main/servers/1: found an integer, expected an object: a server" },
	{ "{ \"local_domains\": [ \"core.example\", 5 ] }", ": /local_domains/1: found an integer, expected a string" },
	{ "{ \"external_domains\": {} }", ": /external_domains: found an object, expected a list of objects" },
	{ "{ \"log\": { \"to\": \"a\\u0000b\" } }", ": /log/to: found \"a\" and a NUL behind it, expected text" },
	{ "{ \"user\": 5 }", ": /user: found an integer, expected a string" },
	{ "{ \"clusters\": null }", ": /clusters: missing in the configuration; expected an object" },
	{ "{ \"listeners\": null }", ": /listeners: missing in the configuration; expected a list of objects" },
	{ "{ \"a/b~\": 1 }", ": /a~1b~0: unknown key \"a/b~\"" },
	/* numbers */
	{ "{ \"workers\": 0 }", ": /workers: found 0, expected 1 to 256" },
	{ "{ \"workers\": \"many\" }", ": /workers: found \"many\", expected a number or \"auto\"" },
	{ "{ \"workers\": 1.5 }", ": /workers: found a fraction, expected a string or an integer" },
	{ "{ \"limits\": { \"header_bytes\": 1023 } }", ": /limits/header_bytes: found 1023, expected 1024 to 1048576 bytes" },
	{ "{ \"limits\": { \"body_bytes\": 67108865 } }", ": /limits/body_bytes: found 67108865, expected 0 to 67108864 bytes" },
	{ "{ \"limits\": { \"body_bytes\": 1.5 } }", ": /limits/body_bytes: found a fraction, expected an integer" },
	{ "{ \"limits\": { \"connections\": 999999 } }", ": /limits/connections: found 999999, but the limit of open files allows" },
	{ "{ \"timeouts\": { \"handshake\": 0.05 } }", ": /timeouts/handshake: found 0.05, expected 0.1 to 3600 s" },
	{ "{ \"timeouts\": { \"idle\": \"5\" } }", ": /timeouts/idle: found a string, expected a number" },
	{ "{ \"retry_after\": -1 }", ": /retry_after: found -1, expected 0 to 1000 s" },
	{ "{ \"token_lifetime\": 59 }", ": /token_lifetime: found 59, expected 60 to 2592000 s" },
	{ "{ \"drain_timeout\": 86401 }", ": /drain_timeout: found 86401, expected 0 to 86400 s" },
	/* the process */
	{ "{ \"user\": \"nobody-of-that-name\" }", ": /user: found \"nobody-of-that-name\", expected a user of this system" },
	{ "{ \"control_socket\": \"/a23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678\" }", ": /control_socket: the path has 109 bytes, expected at most 107 for a socket" },
	{ "{ \"pid_file\": \"\" }", ": /pid_file: found an empty text, expected a path" },
	{ "{ \"log\": { \"level\": \"loud\" } }", ": /log/level: found \"loud\", expected one of \"error\", \"warn\", \"info\", \"debug\"" },
	{ "{ \"log\": { \"format\": \"xml\" } }", ": /log/format: found \"xml\", expected one of \"text\", \"json\"" },
	{ "{ \"admin\": { \"host\": \"192.0.2.1\", \"port\": 9061 } }", ": /admin/host: found \"192.0.2.1\", which others can reach; expected \"allow\"" },
	{ "{ \"admin\": { \"host\": \"127.0.0.1\" } }", ": /admin/port: missing in the admin server" },
	{ "{ \"foreign_request_uri\": \"drop\" }", ": /foreign_request_uri: found \"drop\"" },
	{ "{ \"outbound_match\": \"from\" }", ": /outbound_match: found \"from\", expected one of \"route\", \"to\"" },
	{ "{ \"token_secret_files\": [\"secret\", \"short\"] }", ": /token_secret_files/1: " },
	{ "{ \"token_secret_files\": \"none\" }", ": /token_secret_files: " },
	{ "{ \"default_outbound_tls\": \"none\" }", ": /default_outbound_tls: there is no \"none\" under /tls" },
	/* listeners */
	{ "{ \"listeners\": [] }", ": /listeners: expected at least one listener of side \"external\"" },
	{ LISTENER("\"advertise\": \"a b\""), ": /listeners/0/advertise: found \"a b\", expected host or host:port" },
	{ LISTENER("\"advertise\": \"edge.example:0\""), ": /listeners/0/advertise: " },
	{ LISTENER("\"advertise\": \"user@edge.example\""), ": /listeners/0/advertise: " },
	{ LISTENER("\"allow\": [\"192.0.2.1\"]"), ": /listeners/0/allow: \"allow\" counts only on a listener of side \"internal\"" },
	{ LISTENER("\"methods\": []"), ": /listeners/0/methods: found an empty list" },
	{ LISTENER("\"methods\": [\"INVITE\", \"ack\"]"), ": /listeners/0/methods/1: found \"ack\", expected \"ACK\"" },
	{ LISTENER("\"methods\": [\"A B\"]"), ": /listeners/0/methods/0: found \"A B\", expected a method" },
	{ "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 5061 },"
	  " { \"side\": \"internal\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 0, \"enforce\": false } ] }",
	    ": /listeners/1/enforce: false counts only on a listener of side \"external\"" },
	{ LISTENER("\"proxy_protocol_from\": [\"192.0.2.1\"]"), ": /listeners/0/proxy_protocol_from: \"proxy_protocol_from\" is not supported" },
	{ LISTENER("\"proxy_auth\": { \"realm\": \"a\", \"users_file\": \"b\" }"), ": /listeners/0/proxy_auth/users_file: \"" },
	{ LISTENER("\"proxy_auth\": { \"realm\": \"a\\\"\", \"users_file\": \"users\" }"), ": /listeners/0/proxy_auth/realm: found " },
	{ LISTENER("\"proxy_auth\": { \"realm\": \"\", \"users_file\": \"users\" }"), ": /listeners/0/proxy_auth/realm: found \"\"" },
	{ LISTENER("\"proxy_auth\": { \"realm\": \"a\", \"users_file\": \"users\", \"algorithms\": [\"SHA-1\"] }"), ": /listeners/0/proxy_auth/algorithms/0: found \"SHA-1\", expected one of" },
	{ LISTENER("\"proxy_auth\": { \"realm\": \"a\", \"users_file\": \"users\", \"algorithms\": [] }"), ": /listeners/0/proxy_auth/algorithms: found an empty list" },
	{ LISTENER("\"proxy_auth\": { \"realm\": \"a\", \"users_file\": \"users\", \"nonce_lifetime\": 0 }"), ": /listeners/0/proxy_auth/nonce_lifetime: found 0" },
	{ "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 5061, \"proxy_auth\": { \"realm\": \"a\", \"users_file\": \"users\" } } ] }", ": /listeners/0/proxy_auth: on a listener without TLS" },
	{ "{ \"listeners\": [ { " EXTERNAL " }, { \"side\": \"internal\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 1, \"proxy_auth\": { \"realm\": \"a\", \"users_file\": \"users\", \"allow_cleartext\": true } } ] }", ": /listeners/1/proxy_auth: \"proxy_auth\" counts only on a listener of side \"external\"" },
	{ "{ \"listeners\": [ { " EXTERNAL " }, { " EXTERNAL " } ] }", ": /listeners/1/port: the same host and port as /listeners/0" },
	{ "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TLS\", \"host\": \"127.0.0.1\", \"port\": 5061 } ] }", ": /listeners/0/tls: missing in a TLS listener" },
	{ "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 5061, \"tls\": \"edge\" } ] }", ": /listeners/0/tls: only a listener with \"protocol\": \"TLS\"" },
	{ "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TLS\", \"host\": \"127.0.0.1\", \"port\": 5061, \"tls\": \"egde\" } ] }", ": /listeners/0/tls: there is no \"egde\" under /tls" },
	{ "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"0.0.0.0\", \"port\": 5061 } ] }", ": /listeners/0/advertise: missing in a listener on all addresses" },
	{ "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"::\", \"port\": 5061 } ] }", ": /listeners/0/advertise: missing in a listener on all addresses" },
	{ "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"a.invalid\", \"port\": 5061 } ] }", ": /listeners/0/host: found \"a.invalid\", which has no address" },
	{ "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 65536 } ] }", ": /listeners/0/port: found 65536, expected 0 to 65535" },
	{ "{ \"listeners\": [ { \"side\": \"outside\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 1 } ] }", ": /listeners/0/side: found \"outside\", expected one of \"external\", \"internal\"" },
	{ "{ \"listeners\": [ { " EXTERNAL " }, { \"side\": \"internal\", \"protocol\": \"TLS\", \"host\": \"127.0.0.1\", \"port\": 1, \"tls\": \"edge\" } ], \"tls\": { \"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": \"ca.pem\", \"client_certificate\": \"request\" } } }", ": /listeners/1/tls: profile \"edge\" does not require a certificate" },
	{ "{ \"listeners\": [ { " EXTERNAL " }, { \"side\": \"internal\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 1, \"methods\": [\"INVITE\"] } ] }", ": /listeners/1/methods: \"methods\" counts only on a listener of side \"external\"" },
	{ "{ \"listeners\": [ { " EXTERNAL " }, { \"side\": \"internal\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 1, \"allow\": [\"10.0.0.0/33\"] } ] }", ": /listeners/1/allow/0: found \"10.0.0.0/33\", expected a prefix length of 0 to 32" },
	{ "{ \"listeners\": [ { " EXTERNAL " }, { \"side\": \"internal\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 1, \"allow\": \"ten\" } ] }", ": /listeners/1/allow: found \"ten\", expected an address or a prefix" },
	/* TLS profiles */
	{ PROFILE("\"client_certificate\": \"maybe\""), ": /tls/edge/client_certificate: found \"maybe\", expected one of \"require\", \"request\", \"off\"" },
	{ PROFILE("\"min_version\": \"1.1\""), ": /tls/edge/min_version: found \"1.1\", expected one of \"1.2\", \"1.3\"" },
	{ PROFILE("\"resumption_lifetime\": 0"), ": /tls/edge/resumption_lifetime: found 0, expected 1 to 604800" },
	{ PROFILE("\"ciphers\": \"NO-SUCH\""), ": /tls/edge/ciphers: " },
	{ PROFILE("\"ciphersuites\": \"NO-SUCH\""), ": /tls/edge/ciphersuites: " },
	{ PROFILE("\"groups\": \"NO-SUCH\""), ": /tls/edge/groups: " },
	{ PROFILE("\"crl\": \"none.crl\""), ": /tls/edge/crl: " },
	{ PROFILE("\"server_names\": [ { \"names\": \"192.0.2.1\", \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\" } ]"),
	    ": /tls/edge/server_names/0/names: found \"192.0.2.1\", expected a host name" },
	{ PROFILE("\"server_names\": [ { \"names\": \"a.example\", \"certificate\": \"none.pem\", \"private_key\": \"edge.key\" } ]"),
	    ": /tls/edge/server_names/0/certificate: " },
	{ "{ \"tls\": { \"edge\": { \"certificate\": \"edge.pem\", \"trust\": \"ca.pem\" } } }", ": /tls/edge/private_key: 1 certificate and 0 private_key files" },
	{ "{ \"tls\": { \"edge\": { \"trust\": \"ca.pem\" } } }", ": /listeners/0/tls: profile \"edge\" has no \"certificate\"" },
	{ "{ \"tls\": { \"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\" } } }", ": /listeners/0/tls: profile \"edge\" has no \"trust\"" },
	{ "{ \"tls\": { \"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": [] } } }", ": /listeners/0/tls: profile \"edge\" has no \"trust\"" },
	{ "{ \"tls\": { \"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": \"none.pem\" } } }", ": /tls/edge/trust: " },
	/* overload */
	{ "{ \"overload\": { \"status\": 200 } }", ": /overload/status: found 200, expected 400 to 699" },
	{ "{ \"overload\": { \"max_throughput_factor\": 101 } }", ": /overload/max_throughput_factor: found 101, expected 0 to 100" },
	{ DOMAIN("\"limits\": { \"action\": \"ignore\" }"), ": /external_domains/0/limits/action: found \"ignore\", expected one of \"reject\", \"drop\"" },
	{ DOMAIN("\"limits\": { \"calls_per_second\": -1 }"), ": /external_domains/0/limits/calls_per_second: found -1, expected 0 to 1000000" },
	/* clusters */
	{ "{ \"clusters\": {} }", ": /clusters: found an empty object, expected at least one cluster" },
	{ "{ \"clusters\": { \"main\": { \"servers\": [] } } }", ": /clusters/main/servers: found an empty list" },
	{ "{ \"clusters\": { \"main\": {} } }", ": /clusters/main/servers: missing in a cluster" },
	{ "{ \"default_cluster\": \"mian\" }", ": /default_cluster: there is no \"mian\" under /clusters" },
	{ "{ \"clusters\": { \"a\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ] }, \"b\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ] } } }", ": /default_cluster: missing, and there is more than one cluster" },
	{ SERVER("\"port\": 5060"), ": /clusters/main/servers/0/host: missing in a server" },
	{ SERVER("\"host\": \"a b\""), ": /clusters/main/servers/0/host: found \"a b\"" },
	{ SERVER("\"host\": \"a.invalid\""), ": /clusters/main/servers/0/host: found \"a.invalid\", which has no address" },
	{ SERVER("\"host\": \"127.0.0.1\", \"port\": 0"), ": /clusters/main/servers/0/port: found 0, expected 1 to 65535" },
	{ SERVER("\"host\": \"127.0.0.1\", \"weight\": -1"), ": /clusters/main/servers/0/weight: found -1, expected 0 to 1000000" },
	{ SERVER("\"host\": \"127.0.0.1\", \"protocol\": \"TLS\", \"distinguished_name\": \"CN=a\""), ": /clusters/main/servers/0/tls: missing in a TLS server" },
	{ SERVER("\"host\": \"127.0.0.1\", \"protocol\": \"TLS\", \"tls\": \"edge\""), ": /clusters/main/servers/0/distinguished_name: missing in a TLS server" },
	{ SERVER("\"host\": \"127.0.0.1\", \"protocol\": \"TLS\", \"tls\": \"egde\", \"distinguished_name\": \"CN=a\""), ": /clusters/main/servers/0/tls: there is no \"egde\" under /tls" },
	{ SERVER("\"host\": \"127.0.0.1\", \"protocol\": \"TLS\", \"tls\": \"edge\", \"distinguished_name\": [\"CN=a\", \"a\"]"), ": /clusters/main/servers/0/distinguished_name/1: found \"a\"" },
	{ SERVER("\"host\": \"127.0.0.1\", \"distinguished_name\": \"CN=a\""), ": /clusters/main/servers/0/distinguished_name: only a server with \"protocol\": \"TLS\"" },
	{ "{ \"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ], \"probe_interval\": -1 } } }", ": /clusters/main/probe_interval: found -1, expected 0 to 3600" },
	{ "{ \"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ], \"probe_interval\": 0.01 } } }", ": /clusters/main/probe_interval: found 0.01, expected at least 0.05 s" },
	{ "{ \"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ], \"probe_interval\": 1, \"probe_timeout\": 0 } } }", ": /clusters/main/probe_timeout: found 0, expected at least 0.05 s" },
	{ "{ \"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ], \"probe_interval\": 1, \"probe_failures\": 0 } } }", ": /clusters/main/probe_failures: found 0, expected 1 to 100" },
	{ "{ \"affinity_failure_status\": 200 }", ": /affinity_failure_status: found 200, expected 0 or 400 to 699" },
	{ "{ \"affinity_failure_status\": 700 }", ": /affinity_failure_status: found 700, expected 0 to 699" },
	{ SERVER("\"host\": \"127.0.0.1\", \"protocol\": \"UDP\""), ": /clusters/main/servers/0/protocol: \"UDP\" needs an internal listener" },
	{ SERVER("\"host\": \"127.0.0.1\", \"tls\": \"edge\""), ": /clusters/main/servers/0/tls: only a server with \"protocol\": \"TLS\"" },
	{ "{ \"tls\": { \"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": \"ca.pem\" }, \"in\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": \"two.pem\" } }, \"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\", \"protocol\": \"TLS\", \"tls\": \"in\", \"distinguished_name\": \"CN=a\" } ] } } }", ": /clusters/main/servers/0/tls: profile \"in\" trusts more than one CA" },
	{ "{ \"default_cluster\": \"a\", \"clusters\": { \"a\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ] }, \"b\": { \"servers\": [ { \"host\": \"127.0.0.1\", \"source_address\": \"127.0.0.1\" } ] } } }", ": /clusters/b/servers/0: the same host and port as a server of another cluster, but with another \"tls\"" },
	{ SERVER("\"host\": \"127.0.0.1\" }, { \"host\": \"127.0.0.1\", \"port\": 5060"), ": /clusters/main/servers/1: the same host and port as server 0" },
	/* rules */
	{ "{ \"routing_rules\": [ { \"cluster\": \"x\" } ] }", ": /routing_rules/0/cluster: there is no \"x\" under /clusters" },
	{ "{ \"routing_rules\": [ { \"enabled\": false, \"cluster\": \"x\" } ] }", ": /routing_rules/0/cluster: there is no \"x\" under /clusters" },
	{ "{ \"routing_rules\": [ { \"cluster\": \"main\", \"reject\": 404 } ] }", ": /routing_rules/0: expected either \"cluster\" or \"reject\"" },
	{ "{ \"routing_rules\": [ { \"match\": {} } ] }", ": /routing_rules/0: expected either \"cluster\" or \"reject\"" },
	{ "{ \"routing_rules\": [ { \"reject\": 200 } ] }", ": /routing_rules/0/reject: found 200, expected 400 to 699" },
	{ "{ \"routing_rules\": [ { \"reject\": 700 } ] }", ": /routing_rules/0/reject: found 700, expected 400 to 699" },
	{ "{ \"routing_rules\": [ { \"reject\": 404 }, 5 ] }", ": /routing_rules/1: found an integer, expected an object: a routing rule" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"form\": \"x\" } } ] }", "did you mean \"from\"?" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"method\": [] } } ] }", ": /routing_rules/0/match/method: found an empty list" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"method\": [\"BYE\", \"invite\"] } } ] }", ": /routing_rules/0/match/method/1: found \"invite\", expected \"INVITE\": methods are told apart by case" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"method\": \"A B\" } } ] }", ": /routing_rules/0/match/method: found \"A B\", expected a method" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"to\": \"sip:alice*\" } } ] }", ": /routing_rules/0/match/to: found \"sip:alice*\", expected a URI like" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"from\": [\"a.example\", \"alice@a.example\"] } } ] }", ": /routing_rules/0/match/from/1: found \"alice@a.example\", expected a URI like" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"request_uri\": \"core.example:5060\" } } ] }", ": /routing_rules/0/match/request_uri: found \"core.example:5060\", expected a URI like" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"source\": \"192.0.2.0/33\" } } ] }", ": /routing_rules/0/match/source: found \"192.0.2.0/33\", expected a prefix length of 0 to 32" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"source\": \"192.0.2.1:5060\" } } ] }", ": /routing_rules/0/match/source: found \"192.0.2.1:5060\", expected an address or a prefix" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"destination\": [\"192.0.2.1:5060\", \"192.0.2.1:0\"] } } ] }", ": /routing_rules/0/match/destination/1: found \"192.0.2.1:0\", expected an address or a prefix" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"destination\": \"edge.core.example\" } } ] }", ": /routing_rules/0/match/destination: found \"edge.core.example\", expected an address or a prefix" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": {} } } ] }", ": /routing_rules/0/match/headers: found an empty object" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": { \"X\": 1 } } } ] }", ": /routing_rules/0/match/headers/X: found an integer, expected a string or a list of strings" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": { \"X\": [\"1\", 1] } } } ] }", ": /routing_rules/0/match/headers/X/1: found an integer, expected a string" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": { \"X\": [] } } } ] }", ": /routing_rules/0/match/headers/X: found an empty list" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": { \"X\": \"a\\u0000b\" } } } ] }", ": /routing_rules/0/match/headers/X: found \"a\" and a NUL behind it" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": { \"X\": \"a \" } } } ] }", ": /routing_rules/0/match/headers/X: found \"a \", expected a text of at most 255 bytes without blanks" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": { \"X Y\": \"1\" } } } ] }", ": /routing_rules/0/match/headers/X Y: found \"X Y\", expected a header name" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": { \"p-asserted-identity\": \"1\" } } } ] }", ": /routing_rules/0/match/headers/p-asserted-identity: found \"p-asserted-identity\", which identifies" },
	{ "{ \"identity\": { \"strip\": \"X-Caller\" }, \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": { \"X-Caller\": \"1\" } } } ] }", ": /routing_rules/0/match/headers/X-Caller: found \"X-Caller\", which identifies" },
	{ "{ \"external_domains\": [ { \"domain\": \"a.example\", \"identity\": { \"header\": \"X-Id\" } } ], \"routing_rules\": [ { \"reject\": 404, \"match\": { \"headers\": { \"x-id\": \"1\" } } } ] }", ": /routing_rules/0/match/headers/x-id: found \"x-id\", which identifies" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"domain\": \"*\" } } ] }", ": /routing_rules/0/match/domain: found \"*\", expected the domain of an external domain" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"domain\": \"\" } } ] }", ": /routing_rules/0/match/domain: found \"\", expected the domain of an external domain" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"distinguished_name\": \"CN=a,\" } } ] }", ": /routing_rules/0/match/distinguished_name: found \"CN=a,\": " },
	/* names */
	{ "{ \"local_domains\": [ \"a..b\" ] }", ": /local_domains/0: found \"a..b\", expected a host name or an address" },
	{ "{ \"external_domains\": [ {} ] }", ": /external_domains/0/domain: missing in an external domain" },
	{ "{ \"external_domains\": [ { \"domain\": \"*.*.example\" } ] }", ": /external_domains/0/domain: found \"*.*.example\"" },
	{ "{ \"external_domains\": [ { \"domain\": \"*\" } ] }", ": /external_domains/0/domain: found \"*\"" },
	{ "{ \"external_domains\": [ { \"domain\": \"a.example\" }, { \"domain\": \"A.Example.\" } ] }", ": /external_domains/1/domain: found \"A.Example.\" for the second time" },
	{ DOMAIN("\"distinguished_name\": \"\""), ": /external_domains/0/distinguished_name: found \"\": " },
	{ DOMAIN("\"distinguished_name\": []"), ": /external_domains/0/distinguished_name: found an empty list" },
	{ DOMAIN("\"distinguished_name\": [\"CN=a\", \"SN=b\"]"), ": /external_domains/0/distinguished_name/1: found \"SN=b\": SN is ambiguous" },
	{ DOMAIN("\"distinguished_name\": \"CN=a,\""), ": /external_domains/0/distinguished_name: found \"CN=a,\": " },
	{ DOMAIN("\"distinguished_name\": \"CN=a\\u0000b\""), ": /external_domains/0/distinguished_name: found \"CN=a\" and a NUL behind it" },
	{ DOMAIN("\"distinguished_name\": \"CN=a\\\\00b\""), ": /external_domains/0/distinguished_name: found \"CN=a\\00b\": NUL byte" },
	{ "{ \"external_domains\": [ { \"domain\": \"*.192.0.2.1\" } ] }", ": /external_domains/0/domain: found \"*.192.0.2.1\", but no host stands below an address" },
	{ "{ \"external_domains\": [ { \"domain\": \"*.[2001:db8::1]\" } ] }", ": /external_domains/0/domain: found \"*.[2001:db8::1]\", but no host stands below an address" },
	{ "{ " TWO_CAS ", \"external_domains\": [ { \"domain\": \"a.example\", \"distinguished_name\": \"CN=a\" } ] }", ": /external_domains/0/trust: missing, and a listener trusts more than one CA" },
	{ DOMAIN("\"trust\": []"), ": /external_domains/0/trust: found an empty list" },
	{ DOMAIN("\"trust\": [\"ca.pem\", \"none.pem\"]"), ": /external_domains/0/trust/1: " },
	{ DOMAIN("\"trusted_addresses\": [\"2001:db8::/129\"]"), ": /external_domains/0/trusted_addresses/0: found \"2001:db8::/129\", expected a prefix length of 0 to 128" },
	{ DOMAIN("\"tls\": \"none\""), ": /external_domains/0/tls: there is no \"none\" under /tls" },
	{ DOMAIN("\"host\": \"a b\""), ": /external_domains/0/host: found \"a b\"" },
	{ DOMAIN("\"hosts\": []"), ": /external_domains/0/hosts: found 0 hosts, expected 1 to 16" },
	{ DOMAIN("\"hosts\": [ { \"host\": \"a.example\" } ], \"host\": \"b.example\""), ": /external_domains/0/hosts: expected either \"hosts\" or" },
	{ DOMAIN("\"hosts\": [ { \"host\": \"a.example\" }, { \"host\": \"-\" } ]"), ": /external_domains/0/hosts/1/host: found \"-\"" },
	{ DOMAIN("\"hosts\": [ { \"port\": 5061 } ]"), ": /external_domains/0/hosts/0/host: missing" },
	{ DOMAIN("\"subject_alt_names\": []"), ": /external_domains/0/subject_alt_names: found 0 names, expected 1 to 64" },
	{ DOMAIN("\"subject_alt_names\": \"*.a.example\""), ": /external_domains/0/subject_alt_names: found \"*.a.example\", expected a host" },
	{ DOMAIN("\"subject_alt_names\": \"sip:bob@a.example\""), ": /external_domains/0/subject_alt_names: found \"sip:bob@a.example\"" },
	{ DOMAIN("\"subject_alt_names\": [\"a.example\", \"sips:a.example\"]"), ": /external_domains/0/subject_alt_names/1: found \"sips:a.example\"" },
	{ DOMAIN("\"match\": \"some\""), ": /external_domains/0/match: found \"some\", expected one of \"any\", \"all\"" },
	{ DOMAIN("\"spki_sha256\": \"aa\""), ": /external_domains/0/spki_sha256: found \"aa\", expected the SHA-256 of the key" },
	{ DOMAIN("\"spki_sha256\": []"), ": /external_domains/0/spki_sha256: found 0 digests, expected 1 to 8" },
	{ DOMAIN("\"spki_sha256\": [\"" PIN "\", \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"]"),
	    ": /external_domains/0/spki_sha256/1: found \"AAEC" },
	{ DOMAIN("\"spki_sha256\": \"" PIN "00\""), ": /external_domains/0/spki_sha256: found \"" },
	{ DOMAIN("\"proxy_auth\": { \"realm\": \"a\", \"users_file\": \"b\", \"algorithms\": [\"SHA-256\"] }"), ": /external_domains/0/proxy_auth/users_file: \"" },
	{ "{ \"external_domain_files\": \"none.json\" }", ": /external_domain_files: found \"none.json\", expected a file that can be read" },
	/* identity */
	{ IDENTITY("\"header\": \"X Caller\""), ": /identity/header: found \"X Caller\", expected a header name" },
	{ IDENTITY("\"header\": \"From\""), ": /identity/header: found \"From\", which routes, frames or authenticates" },
	{ IDENTITY("\"strip\": [\"X-A\", \"v\"]"), ": /identity/strip/1: found \"v\", which routes" },
	{ IDENTITY("\"strip\": \"content-length\""), ": /identity/strip: found \"content-length\", which routes" },
	{ IDENTITY("\"keep\": [\"Record-Route\"]"), ": /identity/keep/0: found \"Record-Route\", which routes" },
	{ IDENTITY("\"keep\": [\"P-Preferred-Identity\"]"), ": /identity/keep/0: found \"P-Preferred-Identity\", which is asserted" },
	{ IDENTITY("\"header\": \"X-Caller\", \"keep\": \"x-caller\""), ": /identity/keep: found \"x-caller\", which is asserted" },
	{ IDENTITY("\"unstrip\": \"P-Preferred-Identity\""), ": /identity/unstrip: found \"P-Preferred-Identity\", which is always removed" },
	{ IDENTITY("\"unstrip\": \"Remote-Party-ID\", \"header\": \"Remote-Party-ID\""), ": /identity/header: found \"Remote-Party-ID\", which /identity/unstrip lets through" },
	{ IDENTITY("\"unstrip\": \"Remote-Party-ID\", \"strip\": \"remote-party-id\""), ": /identity/strip: found \"remote-party-id\", which stands in /identity/unstrip too" },
	{ IDENTITY("\"source\": \"to\""), ": /identity/source: found \"to\", expected \"from\", \"asserted\" or a sip: URI" },
	{ IDENTITY("\"source\": \"sip:\""), ": /identity/source: found \"sip:\"" },
	{ IDENTITY("\"vouches_for\": [\"a..b\"]"), ": /identity/vouches_for/0: found \"a..b\", expected a host" },
	{ IDENTITY("\"vouches_for_numbers\": [\"+49\", \"4x\"]"), ": /identity/vouches_for_numbers/1: found \"4x\", expected an E.164 prefix" },
	{ IDENTITY("\"vouches_for_numbers\": [\"+\"]"), ": /identity/vouches_for_numbers/0: found \"+\", expected an E.164 prefix" },
	{ IDENTITY("\"vouches_for_numbers\": []"), ": /identity/vouches_for_numbers: found an empty list" },
	{ IDENTITY("\"assert_on\": \"none\""), ": /identity/assert_on: found \"none\"" },
	{ IDENTITY("\"on_violation\": \"pass\""), ": /identity/on_violation: found \"pass\"" },
	{ DOMAIN_IDENTITY("\"unstrip\": \"Remote-Party-ID\""), ": /external_domains/0/identity/unstrip: expected only in the global /identity" },
	{ "{ \"external_domains\": [ { \"domain\": \"a.example\", \"identity\": { \"keep\": \"X-A\" } }, { \"domain\": \"b.example\", \"identity\": { \"header\": \"x-a\" } } ] }", ": /external_domains/1/identity/header: found \"x-a\", which \"keep\" lets through at " },
	{ "{ \"external_domains\": [ { \"domain\": \"a.example\", \"identity\": { \"header\": \"X-A\" } }, { \"domain\": \"b.example\", \"identity\": { \"keep\": \"X-A\" } } ] }", ": /external_domains/1/identity/keep: found \"X-A\", which is asserted" },
};

Test(config, bad)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct config_loaded l = load_patched(bad[i].patch);

		cr_assert_eq(l.rc, -1, "%s: taken", bad[i].patch);
		cr_assert_eq(l.errors, 1, "%s: %zu mistakes:\n%s", bad[i].patch, l.errors, l.text);
		cr_assert(strstr(l.text, bad[i].want), "%s: expected \"%s\" in:\n%s", bad[i].patch, bad[i].want, l.text);
		config_loaded_free(&l);
	}
	config_files_remove();
}

/* ---- what is taken, with a warning or without ---- */

static const struct {
	const char *patch, *warning; /* NULL: none */
} good[] = {
	{ "{}", NULL },
	{ "{ \"$schema\": \"sipward.schema.json\", \"workers\": \"auto\", \"local_domains\": [\"core.example\", \"[2001:db8::1]\"] }", NULL },
	{ "{ \"timeouts\": { \"handshake\": 0.1, \"idle\": 604800 }, \"limits\": { \"body_bytes\": 0 } }", NULL },
	{ "{ \"log\": { \"to\": \"journal\", \"format\": \"json\", \"level\": \"debug\" } }", NULL },
	{ "{ \"token_secret_files\": \"secret\" }", NULL },
	{ "{ \"routing_rules\": [ { \"match\": { \"method\": \"INVITE\", \"headers\": { \"X\": \"y\", \"Subject\": [\"a\", \"*b*\"] } }, \"reject\": 404 } ] }", NULL },
	{ "{ \"external_domains\": [ { \"domain\": \"a.example\" }, { \"domain\": \"*.b.example\" } ], \"routing_rules\": [ { \"match\": { \"domain\": [\"a.example\", \"*.b.example\", \"*.example\", \"untrusted\"] }, \"cluster\": \"main\" } ] }", NULL },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"domain\": \"a.example\" } } ] }", ": /routing_rules/0/match/domain: warning: there is no external domain \"a.example\"" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"method\": [\"INVITE\", \"CANCEL\"] } } ] }", ": /routing_rules/0/match/method/1: warning: \"CANCEL\" fits nothing" },
	{ "{ \"routing_rules\": [ { \"reject\": 404, \"match\": { \"distinguished_name\": \"C=DE,CN=a\" } } ] }", ": /routing_rules/0/match/distinguished_name: warning: the name begins with C=" },
	{ "{ \"routing_rules\": [ { \"match\": { \"to\": \"*\" }, \"reject\": 404 }, { \"cluster\": \"main\" }, { \"enabled\": false, \"reject\": 404 } ] }", NULL },
	{ "{ \"routing_rules\": [ { \"enabled\": false, \"reject\": 404 }, { \"cluster\": \"main\" }, { \"match\": { \"to\": \"a.example\" }, \"reject\": 404 } ] }", ": /routing_rules/2: warning: is never reached: rule 1 has no conditions" },
	{ SERVER("\"host\": \"127.0.0.1\", \"protocol\": \"TLS\", \"tls\": \"edge\", \"distinguished_name\": [\"CN=a\", \"/C=DE/CN=b\"]"), NULL },
	{ "{ \"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ], \"probe_interval\": 1.5, \"probe_timeout\": 0.5, \"probe_failures\": 1 } } }", NULL },
	{ "{ \"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ], \"probe_failures\": 1 } } }", ": /clusters/main: warning: \"probe_timeout\" and \"probe_failures\" have no effect" },
	{ "{ \"default_cluster\": \"a\", \"clusters\": { \"a\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ] }, \"b\": { \"servers\": [ { \"host\": \"127.0.0.1\", \"weight\": 5 } ] } } }", NULL },
	{ "{ \"affinity_failure_status\": 0 }", NULL },
	{ PROFILE("\"any_trusted_ca\": true, \"ciphers\": \"ECDHE-ECDSA-AES128-GCM-SHA256\", \"groups\": \"P-256\""), NULL },
	{ DOMAIN("\"match\": \"all\", \"subject_alt_names\": [\"A.Example.\", \"sip:b.example\"], \"distinguished_name\": \"CN=a\", \"spki_sha256\": [\"" PIN
		"\", \"00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f\", "
		"\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"]"), NULL },
	{ DOMAIN("\"match\": \"all\", \"distinguished_name\": \"CN=a\""), ": /external_domains/0/match: warning: \"all\" says nothing" },
	{ LISTENER("\"enforce\": false"), ": /listeners/0/enforce: warning: whoever connects is let in" },
	{ DOMAIN("\"match\": \"any\", \"enforce\": false, \"trusted_addresses\": [\"192.0.2.0/24\", \"192.0.2.7/24\", \"2001:db8::1\"]"), NULL },
	{ DOMAIN("\"hosts\": [ { \"host\": \"a.example\" }, { \"host\": \"192.0.2.1\", \"port\": 1 } ]"), NULL },
	{ "{ \"external_domains\": [ { \"domain\": \"a.example\" }, { \"domain\": \"*.a.example\" } ] }", NULL },
	{ "{ \"external_domains\": [ { \"domain\": \"a.example\", \"distinguished_name\": \"CN=a\" }, { \"domain\": \"b.example\", \"distinguished_name\": \"CN=a\" } ] }", NULL },
	{ "{ " TWO_CAS ", \"external_domains\": [ { \"domain\": \"a.example\", \"distinguished_name\": \"CN=a\", \"trust\": \"ca.pem\" }, { \"domain\": \"b.example\" } ] }", NULL },
	{ "{ \"external_domains\": [] }", NULL },
	{ "{ \"external_domain_files\": [\"domains/*.json\"] }", ": /external_domain_files/0: warning: \"domains/*.json\" names no file now" },
	{ "{ \"admin\": { \"host\": \"127.0.0.1\", \"port\": 9061 } }", NULL },
	{ "{ \"log\": { \"access\": \"a.log\" } }", ": /log/access: warning: " },
	{ "{ \"outbound_match\": \"to\" }", NULL },
	{ "{ \"outbound_match\": \"route\" }", NULL },
	{ SERVER("\"host\": \"127.0.0.1\", \"source_address\": \"127.0.0.1\""), NULL },
	{ LISTENER("\"methods\": [\"INVITE\", \"FOO\"]"), ": /listeners/0/methods/1: warning: with \"FOO\" every method" },
	{ DOMAIN("\"distinguished_name\": \"C=DE,O=a,CN=b\""), ": /external_domains/0/distinguished_name: warning: the name begins with C=" },
	{ DOMAIN("\"trust_udp\": true"), ": /external_domains/0/trust_udp: warning: " },
	{ DOMAIN("\"sni\": \"a.example\""), NULL },
	{ DOMAIN("\"reuse\": \"always\""), NULL },
	{ DOMAIN("\"limits\": { \"connections\": 5, \"calls_per_second\": 0.5, \"action\": \"drop\" }"), NULL },
	{ SERVER("\"host\": \"127.0.0.1\", \"limits\": { \"messages_per_second\": 5 }"), NULL },
	{ "{ \"overload\": { \"status\": 486, \"reason\": \"No\" } }", NULL },
	{ DOMAIN("\"metrics\": true"), ": /external_domains/0/metrics: warning: " },
	{ "{ \"local_domains\": [\"partner.example\"], \"external_domains\": [ { \"domain\": \"partner.example\" } ] }", ": /external_domains/0/domain: warning: \"partner.example\" stands in /local_domains too" },
	{ "{ \"local_domains\": [\"core.example\"], \"external_domains\": [ { \"domain\": \"*.a.core.example\" } ] }", ": /external_domains/0/domain: warning: \"*.a.core.example\" stands below one of /local_domains" },
	{ "{ \"local_domains\": [\"core.example\"], \"external_domains\": [ { \"domain\": \"*.example\" }, { \"domain\": \"hardcore.example\" } ] }", NULL },
	{ "{ " TWO_CAS ", \"external_domains\": [ { \"domain\": \"a.example\", \"distinguished_name\": \"CN=a\", \"trust\": \"ca.pem\" },"
	  " { \"domain\": \"b.example\", \"distinguished_name\": [\"CN=b\", \"cn=A\"], \"trust\": \"two.pem\" } ] }",
	    ": /external_domains/1: warning: \"CN=a\" stands with another \"trust\" at " },
	{ "{ " TWO_CAS ", \"external_domains\": [ { \"domain\": \"a.example\", \"distinguished_name\": \"CN=a\", \"trust\": [\"ca.pem\", \"two.pem\"] },"
	  " { \"domain\": \"b.example\", \"distinguished_name\": \"CN=a\", \"trust\": [\"two.pem\", \"ca.pem\"] } ] }", NULL },
	{ "{ " TWO_CAS ", \"external_domains\": [ { \"domain\": \"a.example\", \"distinguished_name\": \"CN=a\", \"trust\": \"ca.pem\" },"
	  " { \"domain\": \"b.example\", \"distinguished_name\": \"CN=b\", \"trust\": \"two.pem\" } ] }", NULL },
	{ IDENTITY("\"unstrip\": \"X-Other\""), ": /identity/unstrip: warning: \"X-Other\" is not removed anyway" },
};

Test(config, good)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct config_loaded l = load_patched(good[i].patch);

		cr_assert_eq(l.rc, 0, "%s: refused:\n%s", good[i].patch, l.text);
		cr_assert_eq(l.warnings, good[i].warning ? 1 : 0, "%s: %zu warnings:\n%s", good[i].patch, l.warnings, l.text);
		cr_assert(!good[i].warning || strstr(l.text, good[i].warning), "%s: expected \"%s\" in:\n%s", good[i].patch,
		    good[i].warning, l.text);
		config_loaded_free(&l);
	}
	config_files_remove();
}

/* ---- all mistakes at once, each at its line ---- */

static const char many[] = "{\n"
			   "  \"listeners\": [\n"
			   "    { \"side\": \"external\", \"protocol\": \"TLS\", \"host\": \"127.0.0.1\",\n"
			   "      \"port\": 99999, \"tls\": \"egde\",\n"
			   "      \"port\": 70000 }\n"
			   "  ],\n"
			   "  \"clusters\": { \"main\": { \"servers\":\n"
			   "    [] } },\n"
			   "  \"timeouts\": {\n"
			   "    \"idle\":\n"
			   "      0 },\n"
			   "  \"workrs\": 1,\n"
			   "  \"external_domains\": [ { \"domain\": \"a.example\" },\n"
			   "    { \"domain\": \"a.example\", \"identity\": {\n"
			   "        \"strip\": [ \"X-A\",\n"
			   "          \"Via\" ] } } ],\n"
			   "  \"external_domain_files\": \"domains/*.json\"\n"
			   "}\n";

static const char many_lines[] = "{\"domain\": \"b.example\"}\n"
				 "\n"
				 "{\"domain\": \"a.example\"}\n"
				 "{\"domain\": \"c.example\" \"x\"}\n"
				 "{\"domain\": \"d.example\", \"port\": 0, \"port\": 1}\n";

static const char many_list[] = "[\n"
				"  {\"domain\": \"b.example\"},\n"
				"  {\"domain\":\n"
				"    \"e.example\",\n"
				"   \"distinguished_name\": [\"CN=a\",\n"
				"     \"SN=b\"]}\n"
				"]\n";

static const char *const many_wanted[] = {
	"test.json:5: /listeners/0/port: duplicate key \"port\"",
	"test.json:5: /listeners/0/port: found 70000",
	"test.json:4: /listeners/0/tls: there is no \"egde\"",
	"test.json:8: /clusters/main/servers: found an empty list",
	"test.json:11: /timeouts/idle: found 0",
	"test.json:12: /workrs: unknown key",
	"test.json:14: /external_domains/1/domain: found \"a.example\" for the second time",
	"test.json:13: /external_domains/0/domain\n",
	"test.json:16: /external_domains/1/identity/strip/1: found \"Via\"",
	"domains/a.json:3: /domain: found \"a.example\" for the second time",
	"domains/a.json:4: not JSON: ",
	"domains/a.json:5: /port: duplicate key \"port\"",
	"domains/b.json:2: /0/domain: found \"b.example\" for the second time",
	"domains/a.json:1\n",
	"domains/b.json:6: /1/distinguished_name/1: found \"SN=b\"",
};

Test(config, every_mistake_in_one_run)
{
	struct config_loaded l;

	config_write("test.json", many);
	config_write("domains/a.json", many_lines);
	config_write("domains/b.json", many_list);
	l = config_load("test.json");
	cr_assert_eq(l.rc, -1);
	for (size_t i = 0; i < ARRAY_LEN(many_wanted); i++)
		cr_assert(strstr(l.text, many_wanted[i]), "expected \"%s\" in:\n%s", many_wanted[i], l.text);
	cr_assert_eq(l.errors, ARRAY_LEN(many_wanted) - 2, "two of them are parts of others:\n%s", l.text);
	config_loaded_free(&l);
	config_files_remove();
}

/* Many warnings must not hide an error, and what is not kept is counted. */
Test(config, many_complaints)
{
	struct config_loaded l;
	FILE *f;

	config_write("test.json", "{\"external_domain_files\": [\"domains/a.json\"]}");
	f = config_create("domains/a.json");
	for (int i = 0; i < 250; i++)
		fprintf(f, "{\"domain\": \"d%d.example\", \"metrics\": true}\n", i);
	fprintf(f, "{\"domain\": \"last\", \"port\": 0}\n");
	fclose(f);
	l = config_load("test.json");
	cr_assert(strstr(l.text, "domains/a.json:251: /port: found 0"), "%s", l.text);
	cr_assert(strstr(l.text, "... and 150 more\n"), "%s", l.text);
	config_loaded_free(&l);
	config_files_remove();
}

static const struct {
	const char *why, *text, *want;
} no_json[] = {
	{ "nothing", "", "test.json:1: not JSON: " },
	{ "half", "{\n\"a\":\n", "test.json:3: not JSON: " },
	{ "a comma too many", "{\n\"a\": 1,\n}", "test.json:3: not JSON: " },
	{ "no object", "[]", "test.json:1: found a list, expected an object: the configuration" },
	{ "a text", "\n\"x\"", "test.json:2: found a string, expected an object: the configuration" },
	{ "no UTF-8", "{\n\n\"\xff\": 1}", "test.json:3: not JSON: " },
};

Test(config, no_json)
{
	for (size_t i = 0; i < ARRAY_LEN(no_json); i++) {
		struct config_loaded l;

		config_write("test.json", no_json[i].text);
		l = config_load("test.json");
		cr_assert_eq(l.errors, 1, "%s:\n%s", no_json[i].why, l.text);
		cr_assert(strstr(l.text, no_json[i].want), "%s: %s", no_json[i].why, l.text);
		config_loaded_free(&l);
	}
	config_files_remove();
}
