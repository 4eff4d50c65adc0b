/*
 * conn - one connection: its states, and what the modules around it share.
 *
 *   [accept -> tls -> identify -> frame -> msg -> inspect -> route -> rewrite -> send]
 *
 * Process: worker.  May include: all of common, worker/ring, timer, buf, tls.
 * The worker owns all connections through conn_table; nothing is freed while
 * the kernel may still touch it (in_flight > 0).
 *
 * conn_io.c moves bytes (receive, hold, decrypt, encrypt, send), conn_close.c
 * begins and ends connections, conn_judge.c says who they are; conn.c orders the stages of a message, and
 * knows nothing of sockets; inbound.c and outbound.c are those stages for the two directions.
 */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include "common/base.h"
#include "common/heritage.h"
#include "common/image.h"
#include "common/image_blocked.h"
#include "common/peer.h"
#include "common/policy/route.h"
#include "common/sip/frame.h"
#include "common/sip/msg.h"
#include "worker/buf.h"
#include "worker/ring.h"
#include "worker/timer.h"
#include "worker/tls.h"

struct upstream;
struct upstreams;
struct listeners;
struct listener;
struct control;
struct dialing;
struct link;
struct link_member;
struct links;
struct names;
struct told;
struct counted;
struct post;
struct post_office;
struct auth_users;

enum conn_kind {
	CONN_EXTERNAL,	/* accepted from outside */
	CONN_INTERNAL,	/* accepted from a container */
	CONN_CONTAINER, /* opened by us to a container */
	CONN_DOMAIN,	/* opened by us to an external domain */
};

enum conn_state {
	CONN_CONNECTING, /* our connect is under way */
	CONN_HANDSHAKE,
	CONN_OPEN,
	CONN_FLUSHING,	 /* no more input is taken; what is queued goes out, then LINGER */
	CONN_LINGER,	 /* our side is shut; input is thrown away until the peer closes too */
	CONN_CLOSING,	 /* shut down; waiting for the last completions */
};

/* A doubly linked list through `struct conn_link` members. */
struct conn_link {
	struct conn *next, *prev;
	bool linked;
};

struct conn_list {
	struct conn *first, *last;
};

enum conn_list_id {
	LIST_AGAIN,  /* has input to go on with in the next turn */
	LIST_DIRTY,  /* has output to flush at the end of this turn */
	LIST_PARKED, /* waits for receive buffers */
	LIST_PAUSED, /* its destination's queue is full */
	LIST_COUNT
};

struct conn {
	uint32_t slot, generation;
	int fd;
	enum conn_kind kind;
	enum conn_state state;
	uint16_t in_flight;   /* operations that the kernel has */
	bool recv_armed;      /* a multishot receive is among them */
	bool recv_stopping;   /* ... and we asked for its end */
	bool sending;
	bool eof;	      /* the peer has ended its stream */
	bool paused;
	uint32_t paused_slot, paused_generation; /* while paused: whose queue is full */
	bool message_timer;   /* the timer runs for the message that is arriving */
	bool counted_handshake;
	bool datagram;	      /* UDP, see datagram.h */
	bool flow;	      /* untrusted, and dialogs know it by told_flow_id */
	bool socket;	      /* datagram: a listener's socket; addr, port and local belong to the datagram in hand */
	uint8_t addr[16];     /* peer, IPv4 mapped */
	uint8_t local[16];    /* the address of ours that it came to: of an accepted connection, or the datagram */
	uint16_t port;
	char addr_text[46];
	uint8_t addr_text_len;
	struct listener *listener; /* CONN_EXTERNAL, CONN_INTERNAL */
	struct upstream *upstream; /* CONN_CONTAINER */
	struct link *domain_link;   /* CONN_DOMAIN: what we opened it for */
	struct link_member *members; /* the links that it serves: its own, or those that may use a peer's connection */
	struct counted *counted;   /* for the limits of its domains */
	struct told *told;	   /* what other workers know of it */
	uint64_t offered_generation; /* of the image under which it was offered for reuse, for the domain `offered` */
	uint32_t offered;
	uint32_t back_domain; /* see back_domain_id */
	uint64_t back_generation, back_id;
	struct dialing *dialing;   /* being opened by us, until it is closed */
	struct tls *tls;	   /* NULL: no TLS */
	struct peer_facts *facts;
	struct peer_judgement judgement;
	struct framer framer;
	size_t need;		/* bytes of the message that is arriving, once known; else 0 */
	struct buf in;		/* plain bytes of a message that has come in part */
	struct buf hold;	/* received bytes that wait for their turn */
	struct buf plain;	/* TLS: what is to be encrypted at the next flush */
	struct buf out;		/* what goes into the next send */
	struct buf flight;	/* what the kernel is sending */
	struct timer timer;
	uint64_t last_active;	/* ns */
	uint64_t pinged;	/* ns: our last keep-alive */
	uint32_t pings;		/* OPTIONS among them */
	uint64_t send_begun;	/* ns: of the send that is under way */
	uint64_t turn;		/* the turn that `turn_bytes` belongs to */
	size_t turn_bytes;
	int64_t since;		/* s since 1970 */
	uint64_t messages;
	uint32_t outstanding;	/* requests handed on and not yet finally answered */
	const char *close_reason; /* for the log */
	struct conn_link link[LIST_COUNT];
};

/* How busy the worker is. */
struct load {
	uint64_t turn_ns; /* the last turn took so long, waiting apart */
	int64_t second;	  /* that `begun` counts */
	uint64_t begun;	  /* requests that begin something */
	uint64_t peak;	  /* most of them in a second */
};

