#include "resolver/dns.h"

#include <ares.h>
#include <string.h>
#include <strings.h>

#define HEADER 12
#define CLASS_IN 1
#define LOOK_AT_MAX 256 /* records of one message: a longer one is somebody's attempt to keep us busy */
#define CHAIN_MAX 8	/* CNAMEs, one behind the other */

/* A message that is read from front to back; once it is damaged it gives nothing more. */
struct reader {
	const uint8_t *msg;
	size_t len, at;
	bool bad;
};

struct rr {
	char name[DNS_NAME_MAX];
	unsigned type, class;
	uint32_t ttl;
	size_t at, end; /* of its data */
};

static unsigned get_16(struct reader *r)
{
	unsigned v;

	if (r->bad || r->len - r->at < 2) {
		r->bad = true;
		return 0;
	}
	v = (unsigned)r->msg[r->at] << 8 | r->msg[r->at + 1];
	r->at += 2;
	return v;
}

static uint32_t get_32(struct reader *r)
{
	uint32_t high = get_16(r);

	return high << 16 | get_16(r);
}

static void skip(struct reader *r, size_t n)
{
	if (r->bad || r->len - r->at < n)
		r->bad = true;
	else
		r->at += n;
}

/* c-ares writes odd bytes as escapes, so a long one may not fit: then "\", which is nobody's name. */
static void get_name(struct reader *r, char out[static DNS_NAME_MAX])
{
	char *text = NULL;
	long used = 0;

	out[0] = '\0';
	if (r->bad || r->at >= r->len ||
	    ares_expand_name(r->msg + r->at, r->msg, (int)r->len, &text, &used) != ARES_SUCCESS) {
		r->bad = true;
		return;
	}
	skip(r, (size_t)used);
	if (strlen(text) < DNS_NAME_MAX)
		memcpy(out, text, strlen(text) + 1);
	else
		memcpy(out, "\\", 2);
	ares_free_string(text);
}

/* <character-string> (RFC 1035 3.3); one that does not fit, or has a NUL, becomes "". */
static void get_text(struct reader *r, char *out, size_t size)
{
	const uint8_t *from;
	size_t n;

	out[0] = '\0';
	if (r->bad || r->at >= r->len) {
		r->bad = true;
		return;
	}
	n = r->msg[r->at];
	from = r->msg + r->at + 1;
	skip(r, n + 1);
	if (r->bad || n >= size || memchr(from, 0, n))
		return;
	memcpy(out, from, n);
	out[n] = '\0';
}

static void get_rr(struct reader *r, struct rr *out)
{
	get_name(r, out->name);
	out->type = get_16(r);
	out->class = get_16(r);
	out->ttl = get_32(r);
	out->end = get_16(r);
	out->at = r->at;
	skip(r, out->end);
	out->end += out->at;
	if (out->ttl > INT32_MAX)
		out->ttl = 0; /* RFC 2181 8 */
}

/* Behind the question, of which there must be one; the counts of the sections. */
static struct reader begin(const uint8_t *msg, size_t len, unsigned count[static 4])
{
	struct reader r = { .msg = msg, .len = len, .bad = len < HEADER || len > 65535 };
	char name[DNS_NAME_MAX];

	skip(&r, 4);
	for (size_t i = 0; i < 4; i++)
		count[i] = get_16(&r);
	r.bad = r.bad || count[0] != 1;
	get_name(&r, name);
	skip(&r, 4);
	return r;
}

/* ---- data of the types ---- */

static void read_srv(struct reader *r, struct dns_srv *out)
{
	out->priority = (uint16_t)get_16(r);
	out->weight = (uint16_t)get_16(r);
	out->port = (uint16_t)get_16(r);
	get_name(r, out->target);
}

static void read_naptr(struct reader *r, struct dns_naptr *out)
{
	size_t before;

	out->order = (uint16_t)get_16(r);
	out->preference = (uint16_t)get_16(r);
	get_text(r, out->flags, sizeof(out->flags));
	get_text(r, out->service, sizeof(out->service));
	before = r->at;
	get_text(r, out->replacement, sizeof(out->replacement)); /* only to step over it */
	out->regexp = r->at != before + 1;
	get_name(r, out->replacement);
}

