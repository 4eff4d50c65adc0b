/*
 * control - the worker's end of the channel to the master: a reload in two
 * phases, adoption of another worker's sockets, drain, stop.
 *
 * Process: worker.  May include: all of common and worker.  Owns the prepared generation.
 *
 * A generation is image, TLS contexts and keys together.  It is built beside
 * the one in use, a context a turn, and swapped in between two events.
 */
#ifndef WORKER_CONTROL_H
#define WORKER_CONTROL_H

#include "worker/conn.h"

/* Build the first generation from what was inherited; 0, or -1 with the reason in why. */
MUST_USE int control_first_generation(struct worker *w, char why[static 256]);

/* Listen to the channel; 0 or -errno. */
MUST_USE int control_new(struct worker *w);

/* Something can be read on the channel. */
void control_on_event(struct worker *w);

/* Build one more piece of a prepared generation; true: there is more to do. */
bool control_step(struct worker *w);

/* A step that a reload needs began at `begun` (clock_cpu_ns) and is over: status shows the longest. */
void control_took(struct worker *w, uint64_t begun);

/* Tell the master that this worker accepts. */
void control_say_running(struct worker *w);

/* Tell the master why this worker can't start. */
void control_say_refused(const struct heritage *h, const char *why);

#endif
