#include "master/diff_describe.h"

#include <stdio.h>
#include <string.h>

#include "common/addr.h"
#include "common/auth/digest.h"
#include "common/dn.h"
#include "master/config.h"

/* ---- parts that several rows have ---- */

/* One of a closed list, by its place. */
static void choice(struct fields *f, const char *key, const char *const *names, size_t place)
{
	fields_text(f, key, span_str(names[place]));
}

static void texts(const struct image *img, struct fields *f, const char *key, struct image_section s)
{
	const struct image_str *text = image_at(img, s);

	fields_begin(f, key);
	for (uint64_t i = 0; i < s.count; i++)
		fields_add(f, image_text(img, text[i]));
}

static void dn_part(struct fields *f, struct span canonical)
{
	char text[2048];
	size_t n = dn_print((const uint8_t *)canonical.p, canonical.len, text, sizeof(text));

	fields_add(f, span_of(text, n));
	fields_add_hidden(f, canonical.p, canonical.len); /* the text may be cut */
}

static void cidrs(const struct image *img, struct fields *f, const char *key, struct image_section s)
{
	const struct image_cidr *c = image_at(img, s);

	fields_begin(f, key);
	for (uint64_t i = 0; i < s.count; i++) {
		char text[ADDR_TEXT_MAX + 8];
		size_t n = addr_print(c[i].addr, text);

		n += (size_t)snprintf(text + n, 8, "/%u", addr_is_ipv4(c[i].addr) && c[i].bits >= 96 ? c[i].bits - 96 : c[i].bits);
		fields_add(f, span_of(text, n));
	}
}

static void keys(const struct image *img, struct fields *f, const char *key, struct image_section s)
{
	const struct image_spki *k = image_at(img, s);

	fields_begin(f, key);
	for (uint64_t i = 0; i < s.count; i++) {
		char text[20];

		fields_add(f, span_of(text, (size_t)snprintf(text, sizeof(text), "%02x%02x%02x%02x..", k[i].sha256[0], k[i].sha256[1],
						 k[i].sha256[2], k[i].sha256[3])));
		fields_add_hidden(f, k[i].sha256, sizeof(k[i].sha256));
	}
}

static void profile(const struct image *img, struct fields *f, const char *key, uint32_t tls)
{
	fields_text(f, key, tls == IMAGE_NONE ? SPAN_NONE : image_text(img, img->tls[tls].name));
}

static void limits(const struct image *img, struct fields *f, uint32_t index)
{
	const struct image_limits *l = index == IMAGE_NONE ? NULL : (const struct image_limits *)image_at(img, img->h->limits) + index;
	char text[128];
	int n = !l ? 0 : snprintf(text, sizeof(text), "%u connections, %g calls/s, %g messages/s, %s", l->connections,
				  (double)l->calls_per_second / 1000, (double)l->messages_per_second / 1000, config_limit_action[l->drop]);

	fields_text(f, "limits", span_of(text, (size_t)n));
}

static void auth(const struct image *img, struct fields *f, uint32_t index)
{
	const struct image_auth *a = index == IMAGE_NONE ? NULL : &img->auth[index];

	fields_begin(f, "proxy_auth");
	if (!a)
		return;
	fields_add(f, image_text(img, a->realm));
	for (unsigned i = 0; i < AUTH_ALGORITHMS; i++)
		if (a->algorithms & 1u << i)
			fields_add(f, auth_algorithm_name((enum auth_algorithm)i));
	fields_add_hidden(f, &a->nonce_lifetime, sizeof(a->nonce_lifetime));
	fields_add_hidden(f, &a->allow_cleartext, sizeof(a->allow_cleartext));
}

static void identity(const struct image *img, struct fields *f, uint32_t index)
{
	const struct image_identity *id = &img->identity[index];
	static const char *const source[] = { "from", "asserted", "fixed" };

	fields_text(f, "identity.header", image_text(img, id->header));
	choice(f, "identity.assert_on", config_assert_on, id->assert_on);
	choice(f, "identity.source", source, id->source);
	fields_add(f, image_text(img, id->fixed));
	choice(f, "identity.on_violation", config_on_violation, id->on_violation);
	texts(img, f, "identity.vouches_for", id->vouches);
	fields_add_hidden(f, &id->vouches_default, sizeof(id->vouches_default));
	texts(img, f, "identity.vouches_for_numbers", id->numbers);
	texts(img, f, "identity.keep", id->keep);
}

/* ---- the whole ---- */

