/* identity: which domain a message is judged as, and what is asserted for it. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/policy/identity.h"
#include "support/guard.h"
#include "support/test_image.h"

/* A message with this method, From and To; `more` are whole lines. */
static struct sip_msg *request(const char *method, const char *from, const char *to, const char *more)
{
	static struct test_msg t;
	char text[8192];
	int len = snprintf(text, sizeof(text),
	    "%s sip:b@core.example SIP/2.0\r\nVia: SIP/2.0/TLS a.b\r\nFrom: %s\r\nTo: %s\r\nCall-ID: 1\r\nCSeq: 1 %s\r\n"
	    "Content-Length: 0\r\n%s\r\n", method, from, to, method, more);

	cr_assert_eq(test_msg_parse(&t, guard_copy(text, (size_t)len)), FAULT_NONE, "%s", text);
	return &t.msg;
}

static struct sip_msg *response(const char *method, const char *from, const char *to, const char *more)
{
	static struct test_msg t;
	char text[8192];
	int len = snprintf(text, sizeof(text),
	    "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS a.b\r\nFrom: %s\r\nTo: %s\r\nCall-ID: 1\r\nCSeq: 1 %s\r\n"
	    "Content-Length: 0\r\n%s\r\n", from, to, method, more);

	cr_assert_eq(test_msg_parse(&t, guard_copy(text, (size_t)len)), FAULT_NONE, "%s", text);
	return &t.msg;
}

static struct peer_judgement peer_of(enum test_domain d)
{
	return (struct peer_judgement){ .verdict = PEER_TRUSTED, .domain_count = 1, .domain = { d } };
}

static struct identity decide(enum test_domain d, const struct sip_msg *msg, bool has_token)
{
	struct peer_judgement peer = peer_of(d);
	struct identity id;

	memset(&id, 0xa5, sizeof(id));
	identity_decide(test_image(), &peer, msg, has_token, &id);
	return id;
}

/* ---- the judged domain ---- */

