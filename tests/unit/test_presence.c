/*
 * presence: what is told is found, what has gone is not, whatever shares a
 * place; a full table says no.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/presence.h"
#include "support/leaks.h"

TestSuite(presence, .fini = leaks_check);

#define WORKERS 3

static struct presence *all;

static void setup(void)
{
	all = mmap(NULL, WORKERS * sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(all, MAP_FAILED);
}

static void done(void)
{
	munmap(all, WORKERS * sizeof(*all));
}

/* slot of what worker 0 finds; -1: nothing. */
static int64_t found(uint64_t id, uint32_t *worker)
{
	uint32_t slot, generation;

	*worker = 0;
	if (!presence_find(all, WORKERS, 0, id, worker, &slot, &generation))
		return -1;
	cr_assert_eq(generation, slot + 1000);
	return slot;
}

static bool put(uint32_t worker, uint64_t id, uint32_t slot)
{
	return presence_put(&all[worker], id, slot, slot + 1000);
}

static void gone(uint32_t worker, uint64_t id, uint32_t slot)
{
	presence_remove(&all[worker], id, slot, slot + 1000);
}

Test(presence, put_find_remove)
{
	uint32_t worker;

	setup();
	cr_assert_eq(found(5, &worker), -1);
	cr_assert(put(1, 5, 7));
	cr_assert_eq(found(5, &worker), 7);
	cr_assert_eq(worker, 1);
	cr_assert_eq(found(6, &worker), -1);
	gone(1, 5, 8);
	presence_remove(&all[1], 5, 7, 7);
	cr_assert_eq(found(5, &worker), 7, "another slot, another generation: not this one");
	gone(1, 5, 7);
	cr_assert_eq(found(5, &worker), -1);
	gone(1, 5, 7);
	done();
}

Test(presence, not_ones_own_and_each_in_turn)
{
	uint32_t worker = 0, slot, generation;

	setup();
	cr_assert(put(0, 5, 1));
	cr_assert_eq(found(5, &worker), -1);
	cr_assert(put(1, 5, 2));
	cr_assert(put(2, 5, 3));
	cr_assert(presence_find(all, WORKERS, 0, 5, &worker, &slot, &generation));
	cr_assert(worker == 1 && slot == 2);
	cr_assert(presence_find(all, WORKERS, 0, 5, &worker, &slot, &generation));
	cr_assert(worker == 2 && slot == 3);
	cr_assert(!presence_find(all, WORKERS, 0, 5, &worker, &slot, &generation));
	worker = 0;
	cr_assert(!presence_find(all, 1, 0, 5, &worker, &slot, &generation), "alone");
	done();
}

Test(presence, nobody_has_these_ids)
{
	uint32_t worker;

	setup();
	cr_assert(!put(1, 0, 1));
	cr_assert(!put(1, PRESENCE_GONE, 1));
	cr_assert_eq(found(0, &worker), -1);
	cr_assert_eq(found(PRESENCE_GONE, &worker), -1);
	gone(1, 0, 0);
	gone(1, PRESENCE_GONE, 0);
	done();
}

Test(presence, some_of_each_domain)
{
	uint32_t worker;

	setup();
	for (uint32_t i = 0; i < PRESENCE_EACH; i++)
		cr_assert(put(1, 5, i));
	cr_assert(!put(1, 5, 100));
	cr_assert(put(1, 5, 2), "it stands there already");
	gone(1, 5, 2);
	cr_assert(put(1, 5, 100));
	for (uint32_t i = 0; i < PRESENCE_EACH; i++)
		gone(1, 5, i);
	cr_assert_eq(found(5, &worker), 100);
	done();
}

/* All of them want the same place, the last but one of the table. */
Test(presence, collisions)
{
	const uint64_t step = PRESENCE_SLOTS, base = 3 * step - 2;
	uint32_t worker;

	setup();
	for (uint32_t i = 0; i < PRESENCE_WINDOW; i++)
		cr_assert(put(1, base + i * step, i), "%u", i);
	cr_assert(!put(1, base + PRESENCE_WINDOW * step, 99), "full there");
	for (uint32_t i = 0; i < PRESENCE_WINDOW; i++)
		cr_assert_eq(found(base + i * step, &worker), i);
	for (uint32_t i = 0; i < PRESENCE_WINDOW; i += 2)
		gone(1, base + i * step, i);
	for (uint32_t i = 0; i < PRESENCE_WINDOW; i++)
		cr_assert_eq(found(base + i * step, &worker), i % 2 ? (int64_t)i : -1, "%u", i);
	cr_assert(put(1, base + PRESENCE_WINDOW * step, 99));
	cr_assert_eq(found(base + PRESENCE_WINDOW * step, &worker), 99);
	gone(1, base + PRESENCE_WINDOW * step, 99);
	for (uint32_t i = 1; i < PRESENCE_WINDOW; i += 2)
		gone(1, base + i * step, i);
	for (size_t i = 0; i < PRESENCE_SLOTS; i++)
		cr_assert_eq(atomic_load(&all[1].entry[i].id), 0, "what is empty ends a search again");
	done();
}

/* Against a plain list, for long. */
Test(presence, like_a_list)
{
	static bool told[512][PRESENCE_EACH];
	uint64_t x = 88172645463325252ull;

	setup();
	for (int n = 0; n < 400000; n++) {
		uint32_t d, s, worker;
		uint64_t id;
		bool any = false;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		d = (uint32_t)(x >> 8) % 512;
		s = (uint32_t)(x >> 32) % PRESENCE_EACH;
		id = (uint64_t)(d + 1) * 16 * PRESENCE_SLOTS + d % 16 + 5; /* 32 for each of 16 neighbouring places */
		if (x >> 60 & 1) {
			if (put(1, id, s))
				told[d][s] = true;
			else
				cr_assert(!told[d][s]);
		} else {
			gone(1, id, s);
			told[d][s] = false;
		}
		for (uint32_t i = 0; i < PRESENCE_EACH; i++)
			any |= told[d][i];
		cr_assert_eq(found(id, &worker) >= 0, any, "step %d", n);
	}
	done();
}

/* While one process puts and removes, another finds what stays, and nothing that never was. */
Test(presence, read_while_it_is_written, .timeout = 120)
{
	uint32_t worker;
	int status;
	pid_t pid;

	setup();
	cr_assert(put(1, 100, 1));
	cr_assert(put(1, 101, 2));
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		for (uint32_t n = 0; n < 300000; n++) {
			if (!put(1, 100 + PRESENCE_SLOTS, 3) || !put(1, 99, 4))
				_exit(1);
			gone(1, 100 + PRESENCE_SLOTS, 3);
			gone(1, 99, 4);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		int64_t other = found(99, &worker);

		cr_assert_eq(found(100, &worker), 1);
		cr_assert_eq(found(101, &worker), 2);
		cr_assert_eq(found(102, &worker), -1);
		cr_assert(other == -1 || other == 4);
	}
	cr_assert_eq(status, 0);
	cr_assert_eq(found(101, &worker), 2);
	done();
}
