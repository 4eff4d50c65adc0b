/*
 * config - the JSON configuration: read, checked, every mistake reported at
 * once, and laid into the image as it is read.
 *
 * Process: master's loader.  May include: all of common, config_node,
 * json_stream, image_build, keys_build, pki, complaint.  Owns what it has read until config_done.
 *
 * The sections are small and stand as one JSON value in memory; external
 * domains may be millions, so each goes into the image and is let go.
 */
#ifndef MASTER_CONFIG_H
#define MASTER_CONFIG_H

#include "common/base.h"
#include "common/dn.h"
#include "common/heritage.h"
#include "master/config_node.h"
#include "master/image_build.h"
#include "master/keys_build.h"
#include "master/loader.h"
#include "master/pki.h"

#define CONFIG_HOST_MAX 256

/* What listeners and domains must know of a TLS profile. */
struct config_profile {
	const char *name; /* borrowed from the JSON value */
	size_t trust_count; /* CA certificates */
	bool trust_named;   /* the configuration says something, read or not */
	bool any_trusted_ca;
	bool has_certificate;
	bool takes_peers; /* client_certificate is not off */
	bool requires_peers; /* ... but require */
};

/* A CA file that domains name: read once. */
struct config_cas {
	char *path;
	struct image_spki *spki;
	size_t count;
	struct image_stamp stamp;
	bool settled; /* see file_stamp */
};

/* Where a domain stands, to name the first when there is a second. */
struct config_where {
	uint32_t file;	/* in config.domain_files; IMAGE_NONE: the main file */
	uint32_t place; /* line in that file; in the main file: index under /external_domains */
};

struct config {
	struct config_source source; /* the main file */
	json_t *root;
	struct complaints *complaints;
	struct image_builder *b;
	struct keys_builder *keys;
	const struct load_secrets *secrets;
	struct config_profile *profile;
	size_t profile_count;
	struct config_cas *cas;
	size_t cas_count;
	json_t *cas_at;	      /* path -> place in cas */
	uint32_t outbound_profile; /* of domains that name none; IMAGE_NONE: there is none to be had */
	uint32_t limits_index; /* the row written last, and what it holds */
	struct image_limits limits_last;
	bool external_udp, internal_udp; /* there is a UDP listener on that side */
	bool trust_is_ambiguous; /* a listener trusts several CAs: a domain with a DN must name its own */
	struct image_identity identity; /* the global one: what the domains' inherit */
	uint32_t identity_index;
	bool vouches_own; /* the global one says "own" */
	json_t *identities;   /* text of a domain's `identity` -> its row */
	json_t *identity_last; /* the one read last: neighbours mostly say the same */
	json_int_t identity_last_row;
	json_t *headers;      /* lower-case names asserted anywhere -> true */
	json_t *kept;	      /* lower-case names in some `keep` -> where */
	json_t *unstripped;   /* lower-case names in `unstrip` -> true */
	json_t *local;	      /* canonical local_domains -> true */
	const struct image *before; /* the image in use, whose files need not be read again; NULL: none */
	uint8_t context[32];	/* see config_reuse */
	bool file_is_private;	/* the file being read has what only reading it again can tell */
	char **domain_files;
	size_t domain_file_count;
	struct config_where *where; /* of each domain, by index */
	size_t where_cap;
};

/* Read and check everything; complaints tell.  config_done is due in any case. */
void config_read(struct config *c, const char *path);
void config_done(struct config *c);

/* The sections, each in its file, in this order. */
void config_read_process(struct config *c, const struct config_node *root);
void config_read_resolvers(struct config *c, const struct config_node *root);
void config_read_tls(struct config *c, const struct config_node *root);
void config_read_listeners(struct config *c, const struct config_node *root);
void config_read_overload(struct config *c, const struct config_node *root);
void config_read_clusters(struct config *c, const struct config_node *root);
void config_read_identity(struct config *c, const struct config_node *root);
void config_read_domains(struct config *c, const struct config_node *root);
void config_read_rules(struct config *c, const struct config_node *root);

/* ---- config_host.c ---- */

/* Canonical form of a host; empty after a complaint. */
struct span config_host(const struct config_node *n, char canonical[static CONFIG_HOST_MAX]);

/* Resolve; numeric addresses need no resolver.  All addresses are added with `flags` (0: none).  False after a complaint. */
MUST_USE bool config_resolve(struct config *c, const struct config_node *n, uint32_t flags, uint8_t addr[static 16]);

/* One prefix; false after a complaint. */
MUST_USE bool config_cidr(const struct config_node *n, struct image_cidr *out);

/* A distinguished name; false after a complaint. */
MUST_USE bool config_dn(const struct config_node *n, struct dn *out);

