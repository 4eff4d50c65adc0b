#include "worker/blocked.h"

#include "worker/conn.h"

static void make(struct worker *w, uint32_t number)
{
	image_blocked_make(&w->blocked, w->img, w->h->blocks, w->wall);
	w->img->blocked = w->blocked.count ? &w->blocked : NULL;
	w->img->blocks = number;
}

void blocked_follow(struct worker *w)
{
	if (w->blocked.version == blocks_version(w->h->blocks) && w->wall < w->blocked.until)
		return;
	make(w, w->img->blocks + 1);
	w->sweep = 0; /* judge all again */
}

void blocked_use(struct worker *w)
{
	make(w, 0); /* judgements of another image do not count anyway */
}
