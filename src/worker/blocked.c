#include "worker/blocked.h"

#include "worker/conn.h"

static void put(struct worker *w, uint32_t number)
{
	w->img->blocked = w->blocked.count ? &w->blocked : NULL;
	w->img->blocks = number;
}

void blocked_follow(struct worker *w)
{
	if (w->blocked.version == blocks_version(w->h->blocks) && w->wall < w->blocked.until)
		return;
	image_blocked_make(&w->blocked, w->img, w->h->blocks, w->wall);
	put(w, w->img->blocks + 1);
	w->sweep = 0; /* judge all again */
}

void blocked_use(struct worker *w, const struct image_blocked *made)
{
	w->blocked = *made;
	/* The table may have changed since. */
	while (image_blocked_more(&w->blocked, w->img, w->h->blocks, w->wall, BLOCKS_MAX))
		;
	put(w, 0); /* judgements of another image do not count anyway */
}
