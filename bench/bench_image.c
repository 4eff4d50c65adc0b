/*
 * bench_image - nanoseconds for each kind of look-up in an image, by number of
 * domains.
 *
 *   bench_image [DOMAINS]     default 1000, 100000 and 1000000, one after the other
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/dn.h"
#include "common/image.h"
#include "master/image_build.h"

#define LOOKUPS 1000000
#define WILDCARD_EVERY 16 /* one domain of so many is a *.suffix */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool is_wildcard(uint32_t i)
{
	return i % WILDCARD_EVERY == 0;
}

static struct span name_of(uint32_t i, char out[static 64])
{
	return span_of(out, (size_t)snprintf(out, 64, "carrier%u.example", i));
}

/* Canonical form of the DN of domain i. */
static void dn_of(uint32_t i, struct dn *out)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "CN=sip.carrier%u.example,O=Carrier %u,C=DE", i, i);

	if (dn_from_text(span_of(text, (size_t)n), out, NULL) != DN_OK)
		abort();
}

static struct image *build(uint32_t domains)
{
	struct image_builder *b = image_builder_new(1);
	struct image_identity identity = { .vouches_default = 1 };
	struct image_cluster cluster = { 0 };
	struct image *img;
	struct dn dn;
	char name[64];
	int fd;

	if (!b)
		return NULL;
	image_builder_header(b)->default_cluster = image_add_cluster(b, &cluster);
	image_builder_header(b)->identity = image_add_identity(b, &identity);
	image_add_host(b, SPAN("core.example"), HOST_LOCAL_DOMAIN);
	for (uint32_t i = 0; i < domains; i++) {
		struct image_domain row = { .name = image_put_text(b, name_of(i, name)), .order = i,
			.flags = DOMAIN_ENABLED | DOMAIN_HAS_DN | (is_wildcard(i) ? DOMAIN_WILDCARD : 0) };

		dn_of(i, &dn);
		image_add_dn(b, &dn, image_add_domain(b, &row));
		if (image_claim_name(b, i) != IMAGE_NONE)
			abort();
	}
	fd = image_builder_finish(b);
	image_builder_free(b);
	img = fd < 0 ? NULL : image_attach(fd);
	if (fd >= 0)
		close(fd);
	return img;
}

/* What is asked for; made before the clock runs. */
struct question {
	uint8_t bytes[128];
	size_t len;
	uint32_t answer; /* IMAGE_NONE: not there */
};

#define QUESTIONS 4096

static void ask_dn(struct question *q, uint32_t i, uint32_t domains, bool hit)
{
	struct dn dn;

	dn_of(hit ? i : domains + i, &dn);
	if (dn.len > sizeof(q->bytes))
		abort();
	memcpy(q->bytes, dn.bytes, dn.len);
	q->len = dn.len;
	q->answer = hit ? i : IMAGE_NONE;
}

static void ask_name(struct question *q, uint32_t i, uint32_t domains, bool hit)
{
	char name[64];
	struct span host = name_of(hit ? i : domains + i, name);
	int n = snprintf((char *)q->bytes, sizeof(q->bytes), "%s%.*s", is_wildcard(i) ? "a.b." : "", SPAN_FMT(host));

	q->len = (size_t)n;
	q->answer = hit ? i : IMAGE_NONE;
}

static uint32_t find_dn(const struct image *img, const struct question *q)
{
	struct image_domains found = image_find_dn(img, q->bytes, q->len);

	return found.count ? found.index[0] : IMAGE_NONE;
}

static uint32_t find_name(const struct image *img, const struct question *q)
{
	return image_find_domain(img, span_of(q->bytes, q->len));
}

static const struct {
	const char *what;
	void (*ask)(struct question *q, uint32_t i, uint32_t domains, bool hit);
	uint32_t (*find)(const struct image *img, const struct question *q);
	bool hit;
	uint32_t step, first; /* which domains */
} rows[] = {
	{ "DN, configured", ask_dn, find_dn, true, 1, 0 },
	{ "DN, not configured", ask_dn, find_dn, false, 1, 0 },
	{ "host, exact", ask_name, find_name, true, WILDCARD_EVERY, 1 },
	{ "host, by *.suffix", ask_name, find_name, true, WILDCARD_EVERY, 0 },
	{ "host, not there", ask_name, find_name, false, WILDCARD_EVERY, 1 },
};

static int measure(const struct image *img, uint32_t domains)
{
	static struct question q[QUESTIONS];

	for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
		uint32_t choices = (domains - rows[r].first) / rows[r].step;
		double from;

		for (uint32_t i = 0; i < QUESTIONS; i++) /* spread over the whole table, so that caches do not help */
			rows[r].ask(&q[i], rows[r].first + rows[r].step * (uint32_t)((uint64_t)i * 2654435761u % choices), domains, rows[r].hit);
		from = now();
		for (uint32_t i = 0; i < LOOKUPS; i++)
			if (rows[r].find(img, &q[i % QUESTIONS]) != q[i % QUESTIONS].answer) {
				fprintf(stderr, "bench_image: %s: a wrong answer\n", rows[r].what);
				return 1;
			}
		printf("%8u domains  %-20s %6.0f ns\n", domains, rows[r].what, (now() - from) / LOOKUPS * 1e9);
	}
	return 0;
}

static int run(uint32_t domains)
{
	double from = now();
	struct image *img = build(domains);
	int rc;

	if (!img) {
		perror("bench_image");
		return 1;
	}
	printf("%8u domains  built and attached in %.2f s, %.1f MiB\n", domains, now() - from, (double)img->size / 1048576);
	rc = measure(img, domains);
	image_free(img);
	return rc;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = { 1000, 100000, 1000000 };
	int rc = 0;

	if (argc == 2) {
		unsigned long n = strtoul(argv[1], NULL, 10);

		if (n < 2 * WILDCARD_EVERY || n > 10000000) {
			fprintf(stderr, "usage: bench_image [DOMAINS], %d to 10000000\n", 2 * WILDCARD_EVERY);
			return 2;
		}
		return run((uint32_t)n);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes) && rc == 0; i++)
		rc = run(sizes[i]);
	return rc;
}
