/*
 * msg: what is accepted, what is refused and why, and what is left to answer
 * by when it is.  To add a case, add a row.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/sip/msg.h"
#include "support/guard.h"

#define FIELDS_MAX 32

static const struct span identity_names[] = {
	{ "p-asserted-identity", 19 },
	{ "p-preferred-identity", 20 },
};
static const struct hdr_set identity = { identity_names, 2, UINT64_C(1) << 19 | UINT64_C(1) << 20 };
static const struct msg_rules stream = { .body_max = 1000, .identity = &identity, .stream = true };
static const struct msg_rules datagram = { .body_max = 1000, .identity = &identity, .stream = false };

#define REQ "INVITE sip:bob@edge.example SIP/2.0\r\n"
#define RSP "SIP/2.0 200 OK\r\n"
#define VIA "Via: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n"
#define FROM "From: \"A\" <sip:alice@a.example>;tag=1\r\n"
#define TO "To: <sip:bob@edge.example>\r\n"
#define ID "Call-ID: 1@a.example\r\n"
#define CSEQ "CSeq: 1 INVITE\r\n"
#define LEN "Content-Length: 0\r\n"
#define REST VIA FROM TO ID CSEQ LEN
#define END "\r\n"

struct row {
	const char *why, *in;
	enum fault want;
	const char *reason; /* NULL: not looked at */
};

