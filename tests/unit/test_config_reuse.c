/* config: what files of domains say is taken over from the image in use when they have not changed, and only then. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/dn.h"
#include "common/image.h"
#include "common/shm.h"
#include "support/config_files.h"
#include "support/leaks.h"

TestSuite(config_reuse, .init = config_files_make, .fini = leaks_check);

#define MARK 1000 /* added to the lines of what stands in the image before, to tell it from what is read */

#define MAIN(listener, tls, rest)                                                                                      \
	"{ \"listeners\": [ { \"side\": \"external\", \"protocol\": \"TLS\", \"host\": \"127.0.0.1\", \"port\": 0,"     \
	" \"tls\": \"edge\"" listener " },"                                                                            \
	" { \"side\": \"internal\", \"protocol\": \"TCP\", \"host\": \"127.0.0.1\", \"port\": 0 } ],"                   \
	"\"tls\": { " tls " },"                                                                                        \
	"\"clusters\": { \"a\": { \"servers\": [ { \"host\": \"192.0.2.5\" } ] } }, \"default_cluster\": \"a\","       \
	"\"local_domains\": [\"core.example\"]" rest " }"

#define EDGE "\"edge\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": \"two.pem\" }"
#define CLIENT "\"client\": { \"certificate\": \"edge.pem\", \"private_key\": \"edge.key\", \"trust\": \"other.pem\" }"
#define FILES ", \"external_domain_files\": [\"domains/a.json\"]"

static const char usual[] = MAIN("", EDGE "," CLIENT, FILES);

static const char domain_file[] =
    "{ \"domain\": \"one.example\", \"distinguished_name\": \"CN=shared\", \"trust\": \"../ca.pem\", \"host\": \"one.example\" }\n"
    "{ \"domain\": \"*.two.example\", \"distinguished_name\": [\"CN=shared\", \"CN=two\"], \"trust\": \"../ca.pem\", \"tls\": \"client\", \"trusted_addresses\": \"192.0.2.0/24\","
    "  \"hosts\": [ { \"host\": \"192.0.2.7\", \"port\": 5071 }, { \"host\": \"b.two.example\" } ], \"limits\": { \"connections\": 7 } }\n"
    "{ \"domain\": \"three.example\", \"protocol\": \"TLS\", \"sni\": \"sni.example\", \"enabled\": false,"
    "  \"options_ping\": 30 }\n";

static struct image *attach(struct config_loaded *l)
{
	struct image *img;

	cr_assert_eq(l->rc, 0, "%s", l->text);
	img = image_attach(l->result.image_fd);
	cr_assert(img && image_verify(img));
	return img;
}

/* The image of the usual configuration, as if its files had been left alone long before, and its lines marked. */
static struct image *marked_before(void)
{
	struct config_loaded l;
	struct image *img;
	struct image_domain *d;
	struct image_domain_file *f;
	char *bytes;
	size_t size;
	int fd;

	config_write("test.json", usual);
	config_write("domains/a.json", domain_file);
	l = config_load("test.json");
	img = attach(&l);
	size = img->size;
	bytes = malloc(size);
	memcpy(bytes, img->h, size);
	d = (struct image_domain *)(void *)(bytes + img->h->domains.off);
	f = (struct image_domain_file *)(void *)(bytes + img->h->sources.off);
	cr_assert_eq(img->h->sources.count, 1);
	cr_assert_not(f->reusable, "it was written a moment ago");
	f->reusable = 1;
	for (uint64_t i = 0; i < img->h->domains.count; i++)
		d[i].line += MARK;
	image_free(img);
	config_loaded_free(&l);
	fd = shm_create("before");
	cr_assert(fd >= 0 && shm_write(fd, bytes, size) == 0 && shm_seal(fd) == 0);
	free(bytes);
	img = image_attach(fd);
	close(fd);
	cr_assert_not_null(img);
	return img;
}

static bool was_taken_over(const struct image *img)
{
	return img->h->domains.count && img->domain[0].line > MARK;
}

static uint32_t domains_of(const struct image *img, const char *dn)
{
	struct dn key;

	cr_assert_eq(dn_from_text(span_str(dn), &key, NULL), DN_OK);
	return image_find_dn(img, key.bytes, key.len).count;
}

