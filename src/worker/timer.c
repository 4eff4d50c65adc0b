#include "worker/timer.h"

#include <stdlib.h>

#define TICK_SHIFT 24 /* 2^24 ns: 16.8 ms */
#define SLOTS 4096    /* one turn: 69 s */
#define WORDS (SLOTS / 64)

struct timer_wheel {
	uint64_t tick;		    /* every slot up to this one has been emptied of what was due */
	size_t count;		    /* timers that are set */
	struct timer *due;	    /* passed, not yet handed out */
	uint64_t filled[WORDS];	    /* bit per slot: it has timers */
	uint64_t filled_words;	    /* bit per word of `filled`: it is not 0 */
	struct timer *slots[SLOTS]; /* by tick modulo SLOTS; of this turn or of a later one */
};

_Static_assert(WORDS == 64, "the words of `filled` need a bit each in filled_words");

/* The first tick that begins at or after the deadline, so that nothing fires early. */
static uint64_t tick_of(uint64_t deadline_ns)
{
	return (deadline_ns >> TICK_SHIFT) + ((deadline_ns & ((1ULL << TICK_SHIFT) - 1)) != 0);
}

static void mark(struct timer_wheel *w, unsigned slot)
{
	w->filled[slot / 64] |= 1ULL << (slot % 64);
	w->filled_words |= 1ULL << (slot / 64);
}

static void unmark(struct timer_wheel *w, unsigned slot)
{
	w->filled[slot / 64] &= ~(1ULL << (slot % 64));
	if (w->filled[slot / 64] == 0)
		w->filled_words &= ~(1ULL << (slot / 64));
}

static void link_in(struct timer **head, struct timer *t)
{
	t->next = *head;
	t->link = head;
	if (t->next)
		t->next->link = &t->next;
	*head = t;
}

static void link_out(struct timer *t)
{
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->next = NULL;
	t->link = NULL;
}

struct timer_wheel *timer_wheel_new(uint64_t now_ns)
{
	struct timer_wheel *w = calloc(1, sizeof(*w));

	if (w)
		w->tick = now_ns >> TICK_SHIFT;
	return w;
}

void timer_wheel_free(struct timer_wheel *w)
{
	free(w);
}

void timer_set(struct timer_wheel *w, struct timer *t, uint64_t deadline_ns)
{
	uint64_t tick = tick_of(deadline_ns);
	unsigned slot = (unsigned)(tick % SLOTS);

	timer_clear(w, t);
	t->deadline = deadline_ns;
	w->count++;
	if (tick <= w->tick) {
		link_in(&w->due, t);
		return;
	}
	link_in(&w->slots[slot], t);
	mark(w, slot);
}

void timer_clear(struct timer_wheel *w, struct timer *t)
{
	unsigned slot = (unsigned)(tick_of(t->deadline) % SLOTS);

	if (!timer_is_set(t))
		return;
	link_out(t);
	w->count--;
	if (!w->slots[slot])
		unmark(w, slot);
}

/* Move what is due at the wheel's tick to the list; timers of a later turn stay. */
static void empty_slot(struct timer_wheel *w, unsigned slot)
{
	struct timer *t, *next;

	for (t = w->slots[slot]; t; t = next) {
		next = t->next;
		if (tick_of(t->deadline) > w->tick)
			continue;
		link_out(t);
		link_in(&w->due, t);
	}
	if (!w->slots[slot])
		unmark(w, slot);
}

/* Slots from `from` on to the next one with timers; SLOTS: none has any. */
static unsigned distance_to_filled(const struct timer_wheel *w, unsigned from)
{
	unsigned word = from / 64, hit;
	uint64_t bits = w->filled[word] >> (from % 64), words;

	if (bits)
		return (unsigned)__builtin_ctzll(bits);
	if (!w->filled_words)
		return SLOTS;
	/* Words after this one first, then from the start; this one's lower bits come last. */
	words = word == 63 ? 0 : w->filled_words >> (word + 1) << (word + 1);
	hit = (unsigned)__builtin_ctzll(words ? words : w->filled_words);
	return (hit * 64 + (unsigned)__builtin_ctzll(w->filled[hit]) - from) % SLOTS;
}

static void advance(struct timer_wheel *w, uint64_t to)
{
	uint64_t first = w->tick + 1, span = to - w->tick, passed = 0;

	w->tick = to;
	if (span > SLOTS)
		span = SLOTS;
	while (w->filled_words) {
		unsigned slot = (unsigned)((first + passed) % SLOTS);

		passed += distance_to_filled(w, slot);
		if (passed >= span)
			break;
		empty_slot(w, (unsigned)((first + passed) % SLOTS));
		passed++;
	}
}

struct timer *timer_expired(struct timer_wheel *w, uint64_t now_ns)
{
	struct timer *t;

	if (now_ns >> TICK_SHIFT > w->tick)
		advance(w, now_ns >> TICK_SHIFT);
	t = w->due;
	if (t)
		timer_clear(w, t);
	return t;
}

uint64_t timer_next(const struct timer_wheel *w, uint64_t now_ns)
{
	uint64_t tick, at;

	if (w->count == 0)
		return UINT64_MAX;
	if (w->due)
		return 0;
	tick = w->tick + 1 + distance_to_filled(w, (unsigned)((w->tick + 1) % SLOTS));
	at = tick << TICK_SHIFT;
	return at > now_ns ? at - now_ns : 0;
}