/* What a neighbour has said of its load, see neighbour.h. */
struct neighbour_load {
	uint64_t id, until; /* ns */
	uint32_t percent;
};

/* Everything a worker is, for its own modules. */
struct worker {
	const struct heritage *h;
	struct ring *ring;
	struct timer_wheel *wheel;
	struct conn_table *conns;
	struct image *img;
	struct image_blocked blocked; /* entries of img that are blocked at run time: see blocked.h */
	struct tls_contexts *contexts;
	struct route_keys keys;
	struct siphash_key way_back_key;
	struct auth_users *users; /* of proxy authentication */
	struct siphash_key nonce_key;
	uint64_t nonces_made;
	struct upstreams *upstreams;
	struct links *links;
	struct listeners *listeners;
	struct control *control;
	struct names *names; /* host names of domains */
	struct post_office *post;
	struct counters *counters;
	struct conn_list lists[LIST_COUNT];
	uint64_t now;	  /* CLOCK_MONOTONIC, ns, taken once per turn */
	int64_t wall;	  /* s since 1970 */
	uint64_t turn;
	unsigned handshake_steps; /* left in this turn */
	unsigned completions, receives, requests; /* of this turn: for the wait */
	uint64_t messages, messages_before, messages_trimmed; /* in all; a second ago; when the heap was trimmed */
	uint32_t sweep;	  /* next slot to look at for re-judging; UINT32_MAX: pass is over */
	bool reloaded;	  /* the pass under way is the first one after a reload */
	uint64_t sweep_next; /* when the next pass begins */
	struct load load;
	struct neighbour_load neighbours[256];
	unsigned log_budget; /* lines about single messages left in this second */
	bool draining;
	bool stopping;
	uint8_t *plain;	  /* PLAIN_MAX bytes to decrypt into */
	char *unfolded;	  /* a head with its folds undone */
	char *answer;	  /* ANSWER_MAX bytes: replies */
	struct msg_header *headers;
	size_t header_max;
	uint32_t *sources; /* SOURCES counts of unfinished handshakes */
};

#define PLAIN_MAX 65536
#define SOURCES 65536

/* conn_io.c */

/* Begin to receive. */
void conn_start(struct worker *w, struct conn *c);
/* Completions. */
void conn_on_recv(struct worker *w, struct conn *c, const struct ring_event *e);
void conn_on_send(struct worker *w, struct conn *c, const struct ring_event *e);
/* Go on with held input, as far as this turn's share allows. */
void conn_again(struct worker *w, struct conn *c);
/* Receive buffers are back: arm again. */
void conn_unpark(struct worker *w, struct conn *c);
/* Go on with, or begin, the TLS handshake. */
void conn_handshake(struct worker *w, struct conn *c);
/* Stop reading, for back-pressure, until `to` has taken what is queued, or is lost; that resumes whom it paused, and no other. */
void conn_pause(struct worker *w, struct conn *c, const struct conn *to);
void conn_resume(struct worker *w, const struct conn *to);

/* Room for n bytes of output; NULL: no memory.  Follow with conn_written. */
MUST_USE char *conn_room(struct conn *c, size_t n);
void conn_written(struct worker *w, struct conn *c, size_t n);
/* Bytes that wait to be sent. */
size_t conn_queued(const struct conn *c);
/* Encrypt and send what is queued, unless a send is in flight. */
void conn_flush(struct worker *w, struct conn *c);

/* conn_close.c */

/* A new connection in a free slot; NULL: no slot or no memory.  `fd` becomes the connection's. */
MUST_USE struct conn *conn_new(struct worker *w, enum conn_kind kind, int fd, const struct sockaddr *addr);

/* End it: what is queued still goes out (conn_close), or nothing more does (conn_kill).  `reason` is static text. */
void conn_close(struct worker *w, struct conn *c, const char *reason);
void conn_kill(struct worker *w, struct conn *c, const char *reason);

/* The last queued byte of a closing connection is out. */
void conn_flushed(struct worker *w, struct conn *c);
/* Shut both directions; what the kernel still has completes, then conn_settle frees. */
void conn_shut(struct worker *w, struct conn *c);
/* One operation of the connection has completed: free it if that was the last of a closed one. */
void conn_settle(struct worker *w, struct conn *c);
void conn_on_timer(struct worker *w, struct conn *c);

/* conn.c */

/*
 * Take messages from the start of `in`; returns how many bytes are done with.
 * Stops early when the connection is paused or ends.
 */
size_t conn_messages(struct worker *w, struct conn *c, struct span in);

/* A datagram: one message, or nothing. */
void conn_datagram(struct worker *w, struct conn *c, struct span in);

/* A message that waited for a container is to be tried again. */
void conn_retry(struct worker *w, struct conn *c, struct span message);

/* conn_judge.c */

/* The handshake is over, or there was none: judge, publish, log. */
void conn_opened(struct worker *w, struct conn *c);

/* Judge again by the image and time of now; false: the connection is being closed. */
bool conn_judge_again(struct worker *w, struct conn *c);

/* conn_mail.c */

/* Another worker has sent this (worker/post.h). */
void conn_mail(struct worker *w, const struct post *p, struct span bytes);

/* conn_list.c */
void conn_list_add(struct worker *w, enum conn_list_id id, struct conn *c);
void conn_list_remove(struct worker *w, enum conn_list_id id, struct conn *c);
struct conn *conn_list_take(struct worker *w, enum conn_list_id id);

#endif
