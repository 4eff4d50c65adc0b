#include "common/conn_rows.h"

#define TRIES 1000

/*
 * The text is copied word by word with relaxed atomics: reader and writer meet
 * on it by design, and what was torn is thrown away by the sequence number.
 */
typedef uint64_t __attribute__((may_alias)) word;

#define WORDS (sizeof(struct conn_row_text) / sizeof(word))

_Static_assert(sizeof(struct conn_row_text) % sizeof(word) == 0, "copied in words");
_Static_assert(offsetof(struct conn_row, text) % sizeof(word) == 0, "copied in words");

static void store(struct conn_row_text *to, const struct conn_row_text *from)
{
	word *t = (word *)(void *)to;
	const word *f = (const word *)(const void *)from;

	for (size_t i = 0; i < WORDS; i++)
		__atomic_store_n(&t[i], f[i], __ATOMIC_RELAXED);
}

static void load(struct conn_row_text *to, const struct conn_row_text *from)
{
	word *t = (word *)(void *)to;
	const word *f = (const word *)(const void *)from;

	for (size_t i = 0; i < WORDS; i++)
		t[i] = __atomic_load_n(&f[i], __ATOMIC_RELAXED);
}

void conn_row_write(struct conn_row *row, const struct conn_row_text *text)
{
	/* Odd already when an earlier worker died while writing. */
	uint32_t odd = atomic_load_explicit(&row->seq, memory_order_relaxed) | 1;

	atomic_store_explicit(&row->seq, odd, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	store(&row->text, text);
	atomic_store_explicit(&row->seq, odd + 1, memory_order_release);
}

void conn_row_clear(struct conn_row *row)
{
	static const struct conn_row_text nothing;

	conn_row_write(row, &nothing);
	atomic_store_explicit(&row->messages, 0, memory_order_relaxed);
}

static bool copy(const struct conn_row *row, struct conn_row_text *out)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t before = atomic_load_explicit(&row->seq, memory_order_acquire);

		if (before & 1)
			continue;
		load(out, &row->text);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&row->seq, memory_order_relaxed) == before)
			return true;
	}
	return false;
}

#define TERMINATE(array) ((array)[sizeof(array) - 1] = '\0')

bool conn_row_read(const struct conn_row *row, struct conn_row_text *text, uint64_t *messages)
{
	struct conn_row_text t;

	if (!copy(row, &t) || !t.used)
		return false;
	/* The writer may be in a stranger's hands; its strings end all the same. */
	TERMINATE(t.peer);
	TERMINATE(t.listener);
	TERMINATE(t.tls_version);
	TERMINATE(t.cipher);
	TERMINATE(t.domain);
	TERMINATE(t.dn);
	*text = t;
	*messages = atomic_load_explicit(&row->messages, memory_order_relaxed);
	return true;
}
