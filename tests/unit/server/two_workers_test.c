/*
 * Goal: packets that another worker's publisher sent reach the viewers whole and in order, and the
 * references find their way back into the pool they came from. Method: the publisher's worker has
 * its turns in the test, the viewers' worker runs in its own thread; for ThreadSanitizer.
 */
#include "unit/server/path_bench.h"

#define FRAMES 150

static void test_handed_over(void **state)
{
    (void)state;
    static struct bench b;
    role_assert_media();
    open_bench(&b, 2);
    assert_int_equal(worker_start(b.out), 0);
    for (int i = 0; i < FRAMES; i++)
        play_frame(&b, VIEWERS);
    worker_stop(b.out);
    for (size_t i = 0; i < VIEWERS; i++)
        assert_int_equal(b.viewers[i].count, FRAMES * FRAME_PACKETS);
    assert_int_equal(atomic_load(&b.w->stats.drop_relay_full), 0);
    close_bench(&b); /* destroying a pool checks that every buffer is back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
