/* config: what a whole configuration becomes in the image and in the keys. */
#include <criterion/criterion.h>
#include <openssl/evp.h>

#include "common/dn.h"
#include "common/image.h"
#include "common/keys_layout.h"
#include "common/shm.h"
#include "common/sip/msg.h"
#include "support/config_files.h"
#include "support/leaks.h"

TestSuite(config_image, .init = config_files_make, .fini = leaks_check);

static const char whole[] =
    "{ \"workers\": 3, \"user\": \"root\", \"pid_file\": \"run/pid\", \"retry_after\": 0, \"timeouts\": { \"connect\": 2.5 },"
    "\"limits\": { \"body_bytes\": 4096 }, \"log\": { \"to\": \"/var/log/x.log\", \"format\": \"json\" },"
    "\"listeners\": ["
    "  { \"side\": \"external\", \"protocol\": \"TLS\", \"host\": \"127.0.0.1\", \"port\": 5061, \"tls\": \"edge\","
    "    \"advertise\": \"Edge.Example:5071\", \"methods\": [\"INVITE\", \"BYE\"] },"
    "  { \"side\": \"external\", \"protocol\": \"TCP\", \"host\": \"::1\", \"port\": 0 },"
    "  { \"side\": \"internal\", \"protocol\": \"TCP\", \"host\": \"0.0.0.0\", \"port\": 5060, \"advertise\": \"in.example\","
    "    \"allow\": [\"10.1.0.0/16\"] } ],"
    "\"tls\": { \"client\": { \"trust\": \"other.pem\", \"min_version\": \"1.3\", \"client_certificate\": \"off\" },"
    "  \"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": \"two.pem\", \"any_trusted_ca\": true,"
    "    \"resumption\": false } },"
    "\"local_domains\": [\"Core.Example.\"],"
    "\"clusters\": { \"a\": { \"servers\": [ { \"host\": \"192.0.2.5\", \"weight\": 0 } ] },"
    "  \"b\": { \"servers\": [ { \"host\": \"localhost\", \"port\": 5070 }, { \"host\": \"2001:DB8::5\" } ] } },"
    "\"default_cluster\": \"b\","
    "\"token_secret_files\": [\"secret\"],"
    "\"identity\": { \"header\": \"X-Caller\", \"vouches_for\": [\"own\", \"*.Shared.example\"], \"unstrip\": \"P-Early-Media\","
    "  \"on_violation\": \"strip\" },"
    "\"external_domains\": ["
    "  { \"domain\": \"Partner.Example\", \"distinguished_name\": [\"CN=a\", \"CN=b\"], \"trust\": \"ca.pem\", \"trust_domain\": true,"
    "    \"trusted_addresses\": \"192.0.2.0/24\", \"hosts\": [ { \"host\": \"sbc.partner.example\" }, { \"host\": \"b.example\" } ] },"
    "  { \"domain\": \"*.partner.example\", \"distinguished_name\": \"CN=a\", \"trust\": [\"ca.pem\"],"
    "    \"identity\": { \"source\": \"sip:trunk@a.example\", \"keep\": [\"X-Keep\"], \"strip\": \"X-Strip\" } },"
    "  { \"domain\": \"c.example\", \"enabled\": false, \"protocol\": \"TCP\", \"host\": \"192.0.2.9\","
    "    \"identity\": { \"strip\": \"X-Strip\", \"keep\": [\"X-Keep\"], \"source\": \"sip:trunk@a.example\" } },"
    "  { \"domain\": \"d.example\", \"identity\": { \"vouches_for\": [\"a.example\"], \"vouches_for_numbers\": [\"+49\"], \"header\": \"X-Other\" } } ] }";

static struct config_loaded loaded;

static struct image *load(void)
{
	struct image *img;

	config_write("test.json", whole);
	loaded = config_load("test.json");
	cr_assert_eq(loaded.rc, 0, "%s", loaded.text);
	img = image_attach(loaded.result.image_fd);
	cr_assert_not_null(img);
	return img;
}

static void unload(struct image *img)
{
	image_free(img);
	config_loaded_free(&loaded);
	config_files_remove();
}

#define IS(img, str, text) cr_assert(span_eq(image_text(img, str), SPAN(text)), "%.*s is not %s", SPAN_FMT(image_text(img, str)), text)

