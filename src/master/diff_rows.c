#include "master/diff_rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "master/config.h"
#include "master/diff_describe.h"
#include "master/pki_describe.h"

const char *diff_group_name(enum diff_group g)
{
	static const char *const names[] = {
		[DIFF_SETTINGS] = "settings",
		[DIFF_LISTENERS] = "listeners",
		[DIFF_PROFILES] = "tls",
		[DIFF_CERTIFICATES] = "certificates",
		[DIFF_CRLS] = "crls",
		[DIFF_CLUSTERS] = "clusters",
		[DIFF_SERVERS] = "servers",
		[DIFF_RULES] = "routing_rules",
		[DIFF_DOMAINS] = "domains",
	};

	return names[g];
}

/* ---- gathering ---- */

static bool add(struct diff_rows *out, const void *rows, uint64_t count, size_t size, uint32_t parent)
{
	struct diff_row *p = realloc(out->row, (out->count + count + 1) * sizeof(*p));

	if (!p)
		return false;
	out->row = p;
	for (uint64_t i = 0; i < count; i++)
		p[out->count++] = (struct diff_row){ (const char *)rows + i * size, parent, (uint32_t)i };
	return true;
}

static bool of_profiles(const struct image *img, enum diff_group g, struct diff_rows *out)
{
	bool ok = true;

	for (uint32_t i = 0; i < img->h->tls.count && ok; i++) {
		const struct image_tls *t = &img->tls[i];

		if (g == DIFF_CRLS)
			ok = add(out, image_at(img, t->crls), t->crls.count, sizeof(struct image_crl), i);
		else
			ok = add(out, image_at(img, t->own), t->own.count, sizeof(struct image_own), i);
	}
	return ok;
}

static bool of_clusters(const struct image *img, struct diff_rows *out)
{
	bool ok = true;

	for (uint32_t i = 0; i < img->h->clusters.count && ok; i++)
		ok = add(out, image_at(img, img->cluster[i].servers), img->cluster[i].servers.count, sizeof(struct image_server), i);
	return ok;
}

bool diff_rows_all(const struct image *img, enum diff_group g, struct diff_rows *out)
{
	const struct image_header *h = img->h;

	*out = (struct diff_rows){ 0 };
	switch (g) {
	case DIFF_LISTENERS:
		return add(out, img->listener, h->listeners.count, sizeof(*img->listener), 0);
	case DIFF_PROFILES:
		return add(out, img->tls, h->tls.count, sizeof(*img->tls), 0);
	case DIFF_CERTIFICATES:
	case DIFF_CRLS:
		return of_profiles(img, g, out);
	case DIFF_CLUSTERS:
		return add(out, img->cluster, h->clusters.count, sizeof(*img->cluster), 0);
	case DIFF_SERVERS:
		return of_clusters(img, out);
	case DIFF_RULES:
		return add(out, image_at(img, h->rules), h->rules.count, sizeof(struct image_rule), 0);
	case DIFF_SETTINGS:
	case DIFF_DOMAINS:
	case DIFF_GROUPS:
		break;
	}
	return true;
}

/* ---- names ---- */

/* Those of SNI stand in lines. */
static void certificate_name(const struct image *img, const struct diff_row *r, char out[static DIFF_NAME_MAX])
{
	const struct image_own *own = r->row;
	struct span profile = image_text(img, img->tls[r->parent].name), names = image_text(img, own->names), first;

	if (!span_cut(&names, '\n', &first) || first.len == 0)
		(void)snprintf(out, DIFF_NAME_MAX, "%.*s", SPAN_FMT(profile)); /* cut */
	else
		(void)snprintf(out, DIFF_NAME_MAX, "%.*s, for %.*s%s", SPAN_FMT(profile), SPAN_FMT(first), names.len ? " .." : ""); /* cut */
}

static void crl_name(const struct image *img, const struct diff_row *r, char out[static DIFF_NAME_MAX])
{
	const struct image_crl *crl = r->row;
	const uint8_t *k = crl->issuer.sha256;
	struct span profile = image_text(img, img->tls[r->parent].name);

	(void)snprintf(out, DIFF_NAME_MAX, "%.*s, of the CA with the key %02x%02x%02x%02x%02x%02x%02x%02x..", SPAN_FMT(profile), k[0], k[1],
	    k[2], k[3], k[4], k[5], k[6], k[7]); /* cut */
}

static struct span plain_name(const struct image *img, enum diff_group g, const void *row)
{
	if (g == DIFF_PROFILES)
		return image_text(img, ((const struct image_tls *)row)->name);
	return image_text(img, ((const struct image_cluster *)row)->name);
}

void diff_row_name(const struct image *img, enum diff_group g, const struct diff_row *r, char out[static DIFF_NAME_MAX])
{
	const struct image_listener *l = r->row;
	const struct image_server *s = r->row;

	out[0] = '\0';
	switch (g) {
	case DIFF_LISTENERS:
		(void)snprintf(out, DIFF_NAME_MAX, "%s %s %.*s:%u", config_sides[l->side], config_protocols[l->protocol],
		    SPAN_FMT(image_text(img, l->host)), l->port); /* cut */
		break;
	case DIFF_PROFILES:
	case DIFF_CLUSTERS:
		(void)snprintf(out, DIFF_NAME_MAX, "%.*s", SPAN_FMT(plain_name(img, g, r->row))); /* cut */
		break;
	case DIFF_CERTIFICATES:
		certificate_name(img, r, out);
		break;
	case DIFF_CRLS:
		crl_name(img, r, out);
		break;
	case DIFF_SERVERS:
		(void)snprintf(out, DIFF_NAME_MAX, "%.*s: %.*s", SPAN_FMT(image_text(img, img->cluster[r->parent].name)),
		    SPAN_FMT(image_text(img, s->id))); /* cut */
		break;
	case DIFF_RULES:
		(void)snprintf(out, DIFF_NAME_MAX, "%u", r->place + 1); /* fits */
		break;
	case DIFF_SETTINGS:
	case DIFF_DOMAINS:
	case DIFF_GROUPS:
		break;
	}
}

void diff_row_describe(const struct image *img, enum diff_group g, const struct diff_row *r, struct fields *f)
{
	switch (g) {
	case DIFF_LISTENERS:
		describe_listener(img, r->row, f);
		break;
	case DIFF_PROFILES:
		describe_tls(img, r->row, f);
		break;
	case DIFF_CERTIFICATES:
		pki_describe_certificate(image_text(img, ((const struct image_own *)r->row)->certificate), f);
		break;
	case DIFF_CRLS:
		pki_describe_crl(img, r->row, f);
		break;
	case DIFF_CLUSTERS:
		describe_cluster(img, r->row, f);
		break;
	case DIFF_SERVERS:
		describe_server(img, r->row, f);
		break;
	case DIFF_RULES:
		describe_rule(img, r->row, f);
		break;
	case DIFF_SETTINGS:
	case DIFF_DOMAINS:
	case DIFF_GROUPS:
		break;
	}
}
