/*
 * Goal: memory is given back some time after the last participant has left, a few times, and never
 * while anybody is there. Method: the clock is an argument.
 */
#include "server/heap.h"

#include "unit/cmocka_all.h"

#include "base/attrs.h"

/* Seconds [from, to) with or without participants; how often memory is given back. */
static int run(struct heap_rest *r, int from, int to, bool is_used)
{
    int times = 0;
    for (mono_us now = MONO_S(from); now < MONO_S(to); now = TK_MAX(heap_rest_next(r), now + 1))
        times += heap_rest_is_over(r, is_used, now);
    return times;
}

static void test_never_used(void **state)
{
    (void)state;
    struct heap_rest r;
    heap_rest_init(&r);
    assert_int_equal(run(&r, 10, 1000, false), 0);
}

static void test_after_the_last_left(void **state)
{
    (void)state;
    struct heap_rest r;
    heap_rest_init(&r);
    assert_int_equal(run(&r, 10, 1000, true), 0);
    assert_int_equal(run(&r, 1000, 1002, false), 0);
    assert_int_equal(run(&r, 1002, 1005, false), 1);
    assert_int_equal(run(&r, 1005, 1100, false), 2);
    assert_int_equal(run(&r, 1100, 9000, false), 0);
    assert_int_equal(run(&r, 9000, 9010, true), 0); /* and the same again */
    assert_int_equal(run(&r, 9010, 9200, false), 3);
}

/* Someone joins while it rests. */
static void test_rest_is_cut_short(void **state)
{
    (void)state;
    struct heap_rest r;
    heap_rest_init(&r);
    assert_int_equal(run(&r, 10, 20, true), 0);
    assert_int_equal(run(&r, 20, 22, false), 0);
    assert_int_equal(run(&r, 22, 100, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_used),
        cmocka_unit_test(test_after_the_last_left),
        cmocka_unit_test(test_rest_is_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
