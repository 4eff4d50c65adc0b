/*
 * image_layout - the bytes of the published image: offsets, never pointers.
 *
 * Process: any.  May include: common/base.h, settings, siphash.  Owns nothing.
 *
 * One sealed memfd, filled by the loader, mapped read-only by everybody else.
 * All offsets count from the start of the image; each section is 64-byte
 * aligned.  `struct image_str` is a text in the image.  Written by
 * master/image_build, read through common/image.
 */
#ifndef COMMON_IMAGE_LAYOUT_H
#define COMMON_IMAGE_LAYOUT_H

#include "common/base.h"
#include "common/settings.h"
#include "common/siphash.h"

#define IMAGE_MAGIC 0x3144525750495331ULL
#define IMAGE_VERSION 4
#define IMAGE_NONE UINT32_MAX /* "no index" */

struct image_str {
	uint64_t off;
	uint32_t len;
	uint32_t pad;
};

/* `count` elements of the section's type, from `off`. */
struct image_section {
	uint64_t off;
	uint64_t count;
};

/* The same for what there is a million of: `at` counts units of 8 bytes, so an image may have 32 GiB. */
#define IMAGE_UNIT 8

struct image_ref {
	uint32_t at;
	uint32_t count; /* elements; of a text bytes */
};

enum image_side { SIDE_EXTERNAL, SIDE_INTERNAL };
enum image_protocol { PROTO_TLS, PROTO_TCP, PROTO_UDP };
enum image_client_certificate { CLIENT_CERT_REQUIRE, CLIENT_CERT_REQUEST, CLIENT_CERT_OFF };
enum image_peer_usage { PEER_USAGE_STRICT, PEER_USAGE_ANY_TLS };
enum image_crl_check { CRL_CHECK_LEAF, CRL_CHECK_ALL };
enum image_crl_expired { CRL_EXPIRED_REJECT, CRL_EXPIRED_WARN };
enum image_expired_connections { EXPIRED_CLOSE, EXPIRED_KEEP_UNTIL_IDLE };
enum image_assert_on { ASSERT_ALL, ASSERT_RFC5876, ASSERT_RFC3325 };
enum image_source { SOURCE_FROM, SOURCE_ASSERTED, SOURCE_FIXED };
enum image_violation { VIOLATION_REJECT, VIOLATION_STRIP };
enum image_match { MATCH_ANY, MATCH_ALL };
enum image_reuse { REUSE_ALIAS, REUSE_ALWAYS, REUSE_NEVER };
enum image_foreign_uri { FOREIGN_REJECT, FOREIGN_FORWARD };
enum image_log_format { LOG_TEXT, LOG_JSON };

/* Address prefix; IPv4 as ::ffff:a.b.c.d with 96 added to the bits. */
struct image_cidr {
	uint8_t addr[16];
	uint32_t bits; /* 0-128 */
};

struct image_listener {
	struct image_str host; /* as configured */
	uint16_t port;	       /* as configured; 0: chosen by the kernel (heritage says which) */
	uint8_t side;	       /* enum image_side */
	uint8_t protocol;      /* enum image_protocol */
	struct image_str advertise_host; /* what Via and Record-Route show; IPv6 with brackets */
	uint16_t advertise_port;	 /* 0: the bound port */
	uint8_t enforce;
	uint8_t pad;
	uint32_t tls;			 /* index of image_tls, or IMAGE_NONE */
	uint32_t auth;			 /* index of image_auth: proxy_auth; or IMAGE_NONE */
	uint32_t methods;		 /* bit (1 << enum method) set: taken; METHOD_OTHER's bit: any unknown one */
	struct image_section allow;	 /* struct image_cidr */
};

/* A SHA-256 of a certificate's SubjectPublicKeyInfo. */
struct image_spki {
	uint8_t sha256[32];
};

