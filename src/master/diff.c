#include "master/diff.h"

#include <stdlib.h>
#include <string.h>

#include "master/diff_describe.h"
#include "master/diff_rows.h"
#include "master/restart_only.h"

enum kind { ADDED, REMOVED, CHANGED, KINDS };

static const char *const kind_names[KINDS] = { "added", "removed", "changed" };
static const char kind_marks[KINDS] = { '+', '-', '~' };

#define WHAT_MAX 1024

struct change {
	char *name, *what; /* `what` NULL: nothing to add */
};

struct group {
	uint64_t count[KINDS];
	size_t kept[KINDS];
	struct change change[KINDS][DIFF_KEPT];
};

struct diff {
	const struct image *before, *now;
	struct group group[DIFF_GROUPS];
	const char *restart[RESTART_ONLY_MAX];
	size_t restart_count;
	bool failed; /* out of memory */
	struct fields a, b; /* of the rows that are being compared */
	uint32_t *same_policy; /* of each policy before: one of now that is known to say the same */
};

/* ---- what is found ---- */

static void note(struct diff *d, enum diff_group g, enum kind k, const char *name, const char *what)
{
	struct group *group = &d->group[g];
	struct change *c;

	if (group->count[k]++ >= DIFF_KEPT)
		return;
	c = &group->change[k][group->kept[k]++];
	c->name = strdup(name);
	c->what = what ? strdup(what) : NULL;
	d->failed = d->failed || !c->name || (what && !c->what);
}

/* d->a and d->b have been filled. */
static void compare(struct diff *d, enum diff_group g, const char *name)
{
	char what[WHAT_MAX] = "";
	size_t len = 0;

	for (size_t i = 0; i < d->a.count; i++) {
		if (fields_same(&d->a, &d->b, i))
			continue;
		if (len && len + 3 < sizeof(what)) {
			memcpy(what + len, "; ", 3);
			len += 2;
		}
		len += fields_print(&d->a, &d->b, i, what + len, sizeof(what) - len);
	}
	if (len)
		note(d, g, CHANGED, name, what);
}

static void compare_settings(struct diff *d)
{
	char what[WHAT_MAX];

	d->a.count = d->b.count = 0;
	describe_settings(d->before, &d->a);
	describe_settings(d->now, &d->b);
	for (size_t i = 0; i < d->a.count; i++) {
		if (fields_same(&d->a, &d->b, i))
			continue;
		(void)fields_print(&d->a, &d->b, i, what, sizeof(what)); /* cut */
		note(d, DIFF_SETTINGS, CHANGED, what, NULL);
	}
}

/* ---- lists ---- */

/* One of that name that has not been found yet, at best at the same place; rows.count: none. */
static size_t find(const struct image *img, enum diff_group g, const struct diff_rows *rows, const bool *used, size_t hint,
    const char *name)
{
	char other[DIFF_NAME_MAX];

	for (size_t i = 0; i < rows->count; i++) {
		size_t at = (hint + i) % rows->count;

		if (used[at])
			continue;
		diff_row_name(img, g, &rows->row[at], other);
		if (strcmp(name, other) == 0)
			return at;
	}
	return rows->count;
}

static void compare_rows(struct diff *d, enum diff_group g, const struct diff_rows *before, const struct diff_rows *now, bool *used)
{
	char name[DIFF_NAME_MAX];

	for (size_t i = 0; i < now->count; i++) {
		size_t at;

		diff_row_name(d->now, g, &now->row[i], name);
		at = find(d->before, g, before, used, i, name);
		if (at == before->count) {
			note(d, g, ADDED, name, NULL);
			continue;
		}
		used[at] = true;
		d->a.count = d->b.count = 0;
		diff_row_describe(d->before, g, &before->row[at], &d->a);
		diff_row_describe(d->now, g, &now->row[i], &d->b);
		compare(d, g, name);
	}
	for (size_t i = 0; i < before->count; i++) {
		if (used[i])
			continue;
		diff_row_name(d->before, g, &before->row[i], name);
		note(d, g, REMOVED, name, NULL);
	}
}

static void compare_lists(struct diff *d, enum diff_group g)
{
	struct diff_rows before, now = { 0 };
	bool ok = diff_rows_all(d->before, g, &before) && diff_rows_all(d->now, g, &now);
	bool *used = ok ? calloc(before.count + 1, sizeof(*used)) : NULL;

	if (used)
		compare_rows(d, g, &before, &now, used);
	else
		d->failed = true;
	free(used);
	free(before.row);
	free(now.row);
}

/* ---- domains ---- */

static bool is_wildcard(const struct image *img, uint32_t domain)
{
	return img->domain[domain].flags & DOMAIN_WILDCARD;
}

