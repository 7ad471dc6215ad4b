/*
 * Goal: an association that is up and has its channels costs little memory. Method: the heap before
 * and after many of them.
 */
#include "unit/cmocka_all.h"
#include "unit/heap.h"

#include "base/err.h"
#include "base/time.h"
#include "dchan/dchan.h"

#include <string.h>

#define PAIRS     40
#define ROUNDS    40
#define BYTES_MAX 16000 /* per association */
#define IDLE_MAX  1000  /* before it starts */

static struct dchan_assoc *ends[PAIRS][2];

/* Everything that waits, from both ends of a pair. */
static void exchange(struct dchan_assoc *const pair[2])
{
    uint8_t data[DCHAN_PACKET_MAX];
    struct dchan_event e;
    for (int i = 0; i < 2; i++) {
        for (int n; (n = dchan_assoc_poll_transmit(pair[i], data, sizeof(data))) > 0;)
            assert_int_equal(dchan_assoc_handle_packet(pair[1 - i], data, (size_t)n), 0);
        while (dchan_assoc_poll_event(pair[i], &e) == 1)
            ;
    }
}

static void pair_connect(struct dchan_assoc *pair[2])
{
    uint16_t stream;
    for (int i = 0; i < 2; i++) {
        struct dchan_config config = {.is_dtls_client = i == 0};
        assert_int_equal(dchan_assoc_create(&config, &pair[i]), 0);
        assert_int_equal(dchan_assoc_start(pair[i]), 0);
    }
    for (int round = 0; round < ROUNDS; round++)
        exchange(pair);
    assert_true(dchan_assoc_is_up(pair[0]) && dchan_assoc_is_up(pair[1]));
    assert_int_equal(dchan_assoc_open(pair[0], "_reliable", true, -1, &stream), 0);
    assert_int_equal(dchan_assoc_open(pair[0], "_lossy", false, 0, &stream), 0);
    for (int round = 0; round < ROUNDS; round++)
        exchange(pair);
}

static void test_association(void **state)
{
    (void)state;
    assert_int_equal(dchan_global_init(), 0);
    pair_connect(ends[0]); /* what is made once per process */
    size_t before = heap_now();
    for (size_t i = 1; i < PAIRS; i++)
        pair_connect(ends[i]);
    size_t each = (heap_now() - before) / (2 * (PAIRS - 1));
    print_message("%zu bytes per association\n", each);
    for (size_t i = 0; i < PAIRS; i++)
        for (int k = 0; k < 2; k++)
            dchan_assoc_destroy(ends[i][k]);
    dchan_global_fini();
    assert_in_range(each, 1, BYTES_MAX);
}

/* A client that has the section in its description and never uses it. */
static void test_not_started(void **state)
{
    (void)state;
    struct dchan_config config = {0};
    assert_int_equal(dchan_global_init(), 0);
    size_t before = heap_now();
    for (size_t i = 0; i < PAIRS; i++)
        assert_int_equal(dchan_assoc_create(&config, &ends[i][0]), 0);
    assert_in_range((heap_now() - before) / PAIRS, 1, IDLE_MAX);
    for (size_t i = 0; i < PAIRS; i++)
        dchan_assoc_destroy(ends[i][0]);
    dchan_global_fini();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_not_started),
                                       cmocka_unit_test(test_association)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