struct image_tls {
	struct image_str name;
	uint8_t material[32];	      /* digest of everything an SSL_CTX is built from: unchanged, the context is kept */
	struct image_section trust;   /* struct image_spki: the CAs of `trust` */
	uint8_t any_trusted_ca;
	uint8_t client_certificate;   /* enum image_client_certificate */
	uint8_t min_version_13;	      /* 1: TLS 1.3 only */
	uint8_t resumption;
	uint8_t peer_usage;	      /* enum image_peer_usage */
	uint8_t crl_check;	      /* enum image_crl_check */
	uint8_t crl_expired;	      /* enum image_crl_expired */
	uint8_t expired_connections;  /* enum image_expired_connections */
	uint64_t resumption_lifetime; /* s, counted from the original full handshake */
	struct image_str ciphers, ciphersuites, groups; /* "" : library default */
	struct image_section crls;    /* struct image_crl */
	struct image_section own;     /* struct image_own: our certificates, to be shown */
	struct image_section anchors; /* struct image_str: DER of the CAs of `trust`, in its order */
};

/* A certificate of ours. */
struct image_own {
	struct image_str certificate; /* DER */
	struct image_str names;	      /* chosen by SNI for these, each with '\n' behind it; "": else */
	int64_t ocsp_until;	      /* s since 1970: its stapled OCSP answer is good until then; 0: none, INT64_MAX: not said */
};

/* One CRL of a profile. */
struct image_crl {
	struct image_spki issuer;    /* key of the CA that signed it */
	int64_t next_update;	     /* s since 1970; INT64_MAX: none given */
	struct image_section revoked; /* struct image_serial, sorted by memcmp over len and bytes */
};

/* A certificate's serial number: minimal big-endian bytes. */
struct image_serial {
	uint8_t len; /* 0-20; longer ones are cut by nobody: the loader refuses them */
	uint8_t bytes[23];
};

struct image_server {
	struct image_str host;
	uint16_t port;
	uint8_t protocol;     /* enum image_protocol */
	uint8_t feedback;     /* 1: `overload_control`, RFC 7339 */
	uint32_t weight;      /* 0: drained; default 1 */
	uint8_t addr[16];     /* resolved; IPv4 mapped */
	struct image_str id;  /* "host:port;tcp" (";udp", ";tls"): what tokens name it by; host canonical */
	struct image_str source_address; /* "" : the kernel's choice */
	uint32_t tls;	      /* PROTO_TLS: index of image_tls with our client certificate and trust; else IMAGE_NONE */
	uint32_t limits;      /* index of image_limits, or IMAGE_NONE */
	struct image_section dns; /* struct image_str: canonical DNs, one of which it must show */
};

/* Overload limits of a domain or a container; rates are over all workers, 0: none. */
struct image_limits {
	uint32_t connections;
	uint32_t drop;		      /* 1: what is over a rate is dropped, not answered 503 */
	uint64_t calls_per_second;    /* thousandths */
	uint64_t messages_per_second; /* thousandths */
};

/* One place to connect to. */
struct image_target {
	struct image_ref host; /* canonical text; IPv6 with brackets */
	uint16_t port;	       /* 0: not given, so that SRV and NAPTR may tell (RFC 3263 4) */
	uint8_t literal;       /* 1: the host is an address */
	uint8_t pad[5];
};

struct image_cluster {
	struct image_str name;
	struct image_section servers; /* struct image_server */
	uint32_t probe_interval;      /* ms between OPTIONS to each server; 0: none */
	uint32_t probe_timeout;	      /* ms for the answer */
	uint32_t probe_failures;      /* so many without one in a row, and it is not chosen */
	uint32_t pad;
};

/* Who may be asserted, and how: `identity` of the configuration, one row per different setting. */
struct image_identity {
	struct image_str header;      /* as it is to be written */
	uint8_t assert_on;	      /* enum image_assert_on */
	uint8_t source;		      /* enum image_source */
	uint8_t on_violation;	      /* enum image_violation */
	uint8_t vouches_default;      /* 1: `vouches_for` is not given: any host but ours and others' */
	uint32_t pad;
	struct image_str fixed;	      /* SOURCE_FIXED: the URI */
	struct image_section vouches; /* struct image_str: canonical hosts; "own" already replaced by the pattern
				       * "." + suffix for *.suffix, the domain's name else; see also `own` */
	struct image_section numbers; /* struct image_str: E.164 prefixes, digits only */
	struct image_section keep;    /* struct image_str: header names in lower case let through */
};