static void domain_name(const struct image *img, uint32_t domain, char out[static DIFF_NAME_MAX])
{
	(void)snprintf(out, DIFF_NAME_MAX, "%s%.*s", is_wildcard(img, domain) ? "*." : "", SPAN_FMT(image_domain_name(img, domain))); /* fits */
}

/* The entry of that name; most often it stands behind the one that was found before. */
static uint32_t find_domain(const struct image *from, uint32_t domain, const struct image *in, uint32_t *next)
{
	char name[DIFF_NAME_MAX];
	uint32_t at = *next;

	if (at >= in->h->domains.count || is_wildcard(in, at) != is_wildcard(from, domain) ||
	    !span_eq(image_domain_name(in, at), image_domain_name(from, domain))) {
		domain_name(from, domain, name);
		at = image_find_entry(in, span_str(name));
	}
	if (at != IMAGE_NONE)
		*next = at + 1;
	return at;
}

static bool same_policy(struct diff *d, uint32_t before, uint32_t now)
{
	if (d->same_policy[before] == now)
		return true;
	d->a.count = d->b.count = 0;
	describe_policy(d->before, &d->before->policy[before], &d->a);
	describe_policy(d->now, &d->now->policy[now], &d->b);
	if (!fields_all_same(&d->a, &d->b))
		return false;
	d->same_policy[before] = now;
	return true;
}

static bool same_hosts(const struct image *a, struct image_ref x, const struct image *b, struct image_ref y)
{
	const struct image_target *t = image_unit(a, x.at), *u = image_unit(b, y.at);

	if (x.count != y.count)
		return false;
	for (uint32_t i = 0; i < x.count; i++)
		if (t[i].port != u[i].port || !span_eq(image_ref_text(a, t[i].host), image_ref_text(b, u[i].host)))
			return false;
	return true;
}

static bool same_dns(const struct image *a, const struct image_domain *x, const struct image *b, const struct image_domain *y)
{
	if (x->dns.count != y->dns.count)
		return false;
	for (uint32_t i = 0; i < x->dns.count; i++)
		if (!span_eq(image_domain_dn(a, x, i), image_domain_dn(b, y, i)))
			return false;
	return true;
}

/* Nearly all of a million are the same: that is seen without describing them. */
static void compare_domain(struct diff *d, uint32_t before, uint32_t now)
{
	const struct image_domain *x = &d->before->domain[before], *y = &d->now->domain[now];
	char name[DIFF_NAME_MAX];

	if (x->flags == y->flags && same_hosts(d->before, x->hosts, d->now, y->hosts) && same_dns(d->before, x, d->now, y) &&
	    same_policy(d, x->policy, y->policy))
		return;
	d->a.count = d->b.count = 0;
	describe_entry(d->before, x, &d->a);
	describe_entry(d->now, y, &d->b);
	describe_policy(d->before, &d->before->policy[x->policy], &d->a);
	describe_policy(d->now, &d->now->policy[y->policy], &d->b);
	domain_name(d->now, now, name);
	compare(d, DIFF_DOMAINS, name);
}

static void removed_domains(struct diff *d)
{
	uint32_t next = 0;
	char name[DIFF_NAME_MAX];

	for (uint32_t i = 0; i < d->before->h->domains.count; i++) {
		if (find_domain(d->before, i, d->now, &next) != IMAGE_NONE)
			continue;
		domain_name(d->before, i, name);
		note(d, DIFF_DOMAINS, REMOVED, name, NULL);
	}
}

static void compare_domains(struct diff *d)
{
	uint64_t found = 0, policies = d->before->h->policies.count;
	uint32_t next = 0;
	char name[DIFF_NAME_MAX];

	d->same_policy = malloc((policies + 1) * sizeof(*d->same_policy));
	if (!d->same_policy) {
		d->failed = true;
		return;
	}
	memset(d->same_policy, 0xff, policies * sizeof(*d->same_policy)); /* IMAGE_NONE */
	for (uint32_t i = 0; i < d->now->h->domains.count; i++) {
		uint32_t at = find_domain(d->now, i, d->before, &next);

		if (at != IMAGE_NONE) {
			found++;
			compare_domain(d, at, i);
			continue;
		}
		domain_name(d->now, i, name);
		note(d, DIFF_DOMAINS, ADDED, name, NULL);
	}
	if (found < d->before->h->domains.count)
		removed_domains(d);
}

/* ---- the whole ---- */

struct diff *diff_new(const struct image *before, const struct image *now)
{
	struct diff *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->before = before;
	d->now = now;
	d->restart_count = restart_only_differs(before, now, d->restart);
	compare_settings(d);
	for (enum diff_group g = DIFF_SETTINGS + 1; g < DIFF_DOMAINS; g++)
		compare_lists(d, g);
	compare_domains(d);
	if (!d->failed)
		return d;
	diff_free(d);
	return NULL;
}