static const struct row rows[] = {
	{ "a request", REQ REST END, FAULT_NONE, "" },
	{ "a response", RSP REST END, FAULT_NONE },
	{ "names in any case, blanks before the colon, compact",
	    REQ "v\t: SIP/2.0/TLS a\r\nFROM :sip:a@b;tag=1\r\nt:sip:a@b\r\nI : 1\r\ncseq: 1 INVITE\r\nL:000\r\n" END, FAULT_NONE },
	{ "empty header value", REQ REST "Subject:\r\n" END, FAULT_NONE },
	{ "colon in value", REQ REST "Subject: : :\r\n" END, FAULT_NONE },
	{ "HTAB in value", REQ REST "Subject: a\tb\r\n" END, FAULT_NONE },
	{ "UTF-8 in value", REQ REST "Subject: \xd1\x85: \xe2\x80\xa8x\r\n" END, FAULT_NONE },
	{ "any token as a name", REQ REST "extensionHeader-!.%*+_`'~: x\r\n" END, FAULT_NONE },

	{ "no start line", END, FAULT_NOT_SIP },
	{ "no empty line", REQ REST, FAULT_NOT_SIP },
	{ "empty line inside", REQ VIA END REST END, FAULT_NOT_SIP },
	{ "CRLF only", "\r\n\r\n", FAULT_NOT_SIP },
	{ "nothing", "", FAULT_NOT_SIP },

	{ "two blanks", "INVITE  sip:b@e SIP/2.0\r\n" REST END, FAULT_START_LINE, "Bad start line" },
	{ "two blanks before version", "INVITE sip:b@e  SIP/2.0\r\n" REST END, FAULT_START_LINE },
	{ "blank behind", "INVITE sip:b@e SIP/2.0 \r\n" REST END, FAULT_START_LINE },
	{ "blank before", " INVITE sip:b@e SIP/2.0\r\n" REST END, FAULT_START_LINE },
	{ "HTAB for SP", "INVITE\tsip:b@e\tSIP/2.0\r\n" REST END, FAULT_START_LINE },
	{ "fourth word", "INVITE sip:b@e SIP/2.0 x\r\n" REST END, FAULT_START_LINE },
	{ "no version", "INVITE sip:b@e\r\n" REST END, FAULT_START_LINE },
	{ "method only", "INVITE\r\n" REST END, FAULT_START_LINE },
	{ "method is no token", "INV(ITE sip:b@e SIP/2.0\r\n" REST END, FAULT_START_LINE },
	{ "8-bit method", "INVIT\xc9 sip:b@e SIP/2.0\r\n" REST END, FAULT_START_LINE },
	{ "HTTP", "GET / HTTP/1.1\r\n" REST END, FAULT_START_LINE },
	{ "version is no number", "INVITE sip:b@e SIP/x.y\r\n" REST END, FAULT_START_LINE },
	{ "version without minor", "INVITE sip:b@e SIP/2.\r\n" REST END, FAULT_START_LINE },
	{ "version with more", "INVITE sip:b@e SIP/2.0x\r\n" REST END, FAULT_START_LINE },
	{ "version in lower case", "INVITE sip:b@e sip/2.0\r\n" REST END, FAULT_NONE },
	{ "version 3.0", "INVITE sip:b@e SIP/3.0\r\n" REST END, FAULT_VERSION, "Version Not Supported" },
	{ "version 2.00", "INVITE sip:b@e SIP/2.00\r\n" REST END, FAULT_VERSION },
	{ "version 7.0 and more wrong", "INVITE sip:b@ SIP/7.0\r\n" VIA LEN END, FAULT_VERSION },
	{ "URI without host", "INVITE sip: SIP/2.0\r\n" REST END, FAULT_REQUEST_URI, "Bad Request-URI" },
	{ "URI with bad port", "INVITE sip:b@e:70000 SIP/2.0\r\n" REST END, FAULT_REQUEST_URI },
	{ "URI with bare IPv6", "INVITE sip:b@2001:db8::1 SIP/2.0\r\n" REST END, FAULT_REQUEST_URI },
	{ "URI in brackets", "INVITE <sip:b@e> SIP/2.0\r\n" REST END, FAULT_REQUEST_URI },
	{ "URI without scheme", "INVITE bob SIP/2.0\r\n" REST END, FAULT_REQUEST_URI },
	{ "another scheme is for 416", "INVITE soap.beep://1.2.3.4:3002 SIP/2.0\r\n" REST END, FAULT_NONE },
	{ "tel", "INVITE tel:+49 SIP/2.0\r\n" REST END, FAULT_NONE },

	{ "status 100", "SIP/2.0 100 \r\n" REST END, FAULT_NONE },
	{ "status 699, UTF-8 reason", "sip/2.0 699 = 2**3 \xd0\xbd\xd0\xbe  x\r\n" REST END, FAULT_NONE },
	{ "status 099", "SIP/2.0 099 x\r\n" REST END, FAULT_START_LINE },
	{ "status 700", "SIP/2.0 700 x\r\n" REST END, FAULT_START_LINE },
	{ "status of four digits", "SIP/2.0 2000 x\r\n" REST END, FAULT_START_LINE },
	{ "status that wraps", "SIP/2.0 4294967496 x\r\n" REST END, FAULT_START_LINE },
	{ "negative status", "SIP/2.0 -20 x\r\n" REST END, FAULT_START_LINE },
	{ "two blanks before status", "SIP/2.0  200 x\r\n" REST END, FAULT_START_LINE },
	{ "no blank behind status", "SIP/2.0 200\r\n" REST END, FAULT_START_LINE },
	{ "response of another version", "SIP/3.0 200 OK\r\n" REST END, FAULT_VERSION },
	{ "response without version", "SIP/ 200 OK\r\n" REST END, FAULT_START_LINE },
	{ "control byte in reason", "SIP/2.0 200 O\x01K\r\n" REST END, FAULT_CONTROL_BYTE, "Control character in start-line" },

	{ "control byte in URI", "INVITE sip:b\x01@e SIP/2.0\r\n" REST END, FAULT_CONTROL_BYTE },
	{ "control byte in value", REQ REST "Subject: a\x0b" "b\r\n" END, FAULT_CONTROL_BYTE, "Control character in Subject" },
	{ "control byte in quotes", REQ VIA "f: \"\x1f\" <sip:a@b>\r\n" TO ID CSEQ LEN END, FAULT_CONTROL_BYTE,
	    "Control character in From" },
	{ "DEL in value", REQ REST "Subject: \x7f\r\n" END, FAULT_CONTROL_BYTE },
	{ "control byte before the colon", REQ REST "P-Asserted-Identity\x0c: x\r\n" END, FAULT_CONTROL_BYTE },
	{ "control byte first", REQ REST "\x01Subject: x\r\n" END, FAULT_CONTROL_BYTE, "Control character in header" },
	{ "control byte in a line without colon", REQ REST "\x01\r\n" END, FAULT_CONTROL_BYTE },
	{ "bare LF", REQ REST "Subject: a\nP-Asserted-Identity: x\r\n" END, FAULT_BARE_LINE_END, "Bare CR or LF" },
	{ "bare CR", REQ REST "Subject: a\rb: x\r\n" END, FAULT_BARE_LINE_END },
	{ "bare LF in the start line", "INVITE sip:b@e SIP/2.0\nA: b\r\n" REST END, FAULT_BARE_LINE_END },
	{ "CR CR LF", REQ REST "Subject: a\r\r\n" END, FAULT_BARE_LINE_END },
	{ "bare LF wins over a control byte before", REQ REST "Subject: \x01\n\r\n" END, FAULT_BARE_LINE_END },

	{ "blank on the first line", REQ " Subject: x\r\n" REST END, FAULT_LEADING_BLANK, "Blank before the first header" },
	{ "HTAB on the first line", REQ "\tSubject: x\r\n" REST END, FAULT_LEADING_BLANK },
	{ "first line all blank", REQ " \r\n" REST END, FAULT_LEADING_BLANK },
	{ "blank before Content-Length", REQ " Content-Length: 5\r\n" REST END, FAULT_CONFUSING_LENGTH },
	{ "blank before its compact form", REQ " l: 5\r\n" REST END, FAULT_CONFUSING_LENGTH },
	{ "no colon", REQ REST "Subject\r\n" END, FAULT_NO_COLON, "Header line without colon" },
	{ "no name", REQ REST ": x\r\n" END, FAULT_BAD_NAME, "Bad header name" },
	{ "blank in the name", REQ REST "P-Asserted -Identity: x\r\n" END, FAULT_BAD_NAME },
	{ "8-bit byte in the name", REQ REST "P-A\xc5\xbf" "serted-Identity: x\r\n" END, FAULT_BAD_NAME },
	{ "backslash in the name", REQ REST "P-Asserted-Identity\\: x\r\n" END, FAULT_BAD_NAME },
	{ "the only colon is in the value", REQ REST "Subject <sip:a@b>\r\n" END, FAULT_BAD_NAME },
	{ "no-break space behind the name", REQ REST "P-Asserted-Identity\xc2\xa0: x\r\n" END, FAULT_BAD_NAME },

	{ "low line in an identity name", REQ REST "P_Asserted_Identity: x\r\n" END, FAULT_CONFUSING_NAME, "Ambiguous header name" },
	{ "escape in an identity name", REQ REST "P-Asserted%2dIdentity : x\r\n" END, FAULT_CONFUSING_NAME },
	{ "low line in Content-Length", REQ "Content_Length: 5\r\n" REST END, FAULT_CONFUSING_LENGTH },
	{ "other token character", REQ "Content-Length!: 5\r\n" REST END, FAULT_CONFUSING_LENGTH },
	{ "escape in Content-Length", REQ "C%6Fntent-Length: 5\r\n" REST END, FAULT_CONFUSING_LENGTH },
	{ "compact form and more", REQ "l~: 5\r\n" REST END, FAULT_CONFUSING_LENGTH },
	{ "Content-Length with a control byte", REQ "Content-Length\x01: 5\r\n" REST END, FAULT_CONFUSING_LENGTH },
	{ "Content-Length with an 8-bit byte", REQ "Content-Length\xa0: 5\r\n" REST END, FAULT_CONFUSING_LENGTH },
	{ "Content-Length with a blank inside", REQ "Content -Length: 5\r\n" REST END, FAULT_CONFUSING_LENGTH },
	{ "escaped other name", REQ REST "C%6Fntact: x\r\n" END, FAULT_NONE },

	{ "identity header behind 0x85", REQ REST "Subject: a\x85P-Asserted-Identity: x\r\n" END, FAULT_HIDDEN_HEADER,
	    "Header hidden in Subject" },
	{ "identity header behind U+2028", REQ REST "Subject: a\xe2\x80\xa8P-Preferred-Identity: x\r\n" END, FAULT_HIDDEN_HEADER },
	{ "Content-Length behind U+0085", REQ REST "s: a\xc2\x85" "Content-Length: 5\r\n" END, FAULT_HIDDEN_HEADER },
	{ "in the start line", "SIP/2.0 200 \x85P-Asserted-Identity: x\r\n" REST END, FAULT_HIDDEN_HEADER,
	    "Header hidden in start-line" },
	{ "in a long line", REQ REST
	    "Subject: 0123456789012345678901234567890123456789012345678901234567890123456789\x85l: 1\r\n" END, FAULT_HIDDEN_HEADER },

	{ "no Via", REQ FROM TO ID CSEQ LEN END, FAULT_MISSING, "Missing Via" },
	{ "no From", REQ VIA TO ID CSEQ LEN END, FAULT_MISSING, "Missing From" },
	{ "no To", REQ VIA FROM ID CSEQ LEN END, FAULT_MISSING, "Missing To" },
	{ "no Call-ID", REQ VIA FROM TO CSEQ LEN END, FAULT_MISSING, "Missing Call-ID" },
	{ "no CSeq", REQ VIA FROM TO ID LEN END, FAULT_MISSING, "Missing CSeq" },
	{ "no From in a response", RSP VIA TO ID CSEQ LEN END, FAULT_MISSING },
	{ "no Content-Length", REQ VIA FROM TO ID CSEQ END, FAULT_NO_LENGTH, "Missing Content-Length" },
	{ "no Content-Length wins over what came before", REQ VIA TO "x\r\n" END, FAULT_NO_LENGTH },

	{ "two From", REQ REST FROM END, FAULT_DUPLICATE, "Duplicate From" },
	{ "two From, one compact", REQ REST "f: sip:a@b\r\n" END, FAULT_DUPLICATE, "Duplicate From" },
	{ "two To", REQ REST TO END, FAULT_DUPLICATE },
	{ "two Call-ID", REQ REST ID END, FAULT_DUPLICATE, "Duplicate Call-ID" },
	{ "two CSeq", REQ REST CSEQ END, FAULT_DUPLICATE },
	{ "two Max-Forwards", REQ REST "Max-Forwards: 1\r\nMax-Forwards: 1\r\n" END, FAULT_DUPLICATE },
	{ "two Content-Type", REQ REST "c: a/b\r\nContent-Type: a/b\r\n" END, FAULT_DUPLICATE, "Duplicate Content-Type" },
	{ "two Max-Breadth", REQ REST "Max-Breadth: 1\r\nMax-Breadth: 1\r\n" END, FAULT_DUPLICATE },
	{ "two Privacy", REQ REST "Privacy: id\r\nPrivacy: id\r\n" END, FAULT_DUPLICATE },
	{ "two Content-Length", REQ REST LEN END, FAULT_DUP_LENGTH, "Duplicate Content-Length" },
	{ "two Content-Length, one compact", REQ REST "l: 5\r\n" END, FAULT_DUP_LENGTH },
	{ "two Content-Length win over what came before", REQ REST FROM LEN END, FAULT_DUP_LENGTH },
	{ "two Contact", REQ REST "m: *\r\nm: *\r\n" END, FAULT_NONE },

	{ "length empty", REQ VIA FROM TO ID CSEQ "l:\r\n" END, FAULT_BAD_LENGTH, "Bad Content-Length" },
	{ "length negative", REQ VIA FROM TO ID CSEQ "l: -1\r\n" END, FAULT_BAD_LENGTH },
	{ "length with plus", REQ VIA FROM TO ID CSEQ "l: +1\r\n" END, FAULT_BAD_LENGTH },
	{ "length in hex", REQ VIA FROM TO ID CSEQ "l: 0x1\r\n" END, FAULT_BAD_LENGTH },
	{ "length with a point", REQ VIA FROM TO ID CSEQ "l: 1.0\r\n" END, FAULT_BAD_LENGTH },
	{ "length and letters", REQ VIA FROM TO ID CSEQ "l: 1a\r\n" END, FAULT_BAD_LENGTH },
	{ "length with parameter", REQ VIA FROM TO ID CSEQ "l: 1;a\r\n" END, FAULT_BAD_LENGTH },
	{ "length list", REQ VIA FROM TO ID CSEQ "l: 1, 1\r\n" END, FAULT_BAD_LENGTH },
	{ "length with blank", REQ VIA FROM TO ID CSEQ "l: 1 1\r\n" END, FAULT_BAD_LENGTH },
	{ "length quoted", REQ VIA FROM TO ID CSEQ "l: \"1\"\r\n" END, FAULT_BAD_LENGTH },
	{ "length with a control byte", REQ VIA FROM TO ID CSEQ "l: 1\x01\r\n" END, FAULT_BAD_LENGTH },
	{ "length with leading zeros", REQ VIA FROM TO ID CSEQ "l: 00000000000000000000000000001000\r\n" END, FAULT_NONE },
	{ "length one above the limit", REQ VIA FROM TO ID CSEQ "l: 1001\r\n" END, FAULT_BODY_TOO_BIG, "Content-Length too large" },
	{ "length 2^31", REQ VIA FROM TO ID CSEQ "l: 2147483648\r\n" END, FAULT_BODY_TOO_BIG },
	{ "length 2^32", REQ VIA FROM TO ID CSEQ "l: 4294967296\r\n" END, FAULT_BODY_TOO_BIG },
	{ "length 2^64", REQ VIA FROM TO ID CSEQ "l: 18446744073709551616\r\n" END, FAULT_BODY_TOO_BIG },
	{ "length of fifty digits", REQ VIA FROM TO ID CSEQ "l: 99999999999999999999999999999999999999999999999999\r\n" END,
	    FAULT_BODY_TOO_BIG },
	{ "bad length wins over a fault before", REQ "x\r\n" VIA FROM TO ID CSEQ "l: x\r\n" END, FAULT_BAD_LENGTH },

	{ "another method in CSeq", REQ VIA FROM TO ID "CSeq: 1 BYE\r\n" LEN END, FAULT_CSEQ_METHOD, "CSeq method does not match" },
	{ "methods compare with case", REQ VIA FROM TO ID "CSeq: 1 invite\r\n" LEN END, FAULT_CSEQ_METHOD },
	{ "any method in a response", RSP VIA FROM TO ID "CSeq: 1 BYE\r\n" LEN END, FAULT_NONE },
	{ "CSeq 2^31", REQ VIA FROM TO ID "CSeq: 2147483648 INVITE\r\n" LEN END, FAULT_BAD_VALUE, "Bad CSeq" },
	{ "CSeq without method", REQ VIA FROM TO ID "CSeq: 1\r\n" LEN END, FAULT_BAD_VALUE },
	{ "CSeq empty", REQ VIA FROM TO ID "CSeq:\r\n" LEN END, FAULT_BAD_VALUE },
	{ "Max-Forwards 256", REQ REST "Max-Forwards: 256\r\n" END, FAULT_BAD_VALUE, "Bad Max-Forwards" },
	{ "Max-Forwards 2^32", REQ REST "Max-Forwards: 4294967296\r\n" END, FAULT_BAD_VALUE },
	{ "Max-Forwards negative", REQ REST "Max-Forwards: -1\r\n" END, FAULT_BAD_VALUE },
	{ "Max-Forwards text", REQ REST "Max-Forwards: abc\r\n" END, FAULT_BAD_VALUE },
	{ "Max-Forwards empty", REQ REST "Max-Forwards:\r\n" END, FAULT_BAD_VALUE },
	{ "Max-Forwards 0068", REQ REST "Max-Forwards: 0068\r\n" END, FAULT_NONE },
	{ "Call-ID empty", REQ VIA FROM TO "i:\r\n" CSEQ LEN END, FAULT_BAD_VALUE, "Bad Call-ID" },
	{ "Call-ID with blank", REQ VIA FROM TO "i: a b\r\n" CSEQ LEN END, FAULT_BAD_VALUE },
	{ "Call-ID with two at signs", REQ VIA FROM TO "i: a@b@c\r\n" CSEQ LEN END, FAULT_BAD_VALUE },
	{ "Call-ID ends in an at sign", REQ VIA FROM TO "i: a@\r\n" CSEQ LEN END, FAULT_BAD_VALUE },
	{ "Call-ID begins with an at sign", REQ VIA FROM TO "i: @a\r\n" CSEQ LEN END, FAULT_BAD_VALUE },
	{ "Call-ID with comma", REQ VIA FROM TO "i: a,b\r\n" CSEQ LEN END, FAULT_BAD_VALUE },
	{ "Call-ID of all word characters", REQ VIA FROM TO "i: w%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n" CSEQ LEN END, FAULT_NONE },
	{ "From with blanks in brackets", REQ VIA "f: < sip:a@b >\r\n" TO ID CSEQ LEN END, FAULT_BAD_VALUE, "Bad From" },
	{ "From empty", REQ VIA "f:\r\n" TO ID CSEQ LEN END, FAULT_BAD_VALUE },
	{ "From list", REQ VIA "f: sip:a@b, sip:c@d\r\n" TO ID CSEQ LEN END, FAULT_BAD_VALUE },
	{ "From with two tags", REQ VIA "f: <sip:a@b>;tag=1;tag=2\r\n" TO ID CSEQ LEN END, FAULT_BAD_VALUE },
	{ "From of another scheme", REQ VIA "f: <http://www.example.com>\r\n" TO ID CSEQ LEN END, FAULT_NONE },
	{ "To with open quote", REQ VIA FROM "t: \"Mr. <sip:a@b>\r\n" ID CSEQ LEN END, FAULT_BAD_VALUE, "Bad To" },
	{ "Via does not parse", REQ "v: SIP/2.0/TLS a;;\r\n" REST END, FAULT_BAD_VALUE, "Bad Via" },
	{ "second Via header does not parse", REQ REST "Via: x\r\n" END, FAULT_BAD_VALUE },
	{ "second Via value does not parse", REQ "v: SIP/2.0/TLS a, x\r\n" REST END, FAULT_BAD_VALUE },
	{ "empty member in Via", REQ "v: SIP/2.0/TLS a,,SIP/2.0/TLS b\r\n" REST END, FAULT_BAD_VALUE },
	{ "Via ends in a comma", REQ "v: SIP/2.0/TLS a,\r\n" REST END, FAULT_BAD_VALUE },
	{ "Via empty", REQ REST "v:\r\n" END, FAULT_BAD_VALUE },
	{ "Via with two branches", REQ REST "v: SIP/2.0/TLS a;branch=1;branch=2\r\n" END, FAULT_BAD_VALUE },
	{ "Route list", REQ REST "Route: <sip:a;lr>, \"x\" <sip:b>;p=q\r\n" END, FAULT_NONE },
	{ "Route without brackets", REQ REST "Route: sip:a;lr\r\n" END, FAULT_BAD_VALUE, "Bad Route" },
	{ "Route with empty member", REQ REST "Route: <sip:a>,\r\n" END, FAULT_BAD_VALUE },
	{ "Route empty", REQ REST "Route:\r\n" END, FAULT_BAD_VALUE },
	{ "Record-Route does not parse", RSP REST "Record-Route: <sip:a\r\n" END, FAULT_BAD_VALUE, "Bad Record-Route" },
};

