#include "worker/auth.h"

#include "common/auth/digest.h"
#include "common/auth/params.h"
#include "common/auth/users.h"
#include "common/policy/identity_uri.h"
#include "worker/hop.h"

#define ANSWERS_MAX 4 /* of our realm in one request: one for each algorithm, and one that is of no use */

/* Time of nonces: the same in all workers, and never back; s from 1. */
static uint32_t nonce_now(const struct worker *w)
{
	return (uint32_t)(w->now / 1000000000) + 1;
}

static struct nonce_bond bond_of(const struct worker *w, const struct conn *c, const struct image_auth *row)
{
	const struct listener *l = hop_listener(w, c);
	struct nonce_bond b = { .realm = image_text(w->img, row->realm), .listener = l ? l->id : 0 };

	memcpy(b.addr, c->addr, sizeof(b.addr));
	return b;
}

/* ---- what is asked for ---- */

/* The entry that From names, if it asks for authentication. */
static uint32_t domain_auth(const struct worker *w, const struct sip_msg *msg)
{
	const struct sip_uri *uri = &msg->from.uri;
	char text[HOST_MAX];
	uint32_t d;

	if (uri->scheme != URI_SIP && uri->scheme != URI_SIPS)
		return IMAGE_NONE;
	d = image_find_domain(w->img, span_of(text, host_canon(uri->host, text)));
	return d == IMAGE_NONE || !image_domain_usable(w->img, d) ? IMAGE_NONE : image_policy_of(w->img, d)->auth;
}

/* REFUSAL_NONE and *row NULL: nothing. */
static enum refusal asked(const struct worker *w, const struct conn *c, const struct sip_msg *msg, const struct image_auth **row)
{
	const struct listener *l = hop_listener(w, c);
	uint32_t index = domain_auth(w, msg);

	*row = NULL;
	if (index == IMAGE_NONE && l && l->row.auth != IMAGE_NONE) {
		if (l->index == IMAGE_NONE) /* a reload took the listener away, and its users with it */
			return REFUSAL_DRAINING;
		index = l->row.auth;
	}
	if (index == IMAGE_NONE)
		return REFUSAL_NONE;
	*row = &w->img->auth[index];
	return c->tls || (*row)->allow_cleartext ? REFUSAL_NONE : REFUSAL_AUTH_CLEARTEXT;
}

/* RFC 3261 22.3, RFC 8760 2.4: one line for each algorithm, the best first, with one nonce. */
static enum refusal challenge(struct worker *w, const struct conn *c, const struct image_auth *row, bool stale, struct put *o)
{
	struct nonce_bond bond = bond_of(w, c, row);
	uint64_t unique[2] = { w->h->incarnation, ++w->nonces_made };
	char nonce[NONCE_LEN];

	nonce_write(&w->nonce_key, &bond, nonce_now(w), siphash(&w->nonce_key, unique, sizeof(unique)), nonce);
	for (unsigned a = 0; a < AUTH_ALGORITHMS; a++) {
		if (!(row->algorithms & 1u << a))
			continue;
		put_span(o, SPAN("Proxy-Authenticate: Digest realm=\""));
		put_span(o, bond.realm);
		put_span(o, SPAN("\", nonce=\""));
		put_span(o, span_of(nonce, sizeof(nonce)));
		put_span(o, SPAN("\", algorithm="));
		put_span(o, auth_algorithm_name((enum auth_algorithm)a));
		put_span(o, stale ? SPAN(", qop=\"auth\", stale=true\r\n") : SPAN(", qop=\"auth\"\r\n"));
	}
	counter_add(&w->counters->auth_challenged, 1);
	return REFUSAL_AUTH_REQUIRED;
}

/* ---- what came ---- */

enum answer { ANSWER_NONE, ANSWER_WRONG, ANSWER_STALE, ANSWER_RIGHT };

static bool same_uri(const struct sip_uri *a, const struct sip_uri *b)
{
	char x[HOST_MAX], y[HOST_MAX];

	if (a->scheme != b->scheme || a->scheme == URI_OTHER)
		return false;
	if (a->scheme == URI_TEL)
		return span_eq(a->user, b->user) && span_ieq(a->params, b->params);
	return span_eq(a->user, b->user) && span_eq(a->password, b->password) && a->port == b->port &&
	    span_ieq(a->params, b->params) && span_eq(a->headers, b->headers) &&
	    span_eq(span_of(x, host_canon(a->host, x)), span_of(y, host_canon(b->host, y)));
}

/* RFC 7616 3.4.6: the URI that was hashed is the one that is asked for. */
static bool meant(const struct sip_msg *msg, struct span text)
{
	struct sip_uri uri;

	return span_eq(text, msg->request_uri_text) || (uri_parse(text, &uri) && same_uri(&uri, &msg->request_uri));
}

