/*
 * running - the image that a running sipward works by, asked for at its control socket.
 *
 * Process: master (--check --diff).  May include: common/base.h, image, jansson.  Owns nothing.
 */
#ifndef MASTER_RUNNING_H
#define MASTER_RUNNING_H

#include "common/base.h"
#include "common/image.h"

/* To be freed by image_free; NULL: nobody answers there, or it cannot be used: why. */
MUST_USE struct image *running_image(const char *socket_path, char why[static 512]);

#endif
