/*
 * Goal: a mailbox loses nothing, keeps order, and never leaves its reader asleep with items
 * waiting. Method: a writer that wakes after random batches; a reader that sleeps in a loop between
 * batches.
 */
#include "net/mailbox.h"

#include "unit/cmocka_all.h"

#include "base/rng.h"
#include "net/loop.h"

#include <pthread.h>
#include <sched.h>

#define ITEMS 200000

static void *write_items(void *arg)
{
    struct mailbox *m = arg;
    struct rng rng;
    rng_init_seeded(&rng, 6);
    for (uint32_t i = 0; i < ITEMS;) {
        uint32_t batch = 1 + rng_below(&rng, 40);
        while (batch-- > 0 && i < ITEMS) {
            if (mailbox_push(m, &i)) {
                i++;
            } else {
                mailbox_wake(m);
                sched_yield();
            }
        }
        mailbox_wake(m);
    }
    return NULL;
}

static void test_reader_never_sleeps_on_items(void **state)
{
    (void)state;
    struct mailbox m;
    struct loop loop;
    pthread_t writer;
    assert_int_equal(mailbox_init(&m, sizeof(uint32_t), 256), 0);
    assert_int_equal(loop_init(&loop), 0);
    assert_int_equal(loop_add(&loop, mailbox_fd(&m), false, &m), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_items, &m), 0);
    uint32_t expected = 0;
    while (expected < ITEMS) {
        struct loop_ready ready;
        assert_int_equal(loop_wait(&loop, MONO_S(20), &ready, 1), 1); /* a lost wake-up ends here */
        mailbox_clear(&m);
        for (uint32_t got; mailbox_pop(&m, &got);)
            assert_int_equal(got, expected++);
    }
    pthread_join(writer, NULL);
    loop_fini(&loop);
    mailbox_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader_never_sleeps_on_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