#define DOMAIN_WILDCARD 0x01u	  /* name is the suffix of *.suffix, without the "*." */
#define DOMAIN_ENABLED 0x02u
#define DOMAIN_TRUST_DOMAIN 0x04u
#define DOMAIN_TRUST_UDP 0x08u
#define DOMAIN_OBSERVE 0x10u	  /* `enforce: false`: who is it passes as untrusted, and so does who only says so */
#define DOMAIN_HAS_DN 0x20u
#define DOMAIN_VOUCHES_OWN 0x40u  /* `vouches_for` has "own": this entry's name counts too */
#define DOMAIN_ALLOW_WILDCARD 0x80u /* a wildcard DNS name in the server's certificate will do (RFC 5922 7.2 says no) */
#define DOMAIN_FEEDBACK 0x200u /* `overload_control`: RFC 7339 with this peer */
#define DOMAIN_NO_RETRY_AFTER 0x100u /* our 503 to this peer carries no Retry-After */
#define DOMAIN_HAS_SAN 0x400u	  /* `subject_alt_names` */
#define DOMAIN_MATCH_ALL 0x800u	  /* `match: all`: DN and SAN, where both are configured */

/* What many entries have in common: a row for each different setting. */
struct image_policy {
	uint32_t identity;	    /* index of image_identity */
	uint32_t tls;		    /* PROTO_TLS: index of image_tls for connections that we open; else IMAGE_NONE */
	uint32_t limits;	    /* index of image_limits, or IMAGE_NONE */
	uint32_t auth;		    /* index of image_auth: proxy_auth of the domain; or IMAGE_NONE */
	uint32_t options_ping;	    /* s between OPTIONS on a connection that is idle; 0: none */
	uint32_t crlf_ping;	    /* s without a byte after which a CRLF keep-alive is sent; 0: none */
	uint8_t protocol;	    /* enum image_protocol */
	uint8_t reuse;		    /* enum image_reuse */
	uint8_t pad[6];
	struct image_section trust; /* struct image_spki; count 0: the listener's trust decides */
	struct image_section pins;  /* struct image_spki of the leaf, one of which it must have; count 0: any */
	struct image_section trusted_addresses; /* struct image_cidr */
	struct image_section sans;  /* struct image_str: canonical hosts of subject_alt_names; the SAN table decides */
	struct image_str sni;	    /* "" : the name asked for */
};

/* An external domain; its index is its place in the configuration: "first configured" wins. */
struct image_domain {
	struct image_ref name;	/* canonical host; for a wildcard the suffix */
	struct image_ref hosts; /* struct image_target, in order of preference; count 0: it only connects to us */
	struct image_ref dns;	/* its DNs, to tell whom we expected (the DN table decides): one: `at` of its struct image_key;
				 * several: of uint32_t[count], the `at` of each */
	uint32_t policy;	/* index of image_policy */
	uint32_t flags;		/* DOMAIN_... */
	uint32_t line;		/* in its file of domains (struct image_domain_file); 0: it stands in the main file */
};

/* A file as it was when it was read. */
struct image_stamp {
	uint64_t device, inode, size;
	int64_t modified, changed; /* ns since 1970: content, inode */
};

/* A file that domains were read from, or that decides what came of it. */
struct image_file {
	struct image_str path;
	struct image_stamp stamp;
};

/* A file of domains: which entries are its, and whether the next load may take them over unread. */
struct image_domain_file {
	struct image_str path;
	struct image_section files; /* struct image_file: itself, and the CA files its entries may name */
	uint8_t context[32];	    /* digest of what else decided */
	uint32_t first, count;	    /* of image_domain */
	uint8_t array;		    /* its entries stand in one JSON array */
	uint8_t reusable;
	uint8_t pad[6];
};

/*
 * Tables of a million keys: open addressing, linear probing, at most two thirds
 * full.  The 32 bits of the keyed hash choose the first bucket and tell most
 * others off; the full key is compared on every hit.
 */