/* All that the file says, wherever it comes from. */
static void check_entries(const struct image *img, uint32_t first)
{
	const struct image_domain *d = &img->domain[first];
	const struct image_target *two = image_unit(img, d[1].hosts.at);
	const struct image_limits *limits = image_at(img, img->h->limits);
	const struct image_policy *p = image_policy_of(img, first + 1);
	const uint8_t addr[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 9 };
	uint32_t found[4];

	cr_assert_eq(image_find_domain(img, SPAN("one.example")), first);
	cr_assert_eq(image_find_domain(img, SPAN("x.two.example")), first + 1);
	cr_assert_eq(image_find_domain(img, SPAN("three.example")), first + 2);
	cr_assert_eq(domains_of(img, "CN=shared"), 2);
	cr_assert_eq(domains_of(img, "CN=two"), 1);
	cr_assert_eq(d[1].dns.count, 2);
	cr_assert_eq(d[1].flags, DOMAIN_WILDCARD | DOMAIN_ENABLED | DOMAIN_HAS_DN);
	cr_assert_eq(d[1].hosts.count, 2);
	cr_assert(two[0].literal && two[0].port == 5071 && !two[1].literal);
	cr_assert(span_eq(image_ref_text(img, two[1].host), SPAN("b.two.example")));
	cr_assert(span_eq(image_text(img, img->tls[p->tls].name), SPAN("client")));
	cr_assert_eq(p->trust.count, 1);
	cr_assert_eq(limits[p->limits].connections, 7);
	p = image_policy_of(img, first + 2);
	cr_assert(span_eq(image_text(img, p->sni), SPAN("sni.example")));
	cr_assert(span_eq(image_text(img, img->tls[p->tls].name), SPAN("edge")), "the default");
	cr_assert_eq(p->options_ping, 30);
	cr_assert_not(d[2].flags & DOMAIN_ENABLED);
	cr_assert_eq(image_find_address(img, addr, 0, found, 4), 1);
	cr_assert_eq(found[0], first + 1);
}

static const struct {
	const char *why, *main, *file, *ca; /* NULL: as it was */
	bool taken;
	uint32_t first;
} reloads[] = {
	{ "nothing has changed", NULL, NULL, NULL, true, 0 },
	{ "what has nothing to do with domains", MAIN("", EDGE "," CLIENT, FILES ", \"retry_after\": 7"), NULL, NULL, true, 0 },
	{ "profiles in another order", MAIN("", CLIENT "," EDGE, FILES), NULL, NULL, true, 0 },
	{ "an entry before them",
	    MAIN("", EDGE "," CLIENT, FILES ", \"external_domains\": [ { \"domain\": \"new.example\", \"trusted_addresses\": \"10.0.0.1\" } ]"),
	    NULL, NULL, true, 1 },
	{ "a listener", MAIN(", \"methods\": [\"INVITE\"]", EDGE "," CLIENT, FILES), NULL, NULL, false, 0 },
	{ "a local domain", MAIN("", EDGE "," CLIENT, ", \"external_domain_files\": [\"domains/a.json\"], \"identity\": { \"header\": \"X-A\" }"),
	    NULL, NULL, false, 0 },
	{ "the file, though it says the same", NULL, domain_file, NULL, false, 0 },
	{ "a CA file that it names", NULL, NULL, "other.pem", false, 0 },
};

/* The same bytes in another file: its inode is another. */
static void replace(const char *name, const char *text)
{
	char from[256], to[256];

	config_write("new", text);
	snprintf(from, sizeof(from), "%s/new", config_dir);
	snprintf(to, sizeof(to), "%s/%s", config_dir, name);
	cr_assert_eq(rename(from, to), 0);
}

static void copy(const char *from, const char *to)
{
	char command[600];

	snprintf(command, sizeof(command), "cat %s/%s %s/ca.pem > %s/copy && mv %s/copy %s/%s", config_dir, from, config_dir, config_dir,
	    config_dir, config_dir, to);
	cr_assert_eq(system(command), 0);
}

Test(config_reuse, only_what_has_not_changed)
{
	for (size_t i = 0; i < ARRAY_LEN(reloads); i++) {
		struct image *before = marked_before(), *img;
		struct config_loaded l;

		if (reloads[i].main)
			config_write("test.json", reloads[i].main);
		if (reloads[i].file)
			replace("domains/a.json", reloads[i].file);
		if (reloads[i].ca)
			copy(reloads[i].ca, "ca.pem");
		l = config_load_after("test.json", before);
		img = attach(&l);
		cr_assert_eq(img->domain[reloads[i].first].line > MARK, reloads[i].taken, "%s", reloads[i].why);
		if (!reloads[i].ca)
			check_entries(img, reloads[i].first);
		image_free(img);
		config_loaded_free(&l);
		image_free(before);
	}
}

