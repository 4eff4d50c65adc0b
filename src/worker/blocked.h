/*
 * blocked - keep the set of entries that are blocked at run time in step with
 * the master's table, the image and the clock.
 *
 *   accept -> tls -> [identify] -> frame -> msg -> inspect -> [route] -> rewrite -> send
 *
 * Process: worker.  May include: common/base.h, image_blocked, conn.h.  Owns struct worker's `blocked`.
 *
 * Whatever asks image_domain_usable sees it from the next event on; open
 * connections are judged again by the pass that begins then, in slices.
 */
#ifndef WORKER_BLOCKED_H
#define WORKER_BLOCKED_H

struct image_blocked;
struct worker;

/* The master has told of a change, or the second has: take over what is new, if anything is. */
void blocked_follow(struct worker *w);

/*
 * w->img is another one, and `made` the set that was made of it, or begun to
 * be: before anything is judged or routed by the image.
 */
void blocked_use(struct worker *w, const struct image_blocked *made);

#endif