struct image_bucket {
	uint32_t hash;
	uint32_t ref; /* IMAGE_NONE: free.  DNs, SANs: `at` of a struct image_key; names: index of image_domain */
};

/* What a certificate shows: a canonical DN, or a SIP domain identity; and whom it stands for. */
struct image_key {
	uint32_t len;	  /* of bytes[] */
	uint32_t domains; /* how many, never 0 */
	uint32_t first;	  /* one: its index; several: `at` of uint32_t[domains], in configuration order */
	uint8_t bytes[];
};

/* The DNs by likeness, see common/dn_near: ascending by it. */
struct image_near {
	uint32_t likeness;
	uint32_t key; /* `at` of its struct image_key */
};

/*
 * Keyed id of a domain, back to the domain: dialog tokens and ways back name it
 * so (policy/route).  Open addressing, at most two thirds full.
 */
#define IMAGE_ID_BACK UINT32_MAX /* key: the id in our Via, under the branch key */

struct image_id_bucket {
	uint32_t id[2];	 /* image_id_mark of key and id: low half, high half */
	uint32_t domain; /* IMAGE_NONE: free bucket */
};

/* trusted_addresses of all domains: a masked prefix, and whose it is.  Open addressing, at most half full. */
struct image_address_bucket {
	struct image_cidr prefix; /* masked */
	uint32_t domains;	  /* how many domains; 0: free bucket */
	uint64_t first;		  /* offset of uint32_t[domains], in configuration order */
};

/* Hosts that are ours: looked up by canonical text. */
#define HOST_LOCAL_DOMAIN 0x1u /* one of local_domains: its subdomains are ours too when judging identities */
#define HOST_OURS 0x2u	       /* an address or advertised name of a listener */
#define HOST_CONTAINER 0x4u    /* a container's */

struct image_host {
	struct image_str name;
	uint32_t flags;
	uint32_t pad;
};

/* What a condition of a routing rule asks. */
enum image_rule_field {
	RULE_METHOD,	  /* exact; of an ACK or CANCEL the INVITE's */
	RULE_TO,	  /* patterns, see policy/pattern */
	RULE_FROM,
	RULE_REQUEST_URI,
	RULE_SOURCE,	  /* struct image_place */
	RULE_DESTINATION, /* struct image_place */
	RULE_HEADER,	  /* patterns in lower case */
	RULE_DOMAIN,	  /* entries' names; ".suffix": the wildcard entry and all entries below; "": untrusted */
	RULE_DN,	  /* canonical DNs */
	RULE_FIELD_COUNT
};

/* Addresses, and with a port one place there. */
struct image_place {
	struct image_cidr net;
	uint32_t port; /* 0: any */
};

/* One condition of a rule: one of its values must fit. */
struct image_condition {
	uint8_t field;	     /* enum image_rule_field */
	char compact;	     /* RULE_HEADER: compact form of the name, lower case; 0: none */
	uint8_t pad[6];
	struct image_str name; /* RULE_HEADER: lower case */
	struct image_section values; /* struct image_str, but where the field says otherwise */
};

struct image_rule {
	struct image_section conditions; /* struct image_condition, all of which must hold; count 0: it always fits */
	uint32_t cluster; /* IMAGE_NONE: refuse with `status` */
	uint32_t status;
	uint32_t order;	  /* position under /routing_rules */
	uint32_t pad;
};

/* A name server. */
#define RESOLVERS_MAX 8

struct image_resolver {
	uint8_t addr[16]; /* IPv4 mapped */
	uint16_t port;
	uint16_t pad;
};

/* A line of the hosts file: an address and one of its names. */
struct image_alias {
	struct image_str name; /* canonical */
	uint8_t addr[16];      /* IPv4 mapped */
};

/* Proxy authentication of a listener or a domain; its users are among the keys. */
struct image_auth {
	struct image_str realm;	 /* printable, neither quote nor backslash */
	uint32_t algorithms;	 /* bit (1 << enum auth_algorithm) set: offered */
	uint32_t nonce_lifetime; /* s */
	uint8_t allow_cleartext;
	uint8_t pad[7];
};