Test(config_image, process)
{
	struct image *img = load();
	const struct image_process *p = &img->h->process;
	char want[128];

	cr_assert_eq(img->h->generation, 3);
	cr_assert_eq(p->workers, 3);
	IS(img, p->user, "root");
	IS(img, p->control_socket, "/run/sipward/control.sock");
	cr_assert_not(p->control_socket_given);
	IS(img, p->state_dir, "/var/lib/sipward");
	snprintf(want, sizeof(want), "%s/run/pid", config_dir);
	cr_assert(span_eq(image_text(img, p->pid_file), span_str(want)), "beside the file that names it");
	IS(img, img->h->log.to, "/var/log/x.log");
	cr_assert_eq(img->h->log.format, LOG_JSON);
	cr_assert_eq(img->settings->connect_timeout, 2500);
	cr_assert_eq(img->settings->handshake_timeout, 5000);
	cr_assert_eq(img->settings->body_bytes, 4096);
	cr_assert_eq(img->settings->retry_after, 0);
	unload(img);
}

Test(config_image, listeners)
{
	struct image *img = load();
	const struct image_listener *l = img->listener;
	const uint8_t inside[16] = { [10] = 0xff, [11] = 0xff, 10, 1, 2, 3 }, outside[16] = { [10] = 0xff, [11] = 0xff, 10, 2, 2, 3 };

	cr_assert_eq(img->h->listeners.count, 3);
	IS(img, l[0].host, "127.0.0.1");
	IS(img, l[0].advertise_host, "Edge.Example");
	cr_assert_eq(l[0].advertise_port, 5071);
	cr_assert_eq(l[0].tls, 1, "profiles count in their order");
	cr_assert_eq(l[0].methods, 1u << METHOD_INVITE | 1u << METHOD_BYE);
	cr_assert(l[0].enforce);
	cr_assert_eq(l[1].protocol, PROTO_TCP);
	cr_assert_eq(l[1].tls, IMAGE_NONE);
	cr_assert_eq(l[1].methods & (1u << METHOD_REGISTER | 1u << METHOD_PUBLISH), 0u);
	cr_assert(l[1].methods >> METHOD_OTHER & 1 && l[1].methods >> METHOD_MESSAGE & 1);
	cr_assert_eq(l[2].side, SIDE_INTERNAL);
	cr_assert_eq(l[2].advertise_port, 0);
	cr_assert(image_cidr_has(img, l[2].allow, inside) && !image_cidr_has(img, l[2].allow, outside));
	unload(img);
}

static const struct {
	const char *host;
	uint32_t flags;
} ours[] = {
	{ "core.example", HOST_LOCAL_DOMAIN },
	{ "edge.example", HOST_OURS },
	{ "in.example", HOST_OURS },
	{ "127.0.0.1", HOST_OURS | HOST_CONTAINER }, /* localhost is a container */
	{ "192.0.2.5", HOST_CONTAINER },
	{ "localhost", HOST_CONTAINER },
	{ "2001:db8::5", HOST_CONTAINER },
	{ "partner.example", 0 },
	{ "0.0.0.0", 0 },
};

Test(config_image, hosts)
{
	struct image *img = load();

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		cr_assert_eq(image_host_flags(img, span_str(ours[i].host)), ours[i].flags, "%s", ours[i].host);
	cr_assert(image_host_flags(img, SPAN("::1")) & HOST_OURS);
	unload(img);
}

Test(config_image, clusters)
{
	struct image *img = load();
	const struct image_server *s;

	cr_assert_eq(img->h->clusters.count, 2);
	cr_assert_eq(img->h->default_cluster, 1);
	IS(img, img->cluster[1].name, "b");
	s = image_at(img, img->cluster[0].servers);
	cr_assert_eq(s[0].weight, 0u);
	cr_assert_eq(s[0].port, 5060);
	s = image_at(img, img->cluster[1].servers);
	IS(img, s[0].id, "localhost:5070;tcp");
	cr_assert_eq(s[0].weight, 1u);
	IS(img, s[1].id, "2001:db8::5:5060;tcp");
	cr_assert_eq(s[1].addr[15], 5);
	unload(img);
}