struct result {
	struct sip_msg msg;
	struct msg_fault fault;
	struct msg_header header[FIELDS_MAX];
};

static enum fault parse(struct span head, const struct msg_rules *rules, struct result *out)
{
	enum fault got = msg_parse(head, rules, out->header, ARRAY_LEN(out->header), &out->msg, &out->fault);

	cr_assert_eq(got, out->fault.code);
	return got;
}

static bool is(struct span got, const char *want)
{
	return want ? got.p && span_eq(got, span_str(want)) : got.p == NULL;
}

static struct span text(const char *s)
{
	return guard_copy(s, strlen(s));
}

Test(msg, table)
{
	struct result r;
	char reason[128];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum fault got = parse(text(rows[i].in), &stream, &r);
		size_t n = msg_fault_reason(&r.fault, reason, sizeof(reason));

		cr_assert_str_eq(fault_name(got), fault_name(rows[i].want), "%s", rows[i].why);
		if (rows[i].reason)
			cr_assert(is(span_of(reason, n), rows[i].reason), "%s: %.*s", rows[i].why, (int)n, reason);
		cr_assert_leq(r.fault.offset, strlen(rows[i].in), "%s: offset", rows[i].why);
	}
}

Test(msg, nul_is_a_control_byte)
{
	static const char in[] = REQ REST "P-Asserted\0-Identity: x\r\n" END;
	static const char len[] = REQ "Content-Length\0: 5\r\n" REST END;
	struct result r;

	cr_assert_eq(parse(guard_copy(in, sizeof(in) - 1), &stream, &r), FAULT_CONTROL_BYTE);
	cr_assert_eq(parse(guard_copy(len, sizeof(len) - 1), &stream, &r), FAULT_CONFUSING_LENGTH);
}