/* Right, whoever it is; an unknown user takes the same work as a wrong password. */
static bool proves(const struct sip_msg *msg, const struct image_auth *row, const struct auth_params *p,
    const struct auth_user *user)
{
	static const char nobody[AUTH_HEX_MAX] = "0";
	struct auth_digest d = { .algorithm = auth_algorithm_find(p->algorithm), .nonce = p->nonce, .nc = p->nc_text,
		.cnonce = p->cnonce, .method = msg->method, .uri = p->uri };
	char hex[AUTH_HEX_MAX];
	bool known, right;

	if (d.algorithm == AUTH_ALGORITHMS || !(row->algorithms & 1u << d.algorithm))
		return false;
	known = user && user->ha1[d.algorithm].len;
	d.ha1 = known ? user->ha1[d.algorithm] : span_of(nobody, auth_digest_size(d.algorithm) * 2);
	right = auth_digest_same(span_of(hex, auth_digest_response(&d, hex)), p->response);
	return right && known;
}

static enum answer judge(struct worker *w, const struct conn *c, const struct sip_msg *msg, const struct image_auth *row,
    const struct auth_params *p, const struct auth_user **user, uint32_t *made)
{
	struct nonce_bond bond = bond_of(w, c, row);
	enum nonce_status nonce = nonce_read(&w->nonce_key, &bond, nonce_now(w), row->nonce_lifetime, p->nonce, made);

	if (nonce == NONCE_FOREIGN || !meant(msg, p->uri))
		return ANSWER_WRONG;
	*user = auth_users_find(w->users, (uint32_t)(row - w->img->auth), span_of(p->username, p->username_len));
	if (!proves(msg, row, p, *user))
		return ANSWER_WRONG;
	return nonce == NONCE_OLD ? ANSWER_STALE : ANSWER_RIGHT;
}

/* The best of the request's answers to our challenge; those of other realms are not ours to judge. */
static enum answer find_answer(struct worker *w, const struct conn *c, const struct sip_msg *msg, const struct image_auth *row,
    struct nonces_use *use, const struct auth_user **user)
{
	enum answer best = ANSWER_NONE, one;
	const struct auth_user *who = NULL;
	struct auth_params p;
	unsigned ours = 0;
	uint32_t made = 0;
	int i = msg->first[HDR_PROXY_AUTHORIZATION];

	for (; i >= 0; i = msg_next_header(msg, HDR_PROXY_AUTHORIZATION, (size_t)i + 1)) {
		enum auth_params_status st = auth_params_parse(msg->header[i].value, image_text(w->img, row->realm), &p);

		if (st == AUTH_PARAMS_FOREIGN)
			continue;
		if (st == AUTH_PARAMS_BAD || ++ours > ANSWERS_MAX)
			return ANSWER_WRONG;
		one = judge(w, c, msg, row, &p, &who, &made);
		if (one <= best)
			continue;
		best = one;
		*user = who;
		*use = (struct nonces_use){ .nonce = p.nonce, .made = made, .count = p.nc };
	}
	return best;
}

/* Who has proved to be this user may say so in From, and nothing else but what the users file lists. */
static enum refusal vouch(struct worker *w, const struct sip_msg *msg, const struct auth_user *user, struct identity *id)
{
	struct put o = put_into(id->value, sizeof(id->value));

	if (!identity_uri_put(&o, &msg->from.uri) || o.full || !auth_user_may(user, put_done(&o)))
		return REFUSAL_AUTH_FROM;
	o = put_into(id->value, sizeof(id->value));
	put_span(&o, user->uri);
	id->value_len = put_done(&o).len;
	if (id->value_len)
		id->header = image_text(w->img, w->img->identity[w->img->h->identity].header);
	return REFUSAL_NONE;
}

enum refusal auth_check(struct worker *w, struct conn *c, const struct sip_msg *msg, struct identity *identity, struct auth *out,
    struct put *lines)
{
	const struct auth_user *user = NULL;
	const struct image_auth *row;
	enum answer answer;
	enum refusal r;

	*out = (struct auth){ 0 };
	if (identity->domain != IMAGE_NONE || msg->method_id == METHOD_ACK || msg->method_id == METHOD_CANCEL)
		return REFUSAL_NONE;
	r = asked(w, c, msg, &row);
	if (r != REFUSAL_NONE || !row)
		return r;
	answer = find_answer(w, c, msg, row, &out->use, &user);
	if (answer == ANSWER_WRONG)
		counter_add(&w->counters->auth_failed, 1);
	if (answer != ANSWER_RIGHT)
		return challenge(w, c, row, answer == ANSWER_STALE, lines);
	r = vouch(w, msg, user, identity);
	if (r != REFUSAL_NONE) {
		counter_add(&w->counters->auth_failed, 1);
		return r;
	}
	out->row = row;
	out->realm = image_text(w->img, row->realm);
	return REFUSAL_NONE;
}

enum refusal auth_take(struct worker *w, struct conn *c, const struct auth *auth, struct span raw, struct put *lines)
{
	struct nonces_use use = auth->use;

	if (!auth->row)
		return REFUSAL_NONE;
	if (c->datagram)
		use.message = raw;
	if (!nonces_take(w->h->nonces, w->h->nonces_size, &w->nonce_key, &use))
		return challenge(w, c, auth->row, true, lines);
	counter_add(&w->counters->auth_passed, 1);
	return REFUSAL_NONE;
}

void auth_use(struct worker *w, struct auth_users *users)
{
	auth_users_free(w->users);
	w->users = users;
	w->nonce_key = nonce_key(&w->keys.branch);
}