static void numbers(const struct image *img, struct fields *f)
{
	for (size_t i = 0; i < setting_row_count; i++) {
		const struct setting_row *row = &setting_rows[i];
		uint64_t value = setting_get(img->settings, row);
		char text[32];

		if (row->type == SETTING_SECONDS)
			fields_text(f, row->key, span_of(text, (size_t)snprintf(text, sizeof(text), "%g", (double)value / 1000)));
		else
			fields_number(f, row->key, value);
	}
}

/* The table's order is that of a random key. */
static void local_domains(const struct image *img, struct fields *f)
{
	const struct image_host *host = image_at(img, img->h->hosts);

	fields_begin(f, "local_domains");
	for (uint64_t i = 0; i < img->h->hosts.count; i++)
		if (host[i].flags & HOST_LOCAL_DOMAIN)
			fields_add_member(f, image_text(img, host[i].name));
}

static void surroundings(const struct image *img, struct fields *f)
{
	const struct image_resolver *r = image_at(img, img->h->resolvers);
	const struct image_alias *a = image_at(img, img->h->aliases);

	fields_begin(f, "resolvers");
	for (uint64_t i = 0; i < img->h->resolvers.count; i++) {
		char text[ADDR_TEXT_MAX + 8];
		size_t n = addr_print(r[i].addr, text);

		n += (size_t)snprintf(text + n, 8, ":%u", r[i].port);
		fields_add(f, span_of(text, n));
	}
	fields_begin(f, "names of the hosts file");
	for (uint64_t i = 0; i < img->h->aliases.count; i++) {
		fields_add_member(f, image_text(img, a[i].name));
		fields_add_hidden(f, a[i].addr, sizeof(a[i].addr));
	}
}

void describe_settings(const struct image *img, struct fields *f)
{
	const struct image_header *h = img->h;

	numbers(img, f);
	choice(f, "foreign_request_uri", config_foreign_uri, h->foreign_request_uri);
	choice(f, "outbound_match", config_outbound_match, h->outbound_match_to);
	cidrs(img, f, "admin.allow", h->process.admin_allow);
	fields_text(f, "default_cluster", image_text(img, img->cluster[h->default_cluster].name));
	fields_text(f, "overload.reason", image_text(img, h->overload_reason));
	fields_text(f, "state_dir", image_text(img, h->process.state_dir));
	fields_text(f, "log.to", image_text(img, h->log.to));
	fields_text(f, "log.access", image_text(img, h->log.access));
	choice(f, "log.format", config_log_format, h->log.format);
	choice(f, "log.level", config_log_level, h->log.level);
	texts(img, f, "identity headers that are removed", h->strip);
	identity(img, f, h->identity);
	local_domains(img, f);
	surroundings(img, f);
}

/* ---- rows ---- */

void describe_listener(const struct image *img, const struct image_listener *l, struct fields *f)
{
	fields_text(f, "advertise", image_text(img, l->advertise_host));
	fields_add_hidden(f, &l->advertise_port, sizeof(l->advertise_port));
	profile(img, f, "tls", l->tls);
	auth(img, f, l->auth);
	fields_begin(f, "methods");
	fields_add_hidden(f, &l->methods, sizeof(l->methods));
	cidrs(img, f, "allow", l->allow);
	fields_flag(f, "enforce", l->enforce);
}

void describe_tls(const struct image *img, const struct image_tls *t, struct fields *f)
{
	keys(img, f, "trust", t->trust);
	fields_flag(f, "any_trusted_ca", t->any_trusted_ca);
	choice(f, "client_certificate", config_client_certificate, t->client_certificate);
	choice(f, "min_version", config_min_version, t->min_version_13);
	fields_flag(f, "resumption", t->resumption);
	fields_number(f, "resumption_lifetime", t->resumption_lifetime);
	choice(f, "peer_usage", config_peer_usage, t->peer_usage);
	choice(f, "crl_check", config_crl_check, t->crl_check);
	choice(f, "crl_expired", config_crl_expired, t->crl_expired);
	choice(f, "expired_connections", config_expired_connections, t->expired_connections);
	fields_text(f, "ciphers", image_text(img, t->ciphers));
	fields_text(f, "ciphersuites", image_text(img, t->ciphersuites));
	fields_text(f, "groups", image_text(img, t->groups));
	/* Chains and keys are seen by this alone. */
	fields_begin(f, "what new connections are made with");
	fields_add_hidden(f, t->material, sizeof(t->material));
}

void describe_cluster(const struct image *img, const struct image_cluster *c, struct fields *f)
{
	fields_number(f, "probe_interval (ms)", c->probe_interval);
	fields_number(f, "probe_timeout (ms)", c->probe_timeout);
	fields_number(f, "probe_failures", c->probe_failures);
}