static void read_address(struct reader *r, const struct rr *rr, uint8_t addr[static 16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	size_t n = rr->type == DNS_A ? 4 : 16;

	if (rr->end - rr->at != n) {
		r->bad = true;
		return;
	}
	memcpy(addr, mapped, 16 - n);
	memcpy(addr + 16 - n, r->msg + rr->at, n);
	r->at = rr->end;
}

/* The data must fill its length exactly. */
static bool read_data(const struct reader *whole, const struct rr *rr, struct dns_record *out)
{
	struct reader r = { .msg = whole->msg, .len = whole->len, .at = rr->at };

	memset(out, 0, sizeof(*out));
	switch (rr->type) {
	case DNS_SRV:
		read_srv(&r, &out->srv);
		break;
	case DNS_NAPTR:
		read_naptr(&r, &out->naptr);
		break;
	case DNS_CNAME:
		get_name(&r, out->srv.target);
		break;
	default:
		read_address(&r, rr, out->addr);
		break;
	}
	return !r.bad && r.at == rr->end;
}

/* ---- the answer section ---- */

enum pass { PASS_NOTHING, PASS_FOUND, PASS_CNAME, PASS_DAMAGED };

/* Records of `type` under `name`; else the CNAME under it, to which `name` becomes. */
static enum pass read_pass(struct reader r, unsigned count, char name[static DNS_NAME_MAX], enum dns_type type,
    struct dns_answer *out)
{
	struct dns_record alias = { 0 };
	uint32_t alias_ttl = 0;
	bool found_alias = false;
	struct rr rr;

	for (unsigned i = 0; i < MIN(count, LOOK_AT_MAX); i++) {
		get_rr(&r, &rr);
		if (r.bad)
			return PASS_DAMAGED;
		if (rr.class != CLASS_IN || strcasecmp(rr.name, name) != 0)
			continue;
		if (rr.type == (unsigned)type && out->count < DNS_RECORDS_MAX) {
			if (!read_data(&r, &rr, &out->record[out->count]))
				return PASS_DAMAGED;
			out->count++;
			out->ttl = MIN(out->ttl, rr.ttl);
		} else if (rr.type == DNS_CNAME && !found_alias) {
			found_alias = read_data(&r, &rr, &alias);
			if (!found_alias)
				return PASS_DAMAGED;
			alias_ttl = rr.ttl;
		}
	}
	if (out->count)
		return PASS_FOUND;
	if (!found_alias)
		return PASS_NOTHING;
	out->ttl = MIN(out->ttl, alias_ttl);
	memcpy(name, alias.srv.target, DNS_NAME_MAX);
	return PASS_CNAME;
}

bool dns_read(const uint8_t *msg, size_t len, const char *name, enum dns_type type, struct dns_answer *out)
{
	unsigned count[4];
	struct reader r = begin(msg, len, count);
	char current[DNS_NAME_MAX];
	enum pass pass = PASS_CNAME;

	out->count = 0;
	out->ttl = UINT32_MAX;
	if (r.bad || strlen(name) >= sizeof(current))
		return false;
	memcpy(current, name, strlen(name) + 1);
	for (unsigned i = 0; i <= CHAIN_MAX && pass == PASS_CNAME; i++)
		pass = read_pass(r, count[1], current, type, out);
	return pass == PASS_FOUND || pass == PASS_NOTHING;
}

uint32_t dns_negative_ttl(const uint8_t *msg, size_t len)
{
	unsigned count[4], i;
	struct reader r = begin(msg, len, count);
	struct rr rr;

	for (i = 0; i < MIN(count[1] + count[2], LOOK_AT_MAX); i++) {
		get_rr(&r, &rr);
		if (r.bad)
			return 0;
		if (i >= count[1] && rr.type == DNS_SOA && rr.class == CLASS_IN && rr.end - rr.at >= 22) {
			struct reader last = { .msg = msg, .len = len, .at = rr.end - 4 };
			uint32_t minimum = get_32(&last);

			return MIN(minimum, rr.ttl);
		}
	}
	return 0;
}
