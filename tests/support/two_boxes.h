/*
 * two_boxes - shared memory for three workers and the mailboxes of two of them,
 * `a` and `b`; what a sends is looked at as b.  Include after criterion.
 */
#ifndef TESTS_SUPPORT_TWO_BOXES_H
#define TESTS_SUPPORT_TWO_BOXES_H

#include <stdlib.h>
#include <sys/mman.h>

#include "common/mailbox.h"

#define WORKERS 3
#define A 0
#define B 1
#define RING (1u << 20)
#define RECORD 8 /* in front of each message */

static char *memory, *room;
static struct mailbox a, b;
static uint64_t next_incarnation = 100;

UNUSED static void open_as(struct mailbox *m, uint32_t self)
{
	mailbox_open(m, memory, WORKERS, self, next_incarnation++);
}

UNUSED static void setup(void)
{
	memory = mmap(NULL, WORKERS * mailbox_bytes(WORKERS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(memory, MAP_FAILED);
	room = malloc(mailbox_message_max(WORKERS));
	cr_assert(room);
	open_as(&a, A);
	open_as(&b, B);
}

UNUSED static void done(void)
{
	munmap(memory, WORKERS * mailbox_bytes(WORKERS));
	free(room);
}

UNUSED static enum mail_status take(struct span *out)
{
	return mailbox_take(&b, A, room, out);
}

#endif