Test(msg, datagram_needs_no_length)
{
	struct result r;

	cr_assert_eq(parse(text(REQ VIA FROM TO ID CSEQ END), &datagram, &r), FAULT_NONE);
	cr_assert_eq(r.msg.first[HDR_CONTENT_LENGTH], -1);
	cr_assert_eq(parse(text(REQ REST "l: 1\r\n" END), &datagram, &r), FAULT_DUP_LENGTH);
}

/* A good message of that many header fields. */
static struct span with_fields(size_t count)
{
	static char in[4096];
	size_t n = (size_t)snprintf(in, sizeof(in), REQ REST);

	for (size_t i = 6; i < count; i++)
		n += (size_t)snprintf(in + n, sizeof(in) - n, "a: b\r\n");
	n += (size_t)snprintf(in + n, sizeof(in) - n, END);
	return guard_copy(in, n);
}

Test(msg, too_many_fields)
{
	struct result r;

	cr_assert_eq(parse(with_fields(FIELDS_MAX), &stream, &r), FAULT_NONE);
	cr_assert_eq(parse(with_fields(FIELDS_MAX + 1), &stream, &r), FAULT_TOO_MANY_FIELDS);
	cr_assert_eq(r.msg.header_count, FIELDS_MAX);
	cr_assert(fault_closes(r.fault.code));
}

