#include "master/proctitle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *room;	/* argv's and environ's strings, one after the other */
static size_t room_size;

/* Does the string follow at once on what we have? */
static void take(const char *s)
{
	if (s == room + room_size)
		room_size += strlen(s) + 1;
}

int proctitle_init(int argc, char **argv)
{
	size_t count = 0;
	char **copy;

	while (environ[count])
		count++;
	copy = calloc(count + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		copy[i] = strdup(environ[i]);
		if (!copy[i])
			return -ENOMEM; /* the caller exits */
	}
	room = argc > 0 ? argv[0] : NULL;
	for (int i = 0; i < argc; i++)
		take(argv[i]);
	for (size_t i = 0; i < count; i++)
		take(environ[i]);
	environ = copy;
	return 0;
}

void proctitle_set(const char *fmt, ...)
{
	char title[128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(title, sizeof(title), fmt, ap); /* cut when too long */
	va_end(ap);
	(void)prctl(PR_SET_NAME, title); /* cut to 15 bytes by the kernel; only cosmetic */
	if (room_size == 0)
		return;
	memset(room, 0, room_size);
	memcpy(room, title, MIN(strlen(title), room_size - 1));
}