/* What a take-over has made can be taken over. */
Test(config_reuse, again_and_again)
{
	struct image *img = marked_before(), *next;

	for (int i = 0; i < 3; i++) {
		struct config_loaded l = config_load_after("test.json", img);

		next = attach(&l);
		image_free(img);
		img = next;
		cr_assert(was_taken_over(img));
		check_entries(img, 0);
		config_loaded_free(&l);
	}
	image_free(img);
}

Test(config_reuse, no_longer_named)
{
	struct image *before = marked_before(), *img;
	struct config_loaded l;

	config_write("test.json", MAIN("", EDGE "," CLIENT, ""));
	l = config_load_after("test.json", before);
	img = attach(&l);
	cr_assert_eq(img->h->domains.count, 0);
	cr_assert_eq(image_find_domain(img, SPAN("one.example")), IMAGE_NONE);
	cr_assert_eq(domains_of(img, "CN=shared"), 0);
	image_free(img);
	config_loaded_free(&l);
	image_free(before);
}

/* Complaints name both places, whether they were read or taken over. */
Test(config_reuse, a_second_one_of_a_name)
{
	struct image *before = marked_before();
	struct config_loaded l;

	config_write("domains/b.json", "\n{ \"domain\": \"Three.example\" }\n");
	config_write("test.json", MAIN("", EDGE "," CLIENT, ", \"external_domain_files\": [\"domains/a.json\", \"domains/b.json\"]"));
	l = config_load_after("test.json", before);
	cr_assert_eq(l.rc, -1);
	cr_assert_eq(l.errors, 1);
	cr_assert(strstr(l.text, "domains/b.json:2: /domain: found \"Three.example\" for the second time") && strstr(l.text, "domains/a.json:1003"),
	    "%s", l.text);
	config_loaded_free(&l);
	config_write("test.json", MAIN("", EDGE "," CLIENT, ", \"external_domain_files\": [\"domains/b.json\", \"domains/a.json\"]"));
	l = config_load_after("test.json", before);
	cr_assert_eq(l.errors, 1);
	cr_assert(strstr(l.text, "domains/a.json:1003: /domain: found \"three.example\" for the second time") && strstr(l.text, "domains/b.json:2"),
	    "%s", l.text);
	config_loaded_free(&l);
	image_free(before);
}

static const struct {
	const char *why, *text;
	bool reusable;
} left_alone[] = {
	{ "nothing special", "{ \"domain\": \"a.example\", \"trust\": \"../ca.pem\" }", true },
	{ "users", "{ \"domain\": \"a.example\", \"proxy_auth\": { \"realm\": \"r\", \"users_file\": \"../users\" } }", false },
	{ "an identity of its own", "{ \"domain\": \"a.example\", \"identity\": { \"on_violation\": \"strip\" } }", false },
	{ "a warning, which is to be said each time", "{ \"domain\": \"a.example\", \"protocol\": \"TCP\", \"host\": \"192.0.2.1\" }", false },
};

/* What only reading a file can tell must be read again, however long it has been left alone. */
Test(config_reuse, what_may_be_taken_over)
{
	char name[64], text[2048];

	for (size_t i = 0; i < ARRAY_LEN(left_alone); i++) {
		snprintf(name, sizeof(name), "domains/%zu.json", i);
		config_write(name, left_alone[i].text);
	}
	sleep(4); /* two seconds and the file system's rounding */
	for (size_t i = 0; i < ARRAY_LEN(left_alone); i++) {
		const struct image_domain_file *f;
		struct config_loaded l;
		struct image *img;

		snprintf(text, sizeof(text), MAIN("", EDGE "," CLIENT, ", \"external_domain_files\": [\"domains/%zu.json\"]"), i);
		config_write("test.json", text);
		l = config_load("test.json");
		img = attach(&l);
		f = image_at(img, img->h->sources);
		cr_assert_eq(f->reusable, left_alone[i].reusable, "%s", left_alone[i].why);
		image_free(img);
		config_loaded_free(&l);
	}
}
