/*
 * names - what host names stand for: a cache of the resolver's answers.
 *
 *   upstream, links -> [names] <--channel--> resolver process (RFC 3263)
 *
 * Process: worker.  May include: common/base.h, span, siphash, addr, resolve_msg.  Owns the entries.
 *
 * Asking never waits.  An answer is believed for its TTL; then it is asked for
 * anew, and the last good one is used until the new one has come, for ever if
 * need be: a resolver that is dead or lies stops no call that went before.
 * An entry takes no memory but its own, and the one used least recently goes
 * when there are NAMES_MAX.
 */
#ifndef WORKER_NAMES_H
#define WORKER_NAMES_H

#include "common/base.h"
#include "common/image_layout.h"
#include "common/resolve_msg.h"
#include "common/span.h"

#define NAMES_MAX 4096
#define NAMES_RESEND_NS 3000000000ULL  /* asked again when no answer has come: the resolver may have died with the question */
#define NAMES_TIMEOUT_NS 10000000000ULL /* then the question has failed */
#define NAMES_RETRY_NS 5000000000ULL   /* a failed question is not asked again before */

struct names;

enum names_status {
	NAMES_READY,   /* the answer is there, the last good one at least */
	NAMES_PENDING, /* the first question is under way */
	NAMES_FAILED,  /* there is no such name, or nobody who answers; and there never was a good answer */
};

struct name_answer {
	uint32_t count; /* at least 1 */
	struct {
		uint8_t addr[16]; /* IPv4 mapped */
		uint16_t port;	  /* host order, never 0 */
	} target[RESOLVE_TARGETS_MAX]; /* in the order in which to try them */
};

/* `fd`: this worker's end of its channel to the resolver, non-blocking; it stays the caller's.  NULL: no memory. */
MUST_USE struct names *names_new(int fd, uint64_t incarnation);
void names_free(struct names *n);

/*
 * Where is `host` (canonical; an address is its own answer) to be reached?
 * `port` 0: not given, so that NAPTR, SRV or the protocol's default tell.
 * *out is written on NAMES_READY only.
 */
MUST_USE enum names_status names_ask(struct names *n, struct span host, uint16_t port, enum image_protocol protocol,
    uint64_t now_ns, struct name_answer *out);

/* The channel is readable: take what has come.  True: something has changed, so what waits for a name is to be tried again. */
bool names_on_event(struct names *n, uint64_t now_ns);

/*
 * Time has passed: ask again, or give up, what nobody has answered.  True as
 * above; *due: when to be called again, UINT64_MAX: no question is under way.
 */
bool names_tick(struct names *n, uint64_t now_ns, uint64_t *due);

#endif