/* List of prefixes into the image. */
struct image_section config_cidrs(struct config *c, const struct config_node *n);

/* A file that is named, as pki wants it; .path is the caller's to free, NULL: no memory. */
struct pki_file config_file(const struct config_node *n);

/* ---- between the sections ---- */

/* The `limits` of a domain or server into a row; IMAGE_NONE: it has none. */
uint32_t config_limits(struct config *c, const struct config_node *n);
uint32_t config_limits_row(struct config *c, const struct image_limits *row);

/* Is the profile, named at `n`, good for connections that we open?  It complains. */
void config_check_outbound(const struct config *c, const struct config_node *n, uint32_t profile);

/* The files of a TLS profile, into its row and the keys (config_tls_files.c). */
void config_tls_files(struct config *c, const struct config_node *n, struct image_tls *row, struct config_profile *profile);

/* Index of a TLS profile; IMAGE_NONE after a complaint. */
uint32_t config_profile_index(const struct config *c, const struct config_node *name);

/* The `identity` of a domain into a row; *own: its vouches_for has "own". */
uint32_t config_identity(struct config *c, const struct config_node *n, bool *own);

/* The method of that name in another case; NULL: none. */
const char *config_method_meant(struct span name);

/* How to reach an external domain, into its row (config_domain_reach.c). */
void config_domain_reach(struct config *c, const struct config_node *n, struct image_domain *row, struct image_policy *policy);

/* What its certificate must show, into its row (config_domain_proof.c); and, once it has an index, the names that lead to it. */
void config_domain_proof(struct config *c, const struct config_node *n, struct image_domain *row, struct image_policy *policy);
void config_domain_names(struct config *c, const struct config_node *n, const struct image_policy *policy, uint32_t domain);

/* One external domain, checked already. */
void config_domain(struct config *c, const struct config_node *n, struct config_where where);

/* Add an entry, its name and its addresses; *index is its place.  The place of the first one of that name; its `file` is where's and `place` UINT32_MAX: it is the first. */
struct config_where config_domain_add(struct config *c, const struct image_domain *row, const struct image_policy *policy,
    struct config_where where, uint32_t *index);

#define CONFIG_NO_PLACE UINT32_MAX
#define CONFIG_TWICE "found \"%s\" for the second time, expected each domain once; the first is at %s"

/*
 * Warn of domains that share a DN but not their `trust`.  That may be meant
 * (the same name by another CA is another peer), and may be a mistake.
 */
void config_check_shared(struct config *c, const struct image *img);

/* "FILE:LINE", and in the main file the pointer, for a complaint about a second one.  Walks the text: not for what is only counted. */
void config_where_text(const struct config *c, struct config_where where, char *out, size_t cap);

/* ---- config_domain_files.c ---- */

/* A file of objects, one JSON array or one object a line; what is checked against `keys` goes to `take`. */
struct config_stream {
	const char *path;
	const struct config_keys *keys;
	void (*take)(struct config *c, const struct config_node *n, unsigned line, void *arg);
	void *arg;
	struct image_stamp stamp; /* filled in: the file as it was read */
	bool array;		  /* likewise: its objects stand in one array */
};
void config_read_stream(struct config *c, const struct config_node *n, struct config_stream *s);

/* ---- config_reuse.c: files that have not changed are not read again ---- */

/* Once all sections before the domains are read: what else than its file decides about a domain. */
void config_reuse_context(struct config *c, const struct config_node *root);

/* Take the entries of domain_files[file] over from the image in use; false: the file has to be read. */
MUST_USE bool config_take_over(struct config *c, uint32_t file);

/* Of a file that has been read into the entries from `first` on: would the next load have to read it again? */
void config_reuse_record(struct config *c, const struct config_stream *s, uint32_t first, bool clean, int64_t read_at);

/* ---- config_auth.c ---- */

/* The `proxy_auth` of a listener or domain, and its users; `cleartext`: a listener without TLS.  IMAGE_NONE: none, or a complaint. */
uint32_t config_auth(struct config *c, const struct config_node *n, bool cleartext);

/* ---- config_keys.c: what is known ---- */

extern const struct config_keys config_top_keys, config_domain_keys, config_auth_user_keys;

extern const char *const config_sides[], *const config_protocols[], *const config_client_certificate[],
    *const config_peer_usage[], *const config_crl_check[], *const config_crl_expired[], *const config_expired_connections[],
    *const config_min_version[], *const config_assert_on[], *const config_on_violation[], *const config_match[],
    *const config_reuse[], *const config_limit_action[], *const config_outbound_match[], *const config_foreign_uri[], *const config_log_format[],
    *const config_log_level[];

#endif
