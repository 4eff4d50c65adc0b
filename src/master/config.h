/*
 * config - the JSON configuration: read, checked, every mistake reported at
 * once, and laid into the image as it is read.
 *
 * Process: master's loader.  May include: all of common, config_node,
 * image_build, pki, complaint.  Owns what it has read until config_done.
 *
 * The sections are small and stand as one JSON value in memory; external
 * domains may be millions, so each goes into the image and is let go.
 */
#ifndef MASTER_CONFIG_H
#define MASTER_CONFIG_H

#include "common/base.h"
#include "common/keys_layout.h"
#include "master/config_node.h"
#include "master/image_build.h"
#include "master/loader.h"

/* The keys memfd while it is being written. */
struct keys_writer {
	uint8_t *p;
	size_t len, cap;
	bool failed;
};

/* What listeners and domains must know of a TLS profile. */
struct config_profile {
	const char *name; /* borrowed from the JSON value */
	size_t trust_count;
	bool any_trusted_ca;
	bool has_certificate;
	bool takes_peers; /* client_certificate is not off */
};

/* A CA file that domains name: read once. */
struct config_cas {
	char *path;
	struct image_spki *spki;
	size_t count;
};

struct config {
	struct config_source source;
	json_t *root;
	struct complaints *complaints;
	struct image_builder *b;
	const struct load_secrets *secrets;
	struct keys_writer keys;
	struct config_profile *profile;
	size_t profile_count;
	struct config_cas *cas;
	size_t cas_count, cas_hit;
	bool trust_is_ambiguous; /* a listener trusts several CAs: a domain with a DN must name its own */
	uint32_t identity;	 /* index of the global one */
	bool vouches_own;	 /* ... says "own" */
	struct config_where *where; /* of each domain, by index: for the complaint about a second one */
	size_t where_cap;
};

/* Where a domain stands. */
struct config_where {
	uint32_t line;
};

void keys_add(struct keys_writer *k, enum keys_kind kind, uint32_t profile, const void *data, size_t len);

/* Read and check everything; complaints tell.  config_done is due in any case. */
void config_read(struct config *c, const char *path);
void config_done(struct config *c);

/* config_tls.c, config_listen.c, config_identity.c, config_domain.c: the sections, in this order. */
void config_read_tls(struct config *c, const struct config_node *root);
void config_read_listeners(struct config *c, const struct config_node *root);
void config_read_clusters(struct config *c, const struct config_node *root);
void config_read_identity(struct config *c, const struct config_node *root);
void config_read_domains(struct config *c, const struct config_node *root);

/* An `identity` object into a row; `own` tells whether vouches_for has "own".  The index. */
uint32_t config_identity(struct config *c, const struct config_node *n, bool global, bool *own);

/* Canonical form of a host, or domain name; a complaint when it is none.  Empty: not usable. */
struct span config_host(const struct config_node *n, char canonical[static 256]);

/* List of prefixes into the image. */
struct image_section config_cidrs(struct config *c, const struct config_node *n);

/* Index of a TLS profile; IMAGE_NONE after a complaint. */
uint32_t config_profile_index(const struct config *c, const struct config_node *name);

/* config_keys.c: what is known. */
extern const struct config_keys config_top_keys, config_listener_keys, config_tls_keys, config_cluster_keys,
    config_server_keys, config_domain_keys, config_domain_host_keys, config_identity_keys, config_limits_keys,
    config_timeouts_keys, config_log_keys, config_admin_keys, config_rule_keys, config_match_keys, config_proxy_auth_keys,
    config_server_name_keys, config_domain_limits_keys;

extern const char *const config_protocols[], *const config_methods[];

#endif