/* Settings that only a restart can change; the master compares them. */
struct image_process {
	uint32_t workers; /* already resolved from "auto" */
	uint16_t admin_port;
	uint16_t pad;
	struct image_str user, control_socket, state_dir, pid_file, admin_host;
	uint8_t control_socket_given; /* not the default: failing to bind it is fatal */
	uint8_t pad2[7];
	struct image_section admin_allow; /* struct image_cidr; none: loopback alone */
};

struct image_log {
	struct image_str to;	 /* "stderr", "journal" or a file's absolute path */
	struct image_str access; /* "" : none */
	uint8_t format;		 /* enum image_log_format */
	uint8_t level;		 /* enum log_level */
	uint8_t pad[6];
};

struct image_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* sizeof(struct image_header): both sides agree */
	uint64_t size;	      /* of the whole image */
	uint64_t generation;
	int64_t built;	      /* s since 1970 */
	struct siphash_key hash_key; /* random per image: look-ups are asked with peers' text */
	struct settings settings;
	struct image_process process;
	struct image_log log;
	uint8_t foreign_request_uri; /* enum image_foreign_uri */
	uint8_t outbound_match_to;
	uint8_t pad[2];
	uint32_t default_cluster;    /* index, or IMAGE_NONE */
	uint32_t identity;	     /* index of the global image_identity: untrusted connections */
	uint32_t pad2;
	struct image_section listeners;	 /* struct image_listener */
	struct image_section tls;	 /* struct image_tls */
	struct image_section clusters;	 /* struct image_cluster */
	struct image_section identities; /* struct image_identity */
	struct image_section domains;	 /* struct image_domain */
	struct image_section policies;	 /* struct image_policy */
	struct image_section dn_table;	 /* struct image_bucket, count = table size, never 0 */
	struct image_section san_table;	 /* struct image_bucket, likewise */
	struct image_section name_table; /* struct image_bucket, likewise; wildcards are hashed with a leading '.' */
	struct image_section near;	 /* struct image_near, one for each DN */
	struct image_section hosts;	 /* struct image_host, open addressing; count = table size; free: name.len 0 */
	uint64_t host_lengths;		 /* bit (length & 63) for each of them: most names are ruled out by it */
	struct image_section strip;	 /* struct image_str: identity headers in lower case: default set, every
					  * identity.header, identity.strip, less identity.unstrip */
	struct image_section limits;	 /* struct image_limits */
	struct image_section ids;	 /* struct image_id_bucket, count = table size, never 0 */
	struct image_section addresses;	 /* struct image_address_bucket, count = table size, a power of two, never 0 */
	uint64_t address_bits[3];	 /* bit n: some prefix has n bits (IPv4's count from 96) */
	struct image_str overload_reason; /* "" : the customary one */
	struct image_section rules;	 /* struct image_rule, in order, the enabled ones */
	struct image_section auths;	 /* struct image_auth */
	struct image_section resolvers;	 /* struct image_resolver, in the order in which to ask them */
	struct image_section aliases;	 /* struct image_alias, in the hosts file's order */
	struct image_section sources;	 /* struct image_domain_file, in the order of their entries */
	uint64_t suffix_lengths;	 /* bit min(labels, 63) set: some wildcard has that many labels */
};

/* First bucket of a 32-bit hash in a table of `count`: no division, no power of two. */
static inline uint64_t image_slot(uint32_t hash, uint64_t count)
{
	return hash * count >> 32;
}

static inline uint64_t image_slot_next(uint64_t at, uint64_t count)
{
	return at + 1 == count ? 0 : at + 1;
}

/* The half of a keyed hash that the tables of struct image_bucket keep. */
static inline uint32_t image_hash(const struct siphash_key *key, const void *bytes, size_t len)
{
	return (uint32_t)(siphash_13(key, bytes, len) >> 32);
}

/* An id as its bucket holds it: the same id under another key is another. */
static inline uint64_t image_id_mark(uint32_t key, uint64_t id)
{
	return id ^ (key + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
}

#endif