/* A good message with a Request-URI of that length. */
static struct span with_uri(int len)
{
	static char in[8192];
	int n = snprintf(in, sizeof(in), "INVITE sip:%0*d@a SIP/2.0\r\n" REST END, len - 6, 0);

	return guard_copy(in, (size_t)n);
}

Test(msg, uri_too_long)
{
	struct result r;

	cr_assert_eq(parse(with_uri(MSG_URI_MAX), &stream, &r), FAULT_NONE);
	cr_assert_eq(r.msg.request_uri_text.len, MSG_URI_MAX);
	cr_assert_eq(parse(with_uri(MSG_URI_MAX + 1), &stream, &r), FAULT_URI_TOO_LONG);
	cr_assert_eq(fault_status(r.fault.code), 414);
	cr_assert(!fault_closes(r.fault.code) && is(r.msg.via.branch, "z9hG4bK1"));
}

Test(msg, request_in_full)
{
	static const char in[] = "BYE sips:bob:pw@[::1]:5061;x SIP/2.0\r\n"
	    "v: SIP/2.0/TLS a.example:5061;branch=z1;rport , SIP/2.0/TCP b;branch=z2\r\n"
	    "P-asserted-IDENTITY : <sip:x@y> \r\n"
	    "Via: SIP/2.0/TCP c\r\n"
	    "f: \"A\" <sip:alice@a.example>;tag=1\r\n"
	    "To: tel:+49;tag=2\r\n"
	    "Call-ID:\t1@a.example\t\r\n"
	    "CSeq: 7 BYE\r\nMax-Forwards: 70\r\nl: 12\r\n\r\n";
	struct span head = text(in);
	struct result r;
	struct sip_msg *m = &r.msg;

	cr_assert_eq(parse(head, &stream, &r), FAULT_NONE);
	cr_assert(m->is_request && m->method_id == METHOD_BYE && is(m->method, "BYE"));
	cr_assert(m->head.p == head.p && m->head.len == head.len);
	cr_assert(is(m->start_line, "BYE sips:bob:pw@[::1]:5061;x SIP/2.0"));
	cr_assert(is(m->request_uri_text, "sips:bob:pw@[::1]:5061;x") && m->request_uri.port == 5061);
	cr_assert(is(m->via.whole, "SIP/2.0/TLS a.example:5061;branch=z1;rport") && is(m->via.branch, "z1"));
	cr_assert(is(m->via_rest, " SIP/2.0/TCP b;branch=z2"));
	cr_assert(is(m->from.uri.user, "alice") && is(m->from_tag, "1") && is(m->to_tag, "2"));
	cr_assert(m->to.uri.scheme == URI_TEL);
	cr_assert(is(m->call_id, "1@a.example") && m->cseq.number == 7 && is(m->cseq.method, "BYE"));
	cr_assert(m->max_forwards == 70 && m->content_length == 12);
	cr_assert_eq(m->header_count, 9);
	cr_assert(m->header[1].id == HDR_P_ASSERTED_IDENTITY && m->header[1].identity);
	cr_assert(is(m->header[1].name, "P-asserted-IDENTITY") && is(m->header[1].value, "<sip:x@y>"));
	cr_assert(is(m->header[1].line, "P-asserted-IDENTITY : <sip:x@y> \r\n"));
	cr_assert(!m->header[0].identity);
	cr_assert(m->first[HDR_VIA] == 0 && msg_next_header(m, HDR_VIA, 1) == 2 && msg_next_header(m, HDR_VIA, 3) == -1);
	cr_assert(m->first[HDR_ROUTE] == -1 && msg_next_header(m, HDR_ROUTE, 0) == -1);
	cr_assert(m->status == 0 && m->reason.p == NULL);
}

