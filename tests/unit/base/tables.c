/*
 * Goal: the tables (idmap, strmap, addrmap) and the timer heap hold what a simple model holds.
 * Method: thousands of seeded random operations, each compared with a plain array.
 */
#include "unit/cmocka_all.h"

#include "base/addrmap.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/timers.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KEYS 200
#define OPS  20000

static int cells[KEYS];

static void test_idmap_like_model(void **state)
{
    (void)state;
    struct rng rng;
    rng_init_seeded(&rng, 1);
    struct idmap map;
    idmap_init(&map, KEYS);
    bool is_in[KEYS] = {false};
    for (int op = 0; op < OPS; op++) {
        uint32_t k = rng_below(&rng, KEYS);
        if (rng_below(&rng, 2) == 0) {
            int err = idmap_put(&map, k, &cells[k]);
            assert_int_equal(err, is_in[k] ? ERR_EXISTS : 0);
            is_in[k] = true;
        } else {
            assert_ptr_equal(idmap_take(&map, k), is_in[k] ? &cells[k] : NULL);
            is_in[k] = false;
        }
        k = rng_below(&rng, KEYS);
        assert_ptr_equal(idmap_get(&map, k), is_in[k] ? &cells[k] : NULL);
    }
    size_t cursor = 0, seen = 0;
    uint64_t key;
    while (idmap_next(&map, &cursor, &key) != NULL) {
        assert_true(is_in[key]);
        seen++;
    }
    assert_int_equal(seen, map.count);
    idmap_fini(&map);
}

static void test_idmap_limit(void **state)
{
    (void)state;
    struct idmap map;
    idmap_init(&map, 3);
    for (uint64_t k = 1; k <= 3; k++)
        assert_int_equal(idmap_put(&map, k, &cells[k]), 0);
    assert_int_equal(idmap_put(&map, 4, &cells[4]), ERR_LIMIT);
    assert_ptr_equal(idmap_take(&map, 2), &cells[2]);
    assert_int_equal(idmap_put(&map, 4, &cells[4]), 0);
    idmap_fini(&map);
}

static void test_strmap_like_model(void **state)
{
    (void)state;
    struct rng rng;
    rng_init_seeded(&rng, 2);
    struct strmap map;
    strmap_init(&map, KEYS, 77);
    bool is_in[KEYS] = {false};
    char key[32];
    for (int op = 0; op < OPS; op++) {
        uint32_t k = rng_below(&rng, KEYS);
        snprintf(key, sizeof(key), "key-%u", k);
        if (rng_below(&rng, 2) == 0) {
            assert_int_equal(strmap_put(&map, key, &cells[k]), is_in[k] ? ERR_EXISTS : 0);
            is_in[k] = true;
        } else {
            assert_ptr_equal(strmap_take(&map, key), is_in[k] ? &cells[k] : NULL);
            is_in[k] = false;
        }
    }
    size_t cursor = 0, seen = 0;
    const char *found;
    while (strmap_next(&map, &cursor, &found) != NULL)
        seen++;
    assert_int_equal(seen, map.count);
    strmap_fini(&map);
}

static struct addr addr_of(uint32_t k)
{
    return (struct addr){.family = ADDR_FAMILY_V4,
                         .port = (uint16_t)(5000 + k % 10),
                         .ip = {10, 0, 0, (uint8_t)(k / 10)}};
}

static void test_addrmap_like_model(void **state)
{
    (void)state;
    struct rng rng;
    rng_init_seeded(&rng, 3);
    struct addrmap map;
    addrmap_init(&map, KEYS);
    int *held[KEYS] = {NULL};
    for (int op = 0; op < OPS; op++) {
        uint32_t k = rng_below(&rng, KEYS);
        struct addr a = addr_of(k);
        int *value = &cells[rng_below(&rng, KEYS)];
        if (rng_below(&rng, 2) == 0) {
            assert_int_equal(addrmap_set(&map, &a, value), 0);
            held[k] = value;
        } else {
            addrmap_remove(&map, &a, value); /* only if it maps to this very value */
            if (held[k] == value)
                held[k] = NULL;
        }
        assert_ptr_equal(addrmap_get(&map, &a), held[k]);
    }
    addrmap_fini(&map);
}

static void test_timers_like_model(void **state)
{
    (void)state;
    struct rng rng;
    rng_init_seeded(&rng, 4);
    struct timers ts;
    timers_init(&ts);
    struct timer timers[KEYS];
    memset(timers, 0, sizeof(timers));
    mono_us now = 0;
    for (int op = 0; op < OPS; op++) {
        struct timer *t = &timers[rng_below(&rng, KEYS)];
        if (rng_below(&rng, 4) == 0)
            timers_cancel(&ts, t);
        else
            assert_int_equal(timers_set(&ts, t, now + rng_below(&rng, 1000)), 0);
        mono_us earliest = MONO_NEVER;
        for (int i = 0; i < KEYS; i++)
            if (timers[i].slot != 0)
                earliest = TK_MIN(earliest, timers[i].at);
        assert_int_equal(timers_next(&ts), earliest);
        now += rng_below(&rng, 20);
        mono_us last = 0;
        for (struct timer *due; (due = timers_pop_due(&ts, now)) != NULL;) {
            assert_true(due->at <= now && due->at >= last);
            last = due->at;
        }
    }
    timers_fini(&ts);
}

/* A table that was large holds nothing once it is empty, also while it is gone through; and goes
 * on. */
static void test_empty_tables_hold_nothing(void **state)
{
    (void)state;
    struct idmap ids;
    struct strmap names;
    idmap_init(&ids, KEYS);
    strmap_init(&names, KEYS, 7);
    char name[32];
    for (int round = 0; round < 2; round++) {
        for (int k = 0; k < KEYS; k++) {
            snprintf(name, sizeof(name), "key %d", k);
            assert_int_equal(idmap_put(&ids, (uint64_t)k, &cells[k]), 0);
            assert_int_equal(strmap_put(&names, name, &cells[k]), 0);
        }
        size_t cursor = 0, taken = 0;
        uint64_t key;
        for (; idmap_next(&ids, &cursor, &key) != NULL; taken++) {
            snprintf(name, sizeof(name), "key %d", (int)key);
            assert_non_null(idmap_take(&ids, key));
            assert_non_null(strmap_take(&names, name));
        }
        assert_int_equal(taken, KEYS);
        assert_true(ids.capacity == 0 && names.capacity == 0);
    }
    idmap_fini(&ids);
    strmap_fini(&names);
}

/* What was reserved is there when memory is not: the heap does not move any more. */
static void test_timers_keep_their_room(void **state)
{
    (void)state;
    struct timers ts;
    static struct timer timers[200];
    timers_init(&ts);
    assert_int_equal(timers_reserve(&ts, ARRAY_COUNT(timers)), 0);
    struct timer **heap = ts.heap;
    assert_true(ts.capacity >= ARRAY_COUNT(timers));
    for (size_t i = 0; i < ARRAY_COUNT(timers); i++)
        assert_int_equal(timers_set(&ts, &timers[i], (mono_us)i), 0);
    assert_ptr_equal(ts.heap, heap);
    assert_int_equal(timers_reserve(&ts, 1), 0); /* never less */
    assert_ptr_equal(ts.heap, heap);
    timers_fini(&ts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idmap_like_model),
        cmocka_unit_test(test_idmap_limit),
        cmocka_unit_test(test_strmap_like_model),
        cmocka_unit_test(test_addrmap_like_model),
        cmocka_unit_test(test_timers_like_model),
        cmocka_unit_test(test_empty_tables_hold_nothing),
        cmocka_unit_test(test_timers_keep_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
