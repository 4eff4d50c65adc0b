#include "common/policy/identity.h"

#include "common/policy/identity_uri.h"
#include "common/x509/judgement.h"

enum finding {
	FINDING_GOOD,
	FINDING_VIOLATION, /* not vouched for, or nothing that can be asserted */
	FINDING_BAD_LIST,  /* P-Asserted-Identity does not parse, or holds more than RFC 3325 9.1 allows */
};

/* A request is judged by From, a response by To: by who speaks. */
static const struct sip_uri *speaker(const struct sip_msg *msg)
{
	return msg->is_request ? &msg->from.uri : &msg->to.uri;
}

uint32_t identity_domain(const struct image *img, const struct peer_judgement *peer, const struct sip_msg *msg)
{
	char text[HOST_MAX];
	const struct sip_uri *uri = speaker(msg);
	struct span host;
	uint32_t best;
	size_t best_fit = 0;

	if (peer->domain_count == 0)
		return IMAGE_NONE;
	best = peer->domain[0];
	if (peer->domain_count == 1 || (uri->scheme != URI_SIP && uri->scheme != URI_SIPS))
		return best;
	host = span_of(text, host_canon(uri->host, text));
	if (peer->all_count) { /* there are more than are listed */
		best = image_find_domain(img, host);
		if (best != IMAGE_NONE && judgement_has(img, peer, best))
			return best;
		best = peer->domain[0];
	}
	for (uint32_t i = 0; host.len && i < peer->domain_count; i++) {
		const struct image_domain *d = &img->domain[peer->domain[i]];
		size_t fit = d->flags & DOMAIN_WILDCARD ? (size_t)d->name.count + 1 : SIZE_MAX;

		if (fit > best_fit && image_domain_covers(img, peer->domain[i], host)) {
			best = peer->domain[i];
			best_fit = fit;
		}
	}
	return best;
}

/* ---- what to assert ---- */

/* Judge one URI and write it. */
static enum finding take_uri(const struct image *img, uint32_t domain, const struct sip_uri *uri, struct put *o)
{
	return identity_uri_put(o, uri) && identity_uri_vouched(img, domain, uri) ? FINDING_GOOD : FINDING_VIOLATION;
}

/* The peer's own P-Asserted-Identity values, in one line or in several. */
struct asserted {
	struct sip_uri sip, tel;
	unsigned sips, tels, others;
};

static bool collect_asserted(const struct sip_msg *msg, struct asserted *a)
{
	int i = msg->first[HDR_P_ASSERTED_IDENTITY];

	for (; i >= 0; i = msg_next_header(msg, HDR_P_ASSERTED_IDENTITY, (size_t)i + 1)) {
		struct span rest = msg->header[i].value;

		while (rest.p) {
			struct name_addr one;

			if (!name_addr_parse(rest, &one, &rest))
				return false;
			if (one.uri.scheme == URI_TEL) {
				a->tel = one.uri;
				a->tels++;
			} else if (one.uri.scheme == URI_OTHER) {
				a->others++;
			} else {
				a->sip = one.uri;
				a->sips++;
			}
		}
	}
	return a->sips <= 1 && a->tels <= 1;
}

/* Every value must be vouched for; sip goes before tel. */
static enum finding take_asserted(const struct image *img, uint32_t domain, const struct sip_msg *msg, struct put *o)
{
	struct asserted a = { .sips = 0 };
	enum finding found = FINDING_GOOD;

	if (!collect_asserted(msg, &a))
		return FINDING_BAD_LIST;
	if (a.others)
		return FINDING_VIOLATION;
	if (a.sips)
		found = take_uri(img, domain, &a.sip, o);
	if (a.tels && found == FINDING_GOOD) {
		if (a.sips)
			put_span(o, SPAN(", "));
		found = take_uri(img, domain, &a.tel, o);
	}
	return found;
}

/* The operator's own word: nobody has to vouch for it. */
static enum finding take_fixed(const struct image *img, const struct image_identity *row, struct put *o)
{
	put_char(o, '<');
	put_span(o, image_text(img, row->fixed));
	put_char(o, '>');
	return o->full ? FINDING_VIOLATION : FINDING_GOOD;
}

static enum finding take_identity(const struct image *img, uint32_t domain, const struct sip_msg *msg, struct put *o,
    bool *asserted)
{
	const struct image_identity *row = &img->identity[image_policy_of(img, domain)->identity];

	*asserted = row->source == SOURCE_ASSERTED && msg->first[HDR_P_ASSERTED_IDENTITY] >= 0;
	if (*asserted)
		return take_asserted(img, domain, msg, o);
	if (row->source == SOURCE_FIXED)
		return take_fixed(img, row, o);
	return take_uri(img, domain, speaker(msg), o);
}

/* ---- when ---- */

/* A response belongs to the method of its CSeq. */
static enum method method_of(const struct sip_msg *msg)
{
	return msg->is_request ? msg->method_id : method_lookup(msg->cseq.method);
}

/* RFC 5876 3 and the table of RFC 3325 9.1. */
static bool asserts_on(const struct image_identity *row, const struct sip_msg *msg)
{
	enum method m = row->assert_on == ASSERT_ALL ? METHOD_OTHER : method_of(msg);

	if (m == METHOD_ACK || m == METHOD_CANCEL)
		return false;
	if (row->assert_on != ASSERT_RFC3325)
		return true;
	return m != METHOD_REGISTER && m != METHOD_INFO && m != METHOD_UPDATE && m != METHOD_PRACK;
}

/* Calls must be able to end: what belongs to one passes, without an assertion (contract section 5). */
static enum refusal refuse(const struct image_identity *row, const struct sip_msg *msg, bool has_token,
    enum finding found)
{
	if (!msg->is_request || has_token || msg->method_id == METHOD_ACK || msg->method_id == METHOD_CANCEL)
		return REFUSAL_NONE;
	if (found == FINDING_BAD_LIST)
		return REFUSAL_ASSERTED_LIST;
	return row->on_violation == VIOLATION_REJECT ? REFUSAL_IDENTITY : REFUSAL_NONE;
}

void identity_decide(const struct image *img, const struct peer_judgement *peer, const struct sip_msg *msg,
    bool has_token, struct identity *out)
{
	struct put o = put_into(out->value, sizeof(out->value));
	const struct image_identity *row;
	enum finding found;
	bool asserted;

	out->domain = identity_domain(img, peer, msg);
	out->refusal = REFUSAL_NONE;
	out->violation = false;
	out->remove_privacy = false;
	out->header = SPAN_NONE;
	out->value_len = 0;
	out->asserted_len = 0;
	if (out->domain == IMAGE_NONE)
		return;
	row = &img->identity[image_policy_of(img, out->domain)->identity];
	found = take_identity(img, out->domain, msg, &o, &asserted);
	if (found != FINDING_GOOD) {
		out->violation = true;
		out->refusal = refuse(row, msg, has_token, found);
		return;
	}
	if (!asserts_on(row, msg))
		return;
	out->header = image_text(img, row->header);
	out->value_len = put_done(&o).len;
	/* Where the header to write is P-Asserted-Identity itself, one line says both. */
	if (asserted && !span_ieq(out->header, hdr_name(HDR_P_ASSERTED_IDENTITY)))
		out->asserted_len = out->value_len;
}
