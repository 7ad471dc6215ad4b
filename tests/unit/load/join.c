/*
 * Goal: clients join at the rate that was asked for, more slowly where a side cannot follow, and
 * have their time counted from their own beginning; who has waited in vain holds nobody back.
 * Method: a target that does nothing, in virtual time; the test says who has a connection.
 */
#include "load/load_internal.h"
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#define COUNT 1000
#define RATE  100.0
#define STEP  MONO_MS(1)

static struct load_options options;
static struct load_run *run;
static mono_us now;

static int begin_nothing(struct load_client *c UNUSED, mono_us at UNUSED)
{
    return 0;
}

static void end_nothing(struct load_client *c UNUSED)
{
}

static const struct load_target target = {begin_nothing, end_nothing};

static int set_up(void **state)
{
    (void)state;
    options = load_options_default();
    options.join_rate = RATE;
    options.join_timeout_s = 5;
    now = MONO_S(1);
    run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->options = &options;
    run->target = &target;
    run->phase = LOAD_PHASE_SUBSCRIBERS;
    run->next_join_at = now;
    run->client_count = COUNT;
    run->clients = calloc(COUNT, sizeof(*run->clients));
    assert_non_null(run->clients);
    for (uint32_t i = 0; i < COUNT; i++)
        run->clients[i] = (struct load_client){.run = run, .index = i, .subscribes = true};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++)
        free(run->clients[i].why);
    free(run->clients);
    free(run);
    return 0;
}

/* The clients up to `until` have their connection and everything they want. */
static void complete(uint32_t until)
{
    for (uint32_t i = 0; i < until; i++)
        if (run->clients[i].state == LOAD_JOINING)
            load__client_up(&run->clients[i], &(struct load_conn){0}, now);
}

/* Lets time pass; who has begun `way` ago is complete. */
static void pass(mono_us time, mono_us way)
{
    for (mono_us end = now + time; now < end; now += STEP) {
        uint32_t ready = 0;
        while (ready < run->begun && now - run->clients[ready].join_at >= way)
            ready++;
        complete(ready);
        load__join_due(run, COUNT, RATE, now);
    }
}

static void test_rate(void **state)
{
    (void)state;
    pass(MONO_S(2), MONO_MS(100));
    assert_in_range(run->begun, 199, 201);
    assert_in_range(run->joining, 9, 11);
    assert_false(load__join_is_over(run, COUNT, now));
    pass(MONO_S(9), MONO_MS(100));
    assert_int_equal(run->begun, COUNT);
    assert_true(load__join_is_over(run, COUNT, now));
    assert_int_equal(run->failed, 0);
    assert_int_equal(run->complete, COUNT);
}

/* A connection takes three seconds: a second's share of the rate is under way, and nobody fails. */
static void test_slow_server(void **state)
{
    (void)state;
    pass(MONO_S(2), MONO_S(3));
    assert_int_equal(run->begun, 100);
    for (int second = 2; second < 31; second++) {
        pass(MONO_S(1), MONO_S(3));
        assert_in_range(run->joining, 0, 100);
        IGNORE(load__join_is_over(run, COUNT, now));
    }
    assert_int_equal(run->begun, COUNT);
    assert_int_equal(run->failed, 0);
}

/* Our own core is behind: joins are fewer, but they go on. */
static void test_behind(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        run->io.backlog_us = MONO_MS(150);
        run->io.backlog_at = now;
        pass(STEP, 0);
    }
    assert_in_range(run->begun, 10, 11);
    pass(MONO_S(1), 0); /* nothing is heard of a backlog any more */
    assert_in_range(run->begun, 10 + 80, 11 + 100);
}

/* Nobody answers: each has its time, and nobody is held back once the first has waited in vain. */
static void test_silent_server(void **state)
{
    (void)state;
    pass(MONO_MS(4900), MONO_NEVER);
    assert_int_equal(run->begun, 100);
    assert_false(load__join_is_over(run, COUNT, now));
    assert_int_equal(run->failed, 0);
    pass(MONO_MS(200), MONO_NEVER);
    assert_false(load__join_is_over(run, COUNT, now));
    assert_in_range(run->failed, 8, 12); /* those of the first tenth of a second */
    assert_int_equal(run->timed_out, run->failed);
    pass(MONO_S(9), MONO_NEVER);
    assert_int_equal(run->begun, COUNT);
    assert_false(load__join_is_over(run, COUNT, now));
    pass(MONO_S(5), MONO_NEVER);
    assert_true(load__join_is_over(run, COUNT, now));
    assert_int_equal(run->failed, COUNT);
    assert_int_equal(run->joining, 0);
    assert_non_null(strstr(run->first_failed->why, "no media connection"));
}

/* In a gallery everybody waits for those who come last: so does the time. */
static void test_gallery_waits_for_the_last(void **state)
{
    (void)state;
    options.is_gallery = true;
    for (uint32_t i = 0; i < COUNT; i++)
        run->clients[i].streams_wanted = 1;
    pass(MONO_S(11), MONO_MS(10));
    assert_int_equal(run->begun, COUNT);
    assert_false(load__join_is_over(run, COUNT, now));
    assert_int_equal(run->failed, 0);
    pass(MONO_S(5), MONO_MS(10));
    assert_true(load__join_is_over(run, COUNT, now));
    assert_int_equal(run->failed, COUNT);
    assert_non_null(strstr(run->first_failed->why, "0 of 1 tracks"));
}

/* What comes while it is measured is the measure: nothing holds it back. */
static void test_storm_is_not_held(void **state)
{
    (void)state;
    run->phase = LOAD_PHASE_MEASURE;
    run->io.backlog_us = MONO_S(1);
    run->io.backlog_at = now;
    pass(MONO_S(3), MONO_NEVER);
    assert_in_range(run->begun, 299, 301);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silent_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gallery_waits_for_the_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_storm_is_not_held, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
