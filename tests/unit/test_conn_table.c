/* conn_table: a slot is found by its generation only, and given out again with another. */
#include <criterion/criterion.h>

#include "worker/conn_table.h"

#define SLOTS 600

/* Only its address counts. */
static struct conn *fake(size_t i)
{
	static char place[SLOTS + 1];

	return (struct conn *)(void *)&place[i];
}

Test(conn_table, a_slot_belongs_to_its_generation)
{
	struct conn_table *t = conn_table_new(4);
	uint32_t slot, generation, slot2, generation2;

	cr_assert(conn_table_add(t, fake(0), &slot, &generation));
	cr_assert_eq(conn_table_get(t, slot, generation), fake(0));
	cr_assert_null(conn_table_get(t, slot, generation + 1));
	cr_assert_null(conn_table_get(t, slot, generation - 1));
	cr_assert_null(conn_table_get(t, slot + 1, generation));
	cr_assert_null(conn_table_get(t, UINT32_MAX, generation));
	conn_table_remove(t, slot);
	cr_assert_null(conn_table_get(t, slot, generation));
	cr_assert_null(conn_table_at(t, slot));
	cr_assert(conn_table_add(t, fake(1), &slot2, &generation2));
	cr_assert_eq(slot, slot2);
	cr_assert_neq(generation, generation2);
	cr_assert_null(conn_table_get(t, slot, generation), "the one before is not found in its place");
	cr_assert_eq(conn_table_get(t, slot, generation2), fake(1));
	conn_table_free(t);
}

Test(conn_table, holds_as_many_as_it_may)
{
	struct conn_table *t = conn_table_new(SLOTS);
	uint32_t slot[SLOTS], generation[SLOTS], s, g;

	for (size_t i = 0; i < SLOTS; i++)
		cr_assert(conn_table_add(t, fake(i), &slot[i], &generation[i]), "%zu", i);
	cr_assert(!conn_table_add(t, fake(SLOTS), &s, &g), "full");
	cr_assert_eq(conn_table_count(t), SLOTS);
	cr_assert_eq(conn_table_top(t), SLOTS);
	for (size_t i = 0; i < SLOTS; i++) /* it has grown meanwhile, and moved */
		cr_assert_eq(conn_table_get(t, slot[i], generation[i]), fake(i), "%zu", i);
	for (size_t i = 0; i < SLOTS; i += 2)
		conn_table_remove(t, slot[i]);
	cr_assert_eq(conn_table_count(t), SLOTS / 2);
	for (size_t i = 0; i < SLOTS; i += 2)
		cr_assert(conn_table_add(t, fake(i), &slot[i], &generation[i]), "%zu", i);
	cr_assert(!conn_table_add(t, fake(SLOTS), &s, &g), "full again");
	for (size_t i = 0; i < SLOTS; i++)
		cr_assert_eq(conn_table_at(t, slot[i]), fake(i), "%zu", i);
	conn_table_free(t);
}

Test(conn_table, an_empty_one)
{
	struct conn_table *t = conn_table_new(0);
	uint32_t s, g;

	cr_assert(!conn_table_add(t, fake(0), &s, &g));
	cr_assert_null(conn_table_get(t, 0, 0), "a slot that was never used has generation 0, and nobody");
	cr_assert_null(conn_table_at(t, 0));
	conn_table_free(t);
}
