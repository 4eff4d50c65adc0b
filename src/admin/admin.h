/*
 * admin - the process that serves operators: the control socket, and the log
 * that workers write through a pipe.  Unprivileged, without keys, without SIP;
 * if it dies, calls go on.
 *
 * Process: admin.  May include: all of common, jansson (report).  Owns its
 * mapping of the image, the clients of the control socket and the log fd.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "common/base.h"
#include "common/handover.h"
#include "common/heritage.h"
#include "common/image.h"

struct clients;
struct MHD_Daemon;

struct admin {
	const struct heritage *h;
	struct image *img;
	int image_fd;		/* of img */
	struct handover next;	/* the generation that is being prepared */
	struct image *next_img;
	struct heritage_socket *sockets; /* the table in use: which ports are bound */
	size_t socket_count;
	struct clients *clients;
	struct MHD_Daemon *http; /* NULL: none is configured */
	int log_fd;
	bool stopping;
};

#endif