Test(msg, response_in_full)
{
	struct result r;

	cr_assert_eq(parse(text("SIP/2.0 486 Busy  Here\r\n" REST END), &stream, &r), FAULT_NONE);
	cr_assert(!r.msg.is_request && r.msg.status == 486 && is(r.msg.reason, "Busy  Here"));
	cr_assert(r.msg.method.p == NULL && r.msg.method_id == METHOD_OTHER);
	cr_assert(r.msg.max_forwards == -1 && r.msg.to_tag.p == NULL);
}

/* An answer copies what is there, of a doubled header the first. */
Test(msg, what_a_faulty_one_is_answered_by)
{
	struct result r;

	cr_assert_eq(parse(text("ACK  sip: SIP/2.0\r\nbad\r\n" VIA FROM "f: sip:c@d\r\n" TO ID CSEQ "l: 5\r\n" END), &stream, &r),
	    FAULT_START_LINE);
	cr_assert_eq(r.msg.method_id, METHOD_ACK, "never answered");
	cr_assert_eq(r.msg.content_length, 5);
	cr_assert(is(r.msg.via.branch, "z9hG4bK1") && is(r.msg.from_tag, "1"));
	cr_assert_eq(r.msg.first[HDR_FROM], 1);
	cr_assert(r.msg.first[HDR_CALL_ID] >= 0 && r.msg.first[HDR_CSEQ] >= 0 && r.msg.first[HDR_TO] >= 0);

	cr_assert_eq(parse(text(REQ "Via: x\r\n" VIA FROM TO ID "CSeq: x\r\n" LEN END), &stream, &r), FAULT_BAD_VALUE);
	cr_assert(r.msg.via.whole.p == NULL, "the topmost does not parse, whatever stands below");
	cr_assert_eq(r.msg.first[HDR_VIA], 0);
	cr_assert_eq(r.msg.first[HDR_CSEQ], 5);
	cr_assert_eq(r.fault.offset, strlen(REQ "Via: "));
}