Test(config_image, domains)
{
	struct image *img = load();
	const struct image_domain *d = img->domain;
	const struct image_target *target;
	struct dn dn;
	struct image_domains found;

	cr_assert_eq(img->h->domains.count, 4);
	cr_assert_eq(image_find_domain(img, SPAN("partner.example")), 0u);
	cr_assert_eq(image_find_domain(img, SPAN("x.partner.example")), 1u);
	cr_assert_eq(d[0].flags, DOMAIN_ENABLED | DOMAIN_TRUST_DOMAIN | DOMAIN_HAS_DN | DOMAIN_VOUCHES_OWN);
	cr_assert_eq(d[1].flags, DOMAIN_WILDCARD | DOMAIN_ENABLED | DOMAIN_HAS_DN | DOMAIN_VOUCHES_OWN);
	cr_assert_eq(d[2].flags, DOMAIN_VOUCHES_OWN);
	cr_assert_eq(d[3].flags, DOMAIN_ENABLED, "its own vouches_for says nothing of \"own\"");
	target = image_unit(img, d[0].hosts.at);
	cr_assert(span_eq(image_ref_text(img, target[0].host), SPAN("sbc.partner.example")));
	cr_assert_eq(target[0].port, 0, "SRV may tell");
	cr_assert_eq(img->tls[0].anchors.count, 1);
	cr_assert_eq(img->tls[1].anchors.count, 2, "public, so no key");
	cr_assert_eq(image_policy_of(img, 0)->trust.count, 1);
	cr_assert_eq(image_policy_of(img, 1)->trust.off, image_policy_of(img, 0)->trust.off, "the same list is written once");
	cr_assert_eq(image_policy_of(img, 2)->trust.count, 0);
	cr_assert_eq(dn_from_text(SPAN("CN=a"), &dn, NULL), DN_OK);
	found = image_find_dn(img, dn.bytes, dn.len);
	cr_assert(found.count == 2 && found.index[0] == 0 && found.index[1] == 1);
	unload(img);
}

Test(config_image, identities)
{
	struct image *img = load();
	const struct image_identity *global = &img->identity[img->h->identity], *own = &img->identity[image_policy_of(img, 1)->identity],
				    *other = &img->identity[image_policy_of(img, 3)->identity];
	const struct image_str *s;

	cr_assert_eq(img->h->identities.count, 3, "domains that say the same share a row");
	cr_assert_eq(image_policy_of(img, 0)->identity, img->h->identity);
	cr_assert_eq(image_policy_of(img, 1)->identity, image_policy_of(img, 2)->identity, "in whatever order");
	IS(img, global->header, "X-Caller");
	cr_assert_not(global->vouches_default);
	s = image_at(img, global->vouches);
	cr_assert_eq(global->vouches.count, 1, "\"own\" is a flag of the domain");
	IS(img, s[0], ".shared.example");
	IS(img, own->header, "X-Caller"); /* inherited */
	cr_assert_eq(own->on_violation, VIOLATION_STRIP, "inherited");
	cr_assert_eq(own->vouches.count, 1, "inherited");
	cr_assert_eq(own->source, SOURCE_FIXED);
	IS(img, own->fixed, "sip:trunk@a.example");
	s = image_at(img, own->keep);
	IS(img, s[0], "x-keep");
	IS(img, other->header, "X-Other");
	s = image_at(img, other->numbers);
	IS(img, s[0], "49");
	unload(img);
}

static const char *const stripped[] = { "p-preferred-identity", "p-asserted-identity", "remote-party-id", "p-asserted-service",
	"p-preferred-service", "p-charging-vector", "p-charging-function-addresses", "p-served-user", "p-profile-key",
	"p-private-network-indication", "p-user-database", "p-access-network-info", "cellular-network-info", "p-associated-uri",
	"p-attestation-indicator", "p-origination-id", "attestation-info", "origination-id", "x-caller", "x-other", "x-strip" };

Test(config_image, strip)
{
	struct image *img = load();

	cr_assert_eq(img->strip.count, ARRAY_LEN(stripped), "and P-Early-Media is not among them");
	for (size_t i = 0; i < ARRAY_LEN(stripped); i++) {
		bool found = false;

		for (size_t j = 0; j < img->strip.count; j++)
			found |= span_eq(img->strip.name[j], span_str(stripped[i]));
		cr_assert(found, "%s", stripped[i]);
	}
	unload(img);
}

