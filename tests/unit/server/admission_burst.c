/*
 * Goal: a burst of joins does not overshoot the limit, although newcomers cost nothing when they
 * come: what they will cost is reserved, from what those cost who are there. Nor does the reserve
 * keep out whom the server could take.
 * Method: made-up workers in virtual time whose connections cost nothing at first and then a share
 * of the processor; a crowd that knocks until it is in.
 */
#include "unit/cmocka_all.h"

#include "base/attrs.h"
#include "server/admission.h"

#define LIMIT       850 /* permille; participants */
#define CROWD_MAX   4096
#define ARRIVAL_MAX MONO_S(1) /* how late work begins in these tests */

struct crowd {
    struct admission a;
    struct admission_reading readings[2];
    mono_us now, delay; /* a connection costs nothing for this long */
    int64_t cost;       /* of each, afterwards, in millionths of a worker */
    uint32_t count;
    mono_us joined_at[CROWD_MAX];
    uint8_t worker[CROWD_MAX];
};

static void start(struct crowd *c, uint8_t workers, int64_t cost, mono_us delay)
{
    *c = (struct crowd){.now = MONO_S(100), .cost = cost, .delay = delay};
    struct admission_config config = {
        .worker_count = workers, .rooms_percent = 70, .participants_percent = LIMIT / 10};
    admission_init(&c->a, &config, c->now);
}

/* The true load of a worker at this time, in millionths. */
static int64_t load_at(const struct crowd *c, uint8_t worker, mono_us at)
{
    int64_t load = 0;
    for (uint32_t i = 0; i < c->count; i++)
        load += c->worker[i] == worker && at - c->joined_at[i] >= c->delay ? c->cost : 0;
    return load;
}

/* What it will be when everybody's work has begun. */
static int64_t final_load(const struct crowd *c, uint8_t worker)
{
    return load_at(c, worker, c->now + ARRIVAL_MAX);
}

/* A turn between two readings. */
static void pass_one(struct crowd *c)
{
    c->now += ADMISSION_INTERVAL;
    for (uint8_t w = 0; w < c->a.config.worker_count; w++) {
        struct admission_reading *r = &c->readings[w];
        /* More than all of a processor is never used. */
        int64_t load = TK_MIN(load_at(c, w, c->now), 1000000);
        r->cpu_us += (uint64_t)(load * ADMISSION_INTERVAL / 1000000);
        r->peers = r->joining = 0;
        for (uint32_t i = 0; i < c->count; i++) {
            r->peers += c->worker[i] == w;
            r->joining += c->worker[i] == w && c->now - c->joined_at[i] < c->delay;
        }
    }
    admission_update(&c->a, c->readings, c->now);
}

static void pass(struct crowd *c, mono_us time)
{
    for (mono_us end = c->now + time; c->now < end;)
        pass_one(c);
}

/* So many knock at once; returns how many were let in. */
static uint32_t knock(struct crowd *c, uint32_t count)
{
    uint32_t before = c->count;
    for (uint32_t i = 0; i < count; i++) {
        if (c->a.level == ADMISSION_FULL)
            continue;
        assert_true(c->count < CROWD_MAX);
        uint8_t w = c->a.config.worker_count > 1 && c->a.expected[1] < c->a.expected[0];
        c->joined_at[c->count] = c->now;
        c->worker[c->count++] = w;
        admission_add(&c->a, w, 1);
    }
    return c->count - before;
}

/* Those who are there already: half of the worker. */
static void settle_half(struct crowd *c, uint8_t workers)
{
    uint32_t count = (uint32_t)(500000 / c->cost) * workers;
    for (uint32_t i = 0; i < count; i++) {
        c->joined_at[i] = c->now - MONO_S(10);
        c->worker[i] = (uint8_t)(i % workers);
    }
    c->count = count;
    pass(c, MONO_S(20));
    assert_in_range(c->a.load[0], 480, 500);
    assert_int_equal(c->a.level, ADMISSION_OPEN);
}

/* Two hundred between two readings into a half full worker, for connections of several prices: no
 * more are let in than there is room for, and not many fewer. */
static void test_burst_does_not_overshoot(void **state)
{
    (void)state;
    static const int64_t costs[] = {2500, 5000, 10000, 25000};
    static const mono_us delays[] = {0, MONO_MS(500), ARRIVAL_MAX};
    static struct crowd c;
    for (size_t i = 0; i < ARRAY_COUNT(costs) * ARRAY_COUNT(delays); i++) {
        start(&c, 1, costs[i % ARRAY_COUNT(costs)], delays[i / ARRAY_COUNT(costs)]);
        settle_half(&c, 1);
        assert_true(500000 + 200 * c.cost >= 1000000); /* all of them would be too many */
        knock(&c, 200);
        assert_int_equal(c.a.level, ADMISSION_FULL);
        /* The guess, which counts as four, makes those who are there a little cheaper. */
        assert_in_range(final_load(&c, 0), LIMIT * 800, LIMIT * 1150);
        assert_true(final_load(&c, 0) < 1000000);
        uint32_t in = c.count;
        pass(&c, MONO_S(20)); /* now it is measured: what was reserved has come */
        assert_in_range(c.a.load[0], final_load(&c, 0) / 1000 - 20, final_load(&c, 0) / 1000);
        assert_int_equal(c.count, in);
    }
}