Test(msg, fault_table)
{
	for (int f = FAULT_NONE + 1; f < FAULT_COUNT; f++) {
		cr_assert(fault_status((enum fault)f) >= 400 && fault_status((enum fault)f) < 600);
		for (int other = FAULT_NONE; other < f; other++)
			cr_assert_str_neq(fault_name((enum fault)f), fault_name((enum fault)other));
	}
	cr_assert_eq(fault_status(FAULT_VERSION), 505);
	cr_assert(fault_closes(FAULT_CONFUSING_LENGTH) && !fault_closes(FAULT_CONFUSING_NAME));
}

Test(msg, reason_is_cut_and_harmless)
{
	struct msg_fault f = { .code = FAULT_CONTROL_BYTE, .name = SPAN("a\x01" "b") };
	char out[128];

	cr_assert(is(span_of(out, msg_fault_reason(&f, out, sizeof(out))), "Control character in header"));
	cr_assert(is(span_of(out, msg_fault_reason(&f, out, 23)), "Control character in he"));
	cr_assert_eq(msg_fault_reason(&f, out, 0), 0);
	f.name = SPAN("X-Long-Name");
	cr_assert(is(span_of(out, msg_fault_reason(&f, out, sizeof(out))), "Control character in X-Long-Name"));
	f.header = HDR_VIA;
	cr_assert(is(span_of(out, msg_fault_reason(&f, out, sizeof(out))), "Control character in Via"));
}

