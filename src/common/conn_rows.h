/*
 * conn_rows - the table in which a worker publishes its connections, so that
 * operators see them without asking the worker.
 *
 * Process: worker (writes its own), admin (reads).  May include: common/base.h, span.
 * Owns nothing: the rows are the master's mapping (heritage).
 *
 * Each row has a sequence number: odd while it is being written.  A reader
 * copies, then looks whether the number was even and stayed (seqlock).
 */
#ifndef COMMON_CONN_ROWS_H
#define COMMON_CONN_ROWS_H

#include <stdatomic.h>

#include "common/base.h"
#include "common/span.h"

struct conn_row_text {
	uint8_t used;	       /* 0: free row */
	uint8_t side;	       /* enum image_side */
	uint8_t outbound;      /* we opened it (to a container) */
	uint8_t trusted;
	uint8_t resumed;
	uint8_t tls;
	uint16_t peer_port;
	uint32_t slot, generation;
	int64_t since;	       /* s since 1970 */
	int64_t not_after;     /* likewise: the first certificate of its chain to end; 0: it has none */
	char peer[46];	       /* address */
	char listener[64];     /* "external TLS 127.0.0.1:5061" */
	char tls_version[8];
	char cipher[40];
	char domain[128];      /* first domain, cut */
	char dn[256];	       /* printed DN, cut */
};

struct conn_row {
	_Atomic uint32_t seq;
	_Atomic uint64_t messages; /* outside the seqlock: counted per message */
	struct conn_row_text text;
} __attribute__((aligned(64)));

/* Publish; the strings in `text` must be terminated. */
void conn_row_write(struct conn_row *row, const struct conn_row_text *text);
void conn_row_clear(struct conn_row *row);

/* Copy a row; false: free, or being written for too long. */
MUST_USE bool conn_row_read(const struct conn_row *row, struct conn_row_text *text, uint64_t *messages);

#endif