Test(identity, domain_fits_the_host)
{
	static const struct {
		const char *why, *from;
		uint32_t domain[4], count, want;
	} rows[] = {
		{ "no domain: untrusted", "<sip:a@partner.example>", { 0 }, 0, IMAGE_NONE },
		{ "the only one, whatever From says", "<sip:a@other.example>", { D_PARTNER }, 1, D_PARTNER },
		{ "exact", "<sip:a@partner.example>", { D_OTHER, D_WILD, D_PARTNER }, 3, D_PARTNER },
		{ "exact, of two the first", "<sip:a@PARTNER.example.>", { D_OTHER, D_TWIN, D_PARTNER }, 3, D_TWIN },
		{ "suffix", "<sip:a@x.partner.example>", { D_OTHER, D_WILD }, 2, D_WILD },
		{ "a suffix is not its own host", "<sip:a@partner.example>", { D_OTHER, D_WILD }, 2, D_OTHER },
		{ "a suffix ends at a dot", "<sip:a@xpartner.example>", { D_OTHER, D_WILD }, 2, D_OTHER },
		{ "longest suffix", "<sip:a@x.deep.partner.example>", { D_OTHER, D_WILD, D_WILDER }, 3, D_WILDER },
		{ "longest suffix, in any order", "<sip:a@x.deep.partner.example>", { D_WILDER, D_WILD, D_OTHER }, 3, D_WILDER },
		{ "none fits: the first configured", "<sip:a@x.invalid>", { D_OTHER, D_PARTNER }, 2, D_OTHER },
		{ "no host: the first configured", "<tel:+4930>", { D_OTHER, D_PARTNER }, 2, D_OTHER },
		{ "another scheme", "<http://partner.example>", { D_OTHER, D_PARTNER }, 2, D_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct peer_judgement peer = { .domain_count = rows[i].count };

		memcpy(peer.domain, rows[i].domain, sizeof(rows[i].domain));
		cr_assert_eq(identity_domain(test_image(), &peer, request("INVITE", rows[i].from, "<sip:x@y>", "")), rows[i].want,
		    "%s", rows[i].why);
		cr_assert_eq(identity_domain(test_image(), &peer, response("INVITE", "<sip:x@y>", rows[i].from, "")), rows[i].want,
		    "response: %s", rows[i].why);
	}
}

/* ---- how the URI is rebuilt, and whose it may be ---- */

#define VIOLATION NULL

static const struct {
	const char *why;
	enum test_domain domain;
	const char *from, *want;
} uris[] = {
	{ "plain", D_PARTNER, "<sip:alice@partner.example>", "<sip:alice@partner.example>" },
	{ "without brackets", D_PARTNER, "sip:alice@partner.example;tag=1", "<sip:alice@partner.example>" },
	{ "display name is dropped", D_PARTNER, "\"sip:x@y <sip:evil@core.example>\" <sip:alice@partner.example>;tag=1", "<sip:alice@partner.example>" },
	{ "an escaped quote in it", D_PARTNER, "\"\\\" <sip:evil@core.example>\" <sip:alice@partner.example>", "<sip:alice@partner.example>" },
	{ "case", D_PARTNER, "<SIP:Alice@PARTNER.Example:5061>", "<sip:Alice@partner.example:5061>" },
	{ "sips", D_PARTNER, "<SIPS:a@partner.example>", "<sips:a@partner.example>" },
	{ "no user", D_PARTNER, "<sip:partner.example>", "<sip:partner.example>" },
	{ "password", D_PARTNER, "<sip:a:secret@partner.example>", "<sip:a@partner.example>" },
	{ "parameters and headers", D_PARTNER, "<sip:a@partner.example;transport=tls;maddr=10.0.0.5;lr;x=y?P-Asserted-Identity=x>", "<sip:a@partner.example>" },
	{ "user=phone", D_PARTNER, "<sip:+4930@partner.example;lr;USER=phone;x>", "<sip:+4930@partner.example;user=phone>" },
	{ "user's own parameters", D_PARTNER, "<sip:+4930;phone-context=x@partner.example>", "<sip:+4930;phone-context=x@partner.example>" },
	{ "escapes stay as they are", D_PARTNER, "<sip:%61%c3%a4%20%7e@partner.example>", "<sip:%61%c3%a4%20%7e@partner.example>" },
	{ "IPv6", D_PARTNER, "<sip:a@[2001:DB8::7]:5060>", "<sip:a@[2001:db8::7]:5060>" },
	{ "tel", D_PARTNER, "<TEL:+49-30-12;ext=5;isub=1>", "<tel:+49-30-12>" },
	{ "tel with its context", D_PARTNER, "<tel:12;ext=5;phone-context=+4930;x>", "<tel:12;phone-context=+4930>" },
	{ "escaped NUL", D_PARTNER, "<sip:a%00@partner.example>", VIOLATION },
	{ "escaped line end", D_PARTNER, "<sip:a%0d%0AP-Asserted-Identity:x@partner.example>", VIOLATION },
	{ "escaped 1F", D_PARTNER, "<sip:a%1fb@partner.example>", VIOLATION },
	{ "escaped DEL", D_PARTNER, "<sip:a%7Fb@partner.example>", VIOLATION },
	{ "escaped line end in a parameter that stays", D_PARTNER, "<sip:a@partner.example;user=%0a>", VIOLATION },
	{ "escaped line end in what is dropped", D_PARTNER, "<sip:a@partner.example;x=%0a>", "<sip:a@partner.example>" },
	{ "escaped line end in phone-context", D_PARTNER, "<tel:12;phone-context=%0D>", VIOLATION },
	{ "another scheme", D_PARTNER, "<http://partner.example/>", VIOLATION },

	{ "anybody who is not configured", D_PARTNER, "<sip:a@somewhere.invalid>", "<sip:a@somewhere.invalid>" },
	{ "anonymous", D_PARTNER, "<sip:anonymous@anonymous.invalid>", "<sip:anonymous@anonymous.invalid>" },
	{ "an address that is not ours", D_PARTNER, "<sip:a@192.0.2.200>", "<sip:a@192.0.2.200>" },
	{ "local domain", D_PARTNER, "<sip:a@core.example>", VIOLATION },
	{ "local domain, written otherwise", D_PARTNER, "<sip:a@CORE.example.:5060>", VIOLATION },
	{ "below a local domain", D_PARTNER, "<sip:a@x.y.core.example>", VIOLATION },
	{ "a name that ends in the same letters", D_PARTNER, "<sip:a@xcore.example>", "<sip:a@xcore.example>" },
	{ "our address", D_PARTNER, "<sip:a@127.0.0.1>", VIOLATION },
	{ "our address, IPv4 with zeros", D_PARTNER, "<sip:a@127.000.000.001>", VIOLATION },
	{ "our address, mapped", D_PARTNER, "<sip:a@[::ffff:127.0.0.1]>", VIOLATION },
	{ "our IPv6 address in another spelling", D_PARTNER, "<sip:a@[2001:0db8:0:0:0:0:0:1]>", VIOLATION },
	{ "our advertised name", D_PARTNER, "<sip:a@edge.example>", VIOLATION },
	{ "a container's address", D_PARTNER, "<sip:a@10.0.0.5>", VIOLATION },
	{ "another entry's domain", D_PARTNER, "<sip:a@other.example>", VIOLATION },
	{ "another entry's domain, sips and case", D_PARTNER, "<sips:a@OTHER.example.>", VIOLATION },
	{ "another entry's suffix", D_PARTNER, "<sip:a@x.partner.example>", VIOLATION },
	{ "the longer suffix is another entry's", D_WILD, "<sip:a@x.deep.partner.example>", VIOLATION },
	{ "own suffix", D_WILD, "<sip:a@x.partner.example>", "<sip:a@x.partner.example>" },
	{ "what the suffix does not stand for is another's", D_WILD, "<sip:a@partner.example>", VIOLATION },
	{ "an entry of the same name", D_TWIN, "<sip:a@partner.example>", "<sip:a@partner.example>" },
	{ "a host with user=phone is still a host", D_PARTNER, "<sip:+4930@core.example;user=phone>", VIOLATION },

	{ "listed", D_LISTED, "<sip:a@Listed.Example>", "<sip:a@listed.example>" },
	{ "listed, with dot and port", D_LISTED, "<sip:a@listed.example.:99>", "<sip:a@listed.example.:99>" },
	{ "listed address", D_LISTED, "<sip:a@192.0.2.7>", "<sip:a@192.0.2.7>" },
	{ "below a listed suffix", D_LISTED, "<sip:a@x.y.more.example>", "<sip:a@x.y.more.example>" },
	{ "the suffix itself", D_LISTED, "<sip:a@more.example>", VIOLATION },
	{ "below what is listed exactly", D_LISTED, "<sip:a@x.listed.example>", VIOLATION },
	{ "own name, but not listed", D_LISTED, "<sip:a@entry.example>", VIOLATION },
	{ "nobody's, but not listed", D_LISTED, "<sip:a@somewhere.invalid>", VIOLATION },
	{ "tel is free of hosts", D_LISTED, "<tel:+1>", "<tel:+1>" },
	{ "own suffix", D_OWN, "<sip:a@x.own.example>", "<sip:a@x.own.example>" },
	{ "not own", D_OWN, "<sip:a@own.example>", VIOLATION },

	{ "tel in range", D_NUMBERS, "<tel:+49-30.12(3)>", "<tel:+49-30.12(3)>" },
	{ "tel, longer prefix", D_NUMBERS, "<tel:+44-3012>", "<tel:+44-3012>" },
	{ "tel out of range", D_NUMBERS, "<tel:+44203>", VIOLATION },
	{ "shorter than the prefix", D_NUMBERS, "<tel:+4>", VIOLATION },
	{ "local tel", D_NUMBERS, "<tel:4930>", VIOLATION },
	{ "user=phone in range", D_NUMBERS, "<sip:+4930@numbers.example;user=phone>", "<sip:+4930@numbers.example;user=phone>" },
	{ "user=phone out of range", D_NUMBERS, "<sip:+33@numbers.example;user=Phone>", VIOLATION },
	{ "user=phone and no number", D_NUMBERS, "<sip:49a@numbers.example;user=phone>", VIOLATION },
	{ "a number without user=phone, out of range", D_NUMBERS, "<sip:+33@numbers.example>", VIOLATION },
	{ "the same, escaped", D_NUMBERS, "<sip:%2b%333@numbers.example>", VIOLATION },
	{ "escaped, in range", D_NUMBERS, "<sip:%2b%349@numbers.example>", "<sip:%2b%349@numbers.example>" },
	{ "a number with parameters, out of range", D_NUMBERS, "<sip:+33;ext=49@numbers.example>", VIOLATION },
	{ "a name is no number", D_NUMBERS, "<sip:alice@numbers.example>", "<sip:alice@numbers.example>" },
	{ "in range, but not our host", D_NUMBERS, "<sip:+49@other.example;user=phone>", VIOLATION },
};

Test(identity, uri_is_rebuilt_and_judged)
{
	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		struct identity id = decide(uris[i].domain, request("INVITE", uris[i].from, "<sip:x@core.example>", ""), false);
		struct span got = span_of(id.value, id.value_len);

		cr_assert_eq(id.violation, uris[i].want == VIOLATION, "%s: %s", uris[i].why, uris[i].from);
		cr_assert_str_eq(refusal_name(id.refusal), refusal_name(id.violation ? REFUSAL_IDENTITY : REFUSAL_NONE), "%s",
		    uris[i].why);
		cr_assert_eq(id.header.len == 0, id.violation, "%s", uris[i].why);
		cr_assert(span_eq(got, uris[i].want ? span_str(uris[i].want) : span_str("")), "%s: %.*s", uris[i].why, SPAN_FMT(got));
		cr_assert_eq(id.asserted_len, 0, "%s", uris[i].why);
	}
}