Test(msg, methods)
{
	cr_assert_eq(method_lookup(SPAN("INVITE")), METHOD_INVITE);
	cr_assert_eq(method_lookup(SPAN("PUBLISH")), METHOD_PUBLISH);
	cr_assert_eq(method_lookup(SPAN("SUBSCRIBE")), METHOD_SUBSCRIBE);
	cr_assert_eq(method_lookup(SPAN("invite")), METHOD_OTHER);
	cr_assert_eq(method_lookup(SPAN("INVIT")), METHOD_OTHER);
	cr_assert_eq(method_lookup(SPAN("")), METHOD_OTHER);
}

/* Every byte value at every place of a good message: never a crash, never a control byte let through. */
Test(msg, each_byte_everywhere)
{
	static const char good[] = REQ VIA FROM TO ID CSEQ "Route: <sip:a;lr>\r\nMax-Forwards: 1\r\n" LEN END;
	char in[sizeof(good) - 1];
	struct span head = guard_copy(good, sizeof(in));
	char *at = (char *)(uintptr_t)head.p;
	struct result r;

	for (size_t i = 0; i < sizeof(in); i++) {
		for (unsigned c = 0; c < 256; c++) {
			bool control = (c < 0x20 && c != '\t') || c == 0x7f;
			enum fault got;

			at[i] = (char)c;
			got = parse(head, &stream, &r);
			if ((char)c == good[i])
				cr_assert_eq(got, FAULT_NONE);
			else if (control || good[i] == '\r' || good[i] == '\n')
				cr_assert_neq(got, FAULT_NONE, "byte 0x%02x at %zu", c, i);
		}
		at[i] = good[i];
	}
}

Test(msg, reads_nothing_before_the_head)
{
	struct result r;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(parse(guard_copy_front(rows[i].in, strlen(rows[i].in)), &stream, &r), rows[i].want, "%s",
		    rows[i].why);
}

/* Cut anywhere, a head is refused and nothing behind its end is read. */
Test(msg, cut_anywhere)
{
	static const char good[] = REQ VIA FROM TO ID CSEQ LEN END;
	struct result r;

	for (size_t n = 0; n < sizeof(good) - 1; n++) {
		struct span in = guard_copy(good, n);

		cr_assert_neq(parse(in, &stream, &r), FAULT_NONE, "%zu bytes", n);
		guard_free(in);
	}
}
