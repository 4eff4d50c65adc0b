#include <string.h>
#include <unistd.h>

#include "master/master.h"

char *generation_text(const struct generation *g, struct image_str s)
{
	return strndup((const char *)g->img->h + s.off, s.len);
}

void generation_done(struct generation *g)
{
	if (g->image_fd >= 0)
		(void)close(g->image_fd); /* nothing can be done about a failure */
	if (g->keys_fd >= 0)
		(void)close(g->keys_fd); /* as above */
	image_free(g->img);
	*g = (struct generation){ .image_fd = -1, .keys_fd = -1 };
}