void describe_server(const struct image *img, const struct image_server *s, struct fields *f)
{
	const struct image_str *dn = image_at(img, s->dns);
	char addr[ADDR_TEXT_MAX];

	fields_number(f, "weight", s->weight);
	fields_text(f, "address", span_of(addr, addr_print(s->addr, addr)));
	fields_text(f, "source_address", image_text(img, s->source_address));
	profile(img, f, "tls", s->tls);
	limits(img, f, s->limits);
	fields_flag(f, "overload_control", s->feedback);
	fields_begin(f, "distinguished_name");
	for (uint64_t i = 0; i < s->dns.count; i++)
		dn_part(f, image_text(img, dn[i]));
}

static void conditions(const struct image *img, const struct image_rule *r, struct fields *f)
{
	const struct image_condition *c = image_at(img, r->conditions);

	fields_begin(f, "match");
	for (uint64_t i = 0; i < r->conditions.count; i++) {
		const struct image_str *text = image_at(img, c[i].values);
		bool places = c[i].field == RULE_SOURCE || c[i].field == RULE_DESTINATION;

		fields_add_hidden(f, &c[i].field, sizeof(c[i].field));
		fields_add_hidden(f, image_text(img, c[i].name).p, c[i].name.len);
		for (uint64_t j = 0; j < c[i].values.count; j++)
			if (places)
				fields_add_hidden(f, (const struct image_place *)(const void *)text + j, sizeof(struct image_place));
			else
				fields_add_hidden(f, image_text(img, text[j]).p, text[j].len);
	}
}

void describe_rule(const struct image *img, const struct image_rule *r, struct fields *f)
{
	conditions(img, r, f);
	fields_text(f, "cluster", r->cluster == IMAGE_NONE ? SPAN_NONE : image_text(img, img->cluster[r->cluster].name));
	fields_number(f, "reject", r->cluster == IMAGE_NONE ? r->status : 0);
}

void describe_policy(const struct image *img, const struct image_policy *p, struct fields *f)
{
	choice(f, "protocol", config_protocols, p->protocol);
	profile(img, f, "tls", p->tls);
	fields_text(f, "sni", image_text(img, p->sni));
	keys(img, f, "trust", p->trust);
	keys(img, f, "spki_sha256", p->pins);
	texts(img, f, "subject_alt_names", p->sans);
	cidrs(img, f, "trusted_addresses", p->trusted_addresses);
	limits(img, f, p->limits);
	auth(img, f, p->auth);
	choice(f, "reuse", config_reuse, p->reuse);
	fields_number(f, "options_ping", p->options_ping);
	fields_number(f, "crlf_ping", p->crlf_ping);
	identity(img, f, p->identity);
}

static void hosts(const struct image *img, const struct image_domain *d, struct fields *f)
{
	const struct image_target *t = image_unit(img, d->hosts.at);

	fields_begin(f, "hosts");
	for (uint32_t i = 0; i < d->hosts.count; i++) {
		char text[HOST_MAX + 8];
		int n = snprintf(text, sizeof(text), "%.*s", SPAN_FMT(image_ref_text(img, t[i].host)));

		if (t[i].port)
			n += snprintf(text + n, 8, ":%u", t[i].port);
		fields_add(f, span_of(text, (size_t)n));
	}
}

void describe_entry(const struct image *img, const struct image_domain *d, struct fields *f)
{
	static const struct {
		uint32_t flag;
		bool off; /* the key says the opposite */
		const char *key;
	} flags[] = {
		{ DOMAIN_ENABLED, false, "enabled" }, { DOMAIN_OBSERVE, true, "enforce" }, { DOMAIN_TRUST_DOMAIN, false, "trust_domain" },
		{ DOMAIN_TRUST_UDP, false, "trust_udp" }, { DOMAIN_ALLOW_WILDCARD, false, "allow_wildcard" },
		{ DOMAIN_FEEDBACK, false, "overload_control" }, { DOMAIN_NO_RETRY_AFTER, true, "retry_after" },
		{ DOMAIN_VOUCHES_OWN, false, "identity.vouches_for own" },
	};

	fields_begin(f, "distinguished_name");
	for (uint32_t i = 0; i < d->dns.count; i++)
		dn_part(f, image_domain_dn(img, d, i));
	hosts(img, d, f);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		fields_flag(f, flags[i].key, !(d->flags & flags[i].flag) == flags[i].off);
	choice(f, "match", config_match, !!(d->flags & DOMAIN_MATCH_ALL));
}