/* The crowd goes on knocking at every moment; at none does the worker get too much to do. */
static void test_crowd_that_knocks_on(void **state)
{
    (void)state;
    static const mono_us delays[] = {0, MONO_MS(500), ARRIVAL_MAX};
    static struct crowd c;
    for (size_t i = 0; i < ARRAY_COUNT(delays); i++) {
        start(&c, 1, 5000, delays[i]);
        settle_half(&c, 1);
        for (int turn = 0; turn < 240; turn++) { /* a minute */
            knock(&c, 200);
            pass_one(&c);
            assert_in_range(final_load(&c, 0), 500000, LIMIT * 1100);
        }
        assert_in_range(final_load(&c, 0), LIMIT * 900, LIMIT * 1100); /* and it is used */
    }
}

/* Nobody is there and nothing was measured: the guess bounds a burst. */
static void test_burst_into_an_empty_server(void **state)
{
    (void)state;
    static struct crowd c;
    start(&c, 1, 700, MONO_MS(500)); /* a viewer of pictures and sound on a fast machine */
    assert_int_equal(knock(&c, 200), 200);
    assert_int_equal(knock(&c, 2000), LIMIT * 1000 / ADMISSION_COST_GUESS - 200);
    pass(&c, MONO_S(20));
    assert_in_range(c.a.load[0], 560, 600);
    assert_in_range(c.a.expected[0] - c.a.load[0], 0, 2); /* nothing stays reserved */
    assert_int_not_equal(c.a.level, ADMISSION_FULL);
    for (int turn = 0; turn < 100; turn++) {
        knock(&c, 20);
        pass_one(&c);
    }
    assert_in_range(final_load(&c, 0), LIMIT * 900, LIMIT * 1050);
}

/* A lesson is over and the next one begins: its participants are not taken for as heavy as the load
 * of the one before that is still in the smoothing. */
static void test_after_a_lesson(void **state)
{
    (void)state;
    static struct crowd c;
    for (mono_us pause = 0; pause <= MONO_S(4); pause += MONO_MS(500)) {
        start(&c, 1, 5000, MONO_MS(500));
        settle_half(&c, 1);
        c.count = 0;
        pass(&c, pause);
        for (int turn = 0; turn < 20; turn++) {
            assert_int_equal(knock(&c, 2), 2);
            pass_one(&c);
        }
        /* Who joins slowly is reserved somewhat longer than it takes to show: less than twice. */
        assert_in_range(c.a.price[0].cost, 3000, 2 * c.cost);
    }
}

/* Three hundred within three seconds into a lesson of fifty, as when the bell rings, on a worker
 * that holds them at 35 %: nobody is refused, and no new room either. */
static void test_bell(void **state)
{
    (void)state;
    static const mono_us delays[] = {0, MONO_MS(50), MONO_MS(500)};
    static struct crowd c;
    for (size_t i = 0; i < ARRAY_COUNT(delays); i++) {
        start(&c, 1, 1000, delays[i]);
        assert_int_equal(knock(&c, 50), 50);
        pass(&c, MONO_S(10));
        for (int turn = 0; turn < 12; turn++) {
            assert_int_equal(knock(&c, 25), 25);
            assert_int_equal(c.a.level, ADMISSION_OPEN);
            assert_in_range(c.a.expected[0] * 1000, load_at(&c, 0, c.now) / 2,
                            final_load(&c, 0) * 5 / 4 + 10000);
            pass_one(&c);
        }
    }
}

static void test_workers_have_reserves_of_their_own(void **state)
{
    (void)state;
    static struct crowd c;
    start(&c, 2, 5000, MONO_MS(500));
    settle_half(&c, 2);
    knock(&c, 400);
    assert_int_equal(c.a.level, ADMISSION_FULL);
    for (uint8_t w = 0; w < 2; w++)
        assert_in_range(final_load(&c, w), LIMIT * 900, LIMIT * 1100);
}

/* However many come, and whatever they cost, nothing overflows. */
static void test_bounds(void **state)
{
    (void)state;
    static struct crowd c;
    start(&c, 1, 5000, 0);
    c.readings[0].cpu_us = (uint64_t)MONO_S(1000000); /* and one connection */
    c.readings[0].peers = 1;
    c.now += 1;
    admission_update(&c.a, c.readings, c.now);
    assert_in_range(c.a.price[0].cost, 1, ADMISSION_COST_MAX);
    for (int i = 0; i < 5; i++)
        admission_add(&c.a, 0, UINT32_MAX);
    assert_in_range(c.a.expected[0], 850, 2 * ADMISSION_LOAD_MAX);
    c.now += MONO_S(1000000);
    admission_update(&c.a, c.readings, c.now);
    c.now += MONO_S(1000000);
    admission_update(&c.a, c.readings, c.now);
    c.now += MONO_S(1000000);
    admission_update(&c.a, c.readings, c.now);
    assert_in_range(c.a.expected[0], 0, 10);
    assert_int_equal(c.a.level, ADMISSION_OPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_does_not_overshoot),
        cmocka_unit_test(test_crowd_that_knocks_on),
        cmocka_unit_test(test_burst_into_an_empty_server),
        cmocka_unit_test(test_after_a_lesson),
        cmocka_unit_test(test_bell),
        cmocka_unit_test(test_workers_have_reserves_of_their_own),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
