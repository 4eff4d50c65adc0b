/*
 * heritage - the one struct that crosses the fork: file descriptors and
 * regions, and the entry points of the children.  Every other descriptor is
 * closed.  Settings are in the image.
 *
 * What a reload changes in it (image, keys, sockets) comes by CTL_PREPARE, see
 * handover.h.  A child sends CTL_RUNNING once it serves, or CTL_REFUSED with
 * the reason and exits 1.  It leaves when its control channel ends: changing the
 * uid clears the parent-death signal that the master has set.
 *
 * Shared regions are mapped read-only but for a worker's own counters, rows
 * and state, each on pages of its own; at the start of a worker its rows and
 * gauges are zero.
 *
 * Process: master (fills), children (read).  May include: common/base.h, counters, conn_rows.
 */
#ifndef COMMON_HERITAGE_H
#define COMMON_HERITAGE_H

#include "common/base.h"
#include <sys/types.h>

#include "common/conn_rows.h"
#include "common/counters.h"

struct blocks;
struct presence;

#define WORKERS_MAX 256
#define REGION_PAGE 4096 /* what one worker may write shares no such page with anything else */

/* One listening socket of one worker. */
struct heritage_socket {
	int fd;
	uint32_t listener;  /* index of image_listener in the generation that is handed over */
	uint32_t worker;    /* whose it is */
	uint16_t port;	    /* bound port, host order */
	uint16_t pad;
	uint64_t id;	    /* sockets of the same listener share it; stable over reloads that keep side, protocol, host and port */
};

/* What all processes see of all workers; in shared memory, written by the master. */
struct worker_state {
	_Atomic int32_t pid;	  /* 0: not running */
	_Atomic uint64_t started; /* s since 1970 */
	_Atomic uint64_t restarts; /* deaths that were followed by another start */
	_Atomic uint64_t cpu_us;  /* of the running process; written by the worker */
	_Atomic uint64_t generation; /* that it runs; written by the worker */
	_Atomic uint64_t reload_us;  /* CPU time of the longest single step that the last reload took; written by the worker */
} __attribute__((aligned(REGION_PAGE)));

/* The master's own state for status; written by the master only. */
struct master_state {
	_Atomic int32_t pid;
	_Atomic uint64_t started;
	_Atomic uint64_t generation;
	_Atomic uint64_t reloads, reloads_failed;
	_Atomic uint64_t last_reload;	 /* s since 1970; 0: none */
	_Atomic uint32_t last_reload_ok;
	_Atomic uint32_t draining;
	_Atomic uint32_t text_seq;	 /* seqlock over the text */
	char last_reload_text[4096];
};

struct heritage {
	uint32_t worker;	     /* index; unused in the others */
	uint32_t workers;
	uint64_t incarnation;	     /* random, new at each start of a worker */
	int control_fd;		     /* this child's end of its ctl channel */
	int log_fd;		     /* admin: the log itself; the others: the pipe */
	int log_pipe_fd;	     /* admin: the reading end; else -1 */
	int image_fd;
	int keys_fd;		     /* workers only; else -1 */
	int control_socket_fd;	     /* admin: listening Unix socket; else -1 */
	int admin_fd;		     /* admin: listening socket of its HTTP server; else -1 */
	int resolver_fd;	     /* worker: its end of its channel to the resolver (resolve_msg.h); else -1 */
	int *question_fds;	     /* resolver: the other ends, [workers], malloc'ed; else NULL */
	size_t socket_count;
	struct heritage_socket *sockets; /* all workers', malloc'ed; fds only in workers */
	/* Shared regions; the resolver, who reads what strangers answer, has none: NULL. */
	struct counters *counters;   /* [workers]; a worker writes only its own */
	struct conn_row *rows;	     /* [workers][rows_per_worker] */
	size_t rows_per_worker;	     /* also the most connections of one worker */
	struct worker_state *states; /* [workers] */
	char *mail;		     /* [workers], mail_each bytes each; a worker writes only its own */
	size_t mail_each;
	struct presence *presence;   /* [workers]; a worker writes only its own */
	const int *mail_fds;	     /* [workers] eventfds that wake them; they outlive a worker's death; admin: NULL */
	void *buckets;		     /* every worker writes it */
	void *nonces;		     /* likewise */
	size_t nonces_size;
	void *sessions;		     /* likewise; sealed */
	size_t sessions_size;
	const struct blocks *blocks; /* domains blocked at run time */
	struct master_state *master;
	uid_t uid;		     /* to become; 0 with gid 0: stay as we are */
	gid_t gid;
	bool drop;		     /* started as root: become uid/gid */
};

/* Never return: they leave by exit(2). */
NORETURN void worker_main(const struct heritage *h);
NORETURN void admin_main(const struct heritage *h);
NORETURN void resolver_main(const struct heritage *h);

#endif
