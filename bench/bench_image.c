/*
 * bench_image - nanoseconds to look up a DN or a host in images of different sizes.
 *
 *   bench_image [ENTRIES...]     default 1 1000 1000000 10000000
 *
 * 4096 keys in turn, the best of many rounds: what they touch stays in the outer
 * caches.  What it costs to go through the keys is in every line, and alone in
 * the first.
 */
#include <stdlib.h>
#include <unistd.h>

#include "bench/repeat.h"
#include "common/dn.h"
#include "common/image.h"
#include "master/image_build.h"

#define KEYS 4096   /* asked for in turn */
#define ROUNDS 100

/* A key ready to be looked up. */
struct key {
	uint8_t bytes[96];
	size_t len;
};

static struct key *keys;

static void fail(const char *what)
{
	fprintf(stderr, "bench_image: %s\n", what);
	exit(1);
}

static struct dn dn_of(const char *text)
{
	struct dn dn;

	if (dn_from_text(span_str(text), &dn, NULL) != DN_OK)
		fail(text);
	return dn;
}

/* Entry i: an exact name for even ones, a wildcard for odd ones, a DN for each. */
static void add_entry(struct image_builder *b, unsigned i)
{
	char name[64], text[96];
	int len = snprintf(name, sizeof(name), "d%u.carrier.example", i);
	struct image_domain row = {
		.name = image_put_ref(b, name, (size_t)len, 1),
		.flags = DOMAIN_ENABLED | (i % 2 ? DOMAIN_WILDCARD : 0),
	};
	uint32_t index = image_add_domain(b, &row, &(struct image_policy){ .tls = IMAGE_NONE, .limits = IMAGE_NONE, .auth = IMAGE_NONE }), key;
	struct dn dn;

	snprintf(text, sizeof(text), "CN=sip.d%u.carrier.example,O=Carrier,C=DE", i);
	dn = dn_of(text);
	key = image_add_dn(b, dn.bytes, dn.len, index);
	image_set_dns(b, index, &key, 1);
	if (image_claim_name(b, index) != IMAGE_NONE)
		fail("a name twice");
}

static struct image *make(unsigned entries)
{
	struct image_builder *b = image_builder_new(1);
	struct image_cluster cluster = { 0 };
	struct image_identity identity = { 0 };
	struct image *img;
	int fd;

	if (!b)
		fail("out of memory");
	image_builder_header(b)->default_cluster = image_add_cluster(b, &cluster);
	image_builder_header(b)->identity = image_add_identity(b, &identity);
	image_add_host(b, SPAN("core.example"), HOST_LOCAL_DOMAIN);
	for (unsigned i = 0; i < entries; i++)
		add_entry(b, i);
	fd = image_builder_finish(b);
	image_builder_free(b);
	img = fd < 0 ? NULL : image_attach(fd);
	if (!img)
		fail("no image");
	close(fd);
	return img;
}

static void set_key(struct key *k, const char *before, unsigned i, const char *behind, bool is_dn)
{
	char text[96];
	int len = snprintf(text, sizeof(text), "%s%u%s", before, i, behind);

	if (is_dn) {
		struct dn dn = dn_of(text);

		if (dn.len > sizeof(k->bytes))
			fail("a key too long");
		memcpy(k->bytes, dn.bytes, dn.len);
		k->len = dn.len;
	} else {
		memcpy(k->bytes, text, (size_t)len);
		k->len = (size_t)len;
	}
}

enum what { NOTHING, DN, DOMAIN, LOCAL };

static size_t look_up(const struct image *img, enum what what, const struct key *k)
{
	switch (what) {
	case NOTHING:
		break;
	case DN:
		return image_find_dn(img, k->bytes, k->len).count;
	case DOMAIN:
		return image_find_domain(img, span_of(k->bytes, k->len)) != IMAGE_NONE;
	case LOCAL:
		return image_host_is_local(img, span_of(k->bytes, k->len));
	}
	return k->len & 1;
}

static const struct line {
	const char *name, *before, *behind; /* the key: the entry's number between two texts */
	enum what what;
	bool hit;
	unsigned step; /* 2: even entries only */
} lines[] = {
	{ "(no look-up)", "d", ".carrier.example", NOTHING, false, 1 },
	{ "DN, hit", "CN=sip.d", ".carrier.example,O=Carrier,C=DE", DN, true, 1 },
	{ "DN, miss", "CN=sip.d", ".stranger.example,O=Stranger,C=DE", DN, false, 1 },
	{ "exact domain, hit", "d", ".carrier.example", DOMAIN, true, 2 },
	{ "wildcard, hit", "sbc.d", ".carrier.example", DOMAIN, true, 3 },
	{ "domain, miss", "sbc.d", ".stranger.example", DOMAIN, false, 1 },
	{ "local domain, miss", "sbc.d", ".carrier.example", LOCAL, false, 1 },
};

/* Which entry the i-th key is of; an even one for step 2, an odd one for step 3. */
static unsigned entry_of(unsigned i, unsigned entries, unsigned step)
{
	unsigned e = (unsigned)(i * 2654435761u % entries);

	return step == 2 ? e & ~1u : step == 3 ? e | 1u : e;
}

static void measure(const struct image *img, const struct line *l, unsigned entries)
{
	size_t found = 0;
	double best = 1e9;

	for (unsigned i = 0; i < KEYS; i++)
		set_key(&keys[i], l->before, entry_of(i, entries, l->step), l->behind, l->what == DN);
	for (unsigned r = 0; r < ROUNDS; r++) {
		double from = repeat_now(), ns;

		found = 0;
		for (unsigned i = 0; i < KEYS; i++)
			found += look_up(img, l->what, &keys[i]);
		ns = (repeat_now() - from) / KEYS * 1e9;
		best = ns < best ? ns : best;
	}
	if (l->what != NOTHING && found != (l->hit && !(entries == 1 && l->step == 3) ? KEYS : 0))
		fail(l->name);
	printf("%8u entries  %-20s %6.1f ns\n", entries, l->name, best);
}

int main(int argc, char **argv)
{
	static const char *const usual[] = { "1", "1000", "1000000", "10000000" };
	int count = argc > 1 ? argc - 1 : (int)ARRAY_LEN(usual);

	keys = calloc(KEYS, sizeof(*keys));
	if (!keys)
		fail("out of memory");
	for (int a = 0; a < count; a++) {
		unsigned long entries = strtoul(argc > 1 ? argv[a + 1] : usual[a], NULL, 10);
		struct image *img;

		if (entries == 0 || entries > 100000000)
			fail("ENTRIES: 1 to 100000000");
		img = make((unsigned)entries);
		for (size_t i = 0; i < ARRAY_LEN(lines); i++)
			measure(img, &lines[i], (unsigned)entries);
		image_free(img);
	}
	free(keys);
	return 0;
}
