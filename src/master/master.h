/*
 * master - what the master knows: its children, the generation in use, and
 * how far a reload or the way out has got.  Plain data; the modules that move
 * it are spawn, supervise, reload, leave and loop.
 *
 * Process: master.  May include: common/base.h, heritage, image, and the master's edges.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <sys/types.h>

#include "common/base.h"
#include "common/heritage.h"
#include "common/image.h"
#include "master/backoff.h"
#include "master/listen.h"
#include "master/loader.h"
#include "master/outbox.h"
#include "master/shared.h"
#include "master/surroundings.h"

#define NEVER UINT64_MAX	/* a deadline that is not set */
#define NO_CHILD UINT32_MAX
#define TICKETS_MAX 64		/* operators waiting for the end of a reload */

enum process_kind {
	PROCESS_WORKER,	  /* as many as are configured, with keys and listening sockets */
	PROCESS_ADMIN,	  /* one, with the log and the control socket */
	PROCESS_RESOLVER, /* one, with its channels to the workers and no shared memory */
};

/* A row of the process table. */
struct process {
	const char *name;
	enum process_kind kind;
	void (*entry)(const struct heritage *h); /* never returns */
};

enum child_state {
	CHILD_ABSENT,	/* to be started at start_at */
	CHILD_STARTING, /* forked, has not said RUNNING */
	CHILD_RUNNING,
};

/* How far a child has got with the generation that is being loaded. */
enum child_reload { TOLD_NOTHING, TOLD_PREPARE, SAID_READY, TOLD_COMMIT };

struct child {
	const struct process *process;
	uint32_t index;	    /* among those of its kind */
	enum child_state state;
	pid_t pid;	    /* 0: none */
	int control_fd;	    /* -1: none */
	struct outbox outbox;
	struct backoff backoff;
	uint64_t start_at;  /* CHILD_ABSENT: NEVER while leaving */
	uint64_t slow_at;   /* worker: when another is to accept for it; NEVER while it runs */
	uint32_t adopter;   /* index of the worker that accepts for it, or NO_CHILD */
	enum child_reload reload;
	bool was_running;   /* once, in any incarnation */
	char refusal[512];  /* its own words before it ended */
};

/* Everything that a reload changes. */
struct generation {
	uint64_t number;
	struct image *img;
	int image_fd, keys_fd;
	struct listeners listeners;
};

enum reload_state { RELOAD_IDLE, RELOAD_LOADING, RELOAD_PREPARING, RELOAD_COMMITTING };

struct tickets {
	uint64_t ticket[TICKETS_MAX];
	struct child *asker[TICKETS_MAX];
	size_t count;
};

struct reload {
	enum reload_state state;
	struct loader loader;
	struct generation next; /* PREPARING; in COMMITTING: the one before */
	struct generation fading; /* replaced; kept until the workers have let go of it, for the last one frees the memory */
	uint64_t fade_at;	/* NEVER: nothing fades */
	int log_fd;		/* -1: the log goes where it went */
	uint64_t deadline;
	uint64_t last_number;	/* of the last generation that a child has heard of */
	bool again;		/* asked for once more meanwhile */
	struct tickets now, then;
};

enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_DRAINING, PHASE_STOPPING };

struct master {
	const char *config_path;
	struct load_secrets secrets;
	struct shared shared;
	struct generation current;
	struct child *children; /* workers first: children[i] is worker i */
	size_t child_count;
	uint32_t workers;
	struct run_as run_as;
	int signal_fd;
	int log_fd;
	int log_pipe[2];
	int mail_fds[WORKERS_MAX]; /* eventfds; one for each worker */
	int control_socket_fd; /* -1: none */
	int admin_fd;	       /* likewise */
	int (*questions)[2];   /* of each worker: its channel to the resolver, the worker's end first; kept for replacements */
	struct reload reload;
	uint64_t blocks_save_at; /* domain_blocks: when to try again to save what is not saved */
	enum phase phase;
	uint64_t deadline;	 /* STARTING: to be running; DRAINING: to be drained; STOPPING: then SIGKILL */
	uint64_t shut_at;	 /* DRAINING: when the listening sockets are shut down */
	int exit_code;
	bool done;
};

static inline bool child_is_worker(const struct child *c)
{
	return c->process->kind == PROCESS_WORKER;
}

/* Operators speak through it. */
static inline bool child_is_admin(const struct child *c)
{
	return c->process->kind == PROCESS_ADMIN;
}

static inline bool leaving(const struct master *m)
{
	return m->phase == PHASE_DRAINING || m->phase == PHASE_STOPPING;
}

/* A text of the image as a string of its own, malloc'ed; NULL: no memory. */
MUST_USE char *generation_text(const struct generation *g, struct image_str s);

/* Close and free it, the listeners excepted: they are retired or cancelled. */
void generation_done(struct generation *g);

#endif
