#include "common/policy/rules.h"

#include "common/policy/pattern.h"

/* What is asked, and what of it has been made ready for comparing. */
struct question {
	const struct image *img;
	const struct rules_ask *ask;
	struct pattern_uri to, from, request_uri;
};

static bool in_places(const struct image *img, struct image_section places, const uint8_t *addr, uint16_t port)
{
	const struct image_place *p = image_at(img, places);

	for (uint64_t i = 0; i < places.count; i++)
		if (image_cidr_covers(&p[i].net, addr) && (p[i].port == 0 || p[i].port == port))
			return true;
	return false;
}

static bool is_one_of(const struct image *img, struct image_section texts, struct span text)
{
	const struct image_str *s = image_at(img, texts);

	for (uint64_t i = 0; i < texts.count; i++)
		if (span_eq(image_text(img, s[i]), text))
			return true;
	return false;
}

static bool fits_uri(const struct image *img, struct image_section patterns, const struct sip_uri *uri, struct pattern_uri *ready)
{
	const struct image_str *s = image_at(img, patterns);

	if (ready->count == 0)
		pattern_uri_of(uri, ready);
	for (uint64_t i = 0; i < patterns.count; i++)
		if (pattern_matches_uri(image_text(img, s[i]), ready))
			return true;
	return false;
}

/* Any header of that name, with any of the values. */
static bool fits_header(const struct image *img, const struct image_condition *c, const struct sip_msg *msg)
{
	const struct image_str *s = image_at(img, c->values);
	struct span name = image_text(img, c->name), compact = span_of(&c->compact, c->compact != 0);

	for (size_t i = 0; i < msg->header_count; i++) {
		const struct msg_header *h = &msg->header[i];

		if (!span_ieq(h->name, name) && (compact.len == 0 || !span_ieq(h->name, compact)))
			continue;
		for (uint64_t j = 0; j < c->values.count; j++)
			if (pattern_matches_text(image_text(img, s[j]), h->value))
				return true;
	}
	return false;
}

static bool fits_domain(const struct image *img, struct image_section values, uint32_t domain)
{
	const struct image_str *s = image_at(img, values);
	struct span entry = domain == IMAGE_NONE ? SPAN("") : image_domain_name(img, domain);
	bool wild = domain != IMAGE_NONE && img->domain[domain].flags & DOMAIN_WILDCARD;

	for (uint64_t i = 0; i < values.count; i++) {
		struct span value = image_text(img, s[i]);

		if (value.len == 0 || value.p[0] != '.') {
			if (!wild && span_eq(value, entry))
				return true;
		} else if (entry.len > value.len ? span_iends(entry, value) : wild && span_eq(span_from(value, 1), entry)) {
			return true;
		}
	}
	return false;
}

/* ACK and CANCEL go where their INVITE went. */
static struct span method_of(const struct sip_msg *msg)
{
	return msg->method_id == METHOD_ACK || msg->method_id == METHOD_CANCEL ? SPAN("INVITE") : msg->method;
}

static bool fits(struct question *q, const struct image_condition *c)
{
	const struct rules_ask *ask = q->ask;

	switch ((enum image_rule_field)c->field) {
	case RULE_METHOD:
		return is_one_of(q->img, c->values, method_of(ask->msg));
	case RULE_TO:
		return fits_uri(q->img, c->values, &ask->msg->to.uri, &q->to);
	case RULE_FROM:
		return fits_uri(q->img, c->values, &ask->msg->from.uri, &q->from);
	case RULE_REQUEST_URI:
		return fits_uri(q->img, c->values, &ask->msg->request_uri, &q->request_uri);
	case RULE_SOURCE:
		return in_places(q->img, c->values, ask->source, 0);
	case RULE_DESTINATION:
		return in_places(q->img, c->values, ask->local, ask->local_port);
	case RULE_HEADER:
		return fits_header(q->img, c, ask->msg);
	case RULE_DOMAIN:
		return fits_domain(q->img, c->values, ask->domain);
	case RULE_DN:
		return ask->domain != IMAGE_NONE && is_one_of(q->img, c->values, ask->dn);
	case RULE_FIELD_COUNT:
		break;
	}
	return false;
}

static bool fits_all(struct question *q, const struct image_rule *rule)
{
	const struct image_condition *c = image_at(q->img, rule->conditions);

	for (uint64_t i = 0; i < rule->conditions.count; i++)
		if (!fits(q, &c[i]))
			return false;
	return true;
}

void rules_choose(const struct image *img, const struct rules_ask *ask, struct rules_choice *out)
{
	const struct image_rule *rule = image_at(img, img->h->rules);
	struct question q;

	*out = (struct rules_choice){ .cluster = img->h->default_cluster, .rule = IMAGE_NONE };
	if (img->h->rules.count == 0)
		return;
	q.img = img;
	q.ask = ask;
	q.to.count = q.from.count = q.request_uri.count = 0;
	for (uint64_t i = 0; i < img->h->rules.count; i++)
		if (fits_all(&q, &rule[i])) {
			*out = (struct rules_choice){ rule[i].cluster, rule[i].status, rule[i].order };
			return;
		}
}