Test(identity, response_is_judged_by_to)
{
	struct identity id = decide(D_PARTNER, response("INVITE", "<sip:x@core.example>", "<sip:b@PARTNER.example;x>;tag=2", ""), false);

	cr_assert(!id.violation);
	cr_assert(span_eq(span_of(id.value, id.value_len), SPAN("<sip:b@partner.example>")));
	cr_assert(span_eq(id.header, SPAN("P-Preferred-Identity")));
	id = decide(D_PARTNER, response("INVITE", "<sip:b@partner.example>", "<sip:x@core.example>", ""), false);
	cr_assert(id.violation);
	cr_assert_eq(id.refusal, REFUSAL_NONE, "a response is never refused");
	cr_assert_eq(id.header.len, 0);
}

Test(identity, too_long_to_be_asserted)
{
	char from[IDENTITY_VALUE_MAX + 64], user[IDENTITY_VALUE_MAX];
	int len = IDENTITY_VALUE_MAX - 22;

	memset(user, 'a', sizeof(user));
	snprintf(from, sizeof(from), "<sip:%.*s@partner.example>", len, user);
	cr_assert(!decide(D_PARTNER, request("INVITE", from, "<sip:x@y>", ""), false).violation, "just fits");
	snprintf(from, sizeof(from), "<sip:%.*s@partner.example>", len + 1, user);
	cr_assert(decide(D_PARTNER, request("INVITE", from, "<sip:x@y>", ""), false).violation);
}

