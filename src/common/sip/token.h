/*
 * token - the two tokens with a keyed MAC that lead messages back.
 *
 * Process: any.  May include: common/base.h, span, siphash.  Owns nothing.  Pure.
 *
 * The way back stands in a parameter of our Via and names one live connection
 * of one incarnation of a worker; it dies with it.  The dialog token stands as
 * the user part of our Record-Route URIs, names domain and container by keyed
 * ids and lives as long as dialogs do: it holds no worker, slot or index.
 * Both are base64url text (RFC 4648 5), safe in a parameter and in a user part.
 */
#ifndef COMMON_SIP_TOKEN_H
#define COMMON_SIP_TOKEN_H

#include "common/base.h"
#include "common/siphash.h"
#include "common/span.h"

#define TOKEN_KEYS_MAX 8
#define TOKEN_TEXT_MAX 96

/* The first key signs, all verify (contract section 5). */
struct token_keys {
	size_t count;
	struct {
		uint8_t id; /* derived from the key: the same on every edge that has it */
		struct siphash_key key;
	} key[TOKEN_KEYS_MAX];
};

/* Which way a request went, so that no answer of one side passes for the other's. */
enum way_back_kind {
	BACK_OUTSIDE = 1, /* it came from outside: only a container may answer */
	BACK_INSIDE = 2,  /* it came from a container: only the domain that it went to may answer */
	BACK_INSIDE_DATAGRAM = 3, /* the same, and it left by datagram: `domain` is veiled by where it went */
};

/* Where an answer goes back to. */
struct way_back {
	uint8_t kind;	      /* enum way_back_kind */
	uint64_t incarnation; /* of the worker */
	uint32_t slot;
	uint32_t generation; /* of the slot */
	uint64_t domain;     /* keyed id of the domain outside; 0: untrusted */
	uint64_t container;  /* keyed id of the container that asked (BACK_INSIDE); 0: none that is configured */
	uint32_t time;	     /* seconds since 1970, low 32 bits: for latency, and to limit the age */
};

/*
 * Where an answer goes back to that came by datagram: any worker can send it
 * there.  No connection lives or dies, so it is an address.
 */
struct datagram_back {
	uint8_t kind;	   /* enum way_back_kind */
	uint64_t listener; /* whose socket it is sent from */
	uint8_t addr[16];  /* where to, IPv4 mapped */
	uint8_t local[16]; /* where from; zero: as the system likes */
	uint16_t port;	   /* where to */
	uint64_t domain;   /* as in struct way_back */
	uint32_t time;
};

enum dialog_direction {
	DIALOG_FROM_OUTSIDE = 1, /* begun by an external domain */
	DIALOG_FROM_INSIDE = 2,
	DIALOG_UNTRUSTED = 3, /* begun from outside by who is no domain: `domain` is a keyed id of his connection */
};

struct dialog_token {
	uint8_t direction;  /* enum dialog_direction */
	uint64_t container; /* keyed id of the container */
	uint64_t domain;    /* keyed id of the external domain; 0: untrusted, without a connection */
	uint32_t time;	    /* of issue */
};

enum token_status {
	TOKEN_VALID,
	TOKEN_NOT_OURS, /* not our format at all */
	TOKEN_FORGED,	/* our format, but no key verifies it (forged, or another edge's) */
	TOKEN_EXPIRED,
};

/* Keyed, stable id of a name (a domain, "host:port;transport"); never 0. */
uint64_t token_name_id(const struct token_keys *keys, size_t key_index, struct span name);

/* Write the text; returns its length (at most TOKEN_TEXT_MAX). */
size_t way_back_write(const struct siphash_key *key, const struct way_back *wb, char out[static TOKEN_TEXT_MAX]);
MUST_USE enum token_status way_back_read(const struct siphash_key *key, struct span text, struct way_back *out);

size_t datagram_back_write(const struct siphash_key *key, const struct datagram_back *db, char out[static TOKEN_TEXT_MAX]);
MUST_USE enum token_status datagram_back_read(const struct siphash_key *key, struct span text, struct datagram_back *out);

/* The MAC covers Call-ID too, so that a token serves only the dialog it was made for. */
size_t dialog_token_write(const struct token_keys *keys, const struct dialog_token *t, struct span call_id,
    char out[static TOKEN_TEXT_MAX]);

/*
 * now, lifetime: seconds; a token older than lifetime is TOKEN_EXPIRED.
 * *key_index is the key that verified it: ids in it were made with that key.
 */
MUST_USE enum token_status dialog_token_read(const struct token_keys *keys, struct span text, struct span call_id,
    uint32_t now, uint32_t lifetime, struct dialog_token *out, size_t *key_index);

#endif
