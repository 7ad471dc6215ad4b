/*
 * Goal: packet buffers come back to their pool from any thread, and a full pool says so.
 * Method: one owner passes references through a ring to another thread that drops them.
 */
#include "base/pkt.h"

#include "unit/cmocka_all.h"

#include "base/ring.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#define PASSES 20000

static void test_pool_runs_empty_and_refills(void **state)
{
    (void)state;
    struct pkt_pool *pool;
    struct pkt *taken[4];
    assert_int_equal(pkt_pool_create(4, &pool), 0);
    for (int i = 0; i < 4; i++)
        assert_non_null(taken[i] = pkt_take(pool, PKT_SIZE_MAX));
    assert_null(pkt_take(pool, PKT_SIZE_MAX));
    pkt_ref(taken[0]);
    pkt_unref(taken[0]);
    assert_null(pkt_take(pool, PKT_SIZE_MAX)); /* one reference is left */
    pkt_unref(taken[0]);
    assert_non_null(taken[0] = pkt_take(pool, PKT_SIZE_MAX));
    for (int i = 0; i < 4; i++)
        pkt_unref(taken[i]);
    assert_int_equal(pkt_pool_used(pool), 0);
    pkt_pool_destroy(pool);
}

static void *drop_references(void *arg)
{
    struct ring *ring = arg;
    for (int left = PASSES; left > 0;) {
        struct pkt *p;
        if (!ring_pop(ring, &p)) {
            sched_yield();
            continue;
        }
        assert_int_equal(p->data[0], 42);
        pkt_unref(p);
        left--;
    }
    return NULL;
}

static void test_references_cross_threads(void **state)
{
    (void)state;
    struct pkt_pool *pool;
    struct ring ring;
    pthread_t reader;
    assert_int_equal(pkt_pool_create(64, &pool), 0);
    assert_int_equal(ring_init(&ring, sizeof(struct pkt *), 32), 0);
    assert_int_equal(pthread_create(&reader, NULL, drop_references, &ring), 0);
    for (int passed = 0; passed < PASSES;) {
        struct pkt *p = pkt_take(pool, PKT_SIZE_MAX);
        if (p == NULL) {
            sched_yield();
            continue;
        }
        p->data[0] = 42;
        pkt_ref(p);
        bool is_passed = ring_push(&ring, &p);
        passed += is_passed;
        if (!is_passed) {
            pkt_unref(p);
            sched_yield(); /* the reader may have no core of its own */
        }
        pkt_unref(p);
    }
    pthread_join(reader, NULL);
    assert_int_equal(pkt_pool_used(pool), 0);
    ring_fini(&ring);
    pkt_pool_destroy(pool);
}

/* Whatever the sizes, so many are out at most; none lies in another, and each is aligned. */
static void test_sizes(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct pkt_pool *pool;
    struct pkt *taken[COUNT];
    size_t rooms[COUNT];
    assert_int_equal(pkt_pool_create(COUNT, &pool), 0);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            rooms[i] = (i * 331 + (size_t)round * 77) % (PKT_SIZE_MAX + 1);
            assert_non_null(taken[i] = pkt_take(pool, rooms[i]));
            assert_int_equal((uintptr_t)taken[i]->data % 16, 0);
            memset(taken[i]->data, (int)i & 0xff, rooms[i]);
        }
        assert_null(pkt_take(pool, 0));
        for (size_t i = 0; i < COUNT; i++) {
            for (size_t k = 0; k < rooms[i]; k++)
                assert_int_equal(taken[i]->data[k], i & 0xff);
            pkt_unref(taken[i]);
        }
        assert_int_equal(pkt_pool_used(pool), 0);
    }
    pkt_pool_destroy(pool);
}

/* A packet of sound lies within 256 bytes, one of a picture within 1,312. */
static void test_density(void **state)
{
    (void)state;
    static const struct {
        size_t room, most;
    } cases[] = {{200, 256}, {600, 640}, {1250, 1312}, {PKT_SIZE_MAX, 1536}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pkt_pool *pool;
        assert_int_equal(pkt_pool_create(2, &pool), 0);
        struct pkt *a = pkt_take(pool, cases[i].room), *b = pkt_take(pool, cases[i].room);
        assert_in_range(b->data - a->data, cases[i].room, cases[i].most);
        pkt_unref(a);
        pkt_unref(b);
        pkt_pool_destroy(pool);
    }
}

/* Only when nothing is out, the memory is given back; the pool is then as it was at first. */
static void test_trim(void **state)
{
    (void)state;
    enum { COUNT = 256 };
    struct pkt_pool *pool;
    struct pkt *pkts[COUNT];
    assert_int_equal(pkt_pool_create(COUNT, &pool), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            pkts[i] = pkt_take(pool, PKT_SIZE_MAX);
            assert_non_null(pkts[i]);
            memset(pkts[i]->data, 0x55, PKT_SIZE_MAX);
        }
        pkt_pool_trim(pool);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(pkts[i]->data[PKT_SIZE_MAX - 1], 0x55);
            pkt_unref(pkts[i]);
        }
        const uint8_t *inside = pkts[COUNT / 2]->data;
        pkt_pool_trim(pool);
        assert_int_equal(inside[0], 0);
        assert_int_equal(pkt_pool_used(pool), 0);
    }
    pkt_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_runs_empty_and_refills),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_density),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_references_cross_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
