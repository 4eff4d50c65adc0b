/*
 * conn_table - slots of connections: a slot's generation tells an old
 * completion, token or retry from the connection that has the slot now.
 *
 * Process: worker.  May include: common/base.h.  Owns the slot array; the
 * connections are the caller's.
 */
#ifndef WORKER_CONN_TABLE_H
#define WORKER_CONN_TABLE_H

#include "common/base.h"

struct conn;
struct conn_table;

/* At most `max` slots (below 2^24); the array grows as it is used. */
MUST_USE struct conn_table *conn_table_new(uint32_t max);
void conn_table_free(struct conn_table *t);

/* Put a connection into a free slot; false: none is left, or no memory. */
MUST_USE bool conn_table_add(struct conn_table *t, struct conn *c, uint32_t *slot, uint32_t *generation);

/* The slot becomes free; its next user gets another generation. */
void conn_table_remove(struct conn_table *t, uint32_t slot);

/* The connection that has this slot in this generation; NULL: gone. */
struct conn *conn_table_get(const struct conn_table *t, uint32_t slot, uint32_t generation);

/* The connection in a slot, whichever; NULL: free.  For walks up to conn_table_top. */
struct conn *conn_table_at(const struct conn_table *t, uint32_t slot);
uint32_t conn_table_top(const struct conn_table *t);
uint32_t conn_table_count(const struct conn_table *t);

#endif