void diff_free(struct diff *d)
{
	if (!d)
		return;
	for (enum diff_group g = 0; g < DIFF_GROUPS; g++)
		for (enum kind k = 0; k < KINDS; k++)
			for (size_t i = 0; i < d->group[g].kept[k]; i++) {
				free(d->group[g].change[k][i].name);
				free(d->group[g].change[k][i].what);
			}
	free(d->same_policy);
	free(d);
}

/* ---- telling ---- */

static uint64_t group_count(const struct group *g)
{
	return g->count[ADDED] + g->count[REMOVED] + g->count[CHANGED];
}

uint64_t diff_count(const struct diff *d)
{
	uint64_t n = d->restart_count;

	for (enum diff_group g = 0; g < DIFF_GROUPS; g++)
		n += group_count(&d->group[g]);
	return n;
}

/* "domains: 1 added, 2 changed" */
static void print_counts(FILE *out, const struct diff *d, enum diff_group g)
{
	const char *between = ": ";

	(void)fputs(diff_group_name(g), out); /* whoever closes `out` hears of a failure, here and below */
	for (enum kind k = 0; k < KINDS; k++)
		if (d->group[g].count[k]) {
			(void)fprintf(out, "%s%llu %s", between, (unsigned long long)d->group[g].count[k], kind_names[k]); /* as above */
			between = ", ";
		}
}

static void print_group(FILE *out, const struct diff *d, enum diff_group g)
{
	const struct group *group = &d->group[g];

	print_counts(out, d, g);
	(void)fputc('\n', out); /* as above */
	for (enum kind k = 0; k < KINDS; k++) {
		for (size_t i = 0; i < group->kept[k]; i++) {
			const struct change *c = &group->change[k][i];

			(void)fprintf(out, "  %c %s%s%s\n", kind_marks[k], c->name, c->what ? ": " : "", c->what ? c->what : ""); /* as above */
		}
		if (group->count[k] > group->kept[k])
			(void)fprintf(out, "  %c ... and %llu more\n", kind_marks[k],
			    (unsigned long long)(group->count[k] - group->kept[k])); /* as above */
	}
}

void diff_print(const struct diff *d, FILE *out)
{
	for (enum diff_group g = 0; g < DIFF_GROUPS; g++)
		if (group_count(&d->group[g]))
			print_group(out, d, g);
	for (size_t i = 0; i < d->restart_count; i++)
		(void)fprintf(out, "needs a restart: %s; a reload would be refused\n", d->restart[i]); /* as above */
	if (diff_count(d) == 0)
		(void)fputs("nothing would change\n", out); /* as above */
}

void diff_summary(const struct diff *d, char *out, size_t cap)
{
	FILE *f = fmemopen(out, cap, "w");
	bool any = false;

	out[0] = '\0';
	if (!f)
		return;
	for (enum diff_group g = 0; g < DIFF_GROUPS; g++) {
		if (!group_count(&d->group[g]))
			continue;
		if (any)
			(void)fputs("; ", f); /* cut */
		print_counts(f, d, g);
		any = true;
	}
	if (!any)
		(void)fputs("nothing that can be seen has changed", f); /* cut */
	(void)fclose(f); /* what did not fit is cut */
	out[cap - 1] = '\0';
}

static json_t *list_json(const struct group *group)
{
	json_t *list = json_array();

	for (enum kind k = 0; k < KINDS; k++)
		for (size_t i = 0; i < group->kept[k]; i++) {
			const struct change *c = &group->change[k][i];
			json_t *row = json_pack("{s:s, s:o*}", "change", kind_names[k], "name", json_string(c->name));

			if (row && c->what)
				(void)json_object_set_new(row, "what", json_string(c->what)); /* what is not UTF-8 is not told */
			if (json_array_append_new(list, row) != 0)
				break;
		}
	return list;
}

json_t *diff_json(const struct diff *d)
{
	json_t *out = json_pack("{s:I}", "changes", (json_int_t)diff_count(d)), *restart = json_array();
	bool ok = out && restart;

	for (enum diff_group g = 0; g < DIFF_GROUPS && ok; g++) {
		const struct group *group = &d->group[g];

		ok = json_object_set_new(out, diff_group_name(g), json_pack("{s:I, s:I, s:I, s:o}", "added", (json_int_t)group->count[ADDED],
			 "removed", (json_int_t)group->count[REMOVED], "changed", (json_int_t)group->count[CHANGED], "list", list_json(group))) == 0;
	}
	for (size_t i = 0; i < d->restart_count && ok; i++)
		ok = json_array_append_new(restart, json_string(d->restart[i])) == 0;
	ok = ok && json_object_set(out, "needs_restart", restart) == 0;
	json_decref(restart);
	if (ok)
		return out;
	json_decref(out);
	return NULL;
}