Test(identity, untrusted_asserts_nothing)
{
	struct peer_judgement peer = { .verdict = PEER_DN_UNKNOWN };
	struct identity id;

	identity_decide(test_image(), &peer, request("INVITE", "<sip:a@core.example>", "<sip:x@y>", ""), false, &id);
	cr_assert_eq(id.domain, IMAGE_NONE);
	cr_assert_eq(id.refusal, REFUSAL_NONE);
	cr_assert(!id.violation);
	cr_assert_eq(id.header.len, 0);
	cr_assert_eq(id.asserted_len, 0);
}

/* ---- on_violation ---- */

Test(identity, calls_can_end)
{
	static const struct {
		const char *why;
		enum test_domain domain;
		const char *method;
		bool has_token;
		enum refusal want;
	} rows[] = {
		{ "INVITE", D_PARTNER, "INVITE", false, REFUSAL_IDENTITY },
		{ "BYE without token", D_PARTNER, "BYE", false, REFUSAL_IDENTITY },
		{ "BYE with a token", D_PARTNER, "BYE", true, REFUSAL_NONE },
		{ "INVITE with a token", D_PARTNER, "INVITE", true, REFUSAL_NONE },
		{ "ACK", D_PARTNER, "ACK", false, REFUSAL_NONE },
		{ "CANCEL", D_PARTNER, "CANCEL", false, REFUSAL_NONE },
		{ "strip", D_STRIP, "INVITE", false, REFUSAL_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct identity id = decide(rows[i].domain, request(rows[i].method, "<sip:a@core.example>", "<sip:x@y>", ""), rows[i].has_token);

		cr_assert_str_eq(refusal_name(id.refusal), refusal_name(rows[i].want), "%s", rows[i].why);
		cr_assert(id.violation, "%s: counted all the same", rows[i].why);
		cr_assert_eq(id.header.len, 0, "%s: never asserted", rows[i].why);
	}
}

/* ---- assert_on ---- */

Test(identity, asserts_on_methods)
{
	static const struct {
		const char *method;
		bool all, rfc5876, rfc3325;
	} rows[] = {
		{ "INVITE", true, true, true },	   { "ACK", true, false, false },     { "BYE", true, true, true },
		{ "CANCEL", true, false, false },  { "OPTIONS", true, true, true },   { "REGISTER", true, true, false },
		{ "PRACK", true, true, false },	   { "UPDATE", true, true, false },   { "INFO", true, true, false },
		{ "SUBSCRIBE", true, true, true }, { "NOTIFY", true, true, true },    { "REFER", true, true, true },
		{ "MESSAGE", true, true, true },   { "FROB", true, true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct {
			enum test_domain domain;
			const char *uri;
			bool want;
		} by_row[] = { { D_PARTNER, "<sip:a@partner.example>", rows[i].all },
			       { D_RFC5876, "<sip:a@rfc5876.example>", rows[i].rfc5876 },
			       { D_RFC3325, "<sip:a@rfc3325.example>", rows[i].rfc3325 } };

		for (size_t j = 0; j < ARRAY_LEN(by_row); j++) {
			struct identity id = decide(by_row[j].domain, request(rows[i].method, by_row[j].uri, "<sip:x@y>", ""), false);

			cr_assert_eq(id.header.len > 0, by_row[j].want, "%s at %s", rows[i].method, by_row[j].uri);
			cr_assert(!id.violation);
			id = decide(by_row[j].domain, response(rows[i].method, "<sip:x@y>", by_row[j].uri, ""), false);
			cr_assert_eq(id.header.len > 0, by_row[j].want, "response to %s at %s", rows[i].method, by_row[j].uri);
		}
	}
}

/* ---- source ---- */

#define PAI "P-Asserted-Identity: "

static const struct {
	const char *why, *more, *want;
	enum refusal refusal;
} asserted[] = {
	{ "none: From", "", "<sip:a@asserted.example>", REFUSAL_NONE },
	{ "one", PAI "\"X\" <sip:Bob@ASSERTED.example;x=y>\r\n", "<sip:Bob@asserted.example>", REFUSAL_NONE },
	{ "one tel", PAI "tel:+49-30;x=y\r\n", "<tel:+49-30>", REFUSAL_NONE },
	{ "two in a line", PAI "<sip:b@c.invalid>, <tel:+4930>\r\n", "<sip:b@c.invalid>, <tel:+4930>", REFUSAL_NONE },
	{ "two in two lines, sip first", PAI "<tel:+4930>\r\n" PAI "<sips:b@c.invalid>\r\n", "<sips:b@c.invalid>, <tel:+4930>", REFUSAL_NONE },
	{ "two sip", PAI "<sip:b@c.invalid>, <sip:b@c.invalid>\r\n", NULL, REFUSAL_ASSERTED_LIST },
	{ "sip and sips", PAI "<sip:b@c.invalid>\r\n" PAI "<sips:b@c.invalid>\r\n", NULL, REFUSAL_ASSERTED_LIST },
	{ "two tel", PAI "<tel:+1>, <tel:+2>\r\n", NULL, REFUSAL_ASSERTED_LIST },
	{ "three", PAI "<tel:+1>, <sip:b@c.invalid>\r\n" PAI "<tel:+2>\r\n", NULL, REFUSAL_ASSERTED_LIST },
	{ "no value", PAI "\r\n", NULL, REFUSAL_ASSERTED_LIST },
	{ "does not parse", PAI "<sip:b@c.invalid\r\n", NULL, REFUSAL_ASSERTED_LIST },
	{ "a comma too much", PAI "<sip:b@c.invalid>,\r\n", NULL, REFUSAL_ASSERTED_LIST },
	{ "not vouched for", PAI "<sip:b@core.example>\r\n", NULL, REFUSAL_IDENTITY },
	{ "one of two not vouched for", PAI "<tel:+1>, <sip:b@other.example>\r\n", NULL, REFUSAL_IDENTITY },
	{ "another scheme", PAI "<http://x/>\r\n", NULL, REFUSAL_IDENTITY },
	{ "escaped line end", PAI "<sip:b%0a@c.invalid>\r\n", NULL, REFUSAL_IDENTITY },
};

Test(identity, asserted_by_the_peer)
{
	for (size_t i = 0; i < ARRAY_LEN(asserted); i++) {
		struct sip_msg *msg = request("INVITE", "<sip:a@asserted.example>", "<sip:x@y>", asserted[i].more);
		struct identity id = decide(D_ASSERTED, msg, false);
		struct span got = span_of(id.value, id.value_len);

		cr_assert_str_eq(refusal_name(id.refusal), refusal_name(asserted[i].refusal), "%s", asserted[i].why);
		cr_assert(span_eq(got, asserted[i].want ? span_str(asserted[i].want) : span_str("")), "%s: %.*s", asserted[i].why,
		    SPAN_FMT(got));
		cr_assert_eq(id.asserted_len, i == 0 ? 0 : id.value_len, "%s: kept, rebuilt, if one came", asserted[i].why);
		id = decide(D_ASSERTED, msg, true);
		cr_assert_eq(id.refusal, REFUSAL_NONE, "%s: calls can end", asserted[i].why);
		cr_assert_eq(id.violation, asserted[i].want == NULL, "%s", asserted[i].why);
	}
}

/* The peer's word about others counts, not its From; a From of ours is refused when there is nothing else. */
Test(identity, asserted_replaces_from)
{
	const char *from = "<sip:anonymous@core.example>";
	struct identity id = decide(D_ASSERTED, request("INVITE", from, "<sip:x@y>", PAI "<sip:b@c.invalid>\r\n"), false);

	cr_assert(!id.violation);
	cr_assert(decide(D_ASSERTED, request("INVITE", from, "<sip:x@y>", ""), false).violation);
	id = decide(D_PARTNER, request("INVITE", "<sip:a@partner.example>", "<sip:x@y>", PAI "<sip:b@c.invalid>\r\n"), false);
	cr_assert_eq(id.asserted_len, 0, "not asked for");
	cr_assert(span_eq(span_of(id.value, id.value_len), SPAN("<sip:a@partner.example>")));
}

/* Never two lines of one name. */
Test(identity, asserted_is_written_once)
{
	struct identity id = decide(D_PAID, request("INVITE", "<sip:a@paid.example>", "<sip:x@y>", PAI "<sip:b@c.invalid>\r\n"), false);

	cr_assert(span_eq(id.header, SPAN("P-Asserted-Identity")));
	cr_assert_eq(id.asserted_len, 0);
	cr_assert(span_eq(span_of(id.value, id.value_len), SPAN("<sip:b@c.invalid>")));
}

Test(identity, fixed)
{
	struct identity id = decide(D_FIXED, request("INVITE", "<sip:a@core.example>", "<sip:x@y>", PAI "<sip:b@c.invalid>\r\n"), false);

	cr_assert(!id.violation);
	cr_assert(span_eq(span_of(id.value, id.value_len), SPAN("<sip:trunk@fixed.example>")));
	cr_assert_eq(id.asserted_len, 0);
}