/* Records as "kind.profile " in their order. */
static void list_records(int fd, char *out, size_t cap, uint8_t secret[static 32])
{
	struct span all;
	const struct keys_header *h;
	size_t n = 0;

	cr_assert_eq(shm_map(fd, &all), 0, "sealed");
	h = (const struct keys_header *)(const void *)all.p;
	cr_assert(h->magic == KEYS_MAGIC && h->size == all.len && h->generation == 3);
	out[0] = '\0';
	for (size_t at = sizeof(*h); at < all.len;) {
		const struct keys_record *r = (const struct keys_record *)(const void *)(all.p + at);

		n += (size_t)snprintf(out + n, cap - n, "%u.%u ", r->kind, r->profile);
		if (r->kind == KEYS_TOKEN_SECRET)
			memcpy(secret, r + 1, 32);
		at += keys_record_size(r->len);
	}
	shm_unmap(all);
}

Test(config_image, keys)
{
	struct image *img = load();
	char got[256];
	uint8_t secret[32], want[32];

	list_records(loaded.result.keys_fd, got, sizeof(got), secret);
	cr_assert_str_eq(got, "1.1 3.1 5.0 6.0 ");
	cr_assert(EVP_Digest("a secret of more than thirty-two bytes", 38, want, NULL, EVP_sha256(), NULL));
	cr_assert_arr_eq(secret, want, 32);
	cr_assert_eq(img->tls[1].trust.count, 2);
	cr_assert_eq(img->tls[0].trust.count, 1);
	cr_assert(img->tls[0].min_version_13 && !img->tls[1].min_version_13 && !img->tls[1].resumption);
	unload(img);
}

/* Material of profile "edge" with these members. */
static void material(const char *members, uint8_t out[static 32])
{
	struct config_loaded l;
	struct image *img;
	char text[1024];

	snprintf(text, sizeof(text),
	    "{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TLS\", \"host\": \"127.0.0.1\", \"port\": 5061, \"tls\": \"edge\" } ],"
	    "\"tls\": { \"edge\": { \"private_key\": \"edge.key\", %s } },"
	    "\"clusters\": { \"main\": { \"servers\": [ { \"host\": \"127.0.0.1\" } ] } } }", members);
	config_write("test.json", text);
	l = config_load("test.json");
	cr_assert_eq(l.rc, 0, "%s", l.text);
	img = image_attach(l.result.image_fd);
	cr_assert_not_null(img);
	memcpy(out, img->tls[0].material, 32);
	image_free(img);
	config_loaded_free(&l);
}

/* Unchanged, a context is kept over a reload: so whatever it is built from has to count. */
Test(config_image, material)
{
	static const char usual[] = "\"certificate\": \"edge.pem\", \"trust\": \"ca.pem\"";
	static const char *const changed[] = {
		"\"certificate\": \"edge.pem\", \"trust\": \"two.pem\"",
		"\"certificate\": \"edge.pem\", \"trust\": \"other.pem\"",
		"\"certificate\": \"edge.pem\", \"trust\": \"ca.pem\", \"client_certificate\": \"request\"",
		"\"certificate\": \"edge.pem\", \"trust\": \"ca.pem\", \"min_version\": \"1.3\"",
		"\"certificate\": \"edge.pem\", \"trust\": \"ca.pem\", \"resumption\": false",
		"\"certificate\": \"edge.pem\", \"trust\": \"ca.pem\", \"resumption_lifetime\": 60",
		"\"certificate\": \"edge.pem\", \"trust\": \"ca.pem\", \"groups\": \"P-256\"",
		"\"certificate\": \"edge.pem\", \"trust\": \"ca.pem\", \"ciphers\": \"ECDHE-ECDSA-AES128-GCM-SHA256\"",
		"\"certificate\": \"edge.pem\", \"trust\": \"ca.pem\", \"ciphersuites\": \"TLS_AES_128_GCM_SHA256\"",
		"\"certificate\": \"chain.pem\", \"trust\": \"ca.pem\"",
	};
	uint8_t first[32], other[32];
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "cat %s/edge.pem %s/ca.pem > %s/chain.pem", config_dir, config_dir, config_dir);
	cr_assert_eq(system(cmd), 0);
	material(usual, first);
	material(usual, other);
	cr_assert_arr_eq(first, other, 32, "the same from the same");
	for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
		material(changed[i], other);
		cr_assert(memcmp(first, other, 32) != 0, "%s", changed[i]);
	}
	config_files_remove();
}
